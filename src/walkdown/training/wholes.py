"""Learning what normal photographs are like as a whole, and how much say that gets.

Its say is measured against the bank's: both are brought to the same spread over normal photographs
that neither has learned from (docs/experiments.md says what the share was chosen by).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from walkdown.evaluate import thresholds
from walkdown.models.whole import Components, Whole
from walkdown.training import backbones

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from walkdown.training.crossfit import Judged
    from walkdown.training.graph import Features

LEVEL: Final = 5
"""The level whose map the vectors are made of: the deepest that all kinds of patches have."""

MIN_IMAGES: Final = 10
"""Photographs from which on their likeness as a whole says anything."""

EXPLAINED: Final = 0.9
"""Share of the variance that the components explain."""

SAY: Final = 0.5
"""How much say it gets, where the bank has 1."""

FOLDS: Final = 20
"""In which photographs are held out."""

KEPT: Final = 1000
"""Vectors that a model keeps, for normal photographs that are added later."""


def channels_of(features: Features) -> tuple[int, int] | None:
    """Which channels of a patch come from `LEVEL`, from..to; None where none do."""
    if LEVEL not in features.levels:
        return None
    width = backbones.lite2().channels
    first = sum(width[level] for level in features.levels if level < LEVEL)
    return first, first + width[LEVEL]


def components(vectors: NDArray[np.float32]) -> Components | None:
    """Mean and components of (n, v) vectors of normal photographs; None of too few.

    A number that is not known is taken for the usual one.
    """
    if len(vectors) < 2 or not np.isfinite(vectors).any(axis=0).all():
        return None
    mean = np.asarray(np.nanmean(vectors, axis=0, dtype=np.float64))
    off = np.where(np.isfinite(vectors), vectors - mean, 0.0)
    _, spread, axes = np.linalg.svd(off, full_matrices=False)
    shares = np.cumsum(spread**2) / max(float(np.sum(spread**2)), 1e-12)
    count = int(np.searchsorted(shares, EXPLAINED)) + 1
    return Components(mean.astype(np.float32), axes[:count].astype(np.float32))


def held_out(vectors: Sequence[NDArray[np.float32]]) -> list[float | None]:
    """What of each photograph the others' components leave over, by its (copies, v) vectors.

    In many folds, since the fewer photographs the components know, the more they leave over: the
    five of a cross-fitted bank would make normal photographs look odder than new ones will.
    """
    folds = min(FOLDS, len(vectors))
    found: list[float | None] = [None] * len(vectors)
    for fold in range(folds):
        learned = components(
            np.concatenate([own for i, own in enumerate(vectors) if i % folds != fold])
        )
        for i in range(fold, len(vectors), folds):
            found[i] = learned.left_over(vectors[i][0]) if learned else None
    return found


def kept(vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Of photographs' (copies, v) vectors at most `KEPT`, evenly chosen."""
    every: NDArray[np.float32] = np.concatenate(vectors)
    return np.asarray(
        every[np.linspace(0, len(every) - 1, min(KEPT, len(every))).round().astype(int)]
    )


def weighed(
    learned: Components | None, normal: Sequence[Judged], channels: tuple[int, int] | None
) -> Whole | None:
    """What is learned from all, with the say that held-out photographs give it; None for none.

    Photographs unlike all others have no part in it.
    """
    if learned is None or channels is None or any(one.left_over is None for one in normal):
        return None
    raw = np.array([one.raw[0] for one in normal])
    left = np.array([one.left_over for one in normal], dtype=np.float64)
    odd = {*thresholds.odd_ones(list(raw)), *thresholds.odd_ones(list(left))}
    usual = [i for i in range(len(normal)) if i not in odd]
    spread = float(left[usual].std())
    if spread <= 0.0:
        return None
    factor = SAY * float(raw[usual].std()) / spread
    return Whole(learned, factor, float(left[usual].mean()), channels)


def judged(whole: Whole | None, found: Sequence[Judged]) -> list[Judged]:
    """The same photographs, their raw scores with what each adds as a whole."""
    if whole is None:
        return list(found)
    return [
        replace(one, raw=tuple(max(0.0, raw + _adds(whole, one)) for raw in one.raw))
        for one in found
    ]


def _adds(whole: Whole, one: Judged) -> float:
    return 0.0 if one.left_over is None else whole.factor * (one.left_over - whole.usual)
