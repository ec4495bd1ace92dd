"""What a user demands of a threshold, and the threshold that meets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from walkdown.errors import TrainingError
from walkdown.evaluate import labelled_thresholds, thresholds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.evaluate.threshold import Threshold


@dataclass(frozen=True, slots=True)
class Demand:
    """A false-alarm budget (0..1), unless a ``recall`` (0..1) or costs are given.

    ``strict`` refuses a budget that so many images can't make certain. ``costs`` are of a miss and
    of a false alarm in one unit; ``anomaly_share`` is how many images will show an anomaly.
    """

    false_alarms: float = 0.05
    strict: bool = False
    recall: float | None = None
    costs: tuple[float, float] | None = None
    anomaly_share: float = 0.01

    def threshold(
        self, normal: Sequence[float], anomalies: Sequence[float], odd: Sequence[int]
    ) -> Threshold:
        """The threshold of held-out raw scores; ``odd`` are numbers of normal ones to set aside.

        Raises `TrainingError` where the data can't support what is demanded.
        """
        if (self.recall is not None or self.costs is not None) and not anomalies:
            raise TrainingError(
                "a recall or costs can be met only where anomalies are known: add photographs of "
                "them with --anomaly"
            )
        if self.recall is not None:
            return labelled_thresholds.from_recall(normal, anomalies, recall=self.recall)
        if self.costs is not None:
            miss, false_alarm = self.costs
            return labelled_thresholds.from_costs(
                normal,
                anomalies,
                miss=miss,
                false_alarm=false_alarm,
                anomaly_share=self.anomaly_share,
            )
        usual = [score for i, score in enumerate(normal) if i not in odd]
        aside = [normal[i] for i in odd]
        threshold = thresholds.from_false_alarms(
            usual, self.false_alarms, set_aside=aside, strict=self.strict
        )
        return thresholds.with_recall(threshold, anomalies) if anomalies else threshold
