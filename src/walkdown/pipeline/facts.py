"""What conditions see: of an image, and of what stages have said of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from walkdown.expressions import Value
    from walkdown.types import StageResult


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What is known of an image besides what models say of it; None where it is not.

    ``content`` is the hash of its file, by which audits choose.
    """

    content: str | None = None
    asset: str | None = None
    kind: str | None = None
    site: str | None = None
    viewpoint: str | None = None
    camera: str | None = None
    width_px: int | None = None
    height_px: int | None = None

    def values(self) -> Mapping[str, Value]:
        """For conditions; see ``spec.IMAGE_FIELDS``."""
        return asdict(self)


UNKNOWN = ImageFacts()


def stage_facts(result: StageResult) -> dict[str, Value]:
    """What a condition sees of a stage; see ``spec.STAGE_FIELDS``."""
    p = result.prediction
    return {
        "score": p.score,
        "raw_score": p.raw_score,
        "verdict": p.verdict.value if p.verdict else None,
        "labels": p.labels,
        "regions": len(p.regions),
        "area_pct": sum(r.area_pct for r in p.regions),
        "p_normal": p.p_normal,
        "failed": p.error is not None,
    }
