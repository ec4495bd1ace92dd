"""What an inspection would come to, before anything is looked at: images, looks, costs, time.

Which share of images comes to a stage, and how fast they are looked at, is taken from earlier
inspections with the same conditions. Where there are none, it is assumed, and said so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice, pairwise
from statistics import median
from typing import TYPE_CHECKING, Final, Literal

from walkdown.app.archive import stored_pipelines
from walkdown.app.measuring import measure
from walkdown.app.stage_budgets import budget_of
from walkdown.errors import WalkdownError
from walkdown.evaluate.intervals import predictive_interval, share_interval
from walkdown.parallel import chunks
from walkdown.pipeline.budget import MILLIONTHS, month_of
from walkdown.spec import DEFAULT_SEVERITY
from walkdown.types import ResultKey, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from walkdown.app.context import App
    from walkdown.pipeline.plan import Plan, Regions, Stage
    from walkdown.ports import Progress
    from walkdown.spec import PipelineSpec
    from walkdown.types import ImageRef, Inspection, Result, StageKind

ASSUMED: Final = 0.05
"""The share of images that is taken to meet a stage's condition where nobody knows better."""

NEWEST: Final = 20
"""Earlier inspections that are asked at most; things change."""

PLENTY: Final = 20_000
"""Results that say enough: no older inspection is read then."""

ENOUGH: Final = 10
"""Images that an inspection must have looked at itself, for its pace to say something."""

BREAK: Final = timedelta(minutes=10)
"""Between two results: longer than that, and nobody was looking."""

_AT_ONCE = 1000

Basis = Literal["all", "history", "assumed"]


@dataclass(frozen=True, slots=True)
class Range:
    """A number that is likely, and the least and the most that is to be expected."""

    likely: float
    least: float
    most: float

    def times(self, factor: float) -> Range:
        """All three of them, so many times."""
        return Range(self.likely * factor, self.least * factor, self.most * factor)

    def plus(self, other: Range) -> Range:
        """The sum; its ends are those of a bad day on both."""
        return Range(self.likely + other.likely, self.least + other.least, self.most + other.most)


