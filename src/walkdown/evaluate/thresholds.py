"""A threshold from a false-alarm budget, with what the normal photographs can and cannot support.

Ways of choosing that need labelled anomalies are in `labelled_thresholds`; all of them end in one
`Threshold`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from walkdown.errors import TrainingError
from walkdown.evaluate.intervals import (
    CONFIDENCE,
    binomial_tail,
    share_interval,
    trials_needed,
    upper_bound,
)
from walkdown.evaluate.threshold import Recall, Threshold, needed_on_average, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Threshold", "from_false_alarms", "odd_ones", "with_recall"]

MIN_IMAGES = 2
"""Two scores have a spread; what they support is another question, which `Threshold` answers."""

_ROUNDING = 1e-9
"""Keeps a budget such as 1 % of 100 from missing its rank by the last bit of a float."""

HAIR = 2e-4
"""How far above the largest score a threshold lies, as a share of it: so much that the score of
the image that made it, rounded to four digits, is still below 0.5."""

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
    calibration: Sequence[float],
    budget: float,
    *,
    set_aside: Sequence[float] = (),
    strict: bool = False,
) -> Threshold:
    """The threshold that lets at most ``budget`` (0..1) of normal images raise an alarm.

    ``calibration`` are raw scores of normal images that the scoring bank did not hold. With n of
    them, the k-th smallest, k = ceil((n + 1)(1 - budget)), is the split-conformal bound (Lei et
    al., Distribution-free predictive inference, 2018): the budget is kept on average over such
    sets of images, and the rate of any one is Beta(n + 1 - k, k), whence ``low`` and ``high``.
    Where k > n no such score exists; then the upper tail of a log-normal with their mean and spread
    is taken, and at least the largest score: the rate is then bounded by that of the largest score,
    whatever their distribution, and nothing bounds it from below.

    ``strict`` takes the rank whose rate is within the budget with 95 % confidence, and raises
    `TrainingError` with the number of images that this takes where there is none. ``set_aside`` are
    scores that don't move the threshold, and count as the alarms that they are.
    Raises `TrainingError` for fewer than two scores, and for what is no score.
    """
    ordered = sorted_scores(calibration, what="normal images", at_least=MIN_IMAGES)
    check_share(budget, "a false-alarm budget")
    n, everything = len(ordered), len(ordered) + len(set_aside)
    if strict:
        rank = _strict_rank(n, budget, len(set_aside))
    else:
        rank = math.ceil((n + 1) * (1.0 - budget) - _ROUNDING)
    value = _just_above(ordered, min(rank, n))
    if rank > n:
        value = max(value, _log_normal_tail(ordered, budget))
    alarms = int(np.count_nonzero(ordered >= value)) + sum(s >= value for s in set_aside)
    low, high = share_interval(alarms, everything)
    if strict or alarms == 0:
        # Nothing can be missed on the low side, so all of the error is for the high one.
        low, high = 0.0, upper_bound(alarms, everything)
    return Threshold(
        value, budget, everything, low, high, rank <= n, len(set_aside), alarms, certain=strict
    )


def with_recall(threshold: Threshold, anomaly_scores: Sequence[float]) -> Threshold:
    """The same threshold, with the recall of anomalies that had no part in choosing it.

    Raises `TrainingError` where there are none, and for what is no score.
    """
    ordered = sorted_scores(anomaly_scores, what="labelled anomalies", at_least=1)
    found = int(np.count_nonzero(ordered >= threshold.value))
    low, high = share_interval(found, len(ordered))
    return replace(threshold, recall=Recall(len(ordered), found, low, high))


def sorted_scores(raw: Sequence[float], *, what: str, at_least: int) -> NDArray[np.float64]:
    """Raw scores in rising order. Raises `TrainingError` for too few, and for what is no score."""
    ordered = np.sort(np.asarray(raw, dtype=np.float64))
    if len(ordered) < at_least or not np.isfinite(ordered).all() or ordered[0] < 0.0:
        raise TrainingError(
            f"a threshold needs {at_least} or more raw scores of {what}, all of them "
            f"numbers from 0 on; there are {len(ordered)}: give more photographs"
        )
    return ordered


def check_share(share: float, what: str) -> None:
    """Raises `TrainingError` for what does not lie above 0 and below 1."""
    if not 0.0 < share < 1.0:
        raise TrainingError(f"{what} lies above 0 % and below 100 %, not {share * 100.0:g} %")


def _strict_rank(n: int, budget: float, aside: int) -> int:
    """The lowest rank whose rate of alarms is within the budget with 95 % confidence."""
    spare = bisect_right(
        range(n),
        -CONFIDENCE,
        key=lambda alarms: -binomial_tail(alarms + aside + 1, n + aside, budget),
    )
    if spare:
        return n - spare + 1
    needed = trials_needed(budget, failures=aside)
    condition = f" if no more than {aside} of them are unlike all others" if aside else ""
    raise TrainingError(
        f"a false-alarm budget of {percent(budget)} % can't be made certain with {n + aside} "
        f"normal images: {needed} would do{condition}; these can make "
        f"{_up(upper_bound(aside, n + aside))} % certain; {needed_on_average(budget)} or more "
        f"would keep it on average"
    )


def _up(share: float) -> str:
    """Per cent, rounded up: to ask for what is said must succeed."""
    return f"{math.ceil(share * 1000.0) / 10.0:g}"


def _just_above(ordered: NDArray[np.float64], rank: int) -> float:
    """Half way to the next score, or a hair above the last: equal scores stay on one side."""
    here = float(ordered[rank - 1])
    above = ordered[ordered > here]
    return (here + float(above[0])) / 2.0 if len(above) else here * (1.0 + HAIR) + 1e-9


def _log_normal_tail(ordered: NDArray[np.float64], budget: float) -> float:
    logs = np.log(np.maximum(ordered, 1e-12))
    return float(np.exp(logs.mean() + _normal_quantile(1.0 - budget) * logs.std(ddof=1)))


def _normal_quantile(share: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(share)
