"""One image's way through a plan: `next_step` says what to do, a runner does it and asks again.

The last stage that ran decides, unless the plan says any, all or vote. A failed stage never turns
an anomaly normal: what the others said stands, and the result is partial.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from walkdown import expressions
from walkdown.types import StageResult, Status, Verdict, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from walkdown.expressions import Value
    from walkdown.pipeline.plan import Plan, Stage


@dataclass(frozen=True, slots=True)
class StageCall:
    """The runner must run this stage on the image and ask again.

    ``audited``: its condition does not hold, and the image is one of those it sees all the same.
    """

    stage: Stage
    audited: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """Nothing is left to run. ``by`` is the stage that decided; None where every stage failed."""

    status: Status
    by: StageResult | None
    error: str | None = None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict of the stage that decided."""
        return self.by.prediction.verdict if self.by else None


def next_step(
    plan: Plan, done: Sequence[StageResult], *, content: str | None
) -> StageCall | Decision:
    """What to do for an image of which the stages in ``done`` have answered, in plan order.

    ``content`` is the hash of its file, by which audits choose; None while that is not known.
    """
    results = {r.stage: r for r in done}
    facts = {name: stage_facts(r) for name, r in results.items()}
    for stage in plan.stages:
        if stage.name in results:
            continue
        if stage.when is None or expressions.holds(stage.when, facts):
            return StageCall(stage)
        if content is not None and is_audited(stage, content):
            return StageCall(stage, audited=True)
    return decide(plan, done)


def is_audited(stage: Stage, content: str) -> bool:
    """Whether an image is of those that a stage sees whatever its condition says.

    By the hash of the file: the same photograph, the same answer, in whatever order or place.
    """
    drawn = int(digest_of("audit", stage.name, content)[:13], 16) / 16**13
    return drawn < stage.audit


def stage_facts(result: StageResult) -> Mapping[str, Value]:
    """What a condition sees of a stage; see ``spec.STAGE_FIELDS``."""
    p = result.prediction
    return {
        "score": p.score,
        "raw_score": p.raw_score,
        "verdict": p.verdict.value if p.verdict else None,
        "labels": p.labels,
        "regions": len(p.regions),
        "area_pct": sum(r.area_pct for r in p.regions),
        "p_normal": p.p_normal,
        "failed": p.error is not None,
    }


def decide(plan: Plan, done: Sequence[StageResult]) -> Decision:
    """What these answers come to, if no other stage is to run."""
    answered = [r for r in done if r.prediction.error is None]
    failed = [r for r in done if r.prediction.error is not None]
    error = "; ".join(f"stage {r.stage}: {r.prediction.error}" for r in failed) or None
    if not answered:
        return Decision(Status.FAILED, None, error or "no stage ran")
    status = Status.PARTIAL if failed else Status.DONE
    return Decision(status, _decider(plan, answered), error)


def _decider(plan: Plan, answered: Sequence[StageResult]) -> StageResult:
    """The stage whose answer becomes the result's."""
    if plan.decide == "last":
        # A stage that could not use the image has no say over one that could.
        return next((r for r in reversed(answered) if _usable(r)), answered[-1])
    sides = {
        verdict: [r for r in answered if r.prediction.verdict is verdict]
        for verdict in (Verdict.ANOMALY, Verdict.NORMAL)
    }
    anomalous, normal = sides[Verdict.ANOMALY], sides[Verdict.NORMAL]
    if not anomalous and not normal:
        return answered[-1]
    is_anomaly = {
        "any": bool(anomalous),
        "all": bool(anomalous) and not normal,
        # A tie is an anomaly: a person then looks, which costs less than a miss.
        "vote": len(anomalous) >= len(normal),
    }[plan.decide]
    side = anomalous if is_anomaly else normal
    return max(side, key=lambda r: r.prediction.score or 0.0)


def _usable(result: StageResult) -> bool:
    return result.prediction.verdict is not Verdict.UNUSABLE
