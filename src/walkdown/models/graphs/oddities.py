"""A map of how odd each place is, a score of the whole image, or both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from walkdown.errors import ArtefactError
from walkdown.evaluate import scores
from walkdown.imaging.regions import regions
from walkdown.models.graphs import outputs
from walkdown.types import Capability, HeatMap, Photo, Prediction, Region, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from walkdown.models.graphs.card import AnomalyCard
    from walkdown.models.graphs.placing import Placement
    from walkdown.models.graphs.runtime import Arrays

DIGITS: Final = 4
EXPONENT: Final = 8.0
"""How steeply scores rise around the threshold where nothing is known of their range."""

EDGE: Final = 0.6
"""The part of the worst score down to which a place is drawn, where none passes the threshold."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How raw values are read: their threshold, and the range within which they lie, if known."""

    threshold: float
    range: tuple[float, float] | None = None

    def scores(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """0..1 with 0.5 at the threshold: straight on both sides of it within a range."""
        if self.range is None:
            return scores.scores(raw, threshold=self.threshold, exponent=EXPONENT)
        low, high = self.range
        wide = raw.astype(np.float64)
        below = (wide - low) / (self.threshold - low)
        above = (wide - self.threshold) / (high - self.threshold)
        scored = np.where(wide >= self.threshold, 0.5 + 0.5 * above, 0.5 * below)
        return np.asarray(scored.clip(0.0, 1.0), np.float32)

    def score(self, raw: float) -> float:
        """Of the whole image, with the digits that count."""
        if self.range is None:
            return round(scores.score(raw, threshold=self.threshold, exponent=EXPONENT), DIGITS)
        return round(float(self.scores(np.array([raw], np.float32))[0]), DIGITS)


class Oddities:
    """Raw score: the graph's own of the image, or the highest value of its map."""

    def __init__(self, card: AnomalyCard, said: Arrays) -> None:
        self._map, self._score = _found(card, said)
        self.threshold: float = card.threshold
        self._image = Reading(card.threshold, card.range)
        self._place = Reading(
            card.threshold if card.map_threshold is None else card.map_threshold, card.range
        )
        self.capabilities: frozenset[Capability] = (
            frozenset({"verdict", "boxes", "heat map"}) if self._map else frozenset({"verdict"})
        )

    def read(self, said: Arrays, where: Placement, photo: Photo) -> Prediction:
        """A heat map where the graph gives one, and its places for an anomaly."""
        grid = None if self._map is None else _grid(said[self._map])
        raw = math.nan
        if self._score is not None:
            raw = float(outputs.numbers(said[self._score]).reshape(-1)[0])
        elif grid is not None:
            raw = float(where.inside(grid).max())
        score = self._image.score(raw)
        is_odd = score >= 0.5
        heatmap = None
        if grid is not None:
            over = where.over(self._place.scores(grid))
            heatmap = HeatMap(over, photo.width_px, photo.height_px)
        return Prediction(
            verdict=Verdict.ANOMALY if is_odd else Verdict.NORMAL,
            score=score,
            raw_score=raw,
            regions=places(heatmap) if heatmap and is_odd else (),
            heatmap=heatmap,
        )


def places(heatmap: HeatMap) -> tuple[Region, ...]:
    """What passes the threshold; where the image does as a whole alone, the worst place."""
    worst = float(heatmap.grid.max())
    return regions(heatmap) or regions(heatmap, level=max(1e-6, EDGE * worst), peak=worst)


def _found(card: AnomalyCard, said: Arrays) -> tuple[str | None, str | None]:
    """The names of map and score."""
    for name in (card.map, card.score):
        if name is not None:
            outputs.chosen(said, name, _is_map if name == card.map else _is_score)
    maps = [name for name, value in said.items() if _is_map(value) and name != card.score]
    single = [name for name, value in said.items() if _is_score(value) and name != card.map]
    if (card.map is None and len(maps) > 1) or (card.score is None and len(single) > 1):
        raise ArtefactError(
            "its graph has several outputs that could be the map or the score: name them in its "
            f"card, as map: and score:. It gives {outputs.described(said)}"
        )
    found = card.map or next(iter(maps), None), card.score or next(iter(single), None)
    if found == (None, None):
        raise ArtefactError(
            f"its graph gives neither a map nor a score: it gives {outputs.described(said)}"
        )
    return found


def _is_score(value: NDArray[np.generic]) -> bool:
    return value.size == 1 and value.dtype.kind in "fiu"


def _is_map(value: NDArray[np.generic]) -> bool:
    """Rows and columns, whatever sides of 1 lie around them."""
    sides = [side for side in value.shape if side != 1]
    return len(sides) == 2 and value.ndim >= 2 and value.dtype.kind == "f"


def _grid(value: NDArray[np.generic]) -> NDArray[np.float32]:
    found = outputs.numbers(value)
    return found.reshape([side for side in found.shape if side != 1])
