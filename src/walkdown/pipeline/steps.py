"""One image's way through a plan: `next_step` says what to do, a runner does it and asks again.

The last stage that ran decides, unless the plan says any, all, vote or fuse. A failed stage never
turns an anomaly normal: what the others said stands, and the result is partial. A shadow runs
beside another stage and has no say in anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from walkdown import expressions
from walkdown.pipeline.facts import UNKNOWN, ImageFacts, stage_facts
from walkdown.pipeline.findings import sightings
from walkdown.pipeline.fusing import fused_p
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
    """Nothing is left to run. ``by`` is the stage that decided; None where every stage failed.

    Where answers were fused, ``by`` is the one with the most to say, with the fused score.
    """

    status: Status
    by: StageResult | None
    error: str | None = None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict of the stage that decided."""
        return self.by.prediction.verdict if self.by else None


def next_step(
    plan: Plan, done: Sequence[StageResult], *, image: ImageFacts = UNKNOWN
) -> StageCall | Decision:
    """What to do for an image of which the stages in ``done`` have answered, in plan order."""
    results = {r.stage: r for r in done}
    facts = _facts(plan, done, image)
    for stage in plan.stages:
        if stage.name in results or not _has_input(stage, results):
            continue
        if stage.when is None or expressions.holds(stage.when, facts):
            return StageCall(stage)
        if image.content is not None and is_audited(stage, image.content):
            return StageCall(stage, audited=True)
    return decide(plan, done)


def is_audited(stage: Stage, content: str) -> bool:
    """Whether an image is of those that a stage sees whatever its condition says.

    By the hash of the file: the same photograph, the same answer, in whatever order or place.
    """
    drawn = int(digest_of("audit", stage.name, content)[:13], 16) / 16**13
    return drawn < stage.audit


def _has_input(stage: Stage, results: Mapping[str, StageResult]) -> bool:
    """A shadow runs where its stage ran; who looks at regions needs some."""
    if stage.shadow_of is not None and stage.shadow_of not in results:
        return False
    if stage.regions is None:
        return True
    earlier = results.get(stage.regions.of)
    return earlier is not None and bool(earlier.prediction.regions)


def _facts(
    plan: Plan, done: Sequence[StageResult], image: ImageFacts
) -> dict[str, Mapping[str, Value] | Value]:
    """What the conditions of stages see. Of a shadow they see nothing."""
    counted = [r for r in done if r.beside is None]
    facts: dict[str, Mapping[str, Value] | Value] = {"image": image.values()}
    for result in counted:
        seen = sightings(plan, counted, result, image)
        severity = seen[0].severity.value if seen else None
        facts[result.stage] = {**stage_facts(result), "severity": severity}
    return facts


def decide(plan: Plan, done: Sequence[StageResult]) -> Decision:
    """What these answers come to, if no other stage is to run."""
    counted = [r for r in done if r.beside is None]
    answered = [r for r in counted if r.prediction.error is None]
    failed = [r for r in counted if r.prediction.error is not None]
    error = "; ".join(f"stage {r.stage}: {r.prediction.error}" for r in failed) or None
    if not answered:
        return Decision(Status.FAILED, None, error or "no stage ran")
    status = Status.PARTIAL if failed else Status.DONE
    return Decision(status, _decider(plan, answered), error)


def _decider(plan: Plan, answered: Sequence[StageResult]) -> StageResult:
    """The stage whose answer becomes the result's."""
    if plan.decide == "fuse" and (fused := _fused(answered, plan.false_alarms)):
        return fused
    if plan.decide in ("last", "fuse"):
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


def _fused(answered: Sequence[StageResult], false_alarms: float) -> StageResult | None:
    """One answer of all that know how many normal images look as odd; None where none does.

    The score is 0.5 where the fused share is the share of false alarms that is allowed.
    """
    known = [(r.prediction.p_normal, r) for r in answered if r.prediction.p_normal is not None]
    if not known:
        return None
    p = fused_p([each for each, _ in known])
    score = round(1.0 / (1.0 + p / false_alarms), 4)
    _, loudest = min(known, key=lambda each: each[0])
    said = replace(
        loudest.prediction,
        verdict=Verdict.ANOMALY if score >= 0.5 else Verdict.NORMAL,
        score=score,
        raw_score=-math.log10(p),
        p_normal=p,
    )
    return replace(loudest, prediction=said)


def _usable(result: StageResult) -> bool:
    return result.prediction.verdict is not Verdict.UNUSABLE
