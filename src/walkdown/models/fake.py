"""A model for tests and first steps: it scores an image by how bright it is. No learning, no files.

Brightness is measured, not made up, so that whole pipelines can be checked against images whose
brightness is known: mean 0 gives a score of 0, mean 255 a score of 1, and 0.5 lies at 127.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from walkdown.models.artefact import Artefact, pack
from walkdown.types import HeatMap, ModelInfo, Photo, Prediction, Region, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

KIND = "fake"


def fake_artefact(*, salt: str = "") -> Artefact:
    """An artefact of this kind; another ``salt`` makes another digest."""
    return pack(KIND, {"salt": salt}, {})


class Fake:
    """The `Model` port by brightness."""

    def __init__(self, artefact: Artefact, *, label: str) -> None:
        self._info = ModelInfo(label, artefact.digest, max_batch=4)

    @property
    def info(self) -> ModelInfo:
        """Inline; small batches, so that splitting is exercised."""
        return self._info

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """Brightness as score; the whole image is the region of a bright one."""
        return [judged(float(p.pixels.mean()), p.width_px, p.height_px) for p in photos]


def judged(raw: float, width_px: int, height_px: int) -> Prediction:
    """What a mean brightness of 0..255 says of an image of that size."""
    score = raw / 255.0
    whole = Region((0, 0, width_px, height_px), 100.0, score)
    is_anomaly = score >= 0.5
    return Prediction(
        verdict=Verdict.ANOMALY if is_anomaly else Verdict.NORMAL,
        score=score,
        raw_score=raw,
        regions=(whole,) if is_anomaly else (),
        heatmap=HeatMap(np.full((1, 1), score, dtype=np.float32), width_px, height_px),
    )
