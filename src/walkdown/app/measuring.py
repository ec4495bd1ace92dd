"""What a pipeline needs for an image, measured here in the way in which a function works.

Each stage looks at a few photographs alone, by the very step that a workflow calls, in one thread
and in memory; what it stores is weighed. Without photographs, made-up ones of 12 megapixels are
taken, which are as large as a camera's but show nothing: their shares mean nothing either.
"""

from __future__ import annotations

import gzip
import time
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, NamedTuple, cast

from walkdown.app import stopwatch, workflow
from walkdown.app.measured import Measured, StageMeasured, Stored
from walkdown.app.preparations import open_preparation
from walkdown.app.stopwatch import Stopwatch, watched
from walkdown.app.synthetic import photograph
from walkdown.app.versions import resolve
from walkdown.errors import ImageError, NotFound, SpecError
from walkdown.memory import peak_mib
from walkdown.models import artefact
from walkdown.models.calling import AT_ONCE
from walkdown.pipeline.plan import make_plan
from walkdown.pipeline.predictions import failed
from walkdown.pipeline.steps import Decision, next_step
from walkdown.runners.outcomes import Outcome, facts_of
from walkdown.runners.parts import ref_to_json, unpack
from walkdown.runners.recording import Recorder
from walkdown.runners.worker import Work
from walkdown.stores.dynamodb_keys import Keys
from walkdown.stores.dynamodb_values import pack, size_of
from walkdown.stores.dynamodb_writing import cache_items, draft
from walkdown.stores.fields import dumps
from walkdown.stores.lake_rows import row
from walkdown.stores.memory import MemoryBlobs, MemoryRecords, MemorySource
from walkdown.types import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from walkdown.app.context import App
    from walkdown.pipeline.plan import Plan, Stage
    from walkdown.ports import Model, Progress, Records, Source
    from walkdown.spec import PipelineSpec
    from walkdown.stores.dynamodb_values import Item
    from walkdown.types import (
        Entry,
        ImageRef,
        ModelInfo,
        Photo,
        Prediction,
        Result,
        StageResult,
    )

AT_MOST = 5
"""Photographs that are looked at, evenly picked."""

SPARE_BYTES = 120
"""What an item gains when it is written: sequence, attempt, batch."""

FINDING, ALERT = Stored(700, 1), Stored(900, 1)
"""What is assumed of findings where none was seen."""

CALL_S = 1.0
"""What a service is taken to need for an answer; of one batch, `AT_ONCE` are asked at once. It is
not asked here, since it may charge for it."""

CHANNELS = ("eventbridge", "sns")
_FOLDER = "measuring"


class _Glance(NamedTuple):
    """What one stage made of one image."""

    outcome: Outcome
    seconds: float
    heatmap_seconds: float
    heatmap_bytes: int


@dataclass(slots=True)
class _Bench:
    """Everything in memory, watched."""

    app: App
    spec: PipelineSpec
    plan: Plan
    source: Source
    watch: Stopwatch
    clock: Callable[[], float]
    blobs: MemoryBlobs


def measure(
    app: App,
    spec: PipelineSpec,
    *,
    at_most: int = AT_MOST,
    clock: Callable[[], float] = time.process_time,
    progress: Progress,
) -> Measured:
    """Measure a pipeline on its source, or on made-up photographs where it names none.

    ``app`` is only read; ``clock`` gives seconds of processor time. Raises `NotFound` where there
    is no such model or no image, and `ImageError` where not one image could be looked at.
    """
    bench, models = _bench(app, spec, clock)
    refs = _picked(list(bench.source.refs()), at_most)
    if not refs:
        raise NotFound("there is no photograph to measure: give others, or none at all")
    progress.start("measuring", len(bench.plan.stages) * len(refs))
    seen: dict[str, list[_Glance]] = {}
    stages: list[StageMeasured] = []
    for stage in bench.plan.stages:
        opened = models[stage.model.digest]
        if stage.model.kind == "call":
            opened = opened._replace(model=_Unasked(stage.model))
        seen[stage.name] = _glances(bench, stage, opened.model, refs, progress)
        stages.append(_stage(stage, seen[stage.name], opened))
    outcomes = [_decided(bench.plan, [seen[s.name][i].outcome for s in bench.plan.stages])
                for i in range(len(refs))]  # fmt: skip
    return _measured(bench, refs, stages, outcomes)


