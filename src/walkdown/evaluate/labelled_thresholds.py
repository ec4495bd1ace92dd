"""A threshold from labelled anomalies: by the recall that it must reach, or by what mistakes cost.

Both say how sure they are of false alarms and of recall, and both refuse what the labelled images
cannot support, with the number that could. Recall is that of anomalies like the labelled ones; no
statistics can speak of kinds that nobody has labelled.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np

from walkdown.errors import TrainingError
from walkdown.evaluate.intervals import (
    CONFIDENCE,
    binomial_tail,
    lower_bound,
    share_interval,
    trials_needed,
)
from walkdown.evaluate.threshold import Costs, Recall, Threshold, percent
from walkdown.evaluate.thresholds import HAIR, MIN_IMAGES, check_share, sorted_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ANOMALY_SHARE = 0.01
"""One image in a hundred shows an anomaly: among labelled images they are far more common."""


def from_recall(
    normal_scores: Sequence[float], anomaly_scores: Sequence[float], *, recall: float
) -> Threshold:
    """The highest threshold of which can be claimed that it finds ``recall`` (0..1) of anomalies.

    Claimed is the one-sided 95 % Clopper-Pearson bound, which for a threshold at the r-th smallest
    of n scores is that of a rank: recall is Beta(n + 1 - r, r) distributed, whatever the scores
    are. Both kinds of images must be such that the scoring model did not learn from them. Raises
    `TrainingError` with the number of anomalies that it takes, and the recall that these support.
    """
    check_share(recall, "a recall")
    normal = sorted_scores(normal_scores, what="normal images", at_least=MIN_IMAGES)
    anomalies = sorted_scores(anomaly_scores, what="labelled anomalies", at_least=1)
    n = len(anomalies)
    spare = bisect_right(
        range(n), 1.0 - CONFIDENCE, key=lambda missed: binomial_tail(n - missed, n, recall)
    )
    if spare == 0:
        raise TrainingError(_too_few_to_claim(n, recall))
    value = float(anomalies[spare - 1]) * (1.0 - 1e-6)
    if value == 0.0:
        raise TrainingError(
            f"a recall of {percent(recall)} % would make an anomaly of every image: some labelled "
            f"anomalies score nothing at all; see whether they are anomalies"
        )
    found = n - int(np.searchsorted(anomalies, value))
    claimed = Recall(n, found, lower_bound(n - spare + 1, n), 1.0, wanted=recall)
    return _threshold(value, normal, claimed)


def from_costs(
    normal_scores: Sequence[float],
    anomaly_scores: Sequence[float],
    *,
    miss: float,
    false_alarm: float,
    anomaly_share: float = ANOMALY_SHARE,
) -> Threshold:
    """The threshold whose mistakes cost least, if so large a share of images shows an anomaly.

    ``miss`` and ``false_alarm`` are what one of each costs, in the same unit. The expected cost is
    that of leaving one image out of the choice at a time, and no less than at the threshold with
    half an error more on each side, since no error among few images is not none at all. The
    intervals are Clopper-Pearson at the chosen threshold; as the images that chose it also judge
    it, they can hold a point or two less often than the 95 % they name.
    Raises `TrainingError` where it can't be shown with 95 % confidence to cost less than calling
    all images normal, or all anomalies; it says how many labelled images could show that.
    """
    check_share(anomaly_share, "the share of images that show an anomaly")
    if not (0.0 < miss < math.inf and 0.0 < false_alarm < math.inf):
        raise TrainingError(
            f"a miss and a false alarm each cost more than nothing: {miss:g}, {false_alarm:g}"
        )
    normal = sorted_scores(normal_scores, what="normal images", at_least=MIN_IMAGES)
    anomalies = sorted_scores(anomaly_scores, what="labelled anomalies", at_least=1)
    of_miss, of_alarm = miss * anomaly_share, false_alarm * (1.0 - anomaly_share)
    value, seen = _cheapest(normal, anomalies, of_miss, of_alarm)
    expected = max(seen, _left_out_cost(normal, anomalies, of_miss, of_alarm))
    found = int(np.count_nonzero(anomalies >= value))
    recall = Recall(len(anomalies), found, *share_interval(found, len(anomalies)))
    costs = Costs(miss, false_alarm, anomaly_share, expected)
    threshold = _threshold(value, normal, recall, costs)
    left = min(of_miss, of_alarm) - of_alarm * threshold.high
    if of_miss * (1.0 - recall.low) >= left:
        raise TrainingError(_too_few_to_gain(threshold, recall, of_miss, of_alarm))
    return threshold


def _threshold(
    value: float, normal: NDArray[np.float64], recall: Recall, costs: Costs | None = None
) -> Threshold:
    alarms = int(np.count_nonzero(normal >= value))
    low, high = share_interval(alarms, len(normal))
    return Threshold(
        value=value,
        budget=None,
        images=len(normal),
        low=low,
        high=high,
        supported=True,
        alarms=alarms,
        chosen_by="recall" if costs is None else "costs",
        recall=recall,
        costs=costs,
    )


def _cheapest(
    normal: NDArray[np.float64], anomalies: NDArray[np.float64], of_miss: float, of_alarm: float
) -> tuple[float, float]:
    """The middle one of the cheapest cuts half way between neighbouring scores, and its cost."""
    every = np.unique(np.concatenate([normal, anomalies]))
    cuts = np.append((np.insert(every[:-1], 0, 0.0) + every) / 2.0, _just_above(float(every[-1])))
    missed = np.searchsorted(anomalies, cuts)
    alarms = len(normal) - np.searchsorted(normal, cuts)
    cost = of_miss * (missed + 0.5) / (len(anomalies) + 1)
    cost += of_alarm * (alarms + 0.5) / (len(normal) + 1)
    best = np.flatnonzero(cost <= cost.min() * (1.0 + 1e-12))
    middle = best[len(best) // 2]
    return float(cuts[middle]), float(cost[middle])


def _left_out_cost(
    normal: NDArray[np.float64], anomalies: NDArray[np.float64], of_miss: float, of_alarm: float
) -> float:
    """What an image costs that had no part in choosing; each side keeps at least one image."""
    missed = alarms = 0
    for i in range(len(anomalies) if len(anomalies) > 1 else 0):
        cut, _ = _cheapest(normal, np.delete(anomalies, i), of_miss, of_alarm)
        missed += bool(anomalies[i] < cut)
    for i in range(len(normal)):
        cut, _ = _cheapest(np.delete(normal, i), anomalies, of_miss, of_alarm)
        alarms += bool(normal[i] >= cut)
    return of_miss * missed / len(anomalies) + of_alarm * alarms / len(normal)


def _too_few_to_claim(n: int, recall: float) -> str:
    needed = trials_needed(1.0 - recall)
    most = math.floor(lower_bound(n, n) * 1000.0) / 10.0
    return (
        f"a recall of {percent(recall)} % can't be claimed from {n} labelled anomalies: with "
        f"{CONFIDENCE * 100:g} % confidence it takes {needed}; these support at most {most:g} %"
    )


def _too_few_to_gain(threshold: Threshold, recall: Recall, of_miss: float, of_alarm: float) -> str:
    """Why costs can't choose, and which number of anomalies, or of both kinds, could."""
    without = min(of_miss, of_alarm)
    text = (
        f"{recall.anomalies} labelled anomalies and {threshold.images} normal images can't show "
        f"that any threshold costs less than {without:.2g} an image, which is what it costs to "
        f"call every image {'normal' if of_miss <= of_alarm else 'an anomaly'}: "
    )
    left = without - of_alarm * threshold.high
    side = 1.0 - (1.0 - CONFIDENCE) / 2.0
    if left > 0.0:
        needed = trials_needed(left / of_miss, confidence=side)
        now = f"now {recall.found} of {recall.anomalies} are"
        return f"{text}{needed} labelled anomalies could, were all of them found ({now})"
    anomalies = trials_needed(without / of_miss / 2.0, confidence=side)
    normal = trials_needed(without / of_alarm / 2.0, confidence=side)
    return f"{text}{anomalies} and {normal} could, were they told apart without a mistake"


def _just_above(score: float) -> float:
    return score * (1.0 + HAIR) + 1e-9
