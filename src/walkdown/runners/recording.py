"""From outcomes to records: results with their findings and alerts, each written exactly once.

Findings are read, decided on in pure functions and written under their revision; where another
process was faster, the entry is a conflict, and the loop reads and decides again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from walkdown.errors import StoreError
from walkdown.pipeline import findings
from walkdown.runners.outcomes import facts_of
from walkdown.types import Alert, Entry, Finding, Prediction, Result, ResultKey, Severity, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from walkdown.pipeline.findings import Sighting
    from walkdown.pipeline.plan import Plan
    from walkdown.ports import Records
    from walkdown.runners.outcomes import Outcome

ATTEMPTS = 20
"""Rounds of reading again after conflicts; each round at least one process gets ahead."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """Writes the outcomes of an inspection; ``channels`` are told, each from a severity on."""

    plan: Plan
    records: Records
    workspace: str
    inspection: str
    run: int
    actor: str
    clock: Callable[[], datetime]
    channels: tuple[tuple[str, Severity], ...] = ()

    def key(self, capture_id: str) -> ResultKey:
        """Identity of this inspection's result for a capture."""
        return ResultKey(self.workspace, capture_id, self.plan.digest, self.run)

    def record(self, outcomes: Sequence[Outcome]) -> list[Result]:
        """Store, and return what is stored now: where another was first, its result."""
        now = self.clock()
        sighted = [self._result(outcome, now) for outcome in outcomes]
        caches = [tuple(outcome.cache) for outcome in outcomes]
        waiting = list(range(len(outcomes)))
        lost: list[int] = []
        for _ in range(ATTEMPTS):
            entries = self._entries([sighted[i] for i in waiting], [caches[i] for i in waiting])
            answers = self.records.record(self.inspection, entries)
            pairs = list(zip(waiting, answers, strict=True))
            lost += [i for i, answer in pairs if answer == "exists"]
            waiting = [i for i, answer in pairs if answer == "conflict"]
            if not waiting:
                return self._stored([result for result, _ in sighted], lost)
        raise StoreError(
            f"{len(waiting)} results could not be recorded, since other processes keep writing "
            "the same findings; run the same command again, it continues where it stopped"
        )

    def _stored(self, results: list[Result], lost: Sequence[int]) -> list[Result]:
        if lost:
            first = {r.key: r for r in self.records.results(keys=[results[i].key for i in lost])}
            return [first.get(r.key, r) for r in results]
        return results

    def _result(self, outcome: Outcome, now: datetime) -> tuple[Result, tuple[Sighting, ...]]:
        ref, decision = outcome.ref, outcome.decision
        by = decision.by if decision else None
        image = facts_of(self.plan, outcome)
        seen = findings.sightings(self.plan, outcome.stages, by, image)
        result = Result(
            key=self.key(ref.capture_id),
            uri=ref.uri,
            image=ref.name,
            status=decision.status if decision else Status.FAILED,
            actor=self.actor,
            recorded_at=now,
            content=outcome.content,
            verdict=by.prediction.verdict if by else None,
            score=by.prediction.score if by else None,
            raw_score=by.prediction.raw_score if by else None,
            model=by.model if by else None,
            severity=seen[0].severity if seen else None,
            asset=image.asset,
            viewpoint=image.viewpoint,
            stages=tuple(outcome.stages),
            error=decision.error if decision else outcome.error or "it was not looked at",
            width_px=outcome.width_px,
            height_px=outcome.height_px,
            exif=outcome.exif,
            stage=by.stage if by else None,
            relative=ref.relative if ref.relative != ref.name else None,
        )
        return result, seen

    def _entries(
        self,
        sighted: Sequence[tuple[Result, tuple[Sighting, ...]]],
        caches: Sequence[tuple[tuple[str, Prediction, str | None], ...]],
    ) -> list[Entry]:
        """Entries whose findings follow on from what is stored now, and from one another."""
        ids = {
            findings.finding_id(self.workspace, findings.subject(r), s.label)
            for r, seen in sighted
            for s in seen
        }
        current = self.records.findings(ids) if ids else {}
        entries = []
        for (result, seen), cache in zip(sighted, caches, strict=True):
            changed: list[Finding] = []
            alerts: list[Alert] = []
            for sighting in seen:
                identity = findings.finding_id(
                    self.workspace, findings.subject(result), sighting.label
                )
                known = current.get(identity)
                now = findings.update(known, result, sighting)
                told = self._alerts(known, now)
                if told:
                    now = replace(now, told=now.severity)
                    alerts += told
                current[identity] = now
                changed.append(now)
            entries.append(Entry(result, tuple(changed), tuple(alerts), cache))
        return entries

    def _alerts(self, known: Finding | None, now: Finding) -> list[Alert]:
        """One copy for each channel that is told of this severity."""
        alert = findings.alert(known, now, pipeline=self.plan.name, inspection=self.inspection)
        if alert is None:
            return []
        told = [name for name, least in self.channels if now.severity.rank >= least.rank]
        return [replace(alert, channel=name) for name in told]
