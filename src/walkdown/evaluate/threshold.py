"""What a threshold is, and the sentence that tells a person what may be expected of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from walkdown.evaluate.intervals import CONFIDENCE, predictive_interval

ChosenBy = Literal["false alarms", "recall", "costs"]


@dataclass(frozen=True, slots=True)
class Recall:
    """Which share of anomalies is found: ``found`` of ``anomalies`` labelled ones.

    ``low`` and ``high`` bound the share of new anomalies of the same kinds with 95 % confidence.
    ``wanted`` is the recall that was asked for; then the bound is one-sided: ``high`` is 1.
    """

    anomalies: int
    found: int
    low: float
    high: float
    wanted: float | None = None


@dataclass(frozen=True, slots=True)
class Costs:
    """What mistakes cost, and what they are expected to cost an image; in any one unit.

    ``anomaly_share`` (0..1) is how many of the images that will be inspected show an anomaly.
    """

    miss: float
    false_alarm: float
    anomaly_share: float
    expected: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """A raw score from which on an image is an anomaly, and the false alarms to expect of it.

    ``low`` and ``high`` bound the false-alarm rate of new normal images with 95 % confidence;
    ``alarms`` of the ``images`` normal ones lie at the threshold or above. ``supported`` is whether
    that many images can carry the ``budget`` at all; ``certain`` whether it is kept with 95 %
    confidence, and not just on average. ``recall`` is known where anomalies are labelled.
    """

    value: float
    budget: float | None
    images: int
    low: float
    high: float
    supported: bool
    set_aside: int = 0
    alarms: int = 0
    chosen_by: ChosenBy = "false alarms"
    certain: bool = False
    recall: Recall | None = None
    costs: Costs | None = None

    def expected(self, new: int) -> tuple[float, float]:
        """The least and largest share of alarms to be seen among ``new`` normal images.

        With 95 % confidence, and wider than ``low`` to ``high``, which no finite number of images
        shows exactly.
        """
        error = 1.0 - CONFIDENCE
        one_sided = self.chosen_by == "false alarms" and self.low == 0.0
        below, above = (0.0, error) if one_sided else (error / 2.0, error / 2.0)
        fewest, most = predictive_interval(self.alarms, self.images, new, below=below, above=above)
        return fewest / new, most / new

    @property
    def sentence(self) -> str:
        """What a person should know before trusting it."""
        aside = f", {self.set_aside} of them unlike all others and set aside"
        images = f"from {self.images} normal images{aside if self.set_aside else ''}"
        alarms = f"{_span(self.low, self.high)} of new normal images raise a false alarm ({images})"
        parts = [_reason(self), f"with {CONFIDENCE:.0%} confidence {alarms}".replace("%", " %", 1)]
        if self.recall is not None:
            parts[-1] += f", and {_found(self.recall)}"
        return "; ".join(part for part in parts if part)


def _reason(threshold: Threshold) -> str:
    """How a threshold came about."""
    if threshold.costs is not None:
        costs = threshold.costs
        return (
            f"cheapest where a miss costs {costs.miss:g}, a false alarm {costs.false_alarm:g} and "
            f"{percent(costs.anomaly_share)} % of images show an anomaly: expect a cost of "
            f"{costs.expected:.2g} an image"
        )
    if threshold.budget is None:
        return ""
    asked = f"the {percent(threshold.budget)} % budget"
    if threshold.certain:
        return f"{asked} is certain"
    if threshold.supported:
        return f"{asked} is kept on average"
    needed = needed_on_average(threshold.budget)
    return f"{asked} is a guess; {needed} or more normal images would support it"


def _found(recall: Recall) -> str:
    counted = f"{recall.found} of the {recall.anomalies} labelled ones"
    return f"{_span(recall.low, recall.high)} of such anomalies are found ({counted})"


def _span(low: float, high: float) -> str:
    if low == 0.0 and high < 1.0:
        return f"at most {percent(high)} %"
    if high == 1.0 and low > 0.0:
        return f"at least {percent(low)} %"
    return f"between {percent(low)} and {percent(high)} %"


def percent(share: float) -> str:
    """Per cent of a share, with two digits that mean something, and without the sign."""
    value = share * 100.0
    return f"{value:.3g}" if value >= 99.0 else f"{value:.0f}" if value >= 9.95 else f"{value:.2g}"


def needed_on_average(budget: float) -> int:
    """How many normal images it takes for a rank that keeps a false-alarm budget on average.

    >>> needed_on_average(0.05), needed_on_average(0.01)
    (19, 99)
    """
    return math.ceil((1.0 - 1e-9) / budget) - 1
