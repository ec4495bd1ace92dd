"""Thresholds from normal photographs alone, with what their number can and cannot support."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from walkdown.errors import TrainingError
from walkdown.evaluate.intervals import share_interval

if TYPE_CHECKING:
    from collections.abc import Sequence


MIN_IMAGES = 2
"""Two scores have a spread; what they support is another question, which `Threshold` answers."""

_ROUNDING = 1e-9
"""Keeps a budget such as 1 % of 100 from missing its rank by the last bit of a float."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A raw score from which on an image is an anomaly, and the false alarms to expect of it.

    ``low`` and ``high`` bound the false-alarm rate of new normal images with 95 % confidence.
    ``supported`` is whether that many images can carry the budget at all.
    """

    value: float
    budget: float
    images: int
    low: float
    high: float
    supported: bool
    set_aside: int = 0

    @property
    def sentence(self) -> str:
        """What a person should know before trusting it."""
        asked = f"{_pct(self.budget)} %"
        span = f"between {_pct(self.low)} and {_pct(self.high)} %"
        images = f"{self.images} normal images"
        if self.set_aside:
            images += f" ({self.set_aside} of them set aside, unlike all others)"
        if self.supported:
            return f"with {images} the {asked} budget means {span} false alarms"
        needed = math.ceil((1.0 - _ROUNDING) / self.budget) - 1
        return (
            f"with {images} the {asked} budget is a guess: {span} false alarms; "
            f"{needed} or more normal images would support it"
        )


ODD_DEVIATIONS, ODD_SHARE = 6.0, 0.05
"""How far off a photograph must be to be set aside, and which share of them can be at most."""


def odd_ones(calibration: Sequence[float]) -> list[int]:
    """Indices of scores so far above the rest that their photographs should be looked at.

    Above the median by `ODD_DEVIATIONS` robust standard deviations of the logarithms (1.4826 times
    the median absolute deviation; Rousseeuw and Croux, 1993), at most `ODD_SHARE` of all.
    """
    logs = np.log(np.maximum(np.asarray(calibration, dtype=np.float64), 1e-12))
    if len(logs) == 0:
        return []
    off = logs - np.median(logs)
    spread = 1.4826 * float(np.median(np.abs(off)))
    far = [int(i) for i in np.argsort(-off) if off[i] > ODD_DEVIATIONS * spread > 0.0]
    return far[: int(len(logs) * ODD_SHARE)]


def from_false_alarms(
    calibration: Sequence[float], budget: float, *, set_aside: Sequence[float] = ()
) -> Threshold:
    """The threshold that lets at most ``budget`` (0..1) of normal images raise an alarm.

    ``set_aside`` are scores that don't move the threshold, and count as the alarms that they are.
    ``calibration`` are raw scores of normal images that the scoring bank did not hold. With n of
    them, the k-th smallest, k = ceil((n + 1)(1 - budget)), is the split-conformal bound (Lei et
    al., Distribution-free predictive inference, 2018). Where k > n no such score exists; then the
    upper tail of a log-normal with their mean and spread is taken, and at least the largest score.
    Raises `TrainingError` for fewer than two scores, and for what is no score.
    """
    ordered = np.sort(np.asarray(calibration, dtype=np.float64))
    n = len(ordered)
    if n < MIN_IMAGES or not np.isfinite(ordered).all() or ordered[0] < 0.0:
        raise TrainingError(
            f"a threshold needs {MIN_IMAGES} or more raw scores of normal images, all of them "
            f"numbers from 0 on; there are {n}: train with more normal photographs"
        )
    rank = math.ceil((n + 1) * (1.0 - budget) - _ROUNDING)
    supported = rank <= n
    if supported:
        value = _just_above(ordered, rank)
    else:
        value = max(_just_above(ordered, n), _log_normal_tail(ordered, budget))
    alarms = int(np.count_nonzero(ordered >= value)) + sum(s >= value for s in set_aside)
    low, high = share_interval(alarms, n + len(set_aside))
    return Threshold(value, budget, n + len(set_aside), low, high, supported, len(set_aside))


def _just_above(ordered: np.ndarray[tuple[int], np.dtype[np.float64]], rank: int) -> float:
    """Half way to the next score, or a hair above the last: equal scores stay on one side."""
    here = float(ordered[rank - 1])
    above = ordered[ordered > here]
    return (here + float(above[0])) / 2.0 if len(above) else here * (1.0 + 1e-6) + 1e-9


def _log_normal_tail(ordered: np.ndarray[tuple[int], np.dtype[np.float64]], budget: float) -> float:
    logs = np.log(np.maximum(ordered, 1e-12))
    return float(np.exp(logs.mean() + _normal_quantile(1.0 - budget) * logs.std(ddof=1)))


def _normal_quantile(share: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(share)


def _pct(share: float) -> str:
    value = share * 100.0
    return f"{value:.0f}" if value >= 9.95 or value == 0 else f"{value:.2g}"
