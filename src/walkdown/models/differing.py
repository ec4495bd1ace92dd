"""A verdict on a photograph that was compared with another of the same view.

What both models of this kind share: what a card says of it, the score, the heat map and the places,
and the photograph that can't be laid over the other, which is no anomaly but can't be judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import Field

from walkdown.imaging.preparing import Prepared, restored
from walkdown.imaging.regions import regions
from walkdown.models.cards import Card
from walkdown.models.rules import oddity
from walkdown.types import HeatMap, Prediction, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.imaging.differences import Compared
    from walkdown.types import Photo, Region

CANT_ALIGN: Final = "can't be aligned"


class Comparing(Card):
    """What a card says of how photographs are compared.

    ``threshold`` is how different (0..1) the worst ``min_area_pct`` per cent of the image must be
    for an anomaly; ``look_px`` is the longer side at which they are compared.
    """

    threshold: float = Field(0.5, gt=0, lt=1)
    min_area_pct: float = Field(0.2, gt=0, le=100)
    look_px: int = Field(768, ge=256, le=4096)


def difference(comparing: Comparing, found: Compared) -> float:
    """How different the worst places are, 0..1: that of the cell at the least area that counts."""
    values = np.sort(found.grid[found.counts])[::-1]
    at = int(comparing.min_area_pct / 100.0 * found.grid.size)
    return float(values[at]) if at < len(values) else 0.0


def heat(comparing: Comparing, found: Compared, photo: Photo) -> HeatMap:
    """The differences as scores, in the frame of the one it was compared with."""
    grid = np.where(found.counts, found.grid, np.float32(0))
    threshold = np.float32(comparing.threshold)
    above = 0.5 + 0.5 * (grid - threshold) / (1.0 - threshold)
    scores = np.where(grid >= threshold, above, 0.5 * grid / threshold)
    return HeatMap(scores.astype(np.float32), photo.width_px, photo.height_px)


def places(comparing: Comparing, heatmap: HeatMap) -> tuple[Region, ...]:
    """Where they differ, each place as far as it is unlike, worst first."""
    return regions(heatmap, level=0.4, peak=0.5, min_area_pct=comparing.min_area_pct / 4.0)


def scored(comparing: Comparing, raw: float) -> tuple[float, Verdict]:
    """The score of a difference, and the verdict that goes with it."""
    score = round(oddity(raw, comparing.threshold), 4)
    return score, Verdict.ANOMALY if score >= 0.5 else Verdict.NORMAL


def laid_back(said: Prediction, found: Compared, photo: Photo) -> Prediction:
    """A prediction in the frame of the other, as the photograph was taken."""
    return restored(said, Prepared(photo, found.alignment))


def unusable(why: str, other: str) -> Prediction:
    """Of a photograph that can't be laid over the other."""
    return Prediction(
        verdict=Verdict.UNUSABLE,
        score=None,
        raw_score=None,
        labels=(CANT_ALIGN,),
        note=(
            f"it can't be laid over {other}: {why}; take it from the same place, in the same "
            "direction and at the same size"
        ),
    )


def listed(words: Sequence[str]) -> str:
    """Words in a row, as people say them.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
