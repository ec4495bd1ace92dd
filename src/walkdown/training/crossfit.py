"""Judging photographs by judges that learned nothing of them: where the threshold comes from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from walkdown.models.looking import CELL_PX, counting, scaled
from walkdown.models.memory_bank import raw_score
from walkdown.models.whole import quarters
from walkdown.parallel import ordered_map
from walkdown.training import judging

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from walkdown.models.bank import Head
    from walkdown.models.graphs.session import Session
    from walkdown.models.whole import Components, Part
    from walkdown.training import graph
    from walkdown.training.extraction import Extractor, Work
    from walkdown.types import ImageRef, Photo

WEIGHTS = (0.0, 0.125, 0.25, 0.5)
"""How much say a head of labelled anomalies may get, where the bank has 1: an eighth gives most of
what there is to win, and costs little where the head is wrong (docs/experiments.md)."""


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A judge of some of the photographs, and a head of some of the anomalies, if any.

    ``whole`` is what these photographs are like as a whole.
    """

    judge: graph.Judge
    lesson: Head | None
    whole: Components | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A photograph's name, and its raw score at each of `WEIGHTS`, by a judge without it.

    ``left_over`` is what the others' components do not explain of it, where they were learned.
    """

    name: str
    raw: tuple[float, ...]
    left_over: float | None = None


@dataclass(frozen=True, slots=True)
class Looker:
    """Judges photographs by one judge; thread-safe. ``channels`` are those of `whole.quarters`."""

    extractor: Extractor
    session: Session
    learned: Learned
    worst_cells: int
    channels: tuple[int, int] | None = None

    def __call__(self, photo: Photo, name: str = "") -> Judged:
        """A decoded photograph, at each of `WEIGHTS`; one and the same without a lesson."""
        image = scaled(photo, self.extractor.size)
        keep = counting(photo, image.shape[1:3])
        parts, cores = [], []
        for window, grid in self.extractor.windows(image):
            cores.append((window.of_grid, grid))
            patches = grid.reshape(len(grid), -1)
            values = self.session.run(["values"], {"patches": patches})[0]
            kept = np.ones(len(values)) if keep is None else keep[window.of_grid].ravel()
            parts.append((values, self._said(patches), kept))
        values, said, kept = (np.concatenate(part) for part in zip(*parts, strict=True))
        raw = tuple(
            raw_score(
                (np.maximum(values + w * said, 0.0) * kept).astype(np.float32), self.worst_cells
            )
            for w in WEIGHTS
        )
        return Judged(name, raw, self._left_over(cores, image, keep))

    def _left_over(
        self, cores: list[Part], image: NDArray[np.uint8], keep: NDArray[np.float32] | None
    ) -> float | None:
        if self.learned.whole is None or self.channels is None:
            return None
        grid = image.shape[1] // CELL_PX, image.shape[2] // CELL_PX
        vector = quarters(cores, grid, channels=self.channels, keep=keep)
        return self.learned.whole.left_over(vector)

    def _said(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.learned.lesson is None:
            return np.zeros(patches.shape[1], dtype=np.float32)
        return self.learned.lesson(self.learned.judge.scaling.standardise(patches.T))


def cross_fit(
    normal: Sequence[ImageRef],
    anomalies: Sequence[ImageRef],
    learn: Callable[[list[int], list[int]], Learned],
    work: Work,
    *,
    worst_cells: int,
    folds: int,
    at_most: int,
    channels: tuple[int, int] | None = None,
) -> tuple[list[Judged], list[Judged]]:
    """Judge normal photographs and anomalies, each by a judge that learned nothing of it.

    ``learn(normal, anomalies)`` takes the numbers of those that may be learned from. Of more than
    ``at_most`` normal photographs evenly chosen ones are judged. ``channels`` of a patch say what a
    photograph is like as a whole.
    """
    folds = min(folds, len(normal))
    fold_of = _folds(len(normal), folds, work.seed)
    anomaly_fold_of = _folds(len(anomalies), folds, work.seed)
    chosen = set(range(0, len(normal), max(1, -(-len(normal) // at_most))))
    work.progress.start("checking each photograph against the others", len(chosen) + len(anomalies))
    judged: tuple[list[Judged], list[Judged]] = ([], [])
    for fold in range(folds):
        learned = learn(_others(fold_of, fold), _others(anomaly_fold_of, fold))
        session = judging.open_judge(learned.judge)
        looker = Looker(work.extractor, session, learned, worst_cells, channels)
        look = partial(_judge, looker, work)
        held_out = [normal[i] for i in _held(fold_of, fold) if i in chosen]
        judged[0].extend(ordered_map(look, held_out, workers=work.workers))
        held_out = [anomalies[i] for i in _held(anomaly_fold_of, fold)]
        judged[1].extend(ordered_map(look, held_out, workers=work.workers))
    return judged


def _judge(looker: Looker, work: Work, ref: ImageRef) -> Judged:
    found = looker(work.extractor.photo(ref), ref.name)
    work.progress.advance()
    return found


def _folds(count: int, folds: int, seed: int) -> NDArray[np.intp]:
    """For each of so many the fold in which it is held out."""
    fold_of = np.empty(count, dtype=np.intp)
    fold_of[np.random.default_rng(seed).permutation(count)] = np.arange(count) % folds
    return fold_of


def _held(fold_of: NDArray[np.intp], fold: int) -> list[int]:
    return [int(i) for i in np.flatnonzero(fold_of == fold)]


def _others(fold_of: NDArray[np.intp], fold: int) -> list[int]:
    return [int(i) for i in np.flatnonzero(fold_of != fold)]
