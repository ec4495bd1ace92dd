"""What an audit tells of a cascade: what its first stages miss, and what they save.

Of the images that earlier stages passed, a random share goes on to a later stage all the same. What
it finds there is a sample of what is missed; the later stage is taken for the truth. Where people
have labelled images, what they say is another truth, and is counted beside it.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from walkdown.evaluate.draws import marked_interval
from walkdown.evaluate.intervals import share_interval
from walkdown.evaluate.threshold import percent
from walkdown.types import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from walkdown.types import Result

Estimate = tuple[float, float, float]
"""A value, and its 95 % interval's least and greatest."""


@dataclass(slots=True)
class Labelled:
    """Counts of the images of which people say that they show an anomaly.

    ``passed`` of them did not come to a stage by its condition; ``missed`` are no anomalies by what
    the whole pipeline says, its audits included. The intervals are those of Clopper and Pearson,
    and speak of all anomalies only where those that are labelled were not chosen by what the
    pipeline says of them.
    """

    anomalies: int = 0
    passed: int = 0
    missed: int = 0

    @property
    def pass_rate(self) -> Estimate | None:
        """Share of the labelled anomalies that was passed: what the stages before it miss."""
        return self._rate(self.passed)

    @property
    def miss_rate(self) -> Estimate | None:
        """Share of the labelled anomalies that the whole pipeline misses."""
        return self._rate(self.missed)

    def _rate(self, count: int) -> Estimate | None:
        if not self.anomalies:
            return None
        return count / self.anomalies, *share_interval(count, self.anomalies)


@dataclass(slots=True)
class Audit:
    """Counts of images for one stage that audits what was passed to it, or past it.

    ``flagged`` came to it because its condition held, and ``flagged_anomalies`` of them are
    anomalies to it. ``passed`` did not; it saw ``audited`` of those, and found ``missed``
    anomalies among them. ``usd_per_look`` is what a look of this stage costs, in US dollars;
    ``labelled`` is known where there are labels. Of ``unanswered`` flagged images, on which the
    stage failed, nothing is counted: their anomalies would make what is missed a smaller share.
    """

    stage: str
    flagged: int = 0
    flagged_anomalies: int = 0
    passed: int = 0
    audited: int = 0
    missed: int = 0
    usd_per_look: float = 0.0
    labelled: Labelled | None = None
    unanswered: int = 0

    @property
    def saved(self) -> int:
        """Looks of this stage that were not needed."""
        return self.passed - self.audited

    @property
    def saved_usd(self) -> float:
        """What these looks would have cost, in US dollars."""
        return self.saved * self.usd_per_look

    @property
    def missed_of_passed(self) -> Estimate:
        """Share of what was passed that is an anomaly to this stage (exact, 95 %).

        Of these very images: they are finitely many, and what was audited is known for certain.
        """
        if not self.audited:
            return 0.0, 0.0, 1.0
        low, high = marked_interval(self.missed, self.audited, self.passed)
        return self.missed / self.audited, low / self.passed, high / self.passed

    @property
    def miss_rate(self) -> Estimate | None:
        """Share of all anomalies, by this stage, that was passed; None where it knows of none.

        It grows with the share of what was passed, so that the ends of that interval are its ends.
        """
        share, low, high = self.missed_of_passed
        if not self.flagged_anomalies and not self.missed:
            return None
        return self._rate(share), self._rate(low), self._rate(high)

    def _rate(self, share: float) -> float:
        missed = share * self.passed
        total = self.flagged_anomalies + missed
        return missed / total if total else 0.0


