"""Findings and alerts from a decision: a finding per asset and label, alerted if new or worse."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from walkdown import expressions
from walkdown.pipeline.facts import stage_facts
from walkdown.types import Alert, Finding, Result, Severity, StageResult, Verdict, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from walkdown.expressions import Value
    from walkdown.pipeline.facts import ImageFacts
    from walkdown.pipeline.plan import Plan

DEFAULT_LABEL = "anomaly"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One kind of thing that is wrong on one image, before it is matched with what was known."""

    label: str
    severity: Severity
    score: float
    area_pct: float


def sightings(
    plan: Plan, stages: Sequence[StageResult], by: StageResult | None, image: ImageFacts
) -> tuple[Sighting, ...]:
    """What an anomalous result shows, one sighting for each label, worst first.

    A label's score is that of its worst region, or the image's where no region bears the label;
    the score of an unnamed anomaly is the image's, by which it was decided.
    """
    if by is None or by.prediction.verdict is not Verdict.ANOMALY:
        return ()
    facts = {s.stage: stage_facts(s) for s in stages if s.beside is None}
    found = [_sighting(plan, label, by, image, facts) for label in _labels(by)]
    return tuple(sorted(found, key=lambda s: (-s.severity.rank, -s.score, s.label)))


def _labels(by: StageResult) -> list[str]:
    """What the model names; a region that bears no name of its own is no second finding."""
    named = {r.label for r in by.prediction.regions} | set(by.prediction.labels)
    return sorted(named - {DEFAULT_LABEL}) or [DEFAULT_LABEL]


def _sighting(
    plan: Plan,
    label: str,
    by: StageResult,
    image: ImageFacts,
    facts: Mapping[str, Mapping[str, Value]],
) -> Sighting:
    p = by.prediction
    own = [r for r in p.regions if r.label == label] or [
        r for r in p.regions if r.label == DEFAULT_LABEL
    ]
    score = max((r.score for r in own), default=p.score or 0.0)
    if label == DEFAULT_LABEL:
        # The unnamed anomaly is the image's own: its score is what the verdict was made of.
        score = p.score or 0.0
    area = sum(r.area_pct for r in own)
    own_values = {"score": score, "area_pct": area, "label": label, "asset": image.asset}
    values = {**facts, **own_values, "image": image.values()}
    rules = (r for r in plan.severity if r.when is None or expressions.holds(r.when, values))
    rule = next(rules, None)
    return Sighting(label, rule.severity if rule else Severity.LOW, score, area)


def finding_id(workspace: str, asset: str, label: str) -> str:
    """Stable over visits: the same trouble on the same asset is the same finding."""
    return digest_of("finding", workspace, asset, label)[:32]


def subject(result: Result) -> str:
    """Whose finding it is: the asset, or the image itself where no asset is known."""
    return result.asset or result.uri


def update(known: Finding | None, result: Result, sighting: Sighting) -> Finding:
    """The finding after this sighting: new, or the known one seen again (its severity never falls).

    Severity falls by a repair, not by a luckier photograph.
    """
    if known is None:
        return Finding(
            id=finding_id(result.key.workspace, subject(result), sighting.label),
            workspace=result.key.workspace,
            asset=subject(result),
            label=sighting.label,
            severity=sighting.severity,
            score=sighting.score,
            area_pct=sighting.area_pct,
            image=result.image,
            result_id=result.key.id,
            opened_at=result.recorded_at,
            seen_at=result.recorded_at,
            actor=result.actor,
        )
    worse = sighting.severity.rank > known.severity.rank
    return replace(
        known,
        severity=sighting.severity if worse else known.severity,
        score=max(known.score, sighting.score),
        area_pct=max(known.area_pct, sighting.area_pct),
        image=result.image,
        result_id=result.key.id,
        seen_at=result.recorded_at,
        actor=result.actor,
        revision=known.revision + 1,
    )


def alert(known: Finding | None, now: Finding, *, pipeline: str, inspection: str) -> Alert | None:
    """The alert for a finding that is new to people or got worse; None when they know it.

    What an inspection without alerts has opened is new to people all the same.
    """
    event: Literal["opened", "raised"]
    told = known.told if known else None
    if told is None:
        event = "opened"
    elif now.severity.rank > told.rank:
        event = "raised"
    else:
        return None
    identity = digest_of("alert", now.id, event, now.severity.value)[:32]
    return Alert(identity, event, now, pipeline, inspection)
