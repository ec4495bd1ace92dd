"""Learning a head: what the cells of defects have, in one direction, that normal ones have not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from walkdown.models.bank import Head

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def fit_linear(normal: Floats, defective: Floats, *, shrinkage: float = 0.3) -> Head:
    """Linear discriminant of (n, d) standardised normal cells and (m, d) defective ones, cut off.

    Both share one covariance, of each cell from the mean of its group, shrunk towards a multiple of
    the identity by ``shrinkage`` in 0..1 (Friedman, Regularized discriminant analysis, 1989; Ledoit
    and Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004). The
    groups count as equally likely, whatever their sizes. One defective cell is enough. Halfway
    between the groups the head says 0.
    """
    groups = [normal, defective]
    means = [group.mean(axis=0, dtype=np.float64) for group in groups]
    covariance = _covariance(groups, means, shrinkage)
    weights = np.linalg.solve(covariance, means[1] - means[0])
    bias = -weights @ (means[0] + means[1]) / 2
    return Head(weights.astype(np.float32), float(bias))


def _covariance(groups: list[Floats], means: list[Doubles], shrinkage: float) -> Doubles:
    """(d, d) shrunk covariance of the rows of all groups, each from the mean of its own."""
    scatter = np.zeros((len(means[0]), len(means[0])))
    for group, mean in zip(groups, means, strict=True):
        centred = group - mean.astype(np.float32)
        scatter += centred.T @ centred
    return shrunk(scatter / sum(map(len, groups)), shrinkage)


def shrunk(covariance: Doubles, shrinkage: float) -> Doubles:
    """A covariance (d, d) drawn towards the identity times its mean variance; never singular."""
    variance = max(float(np.trace(covariance)) / len(covariance), 1e-6)
    mixed: Doubles = (1 - shrinkage) * covariance
    mixed[np.diag_indices_from(mixed)] += max(shrinkage, 1e-6) * variance
    return mixed
