"""The cost of a pipeline before it runs: measured here, counted for AWS, with cheaper ways."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from walkdown.app.foretelling import ASSUMED
from walkdown.app.measuring import measure
from walkdown.aws.bill import PER
from walkdown.aws.cost import bill_of
from walkdown.aws.deploying import SECONDS
from walkdown.aws.load import Case, standing_of
from walkdown.aws.prices import DEFAULT_REGION, prices_of
from walkdown.aws.transitions import transitions
from walkdown.pipeline.budget import Charge
from walkdown.pipeline.plan import make_plan
from walkdown.runners.stepfunctions import MAX_BATCH, Shape, batch_of, definition
from walkdown.spec import PipelineSpec, StageSpec
from walkdown.types import ModelInfo

if TYPE_CHECKING:
    from walkdown.app.context import App
    from walkdown.app.measured import Measured
    from walkdown.aws.bill import Bill
    from walkdown.aws.prices import Prices
    from walkdown.aws.transitions import Transitions
    from walkdown.ports import Progress

FLAGGED: Final = ASSUMED
"""The share of images that is taken to be flagged where the photographs can't tell."""

SLOWER: Final = 1.5
"""How many times slower a function's processor might be than this one: told beside the estimate."""

WORTH_TELLING: Final = 0.02
"""Share of a bill that another way must save."""


@dataclass(frozen=True, slots=True)
class Another:
    """Another way to run it, and what 1,000 images would cost then."""

    words: str
    usd_per_1000: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A bill, what it was counted from, and other ways, the cheapest first.

    ``slower_usd_per_1000`` is the cost if functions were `SLOWER`. ``unconfirmed`` prices were not
    found again when the table was made.
    """

    bill: Bill
    measured: Measured
    others: tuple[Another, ...]
    slower_usd_per_1000: float
    unconfirmed: tuple[str, ...]


def estimate(
    app: App,
    spec: PipelineSpec,
    *,
    images: int,
    region: str = DEFAULT_REGION,
    flagged: float | None = None,
    progress: Progress,
) -> Estimate:
    """Measure and count. ``flagged`` replaces the shares that the photographs showed.

    Raises `NotFound` for a region without prices, and as `measuring.measure` does.
    """
    prices = prices_of(region)
    measured = measure(app, spec, progress=progress)
    if flagged is not None or measured.generated:
        measured = measured.with_share(FLAGGED if flagged is None else flagged)
    return quote(measured, Case(images), prices, cores=app.settings.workers)


def quote(measured: Measured, case: Case, prices: Prices, *, cores: int = 1) -> Estimate:
    """The estimate for what was measured. Pure, but for the stack's template, which is read."""
    standing = standing_of(stack_template(), look_mb=case.look_mb)

    def bill(measured: Measured, case: Case, batch: int) -> Bill:
        shape = Shape({stage.name: batch for stage in measured.stages})
        moves = moves_of(measured, shape)
        return bill_of(measured, moves=moves, shape=shape, standing=standing, case=case,
                       prices=prices, cores=cores)  # fmt: skip

    batch = batch_of(SECONDS)
    now = bill(measured, case, batch)
    found = [(words, bill(*other)) for words, other in _others(measured, case, batch)]
    others = [
        Another(words, other.usd_per_1000)
        for words, other in found
        if other.usd < now.usd * (1 - WORTH_TELLING)
    ]
    slower = bill(measured, replace(case, slower=SLOWER), batch)
    return Estimate(
        bill=now,
        measured=measured,
        others=tuple(sorted(others, key=lambda other: other.usd_per_1000)),
        slower_usd_per_1000=slower.usd_per_1000,
        unconfirmed=prices.unconfirmed,
    )


def charge_of(found: Estimate) -> Charge:
    """An inspection's own share and each image's, from what 1 and what 1,000 images cost.

    What services of models charge is not in it: stages have budgets of their own. Rounded, so that
    the same pipeline measured twice is mostly the same deployment.
    """
    prices = prices_of(found.bill.region)
    own = tuple(replace(stage, usd_per_look=0.0) for stage in found.measured.stages)
    measured = replace(found.measured, stages=own)
    many = quote(measured, Case(PER), prices).bill.usd
    one = quote(measured, Case(1), prices).bill.usd
    each = (many - one) / (PER - 1)
    return Charge(float(f"{max(0.0, one - each):.2g}"), float(f"{each:.2g}"))


def _others(
    measured: Measured, case: Case, batch: int
) -> list[tuple[str, tuple[Measured, Case, int]]]:
    """Other ways to run it, each changed in one thing."""
    untiered = replace(case, tiering=False)
    standard = "photographs stay in S3 Standard, which is dearer for what is kept for years"
    return [
        (
            "no heat maps (in the pipeline file: outputs: {heatmaps: false})",
            (measured.without_heatmaps(), case, batch),
        ),
        (f"{standard} (--parameter SourceTieringDays=0)", (measured, untiered, batch)),
        (f"{MAX_BATCH} images a call instead of {batch}", (measured, case, MAX_BATCH)),
        (
            "models trained on photographs of half the width and height",
            (_at_half_size(measured), case, batch),
        ),
    ]


def moves_of(measured: Measured, shape: Shape) -> Transitions:
    """Transitions of the pipeline's workflow, whose form depends on its stages' names alone."""
    spec = PipelineSpec(
        name="cost", stages=tuple(StageSpec(name=s.name, model="any") for s in measured.stages)
    )
    plan = make_plan(spec, {"any": ModelInfo("any@1", "any")})
    return transitions(definition(plan, shape, plan_key="any"))


def _at_half_size(measured: Measured) -> Measured:
    """A quarter of the time, but for the heat map; decoding takes little."""
    stages = (
        replace(s, seconds=s.heatmap_seconds + (s.seconds - s.heatmap_seconds) / 4)
        for s in measured.stages
    )
    return replace(measured, stages=tuple(stages))


def stack_template() -> dict[str, Any]:
    """The template of a stack as it is in the package."""
    text = (resources.files("walkdown.aws") / "template.json").read_text("utf-8")
    template: dict[str, Any] = json.loads(text)
    return template