@dataclass(frozen=True, slots=True)
class _Unasked:
    """Stands for a model that asks a service, and does not ask it."""

    info: ModelInfo

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """As a service that is down: other stages are asked where they would be then."""
        return [failed("services are not asked while a pipeline is measured")] * len(photos)


class _Opened(NamedTuple):
    model: Model
    seconds: float
    files: int


def _bench(
    app: App, spec: PipelineSpec, clock: Callable[[], float]
) -> tuple[_Bench, dict[str, _Opened]]:
    watch, blobs = Stopwatch(), MemoryBlobs()
    timed = watched(replace(app, blobs=blobs), watch)
    versions = {name: resolve(app, name) for name in {stage.model for stage in spec.stages}}
    opened: dict[str, _Opened] = {}
    for version in versions.values():
        began = clock()
        made = artefact.load(version.digest, app.blobs)
        model = timed.open_model(made, version.label)
        opened[version.digest] = _Opened(model, clock() - began, 1 + len(made.files))
    infos = {name: opened[version.digest].model.info for name, version in versions.items()}
    if any(info.kind == "job" for info in infos.values()):
        raise SpecError("a model that works by job can't be measured here: its service runs it")
    preparation = open_preparation(spec.prepare, open_step=app.open_step)
    plan = make_plan(spec, infos, preparation=preparation.digest)
    source: Source
    if spec.source is None:
        source = MemorySource({"made-up.jpg": photograph()})
    else:
        source = app.sources(spec.source)
    return _Bench(timed, spec, plan, source, watch, clock, blobs), opened


