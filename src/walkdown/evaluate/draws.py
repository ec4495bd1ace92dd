"""Exact limits for how many of a finite number are of a kind, from some that were drawn of it.

What is drawn without putting back tells of the very things it was drawn from: the more of them were
drawn, the less is left open, and of a draw of all nothing is. Limits for a share, as those of
Clopper and Pearson in `intervals`, leave open what no more can be.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from walkdown.evaluate.intervals import CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDING = 1e-9
"""What a probability may be off by in its last digits: a number on the edge is kept."""


def drawn_tail(found: int, drawn: int, marked: int, population: int) -> float:
    """P(X >= found): X of the ``marked`` ones are among ``drawn`` of a population (hypergeometric).

    >>> round(drawn_tail(1, 5, 1, 50), 3)
    0.1
    """
    least, most = max(0, drawn + marked - population), min(drawn, marked)
    if found <= least:
        return 1.0
    if found > most:
        return 0.0
    if 2 * found <= least + most:
        return max(0.0, 1.0 - _sum(range(least, found), drawn, marked, population))
    return min(1.0, _sum(range(found, most + 1), drawn, marked, population))


def _sum(counts: range, drawn: int, marked: int, population: int) -> float:
    """P(X is one of the counts), by logarithms, whose terms neither over- nor underflow."""
    k = counts[0]
    first = _log_choose(marked, k) + _log_choose(population - marked, drawn - k)
    first -= _log_choose(population, drawn)
    before = np.asarray(counts[:-1], dtype=np.float64)
    ratios = np.log((marked - before) / (before + 1.0))
    ratios += np.log((drawn - before) / (population - marked - drawn + before + 1.0))
    logs = np.concatenate([[first], first + np.cumsum(ratios)])
    top = logs.max()
    return float(np.exp(top) * np.exp(logs - top).sum())


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def marked_interval(
    found: int, drawn: int, population: int, confidence: float = CONFIDENCE
) -> tuple[int, int]:
    """The fewest and the most of a population that are marked, where ``found`` of ``drawn`` are.

    All numbers that neither side of the draw speaks against at half of the error: at least as sure
    as asked, whatever the number is, and inside of what Clopper and Pearson's limits allow.
    Raises ValueError where more are found than drawn, or drawn than there are.

    >>> marked_interval(0, 100, 2000), marked_interval(3, 50, 50)
    ((0, 70), (3, 3))
    """
    if not 0 <= found <= drawn <= population:
        raise ValueError(f"{found} found in {drawn} drawn of {population}")
    error = (1.0 - confidence) / 2.0 - _ROUNDING
    least, most = found, population - (drawn - found)
    low = _first(lambda marked: drawn_tail(found, drawn, marked, population) >= error, least, most)
    beyond = _first(
        lambda marked: drawn_tail(found + 1, drawn, marked, population) > 1.0 - error,
        least,
        most + 1,
    )
    return low, beyond - 1


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The first number from ``low`` for which it holds; ``high`` is taken to be one."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
