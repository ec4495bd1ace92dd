"""Names of blobs and of cached predictions, made from what they are about."""

from __future__ import annotations

from walkdown.types import digest_of


def image_key(content: str) -> str:
    """Blob key of an image's bytes, by their sha256."""
    return f"images/{content[:2]}/{content}"


def cache_key(content: str, model_digest: str, prepare_digest: str) -> str:
    """Identity of a prediction: what the model saw, which model, and how it was prepared."""
    return digest_of("prediction", content, model_digest, prepare_digest)[:32]


def heatmap_key(content: str, model_digest: str, prepare_digest: str) -> str:
    """Blob key of a prediction's heat map: an 8-bit grey PNG, 255 times the score."""
    return f"heatmaps/{content[:2]}/{cache_key(content, model_digest, prepare_digest)}.png"
