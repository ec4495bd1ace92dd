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
    curve is taken at ``cuts`` score quantiles, straight in between. NaN where no region is given.
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
    ranks = np.ceil(np.linspace(0.0, limit, cuts) * len(good)).astype(int)
    levels = np.unique(good[np.clip(len(good) - ranks, 0, len(good) - 1)])[::-1]
    false_rate = _shares_of_levels(good, levels)
    overlap = np.mean([_shares_of_levels(b, levels) for b in bad], axis=0)
    return _area(false_rate, overlap, limit) / limit


def _shares_of_levels(
    ordered: NDArray[np.float32], levels: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Shares above each falling level, and from it on, in turns: ties make a slope, not a step."""
    above = len(ordered) - np.searchsorted(ordered, levels, side="right")
    from_on = len(ordered) - np.searchsorted(ordered, levels, side="left")
    return np.stack((above, from_on), axis=1).ravel() / len(ordered)


def _area(x: NDArray[np.float64], y: NDArray[np.float64], limit: float) -> float:
    """Trapezoids from 0 to ``limit`` under a curve that reaches at least that far."""
    last = int(np.searchsorted(x, limit, side="left"))
    share = (limit - x[last - 1]) / (x[last] - x[last - 1])
    end = y[last - 1] + share * (y[last] - y[last - 1])
    x, y = np.append(x[:last], limit), np.append(y[:last], end)
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2.0))
