"""What an audit tells of a cascade: what its first stages miss, and what they save.

Of the images that earlier stages passed, a random share goes on to a later stage all the same. What
it finds there is a sample of what is missed; the later stage is taken for the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from walkdown.evaluate.intervals import share_interval
from walkdown.evaluate.threshold import percent
from walkdown.types import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from walkdown.types import Result

Estimate = tuple[float, float, float]
"""A value, and its 95 % interval's least and greatest."""


@dataclass(slots=True)
class Audit:
    """Counts of images for one stage that audits what was passed to it, or past it.

    ``flagged`` came to it because its condition held, and ``flagged_anomalies`` of them are
    anomalies to it. ``passed`` did not; it saw ``audited`` of those, and found ``missed``
    anomalies among them.
    """

    stage: str
    flagged: int = 0
    flagged_anomalies: int = 0
    passed: int = 0
    audited: int = 0
    missed: int = 0

    @property
    def saved(self) -> int:
        """Looks of this stage that were not needed."""
        return self.passed - self.audited

    @property
    def missed_of_passed(self) -> Estimate:
        """Share of what was passed that is an anomaly to this stage (Clopper-Pearson, 95 %)."""
        if not self.audited:
            return 0.0, 0.0, 1.0
        low, high = share_interval(self.missed, self.audited)
        return self.missed / self.audited, low, high

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
    """Adds up audits over results, in any order."""

    def __init__(self) -> None:
        self._seen: dict[str, Audit] = {}
        self._whole = 0

    def add(self, result: Result) -> None:
        """Count a result; one that failed, or that a stage could not answer, tells nothing."""
        counted = [each for each in result.stages if each.beside is None]
        if result.verdict is None or any(each.prediction.error for each in counted):
            return
        self._whole += 1
        for each in counted:
            audit = self._seen.setdefault(each.stage, Audit(each.stage))
            anomaly = each.prediction.verdict is Verdict.ANOMALY
            if each.audited:
                audit.audited += 1
                audit.missed += anomaly
            else:
                audit.flagged += 1
                audit.flagged_anomalies += anomaly

    def found(self) -> list[Audit]:
        """Those of stages that have audited anything."""
        audits = [audit for audit in self._seen.values() if audit.audited]
        for audit in audits:
            audit.passed = self._whole - audit.flagged
        return audits


def audits_of(results: Iterable[Result]) -> list[Audit]:
    """The audits of one inspection."""
    found = Audits()
    for result in results:
        found.add(result)
    return found.found()


def words(audit: Audit) -> str:
    """As people read it, in two sentences.

    >>> words(Audit("confirm", flagged=50, flagged_anomalies=40, passed=950, audited=95, missed=0))
    "audit: 'confirm' looked at 95 of 950 images that were passed, and found 0 anomalies there. \
Missed are 0 % of all anomalies (95 %: 0 to 47 %); 855 looks were saved"
    """
    found = "1 anomaly" if audit.missed == 1 else f"{audit.missed:,} anomalies"
    looked = (
        f"audit: '{audit.stage}' looked at {audit.audited:,} of {audit.passed:,} images that were "
        f"passed, and found {found} there. "
    )
    rate = audit.miss_rate
    if rate is None:
        known = f"It knows of no anomaly at all; {audit.saved:,} looks were saved"
    else:
        share, low, high = (percent(value) for value in rate)
        known = (
            f"Missed are {share} % of all anomalies (95 %: {low} to {high} %); "
            f"{audit.saved:,} looks were saved"
        )
    return looked + known
