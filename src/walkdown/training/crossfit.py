"""Judging photographs by judges that learned nothing of them: where the threshold comes from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from walkdown.models.looking import counting, scaled
from walkdown.models.memory_bank import raw_score
from walkdown.parallel import ordered_map
from walkdown.training import judging

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from walkdown.models.bank import Head
    from walkdown.models.memory_bank import Session
    from walkdown.training import graph
    from walkdown.training.extraction import Extractor, Work
    from walkdown.types import ImageRef, Photo

WEIGHTS = (0.0, 0.125, 0.25, 0.5)
"""How much say a head of labelled anomalies may get, where the bank has 1: an eighth gives most of
what there is to win, and costs little where the head is wrong (docs/experiments.md)."""


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A judge of some of the photographs, and a head of some of the anomalies, if any."""

    judge: graph.Judge
    lesson: Head | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A photograph's name, and its raw score at each of `WEIGHTS`, by a judge without it."""

    name: str
    raw: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Looker:
    """Gives the raw scores of a photograph by one judge; thread-safe."""

    extractor: Extractor
    session: Session
    learned: Learned
    worst_cells: int

    def __call__(self, photo: Photo) -> tuple[float, ...]:
        """Of a decoded photograph, at each of `WEIGHTS`; one and the same without a lesson."""
        image = scaled(photo, self.extractor.size)
        keep = counting(photo, image.shape[1:3])
        parts = []
        for window, grid in self.extractor.windows(image):
            patches = grid.reshape(len(grid), -1)
            values = self.session.run(["values"], {"patches": patches})[0]
            kept = np.ones(len(values)) if keep is None else keep[window.of_grid].ravel()
            parts.append((values, self._said(patches), kept))
        values, said, kept = (np.concatenate(part) for part in zip(*parts, strict=True))
        return tuple(
            raw_score(
                (np.maximum(values + w * said, 0.0) * kept).astype(np.float32), self.worst_cells
            )
            for w in WEIGHTS
        )

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
) -> tuple[list[Judged], list[Judged]]:
    """Judge normal photographs and anomalies, each by a judge that learned nothing of it.

    ``learn(normal, anomalies)`` takes the numbers of those that may be learned from. Of more than
    ``at_most`` normal photographs evenly chosen ones are judged.
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
        look = partial(_judge, Looker(work.extractor, session, learned, worst_cells), work)
        held_out = [normal[i] for i in _held(fold_of, fold) if i in chosen]
        judged[0].extend(ordered_map(look, held_out, workers=work.workers))
        held_out = [anomalies[i] for i in _held(anomaly_fold_of, fold)]
        judged[1].extend(ordered_map(look, held_out, workers=work.workers))
    return judged


def _judge(looker: Looker, work: Work, ref: ImageRef) -> Judged:
    found = Judged(ref.name, looker(work.extractor.photo(ref)))
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
