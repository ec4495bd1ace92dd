"""Exact confidence intervals for shares, without a statistics library."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def binomial_tail(successes: int, trials: int, share: float) -> float:
    """P(X >= successes) for a binomial X, to 12 digits after the point."""
    if successes <= 0:
        return 1.0
    if share <= 0.0 or share >= 1.0:
        return 0.0 if share <= 0.0 else 1.0
    if 2 * successes <= trials:
        return max(0.0, 1.0 - _sum(range(successes), trials, share))
    return min(1.0, _sum(range(successes, trials + 1), trials, share))


def _sum(counts: range, trials: int, share: float) -> float:
    """P(X is one of the counts), by logarithms, whose terms neither over- nor underflow."""
    logs = [_log_term(k, trials, share) for k in counts]
    top = max(logs)
    return math.exp(top) * math.fsum(math.exp(v - top) for v in logs)


def _log_term(k: int, n: int, share: float) -> float:
    choose = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return choose + k * math.log(share) + (n - k) * math.log1p(-share)


def share_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson interval of a share (Clopper and Pearson, Biometrika 26, 1934).

    >>> tuple(round(v, 3) for v in share_interval(0, 20))
    (0.0, 0.168)
    """
    if trials == 0:
        return 0.0, 1.0
    side = (1.0 - confidence) / 2.0
    low = 0.0 if successes == 0 else _solve(lambda p: binomial_tail(successes, trials, p), side)
    if successes == trials:
        return low, 1.0
    high = _solve(lambda p: binomial_tail(successes + 1, trials, p), 1.0 - side)
    return low, high


def _solve(rising: Callable[[float], float], target: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if rising(middle) < target else (low, middle)
    return (low + high) / 2.0
