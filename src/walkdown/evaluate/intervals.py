"""Exact confidence intervals for shares, without a statistics library.

Of a share itself (Clopper and Pearson), of the share that is to be seen among so many new images
(beta-binomial), and the other way round: how many images a claim takes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

CONFIDENCE = 0.95
"""How sure every interval and every claim is, unless told otherwise."""

_ROUNDING = 1e-12
"""What a probability may lack through the last bits of its sum."""


def binomial_tail(successes: int, trials: int, share: float) -> float:
    """P(X >= successes) for a binomial X, to 12 digits after the point."""
    if successes <= 0:
        return 1.0
    if share <= 0.0 or share >= 1.0 or successes > trials:
        return 1.0 if share >= 1.0 and successes <= trials else 0.0
    if 2 * successes <= trials:
        return max(0.0, 1.0 - _sum(range(successes), trials, share))
    return min(1.0, _sum(range(successes, trials + 1), trials, share))


def _sum(counts: range, trials: int, share: float) -> float:
    """P(X is one of the counts), by logarithms, whose terms neither over- nor underflow."""
    n, k = trials, counts[0]
    first = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    first += k * math.log(share) + (n - k) * math.log1p(-share)
    before = np.asarray(counts[:-1], dtype=np.float64)
    ratios = np.log((n - before) / (before + 1.0)) + math.log(share) - math.log1p(-share)
    logs = np.concatenate([[first], first + np.cumsum(ratios)])
    top = logs.max()
    return float(np.exp(top) * np.exp(logs - top).sum())


def share_interval(
    successes: int, trials: int, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Clopper-Pearson interval of a share (Clopper and Pearson, Biometrika 26, 1934).

    It also holds for the share of new values above a cut between two ranks of old ones, with as
    many ``successes`` as old values lie above: it is Beta(successes, trials - successes + 1) at
    the least and Beta(successes + 1, trials - successes) at the most.

    >>> tuple(round(v, 3) for v in share_interval(0, 20))
    (0.0, 0.168)
    """
    side = 1.0 - (1.0 - confidence) / 2.0
    return lower_bound(successes, trials, side), upper_bound(successes, trials, side)


def lower_bound(successes: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """The share that is reached at the least: the one-sided Clopper-Pearson bound.

    >>> round(lower_bound(299, 299), 4)
    0.99
    """
    if successes == 0:
        return 0.0
    return _solve(lambda p: binomial_tail(successes, trials, p), 1.0 - confidence)


def upper_bound(successes: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """The share that is not passed: the one-sided Clopper-Pearson bound.

    >>> round(upper_bound(0, 20), 3)
    0.139
    """
    if successes == trials:
        return 1.0
    return _solve(lambda p: binomial_tail(successes + 1, trials, p), confidence)


def trials_needed(share: float, *, failures: int = 0, confidence: float = CONFIDENCE) -> int:
    """How many trials show that failures are no more than ``share`` (0..1, both excluded).

    The least number whose `upper_bound` is within ``share`` if so many ``failures`` are among them.

    >>> trials_needed(0.01), trials_needed(0.01, failures=1)
    (299, 473)
    """

    def enough(trials: int) -> bool:
        return binomial_tail(failures + 1, trials, share) >= confidence

    high = failures + 1
    while not enough(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def predictive_interval(
    successes: int,
    trials: int,
    new: int,
    *,
    below: float = (1.0 - CONFIDENCE) / 2.0,
    above: float = (1.0 - CONFIDENCE) / 2.0,
) -> tuple[int, int]:
    """The fewest and the most successes to be seen among ``new`` trials after the given ones.

    ``below`` and ``above`` are the chances of a miss on either side, at most. Beta-binomial with
    the two betas of `share_interval`, which is exact for a cut between ranks, and the same as
    Thatcher's exact limits (J. R. Statist. Soc. B 26, 1964) for a cut that was fixed before.

    >>> predictive_interval(5, 100, 100)
    (0, 14)
    """
    fewest, most = 0, new
    if successes > 0:
        least = _beta_binomial(new, successes, trials - successes + 1)
        fewest = int(np.searchsorted(least, below + _ROUNDING, side="right"))
    if successes < trials:
        highest = _beta_binomial(new, successes + 1, trials - successes)
        most = int(np.searchsorted(highest, 1.0 - above - _ROUNDING, side="left"))
    return min(fewest, new), min(most, new)


def _beta_binomial(new: int, a: int, b: int) -> NDArray[np.float64]:
    """P(X <= x) for x in 0..new, from the ratios of neighbouring terms."""
    x = np.arange(new, dtype=np.float64)
    ratios = np.log(new - x) - np.log(x + 1) + np.log(x + a) - np.log(new - x - 1 + b)
    logs = np.concatenate([[0.0], np.cumsum(ratios)])
    terms = np.exp(logs - logs.max())
    return np.asarray(np.cumsum(terms) / terms.sum())


def _solve(rising: Callable[[float], float], target: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if rising(middle) < target else (low, middle)
    return (low + high) / 2.0
