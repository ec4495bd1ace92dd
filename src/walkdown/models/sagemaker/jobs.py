"""What both kinds that work by job share: a job's photos, and how answers become predictions."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from walkdown.errors import ModelError
from walkdown.models.mapping import mapped, parsed
from walkdown.pipeline.predictions import failed
from walkdown.sdk.aws import shown
from walkdown.types import ModelInfo

if TYPE_CHECKING:
    from walkdown.models.artefact import Artefact
    from walkdown.models.sagemaker.cards import AsyncCard, BatchCard
    from walkdown.types import Permission, Prediction


@dataclass(frozen=True, slots=True)
class Entry:
    """One photo of a job: its size and that of the image sent, and where its answer will be.

    ``error`` says why it was not sent; then nothing is waited for. ``failure`` is where it is told
    why there will be no answer.
    """

    size_px: tuple[int, int]
    sent_px: tuple[int, int] = (1, 1)
    output: str = ""
    failure: str = ""
    error: str | None = None


def written(entries: list[Entry]) -> list[dict[str, Any]]:
    """As plain values."""
    return [asdict(entry) for entry in entries]


def entries_of(noted: dict[str, Any]) -> list[Entry]:
    """What `written` made. Raises `ModelError`."""
    try:
        return [
            Entry(
                size_px=(int(one["size_px"][0]), int(one["size_px"][1])),
                sent_px=(int(one["sent_px"][0]), int(one["sent_px"][1])),
                output=str(one["output"]),
                failure=str(one["failure"]),
                error=None if one["error"] is None else str(one["error"]),
            )
            for one in noted["photos"]
        ]
    except (KeyError, TypeError, ValueError, IndexError) as e:
        raise ModelError("the job is lost: what it remembered is damaged; inspect again") from e


def prediction(card: AsyncCard | BatchCard, entry: Entry, data: bytes) -> Prediction:
    """What an answer says of a photo; nonsense fails it, and is paid all the same."""
    try:
        said = mapped(
            card.output,
            parsed(data),
            width_px=entry.size_px[0],
            height_px=entry.size_px[1],
            sent_px=entry.sent_px,
        )
    except ModelError as e:
        said = failed(str(e))
    return replace(said, cost_usd=card.usd_per_image or None)


def told(data: bytes) -> str:
    """What a service wrote of a failure, as one short line without secrets."""
    return shown(data[:2000].decode("utf-8", "replace"))[:300]


def info(
    card: AsyncCard | BatchCard,
    artefact: Artefact,
    *,
    label: str,
    permissions: tuple[Permission, ...],
) -> ModelInfo:
    """A model that works by job, as the card says."""
    return ModelInfo(
        label,
        artefact.digest,
        kind="job",
        max_batch=card.photos_per_job,
        input_px=card.input.input_px,
        threshold=card.output.threshold,
        capabilities=card.output.capabilities,
        usd_per_image=card.usd_per_image,
        deterministic=card.deterministic,
        permissions=permissions,
    )
