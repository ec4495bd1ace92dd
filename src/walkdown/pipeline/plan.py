"""The plan: a pipeline whose models are resolved to digests, ready to be run anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from walkdown import expressions
from walkdown.spec import FINDING_NAMES, stage_names
from walkdown.types import ModelInfo, Severity, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from walkdown.spec import PipelineSpec, PrepareSpec

Decide = Literal["last", "any", "all", "vote"]

DECISION_RULES_VERSION = 1
"""Part of every plan's digest: raise it when `steps` or `findings` come to decide differently."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a plan: a model, and the condition under which it runs.

    ``audit`` is the share (0..1) of images, of those for which the condition does not hold, that it
    looks at all the same.
    """

    name: str
    model: ModelInfo
    when: expressions.Condition | None = None
    audit: float = 0.0


@dataclass(frozen=True, slots=True)
class Rule:
    """A severity, given to a finding when its condition holds (always, without one)."""

    severity: Severity
    when: expressions.Condition | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A resolved pipeline. ``digest`` is the identity of all that can change a result.

    Source, outputs and alerts are not part of it: they change where results go, not what they are.
    """

    name: str
    stages: tuple[Stage, ...]
    decide: Decide
    asset: str | None
    severity: tuple[Rule, ...]
    prepare_digest: str
    digest: str

    @property
    def usd_per_look(self) -> dict[str, float]:
        """What a look of each stage's model is expected to cost, in US dollars."""
        return {stage.name: stage.model.usd_per_image for stage in self.stages}


def make_plan(
    spec: PipelineSpec, models: Mapping[str, ModelInfo], *, preparation: str = ""
) -> Plan:
    """Resolve a checked specification; ``models`` maps each model's name in it to what it is.

    ``preparation`` is the digest of what ``spec.prepare`` leads to, with the content of its files.
    """
    names = [stage.name for stage in spec.stages]
    stages = tuple(
        Stage(
            name=stage.name,
            model=models[stage.model],
            when=_condition(stage.when, stage_names(names[:i])),
            audit=stage.audit or 0.0,
        )
        for i, stage in enumerate(spec.stages)
    )
    rules = tuple(
        Rule(rule.severity, _condition(rule.when, FINDING_NAMES | stage_names(names)))
        for rule in spec.severity
    )
    prepare = prepare_digest(spec.prepare, preparation)
    return Plan(
        name=spec.name,
        stages=stages,
        decide=spec.decide,
        asset=spec.asset,
        severity=rules,
        prepare_digest=prepare,
        digest=_plan_digest(spec, stages, prepare),
    )


def prepare_digest(prepare: PrepareSpec, preparation: str = "") -> str:
    """Identity of the preparation: only what changes the pixels that a model sees.

    The pixel limit does not: it decides whether there are any. Areas and alignment enter by the
    digest of what they lead to, since the images that they name may change under the same names.
    Raises ValueError where they are asked for and that digest is not given.
    """
    areas = prepare.areas
    if not preparation and (areas.only or areas.ignore or areas.mask or prepare.align):
        raise ValueError("a plan with areas or alignment needs the preparation's digest")
    changes = prepare.model_dump(mode="json", exclude={"max_pixels", "areas", "align"})
    if preparation:
        changes["preparation"] = preparation
    return digest_of("prepare", 1, changes)[:32]


def _condition(
    text: str | None, names: Mapping[str, tuple[str, ...]]
) -> expressions.Condition | None:
    return None if text is None else expressions.parse(text, names)


def _plan_digest(spec: PipelineSpec, stages: tuple[Stage, ...], prepare: str) -> str:
    return digest_of(
        "plan",
        DECISION_RULES_VERSION,
        [_identity(stage) for stage in stages],
        spec.decide,
        spec.asset,
        [rule.model_dump(mode="json") for rule in spec.severity],
        prepare,
    )


def _identity(stage: Stage) -> tuple[object, ...]:
    """What makes it this stage. Without an audit it is what it was before there were any."""
    when = stage.when.text if stage.when else None
    plain = (stage.name, stage.model.digest, when)
    return (*plain, stage.audit) if stage.audit else plain
