"""What was measured of a pipeline, image by image: what a cost is counted from. Nothing but values.

Seconds are those of one processor core, sizes are bytes of what is stored, all medians.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from walkdown.types import StageKind


@dataclass(frozen=True, slots=True)
class Stored:
    """One item in the table of records, and in how many of its indexes it is."""

    bytes: int
    indexes: int = 0


@dataclass(frozen=True, slots=True)
class StageMeasured:
    """One stage. ``share`` of all images come to it, 0 to 1; ``seconds`` each of them needs there.

    ``audit`` of the images that its condition leaves out come to it all the same, and are in that
    share. Of the seconds, ``heatmap_seconds`` go into drawing a heat map of ``heatmap_bytes``, both
    0 where none is stored. ``open_seconds`` are for the model, in ``model_files`` files. A model
    that asks a service lets its function wait for ``waits_seconds`` an image, and a look costs
    ``usd_per_look``.
    """

    name: str
    model: str
    seconds: float
    share: float = 1.0
    heatmap_seconds: float = 0.0
    heatmap_bytes: int = 0
    open_seconds: float = 0.0
    model_files: int = 1
    kind: StageKind = "inline"
    audit: float = 0.0
    waits_seconds: float = 0.0
    usd_per_look: float = 0.0

    def with_share(self, share: float) -> StageMeasured:
        """The same, if the condition held for that share of the images."""
        return replace(self, share=share + self.audit * (1.0 - share))


@dataclass(frozen=True, slots=True)
class Measured:
    """A whole pipeline. ``found_share`` of all images end with a finding, 0 to 1.

    ``peak_mib`` is the most memory of a process that ran all stages. ``lake_bytes`` are those of an
    image in a batch of the lake, compressed. ``prediction`` is one remembered prediction.
    """

    stages: tuple[StageMeasured, ...]
    images: int
    image_bytes: int
    width_px: int
    height_px: int
    peak_mib: int
    found_share: float
    result: Stored
    member: Stored
    prediction: Stored
    finding: Stored
    alert: Stored
    lake_bytes: int
    generated: bool = False

    @property
    def seconds(self) -> float:
        """Of one core, for an average image on its whole way."""
        return sum(stage.seconds * stage.share for stage in self.stages)

    def with_share(self, share: float) -> Measured:
        """The same, if that share of the images came to every later stage, and had a finding."""
        first, *later = self.stages
        stages = (first, *(stage.with_share(share) for stage in later))
        return replace(self, stages=stages, found_share=share)

    def without_heatmaps(self) -> Measured:
        """The same with ``outputs: {heatmaps: false}``."""
        stages = (
            replace(s, seconds=s.seconds - s.heatmap_seconds, heatmap_seconds=0.0, heatmap_bytes=0)
            for s in self.stages
        )
        return replace(self, stages=tuple(stages))