NOTHING: Final = Range(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class StageForecast:
    """One stage: ``looks`` of so many images, each at ``usd_per_image``.

    ``basis`` says why: it sees all images; of ``seen`` earlier ones, ``reached`` came to it; or the
    share is assumed. ``share`` is 0 to 1, with its 95 % interval.
    """

    name: str
    model: str
    kind: StageKind
    looks: Range
    share: Range
    basis: Basis
    seen: int
    reached: int
    usd_per_image: float
    left_usd: float | None = None

    @property
    def usd(self) -> Range:
        """What its service would charge."""
        return self.looks.times(self.usd_per_image)


@dataclass(frozen=True, slots=True)
class Duration:
    """How long it would take in seconds, and why: so many earlier inspections, or photographs.

    ``without`` are the stages whose time is not in it: nobody knows how long their services take.
    """

    seconds: Range
    basis: Literal["history", "measured"]
    of: int
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Forecast:
    """What would happen. ``unreadable`` files are known to be no images that can be read."""

    images: int
    done: int
    unreadable: int
    stages: tuple[StageForecast, ...]
    duration: Duration | None = None
    why: str | None = None

    @property
    def new(self) -> int:
        """Images that would be looked at."""
        return self.images - self.done - self.unreadable

    @property
    def usd(self) -> Range:
        """What services would charge in all."""
        total = NOTHING
        for stage in self.stages:
            total = total.plus(stage.usd)
        return total


def foretell(app: App, plan: Plan, refs: Iterable[ImageRef], *, run: int) -> Forecast:
    """Count the images, and say what would happen to the new ones. ``app`` is only read.

    ``run`` is the one that an inspection would be of: what is done in it is not done again.
    """
    images = done = unreadable = 0
    for some in chunks(refs, _AT_ONCE):
        images += len(some)
        unreadable += sum(ref.problem is not None for ref in some)
        keys = [
            ResultKey(app.settings.workspace, ref.capture_id, plan.digest, run)
            for ref in some
            if ref.problem is None
        ]
        done += sum(r.status is Status.DONE for r in app.records.results(keys=keys))
    new = images - done - unreadable
    past = list(_past(app, plan))
    results = _once(result for _, made in past for result in made)
    stages: list[StageForecast] = []
    for stage in plan.stages:
        beside = next((each for each in stages if each.name == stage.shadow_of), None)
        one = _beside(stage, beside) if beside else _stage(stage, results, new)
        stages.append(replace(one, left_usd=_left(app, plan.name, stage)))
    return Forecast(images, done, unreadable, tuple(stages), _pace(past, new) if new else None)


def timed(app: App, spec: PipelineSpec, forecast: Forecast, *, progress: Progress) -> Forecast:
    """The forecast with a duration, measured on a few of these very photographs if need be.

    Only models that run in this process are asked: no service is called. ``why`` says what kept it
    from being measured.
    """
    inline = {stage.name for stage in forecast.stages if stage.kind == "inline"}
    if forecast.duration or not forecast.new or not inline:
        return forecast
    alone = tuple(
        stage.model_copy(
            update={
                "when": None,
                "audit": None,
                "input": None,
                "margin": None,
                "most_regions": None,
                "shadow": None,
                "budget": None,
            }
        )
        for stage in spec.stages
        if stage.name in inline
    )
    # Rules of severity may speak of stages that are left out; no severity is measured.
    bare = spec.model_copy(update={"stages": alone, "severity": DEFAULT_SEVERITY})
    try:
        measured = measure(app, bare, progress=progress)
    except WalkdownError as e:
        return replace(forecast, why=str(e))
    seconds = {stage.name: stage.seconds for stage in measured.stages}
    total = NOTHING
    for stage in forecast.stages:
        total = total.plus(stage.looks.times(seconds.get(stage.name, 0.0)))
    without = tuple(stage.name for stage in forecast.stages if stage.name not in inline)
    duration = Duration(total.times(1 / app.settings.workers), "measured", measured.images, without)
    return replace(forecast, duration=duration)


def _left(app: App, pipeline: str, stage: Stage) -> float | None:
    """What is left of a stage's budget this month, in US dollars; None where it has none."""
    if stage.usd_per_month is None:
        return None
    spent = app.spending.spent(budget_of(pipeline, stage), month_of(app.clock()))
    return max(0.0, stage.usd_per_month - spent / MILLIONTHS)


def _beside(stage: Stage, other: StageForecast) -> StageForecast:
    """A shadow looks where its stage does, though not always at its price."""
    info = stage.model
    return replace(
        other, name=stage.name, model=info.label, kind=info.kind, usd_per_image=info.usd_per_image
    )


def _stage(stage: Stage, results: Sequence[Result], new: int) -> StageForecast:
    looks, share = Range(new, new, new), Range(1.0, 1.0, 1.0)
    basis: Basis = "all"
    reached = sum(any(s.stage == stage.name for s in result.stages) for result in results)
    seen = len(results)
    conditional = stage.when is not None or stage.regions is not None
    if conditional and seen:
        least, most = predictive_interval(reached, seen, new) if new else (0, 0)
        looks = Range(round(new * reached / seen), least, most)
        share, basis = Range(reached / seen, *share_interval(reached, seen)), "history"
    elif conditional:
        likely = ASSUMED + stage.audit * (1.0 - ASSUMED)
        looks = Range(round(new * likely), 0, new)
        share, basis = Range(likely, 0.0, 1.0), "assumed"
    if stage.regions is not None:
        # Each region is a look of its own.
        per_image = _regions(stage.regions, results)
        most = stage.regions.most
        looks = Range(round(looks.likely * per_image), looks.least, looks.most * most)
    info = stage.model
    return StageForecast(
        name=stage.name,
        model=info.label,
        kind=info.kind,
        looks=looks,
        share=share,
        basis=basis,
        seen=seen,
        reached=reached,
        usd_per_image=info.usd_per_image,
    )


def _regions(regions: Regions, results: Sequence[Result]) -> float:
    """How many regions an image has that comes to a stage over regions; 1 where nobody knows."""
    counts = [
        min(regions.most, len(each.prediction.regions))
        for result in results
        for each in result.stages
        if each.stage == regions.of and each.prediction.regions
    ]
    return sum(counts) / len(counts) if counts else 1.0


def _past(app: App, plan: Plan) -> Iterator[tuple[Inspection, list[Result]]]:
    """The newest inspections by this plan, or else by plans of the same conditions."""
    inspections = app.records.inspections()
    same = [each for each in inspections if each.plan_digest == plan.digest]
    if not same:
        stored = ((digest, pipeline.plan()) for digest, pipeline in stored_pipelines(app))
        alike = {digest for digest, other in stored if _conditions(other) == _conditions(plan)}
        same = [each for each in inspections if each.plan_digest in alike]
    count = 0
    for each in islice(same, NEWEST):
        stored_results = app.records.results(inspection_id=each.id)
        made = [r for r in stored_results if r.status is Status.DONE and r.stages]
        if made:
            yield each, made
        count += len(made)
        if count >= PLENTY:
            break


def _conditions(plan: Plan) -> tuple[object, ...]:
    """What decides which image comes to which stage, but for the versions of models."""
    stages = (
        (
            *(s.name, s.model.label.partition("@")[0], s.when.text if s.when else None, s.audit),
            s.regions,
        )
        for s in plan.counted
    )
    return (*stages, plan.prepare_digest)


def _once(results: Iterable[Result]) -> list[Result]:
    """Each result once: it may be a member of several inspections."""
    return list({result.key.id: result for result in results}.values())


def _pace(past: Iterable[tuple[Inspection, Sequence[Result]]], new: int) -> Duration | None:
    rates = [rate for each in past if (rate := _seconds_per_image(*each)) is not None]
    if not rates:
        return None
    seconds = Range(median(rates), min(rates), max(rates)).times(new)
    return Duration(seconds, "history", len(rates))


def _seconds_per_image(inspection: Inspection, results: Sequence[Result]) -> float | None:
    """Of the images that this inspection has looked at itself, without the breaks."""
    moments = sorted(r.recorded_at for r in results if r.recorded_at >= inspection.started_at)
    if len(moments) < ENOUGH:
        return None
    gaps = (b - a for a, b in pairwise([inspection.started_at, *moments]))
    return sum((gap for gap in gaps if gap <= BREAK), timedelta()).total_seconds() / len(moments)
