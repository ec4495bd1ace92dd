"""One score for each class of each place: a map of how surely it is an anomaly, and the places."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from walkdown.errors import ArtefactError
from walkdown.imaging.regions import regions
from walkdown.models.graphs import outputs
from walkdown.models.graphs.names import labels, odd
from walkdown.models.rules import JUST_NORMAL, oddity
from walkdown.types import Capability, HeatMap, Photo, Prediction, Region, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from walkdown.models.graphs.card import SegmentationCard
    from walkdown.models.graphs.placing import Placement
    from walkdown.models.graphs.runtime import Arrays

DIGITS: Final = 4
MOST_REGIONS: Final = 20


class Segmenting:
    """Raw score: the probability that as much of the image as the smallest place reaches.

    Where no single place at the threshold is as large as that, it stays just below the threshold.
    """

    capabilities: frozenset[Capability] = frozenset(
        {"verdict", "labels", "boxes", "mask", "heat map"}
    )

    def __init__(
        self,
        card: SegmentationCard,
        said: Arrays,
        files: Mapping[str, bytes],
        metadata: Mapping[str, str],
    ) -> None:
        self.threshold = card.threshold
        self._least_pct = card.min_area_pct
        self._output = outputs.chosen(said, card.output, _is_map)
        self._labels = labels(card.labels, files, metadata)
        self._odd = odd(self._labels, card)
        value = said[self._output]
        self._numbers_classes = value.ndim == 3 or value.dtype.kind in "iu"
        self._axis = 0 if self._numbers_classes else self._classes_along(value)
        self._activation = card.activation or (
            "none" if self._numbers_classes else outputs.guessed(self._classes(value), axis=0)
        )

    def read(self, said: Arrays, where: Placement, photo: Photo) -> Prediction:
        """A map of the anomalies together, and the places of each."""
        likely = self._likely(said[self._output])
        maps = np.stack([where.over(likely[i]) for i in self._odd])
        whole = maps.max(axis=0) if self._activation == "sigmoid" else maps.sum(axis=0).clip(0, 1)
        heatmap = HeatMap(self._scores(whole), photo.width_px, photo.height_px)
        found = self._places(maps, heatmap)
        raw = self._raw(whole, found)
        score = round(oddity(raw, self.threshold), DIGITS)
        return Prediction(
            verdict=Verdict.ANOMALY if found else Verdict.NORMAL,
            score=max(0.5, score) if found else min(JUST_NORMAL, score),
            raw_score=raw,
            labels=tuple(dict.fromkeys(region.label for region in found)),
            regions=found,
            heatmap=heatmap,
        )

    def _classes_along(self, value: NDArray[np.generic]) -> int:
        """The axis of classes, without the batch."""
        count = len(self._labels)
        for axis in (1, 3):
            if value.shape[axis] == count:
                return axis - 1
        raise ArtefactError(
            f"it has {count} labels, and its graph gives {self._output} {value.shape}: as many "
            "labels as channels are needed, in their order"
        )

    def _classes(self, value: NDArray[np.generic]) -> NDArray[np.float32]:
        """(classes, rows, columns)."""
        return np.moveaxis(outputs.numbers(value)[0], self._axis, 0)

    def _likely(self, value: NDArray[np.generic]) -> NDArray[np.float32]:
        """The probability of each class at each place, (classes, rows, columns)."""
        if not self._numbers_classes:
            return outputs.activated(self._classes(value), self._activation, axis=0)
        numbers = np.rint(outputs.numbers(value)).reshape(value.shape[-2:])
        return np.stack([(numbers == i).astype(np.float32) for i in range(len(self._labels))])

    def _scores(self, likely: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities so that 0.5 lies at the threshold."""
        below, above = 0.5 / self.threshold, 0.5 / (1.0 - self.threshold)
        scored = np.where(
            likely >= self.threshold,
            0.5 + above * (likely - self.threshold),
            np.minimum(below * likely, JUST_NORMAL),
        )
        return np.asarray(scored, np.float32)

    def _places(self, maps: NDArray[np.float32], whole: HeatMap) -> tuple[Region, ...]:
        """Of each class where it is the likeliest anomaly, worst first."""
        likeliest = maps.argmax(axis=0)
        found = [
            replace(region, label=self._labels[number])
            for i, number in enumerate(self._odd)
            for region in regions(
                replace(whole, grid=np.where(likeliest == i, whole.grid, np.float32(0))),
                min_area_pct=self._least_pct,
                max_regions=MOST_REGIONS,
            )
        ]
        found.sort(key=lambda region: (-region.score, -region.area_pct, region.box))
        return tuple(found[:MOST_REGIONS])

    def _raw(self, likely: NDArray[np.float32], found: tuple[Region, ...]) -> float:
        count = min(likely.size, max(1, math.ceil(self._least_pct / 100 * likely.size)))
        reached = float(np.partition(likely.ravel(), -count)[-count])
        limit = 2 * JUST_NORMAL * self.threshold
        return max(self.threshold, reached) if found else min(limit, reached)


def _is_map(value: NDArray[np.generic]) -> bool:
    """(1, classes, rows, columns), (1, rows, columns, classes) or (1, rows, columns)."""
    return value.ndim in (3, 4) and value.shape[0] == 1 and min(value.shape[-2:]) > 0
