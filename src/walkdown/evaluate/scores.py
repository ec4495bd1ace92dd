"""From a model's own number to a score, and to the share of normal images that look as odd."""

from __future__ import annotations

import bisect
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MIN_EXPONENT, MAX_EXPONENT = 2.0, 10.0


def score(raw: float, *, threshold: float, exponent: float) -> float:
    """Log-logistic map of a raw score >= 0 to 0..1: ``1 / (1 + (threshold / raw) ** exponent)``.

    Strictly increasing, and 0.5 at the threshold; floats run out of room near 1 only beyond some
    thirty times the threshold.

    >>> score(2.0, threshold=2.0, exponent=8.0)
    0.5
    """
    if raw <= 0.0:
        return 0.0
    return 1.0 / (1.0 + math.exp(min(700.0, exponent * math.log(threshold / raw))))


def scores(raw: NDArray[np.float32], *, threshold: float, exponent: float) -> NDArray[np.float32]:
    """`score` of each element, for heat maps; float32 of any shape."""
    log_ratio = np.log(np.maximum(raw, 1e-12, dtype=np.float32) / np.float32(threshold))
    powers = np.exp(np.clip(-exponent * log_ratio, -80.0, 80.0))
    return np.asarray(1.0 / (1.0 + powers), dtype=np.float32)


def exponent_for(calibration: Sequence[float], threshold: float) -> float:
    """The exponent that gives the median normal image a score of 0.1, within sensible bounds.

    A tight cloud of normal scores then maps a small excess to a high score, a wide one does not.
    """
    median = float(np.median(np.asarray(calibration)))
    if median <= 0.0 or median >= threshold:
        return MAX_EXPONENT
    return float(np.clip(math.log(9.0) / math.log(threshold / median), MIN_EXPONENT, MAX_EXPONENT))


def p_normal(raw: float, calibration: Sequence[float]) -> float:
    """Conformal p-value of a raw score against sorted scores of normal images, in (0, 1].

    ``(1 + #{calibration >= raw}) / (n + 1)``: Vovk et al., Algorithmic Learning in a Random World.

    >>> p_normal(9.0, [1.0, 2.0, 3.0])
    0.25
    """
    n = len(calibration)
    return (1 + n - bisect.bisect_left(calibration, raw)) / (n + 1)
