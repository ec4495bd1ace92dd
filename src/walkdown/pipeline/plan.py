"""The plan: a pipeline whose models are resolved to digests, ready to be run anywhere."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

from walkdown import expressions
from walkdown.errors import SpecError
from walkdown.spec import finding_names, when_names
from walkdown.types import ModelInfo, Severity, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from walkdown.spec import PipelineSpec, PrepareSpec, StageSpec

Decide = Literal["last", "any", "all", "vote", "fuse"]

DECISION_RULES_VERSION = 1
"""Part of every plan's digest: raise it when `steps` or `findings` come to decide differently."""


FALSE_ALARMS = 0.05
"""The share of normal images that fused answers may flag, unless the pipeline says another."""

MARGIN, MOST_REGIONS = 0.25, 8


@dataclass(frozen=True, slots=True)
class Regions:
    """A stage looks at what an earlier one has marked, and not at the whole image.

    Each region is cut out with ``margin`` times its longer side around it; the ``most`` worst are.
    """

    of: str
    margin: float = MARGIN
    most: int = MOST_REGIONS


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a plan: a model, and the condition under which it runs.

    ``audit`` is the share (0..1) of images, of those for which the condition does not hold, that it
    looks at all the same. ``shadow_of`` names the stage beside which it runs without a say.
    ``usd_per_month`` is what it may spend on its service.
    """

    name: str
    model: ModelInfo
    when: expressions.Condition | None = None
    audit: float = 0.0
    regions: Regions | None = None
    shadow_of: str | None = None
    usd_per_month: float | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A severity, given to a finding when its condition holds (always, without one)."""

    severity: Severity
    when: expressions.Condition | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A resolved pipeline; shadows are its last stages. ``digest`` is all that can change a result.

    Source, outputs and alerts are not part of it: they change where results go, not what they are.
    """

    name: str
    stages: tuple[Stage, ...]
    decide: Decide
    asset: str | None
    severity: tuple[Rule, ...]
    prepare_digest: str
    digest: str
    false_alarms: float = FALSE_ALARMS

    @property
    def counted(self) -> tuple[Stage, ...]:
        """The stages that have a say: all but shadows."""
        return tuple(stage for stage in self.stages if stage.shadow_of is None)

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
    made = [_stage(stage, models[stage.model], names[:i]) for i, stage in enumerate(spec.stages)]
    stages = _shadows_last(made)
    rules = tuple(
        Rule(rule.severity, _condition(rule.when, finding_names(names))) for rule in spec.severity
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
        false_alarms=spec.false_alarms or FALSE_ALARMS,
    )


def _shadows_last(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """What has a say comes first: nothing waits for a shadow. It sees what its stage sees."""
    counted = {stage.name: stage for stage in stages if stage.shadow_of is None}
    shadows = (stage for stage in stages if stage.shadow_of is not None)
    seeing = (replace(each, regions=counted[each.shadow_of or ""].regions) for each in shadows)
    return (*counted.values(), *seeing)


def _stage(stage: StageSpec, model: ModelInfo, earlier: Sequence[str]) -> Stage:
    if stage.budget is not None and model.usd_per_image <= 0:
        raise SpecError(
            f"stage {stage.name!r} has a budget, and its model {model.label} says nothing of what "
            "a look costs: leave the budget out, or set 'usd_per_image' in the model's card"
        )
    regions = None
    if stage.input is not None:
        regions = Regions(
            stage.input.removeprefix("regions of "),
            margin=MARGIN if stage.margin is None else stage.margin,
            most=stage.most_regions or MOST_REGIONS,
        )
    return Stage(
        name=stage.name,
        model=model,
        when=_condition(stage.when, when_names(earlier)),
        audit=stage.audit or 0.0,
        regions=regions,
        shadow_of=stage.shadow,
        usd_per_month=stage.budget.usd_per_month if stage.budget else None,
    )


def prepare_digest(prepare: PrepareSpec, preparation: str = "") -> str:
    """Identity of the preparation: only what changes the pixels that a model sees.

    The pixel limit does not: it decides whether there are any. Areas and alignment enter by the
    digest of what they lead to, since the images that they name may change under the same names.
    Raises ValueError where they are asked for and that digest is not given.
    """
    areas = prepare.areas
    asked = areas.only or areas.ignore or areas.mask or prepare.align or prepare.steps
    if not preparation and asked:
        raise ValueError("a plan with areas, alignment or steps needs the preparation's digest")
    changes = prepare.model_dump(mode="json", exclude={"max_pixels", "areas", "align", "steps"})
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
        # A shadow changes no result: with one, or without, what is done is done.
        [_identity(stage) for stage in stages if stage.shadow_of is None],
        _decide_identity(spec),
        spec.asset,
        [rule.model_dump(mode="json") for rule in spec.severity],
        prepare,
    )


def _decide_identity(spec: PipelineSpec) -> object:
    if spec.decide == "fuse":
        return spec.decide, spec.false_alarms or FALSE_ALARMS
    return spec.decide


def _identity(stage: Stage) -> tuple[object, ...]:
    """What makes it this stage. Without an audit or regions it is what it was before either."""
    when = stage.when.text if stage.when else None
    plain = (stage.name, stage.model.digest, when)
    audited = (*plain, stage.audit) if stage.audit else plain
    return (*audited, asdict(stage.regions)) if stage.regions else audited