def _picked(refs: Sequence[ImageRef], at_most: int) -> list[ImageRef]:
    count = min(len(refs), at_most)
    return [refs[i * len(refs) // count] for i in range(count)]


def _glances(
    bench: _Bench, stage: Stage, model: Model, refs: Sequence[ImageRef], progress: Progress
) -> list[_Glance]:
    """The first image is looked at twice, since a first look pays for what is then there."""
    looks = replace(stage, when=None, regions=None, shadow_of=None, usd_per_month=None)
    alone = replace(bench.plan, stages=(looks,))
    work = Work(
        plan=alone,
        models={stage.model.digest: model},
        source=bench.source,
        blobs=bench.app.blobs,
        records=cast("Records", MemoryRecords(workspace=bench.app.settings.workspace)),
        outputs=bench.spec.outputs.model_copy(update={"images": False}),
        max_pixels=bench.spec.prepare.max_pixels,
        preparation=open_preparation(bench.spec.prepare, open_step=bench.app.open_step),
    )
    _glance(bench, work, stage, refs[0])
    found = []
    for ref in refs:
        found.append(_glance(bench, work, stage, ref))
        progress.advance()
    if all(each.outcome.error for each in found):
        first = found[0].outcome
        raise ImageError(f"not one photograph could be looked at; {first.ref.name}: {first.error}")
    return found


def _glance(bench: _Bench, work: Work, stage: Stage, ref: ImageRef) -> _Glance:
    batch = workflow.Batch(_FOLDER, 0, stage.name, (dumps(ref_to_json(ref)),))
    drawn, began = bench.watch.seconds(stopwatch.HEATMAP), bench.clock()
    workflow.look(work, batch)
    seconds = bench.clock() - began
    (outcome,) = unpack(bench.blobs.get(batch.part))
    size = 0
    if outcome.stages and outcome.stages[0].heatmap:
        size = bench.blobs.size(outcome.stages[0].heatmap) or 0
    drawing = bench.watch.seconds(stopwatch.HEATMAP) - drawn if size else 0.0
    return _Glance(outcome, seconds, min(drawing, seconds), size)


def _stage(stage: Stage, seen: Sequence[_Glance], opened: _Opened) -> StageMeasured:
    good = [each for each in seen if not each.outcome.error]
    return StageMeasured(
        name=stage.name,
        model=stage.model.label,
        seconds=median(each.seconds for each in good),
        heatmap_seconds=median(each.heatmap_seconds for each in good),
        heatmap_bytes=round(median(each.heatmap_bytes for each in good)),
        open_seconds=opened.seconds,
        model_files=opened.files,
        kind=stage.model.kind,
        audit=stage.audit,
        waits_seconds=CALL_S / AT_ONCE if stage.model.kind == "call" else 0.0,
        usd_per_look=stage.model.usd_per_image,
    )


def _decided(plan: Plan, alone: Sequence[Outcome]) -> Outcome:
    """An image's whole way, put together from what each stage alone has said of it."""
    said: dict[str, StageResult] = {s.stage: s for each in alone for s in each.stages}
    whole = replace(alone[0], stages=[], cache=[])
    caches = {o.stages[0].stage: o.cache for o in alone if o.stages}
    while not whole.error:
        step = next_step(plan, whole.stages, image=replace(facts_of(plan, whole), content=None))
        if isinstance(step, Decision):
            whole.decision = step
            break
        if step.stage.name not in said:
            whole.error = next(each.error for each in alone if each.error)
            break
        whole.stages.append(said[step.stage.name])
        whole.cache += caches[step.stage.name]
    return whole


def _measured(
    bench: _Bench,
    refs: Sequence[ImageRef],
    stages: Sequence[StageMeasured],
    outcomes: Sequence[Outcome],
) -> Measured:
    entries, results = _recorded(bench, outcomes)
    came = [sum(s.stage == stage.name for o in outcomes for s in o.stages) for stage in stages]
    count = sum(not outcome.error for outcome in outcomes)
    sized = next(outcome for outcome in outcomes if outcome.width_px)
    weigh = partial(_weighed, Keys(bench.app.settings.workspace))
    items = [weigh(entry, ref) for entry, ref in zip(entries, refs, strict=True)]
    return Measured(
        stages=tuple(s.with_share(n / count) for s, n in zip(stages, came, strict=True)),
        images=len(outcomes),
        image_bytes=round(median(len(bench.source.read(o.ref).data) for o in outcomes
                                 if not o.error)),
        width_px=sized.width_px or 0,
        height_px=sized.height_px or 0,
        peak_mib=peak_mib(),
        found_share=sum(bool(entry.findings) for entry in entries) / count,
        result=_median([item.result for item in items]),
        member=_median([item.member for item in items]),
        prediction=_median([each for item in items for each in item.predictions]),
        finding=_median([each for item in items for each in item.findings], FINDING),
        alert=_median([each for item in items for each in item.alerts], ALERT),
        lake_bytes=len(gzip.compress("\n".join(dumps(row("", r)) for r in results).encode()))
        // len(results),
        generated=bench.spec.source is None,
    )  # fmt: skip


class _Listening:
    """Records that keep nothing but what they were told to write."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def findings(self, _: object) -> dict[str, object]:
        return {}

    def record(self, _: str, entries: Sequence[Entry]) -> list[str]:
        self.entries += entries
        return ["written"] * len(entries)


def _recorded(bench: _Bench, outcomes: Sequence[Outcome]) -> tuple[list[Entry], list[Result]]:
    heard = _Listening()
    recorder = Recorder(
        plan=bench.plan,
        records=cast("Records", heard),
        workspace=bench.app.settings.workspace,
        inspection=f"{bench.app.clock():%Y%m%d-%H%M%S}-000000000000",
        run=0,
        actor=bench.app.settings.actor,
        clock=bench.app.clock,
        channels=tuple((name, Severity.LOW) for name in CHANNELS),
    )
    results = recorder.record(outcomes)
    return heard.entries, results


class _Items(NamedTuple):
    result: Stored
    member: Stored
    predictions: list[Stored]
    findings: list[Stored]
    alerts: list[Stored]


def _weighed(keys: Keys, entry: Entry, ref: ImageRef) -> _Items:
    """The items that DynamoDB is given of an image, with what is added when they are written."""
    drafted = draft(keys, entry)
    result = entry.result
    member: Item = {
        "pk": keys.members("00000000-000000-000000000000", "0"),
        "sk": result.key.id,
        "doc": pack({"capture_id": ref.capture_id, "uri": ref.uri, "name": ref.name}),
    }
    more = sum(map(len, drafted.pieces[1:]))
    return _Items(
        result=_stored(drafted.result, more),
        member=_stored(member),
        predictions=[_stored(item) for item in cache_items(keys, [entry], 0)],
        findings=[_stored(item) for _, item in drafted.findings],
        alerts=[_stored(item) for item in drafted.messages.values()],
    )


def _stored(item: Item, more: int = 0) -> Stored:
    # Results get their place in the index of names when they are written; all have "npk" by then.
    indexes = sum(name in item for name in ("lpk", "npk", "cpk"))
    return Stored(size_of(item) + more + SPARE_BYTES, indexes)


def _median(items: Sequence[Stored], otherwise: Stored | None = None) -> Stored:
    if not items:
        return otherwise or Stored(0)
    size = round(median(item.bytes for item in items))
    return Stored(size, max(item.indexes for item in items))
