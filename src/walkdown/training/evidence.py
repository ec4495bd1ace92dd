"""How far one way of judging is ahead of another, and whether that can be chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from walkdown.evaluate.metrics import auroc

if TYPE_CHECKING:
    from numpy.typing import NDArray

ERRORS = 2.0
"""Standard errors of the difference by which something must be ahead; less is chance."""

RESAMPLES = 200


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Raw scores of samples: untouched (n,), and with each of the defects planted in it (n, m)."""

    normal: NDArray[np.float64]
    damaged: NDArray[np.float64]

    def auroc(self, chosen: NDArray[np.intp] | slice = slice(None)) -> float:
        """How often a planted defect ranks above an untouched sample, among those chosen."""
        return auroc(self.normal[chosen], self.damaged[chosen].ravel())


def ahead(this: Scores, that: Scores, *, by: float, seed: int) -> bool:
    """Whether ``this`` is better than ``that`` by so much AUROC, and not by chance.

    Both are of the same samples in the same order; where one is of fewer, those are compared.
    The standard error is that of the bootstrap over samples (Efron, Bootstrap methods, 1979).
    """
    count = min(len(this.normal), len(that.normal))
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(count, size=count) for _ in range(RESAMPLES))
    gains = [this.auroc(chosen) - that.auroc(chosen) for chosen in drawn]
    gain = this.auroc(slice(count)) - that.auroc(slice(count))
    return gain > max(by, ERRORS * float(np.std(gains)))


def least_as_good(
    normal: NDArray[np.float64], bad: NDArray[np.float64], *, by: float, errors: float = 1.0
) -> tuple[int, list[float]]:
    """The first of w ways that is as good as the best, and the AUROC of each.

    ``normal`` (n, w) and ``bad`` (m, w) are raw scores of the same photographs by each way. As good
    is what the best is not ahead of by so much AUROC, or by ``errors`` standard errors of the
    difference (DeLong et al., Comparing the areas under correlated ROC curves, 1988).
    """
    wins = (bad[:, None] > normal) + 0.5 * (bad[:, None] == normal)
    aurocs = wins.mean(axis=(0, 1))
    best = int(aurocs.argmax())
    behind = wins[..., best, None] - wins
    variances = [behind.mean(axis=axis) for axis in (0, 1)]
    error = np.sqrt(sum(v.var(axis=0, ddof=len(v) > 1) / len(v) for v in variances))
    as_good = aurocs >= aurocs[best] - np.maximum(by, errors * error)
    return int(as_good.argmax()), aurocs.tolist()