class Audits:
    """Adds up audits over results, in any order.

    Exact copies of a file count once: they are drawn together, so that a second one tells nothing.
    ``labels`` are what people say, by capture or by content: whether an image shows an anomaly.
    ``usd_per_look`` is what a look of each stage should cost, for those whose predictions do not
    say what they did cost.
    """

    def __init__(
        self,
        *,
        labels: Mapping[str, bool] | None = None,
        usd_per_look: Mapping[str, float] | None = None,
    ) -> None:
        self._labels = labels
        self._expected = usd_per_look or {}
        self._seen: dict[str, Audit] = {}
        self._all = array("q")
        self._nameless = 0
        self._counted: set[str] = set()
        self._paid: dict[str, tuple[int, float]] = {}
        self._anomalies = self._missed = 0
        self._shown: dict[str, int] = {}
        self._unanswered: Counter[str] = Counter()

    def add(self, result: Result) -> None:
        """Count a result; one that failed, or that a stage could not answer, tells nothing."""
        counted = [each for each in result.stages if each.beside is None]
        if result.verdict is None or any(each.prediction.error for each in counted):
            self._unanswered.update(
                each.stage for each in counted if each.prediction.error and not each.audited
            )
            return
        wrong = self._is_labelled_anomaly(result)
        if not self._is_new(result, wrong=wrong):
            return
        self._anomalies += wrong
        self._missed += wrong and result.verdict is not Verdict.ANOMALY
        for each in counted:
            audit = self._seen.setdefault(each.stage, Audit(each.stage))
            anomaly = each.prediction.verdict is Verdict.ANOMALY
            if each.audited:
                audit.audited += 1
                audit.missed += anomaly
            else:
                audit.flagged += 1
                audit.flagged_anomalies += anomaly
                self._shown[each.stage] = self._shown.get(each.stage, 0) + wrong
            self._pay(each.stage, each.prediction.cost_usd)

    def _is_new(self, result: Result, *, wrong: bool) -> bool:
        """Whether there is more to count of it than that it is there.

        Of most images there is not; of these, 8 bytes of each are kept until the end.
        """
        if result.content is None:
            self._nameless += 1
            return True
        self._all.append(hash(result.content))
        if (len(result.stages) < 2 and not wrong) or result.content in self._counted:
            return False
        self._counted.add(result.content)
        return True

    def _is_labelled_anomaly(self, result: Result) -> bool:
        """By its capture, which is more than its content: what is right in one place may not be."""
        if not self._labels:
            return False
        by_content = self._labels.get(result.content or "", False)
        return self._labels.get(result.key.capture_id, by_content)

    def _pay(self, stage: str, usd: float | None) -> None:
        if usd is not None:
            looks, paid = self._paid.get(stage, (0, 0.0))
            self._paid[stage] = looks + 1, paid + usd

    def found(self) -> list[Audit]:
        """Those of stages that have audited anything."""
        audits = [audit for audit in self._seen.values() if audit.audited]
        whole = self._nameless + len(np.unique(np.asarray(self._all)))
        for audit in audits:
            audit.passed = whole - audit.flagged
            audit.unanswered = self._unanswered[audit.stage]
            looks, paid = self._paid.get(audit.stage, (0, 0.0))
            audit.usd_per_look = paid / looks if looks else self._expected.get(audit.stage, 0.0)
            if self._labels is not None:
                passed = self._anomalies - self._shown.get(audit.stage, 0)
                audit.labelled = Labelled(self._anomalies, passed, self._missed)
        return audits


def audits_of(
    results: Iterable[Result],
    *,
    labels: Mapping[str, bool] | None = None,
    usd_per_look: Mapping[str, float] | None = None,
) -> list[Audit]:
    """The audits of one inspection; see `Audits` for what else may be given."""
    found = Audits(labels=labels, usd_per_look=usd_per_look)
    for result in results:
        found.add(result)
    return found.found()


def words(audit: Audit) -> str:
    """As people read it, in two sentences.

    >>> words(Audit("confirm", flagged=50, flagged_anomalies=40, passed=950, audited=95, missed=0))
    "audit: 'confirm' looked at 95 of 950 images that were passed, and found 0 anomalies there. \
Missed are 0 % of all anomalies (95 %: 0 to 46 %); 855 looks were saved"
    """
    found = "1 anomaly" if audit.missed == 1 else f"{audit.missed:,} anomalies"
    looked = (
        f"audit: '{audit.stage}' looked at {audit.audited:,} of {audit.passed:,} images that were "
        f"passed, and found {found} there. "
    )
    if audit.unanswered:
        looked += (
            f"{audit.unanswered:,} flagged images had no answer: less is missed than is said. "
        )
    rate = audit.miss_rate
    if rate is None:
        return f"{looked}It knows of no anomaly at all; {_saved(audit)}"
    share, low, high = (percent(value) for value in rate)
    return (
        f"{looked}Missed are {share} % of all anomalies (95 %: {low} to {high} %); {_saved(audit)}"
    )


def _saved(audit: Audit) -> str:
    looks = f"{audit.saved:,} looks were saved"
    usd = audit.saved_usd
    if not usd > 0.0:
        return looks
    if usd < 0.001:
        return f"{looks}, less than $0.001"
    return f"{looks}, about ${usd:.3f}" if usd < 0.1 else f"{looks}, about ${usd:,.2f}"
