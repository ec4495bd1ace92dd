"""How well scores tell anomalies from normal images: AUROC, F1-max, AUPRO, in numpy alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


def auroc(normal: ArrayLike, anomalous: ArrayLike) -> float:
    """Area under the ROC curve, 0..1: the chance that an anomaly scores above a normal image.

    Ties count half (Mann-Whitney). NaN where a side is empty.

    >>> auroc([1, 2], [2, 3])
    0.875
    """
    low, high = np.sort(np.asarray(normal, dtype=float)), np.asarray(anomalous, dtype=float)
    if not len(low) or not len(high):
        return float("nan")
    below = np.searchsorted(low, high, side="left")
    not_above = np.searchsorted(low, high, side="right")
    return float((below + not_above).sum() / (2.0 * len(low) * len(high)))


def f1_max(normal: ArrayLike, anomalous: ArrayLike) -> float:
    """The best F1 that any one threshold reaches, 0..1. NaN where there are no anomalies.

    >>> f1_max([0, 1], [2, 3])
    1.0
    """
    low, high = np.asarray(normal, dtype=float), np.asarray(anomalous, dtype=float)
    if not len(high):
        return float("nan")
    cuts = np.unique(high)
    hits = len(high) - np.searchsorted(np.sort(high), cuts, side="left")
    alarms = len(low) - np.searchsorted(np.sort(low), cuts, side="left")
    return float((2.0 * hits / (hits + alarms + len(high))).max())


def aupro(
    maps: Sequence[NDArray[np.float32]],
    regions: Sequence[NDArray[np.integer]],
    *,
    limit: float = 0.3,
    cuts: int = 300,
) -> float:
    """Area under the per-region-overlap curve up to a false-positive rate, scaled to 0..1.

    ``maps`` are (h, w) scores, ``regions`` (h, w) integers: 0 normal, 1.. one number a connected
    defect of that image. Bergmann et al., The MVTec Anomaly Detection Dataset, IJCV 2021. The
    curve is taken at ``cuts`` score quantiles. NaN where no region is given.
    """
    good = np.sort(np.concatenate([m[r == 0] for m, r in zip(maps, regions, strict=True)]))
    bad = [
        np.sort(m[r == number])
        for m, r in zip(maps, regions, strict=True)
        for number in range(1, int(r.max(initial=0)) + 1)
        if (r == number).any()
    ]
    if not bad or not len(good):
        return float("nan")
    rates = np.linspace(0.0, limit, cuts)
    at = np.clip(np.ceil((1.0 - rates) * len(good)).astype(int), 0, len(good) - 1)
    levels = good[at]
    false_rate = 1.0 - np.searchsorted(good, levels, side="right") / len(good)
    overlap = np.mean(
        [1.0 - np.searchsorted(b, levels, side="right") / len(b) for b in bad], axis=0
    )
    order = np.argsort(false_rate, kind="stable")
    return _area(false_rate[order], overlap[order], limit) / limit


def _area(x: NDArray[np.float64], y: NDArray[np.float64], limit: float) -> float:
    """Trapezoids from 0 to ``limit``; the curve is carried flat beyond its last point."""
    x = np.concatenate([[0.0], x, [limit]])
    y = np.concatenate([[y[0]], y, [y[-1]]])
    return float(np.sum(np.diff(np.minimum(x, limit)) * (y[1:] + y[:-1]) / 2.0))
