"""Names of blobs and of cached predictions, made from what they are about."""

from __future__ import annotations

from walkdown.types import digest_of


def image_key(content: str) -> str:
    """Blob key of an image's bytes, by their sha256."""
    return f"images/{content[:2]}/{content}"


def cache_key(content: str, model_digest: str, prepare_digest: str, *, view: str = "") -> str:
    """Identity of a prediction: what the model saw, which model, and how it was prepared.

    ``view`` says which parts of the image it saw, where that was not all of it.
    """
    seen = ("prediction", content, model_digest, prepare_digest)
    return digest_of(*seen, view)[:32] if view else digest_of(*seen)[:32]


def heatmap_key(content: str, prediction: str) -> str:
    """Blob key of the heat map of a prediction (`cache_key`): an 8-bit grey PNG, 255 x score."""
    return f"heatmaps/{content[:2]}/{prediction}.png"
