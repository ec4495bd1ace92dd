"""Inspect photographs with a pipeline: what is done is skipped, what failed is tried again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from walkdown.app.delivery import Delivery
from walkdown.app.deployed import keep
from walkdown.app.preparations import open_preparation
from walkdown.app.stage_budgets import refusing
from walkdown.app.versions import open_version, resolve
from walkdown.errors import NotFound, SpecError
from walkdown.pipeline.plan import make_plan
from walkdown.runners import local
from walkdown.runners.jobs import runnable
from walkdown.runners.recording import Recorder
from walkdown.runners.worker import Work
from walkdown.types import NOT_THERE, Inspection, Status, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from walkdown.app.context import App
    from walkdown.imaging.preparing import Preparation
    from walkdown.pipeline.plan import Plan
    from walkdown.ports import Model, Progress, Source
    from walkdown.spec import AlertSpec, PipelineSpec
    from walkdown.types import ImageRef, Result, ResultKey

Seen = Literal["done", "partial", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Line:
    """One image of an inspection. ``skipped`` carries the result that was stored before."""

    status: Seen
    result: Result


@dataclass(slots=True)
class Inspecting:
    """An inspection under way: iterate over `lines` to the end to carry it out.

    ``left_out`` are (name, reason) of files in a folder that are no images.
    """

    app: App
    spec: PipelineSpec
    plan: Plan
    preparation: Preparation
    models: dict[str, Model]
    inspection: Inspection
    source: Source
    refs: list[ImageRef]
    left_out: list[tuple[str, str]]
    delivery: Delivery
    progress: Progress

    def lines(self) -> Iterator[Line]:
        """Every image once, first those that were done before, then as they are recorded."""
        recorder = self._recorder()
        self._keep_plan()
        self.app.records.save_inspection(self.inspection)
        keys = [recorder.key(ref.capture_id) for ref in self.refs]
        self.app.records.add_members(self.inspection.id, list(zip(self.refs, keys, strict=True)))
        self.delivery.deliver()
        self.progress.start("inspecting", len(self.refs))
        done = {r.key: r for r in self.app.records.results(keys=keys) if r.status is Status.DONE}
        yield from self._skipped(keys, done)
        todo = [r for r, k in zip(self.refs, keys, strict=True) if k not in done]
        yield from self._look(recorder, todo)
        self.delivery.deliver(last=True)
        self.app.records.save_inspection(replace(self.inspection, finished_at=self.app.clock()))

    def _keep_plan(self) -> None:
        """What the results are made of can be looked up later: for a replay, and for forecasts."""
        stages = zip(self.spec.stages, self.plan.stages, strict=True)
        models = {said.model: stage.model for said, stage in stages}
        keep(self.spec, models, self.preparation.digest, self.app.blobs)

    def _skipped(self, keys: Sequence[ResultKey], done: dict[ResultKey, Result]) -> Iterator[Line]:
        for ref, key in zip(self.refs, keys, strict=True):
            if key in done:
                self.progress.advance()
                yield Line("skipped", replace(done[key], image=ref.name))

    def _look(self, recorder: Recorder, todo: Sequence[ImageRef]) -> Iterator[Line]:
        work = Work(
            plan=self.plan,
            models=self.models,
            source=self.source,
            blobs=self.app.blobs,
            records=self.app.records,
            outputs=self.spec.outputs,
            max_pixels=self.spec.prepare.max_pixels,
            remember=self.inspection.run == 0,
            preparation=self.preparation,
            refuse=refusing(self.app, self.plan.name, self.inspection.id, run=self.inspection.run),
        )
        for results in local.run(work, recorder, todo, workers=self.app.settings.workers):
            self.delivery.deliver(alerts=any(result.severity for result in results))
            for result in results:
                self.progress.advance()
                yield Line(result.status.value, result)

    def _recorder(self) -> Recorder:
        return Recorder(
            plan=self.plan,
            records=self.app.records,
            workspace=self.app.settings.workspace,
            inspection=self.inspection.id,
            run=self.inspection.run,
            actor=self.app.settings.actor,
            clock=self.app.clock,
            channels=tuple((name, a.min_severity) for name, a in _channels(self.spec).items()),
        )


def inspect(app: App, spec: PipelineSpec, *, again: bool = False, progress: Progress) -> Inspecting:
    """Prepare an inspection: models are opened and checked before the first image is touched."""
    if spec.source is None:
        raise SpecError(f"pipeline {spec.name!r} names no source: give the photographs as PATH")
    preparation = open_preparation(spec.prepare, open_step=app.open_step)
    versions = {name: resolve(app, name) for name in {s.model for s in spec.stages}}
    opened = {name: open_version(app, version) for name, version in versions.items()}
    infos = {name: model.info for name, model in opened.items()}
    plan = make_plan(spec, infos, preparation=preparation.digest)
    source = app.sources(spec.source)
    progress.start("listing photographs", None)
    refs = list(source.refs())
    _worth_beginning(refs, spec.source.paths, progress)
    return Inspecting(
        app=app,
        spec=spec,
        plan=plan,
        preparation=preparation,
        models={m.info.digest: runnable(m) for m in opened.values()},
        inspection=_inspection(app, spec, plan, again=again),
        source=source,
        refs=refs,
        left_out=source.left_out(),
        delivery=Delivery(
            records=app.records,
            outbox=app.outbox,
            analytics=app.analytics,
            pipeline=spec.name,
            channels={name: app.notifiers(a) for name, a in _channels(spec).items()},
            note=progress.note,
        ),
        progress=progress,
    )


def _inspection(app: App, spec: PipelineSpec, plan: Plan, *, again: bool) -> Inspection:
    """The unfinished inspection of the same plan and source, or a new one."""
    sources = _whereabouts(spec.source.paths if spec.source else ())
    past = [i for i in app.records.inspections() if i.plan_digest == plan.digest]
    for old in past:
        if old.finished_at is None and old.sources == sources and (old.run > 0) is again:
            return old
    now = app.clock()
    run = 1 + max((i.run for i in past), default=0) if again else 0
    short = digest_of(plan.digest, sources, run, now.isoformat())[:6]
    return Inspection(
        id=f"{now:%Y%m%d-%H%M%S}-{short}",
        workspace=app.settings.workspace,
        pipeline=spec.name,
        plan_digest=plan.digest,
        sources=sources,
        actor=app.settings.actor,
        started_at=now,
        run=run,
        model=", ".join(stage.model.label for stage in plan.counted),
        threshold=plan.counted[-1].model.threshold,
    )


def _whereabouts(paths: Sequence[str]) -> tuple[str, ...]:
    """Sources as every folder's user would name them: the same words elsewhere are others."""
    return tuple(p if "://" in p else str(Path(p).absolute()) for p in paths)


def _channels(spec: PipelineSpec) -> dict[str, AlertSpec]:
    """A name for each alert channel by kind and place: it stays when an address is corrected."""
    kinds = [alert.to for alert in spec.alerts]
    return {f"{a.to}-{kinds[: i + 1].count(a.to)}": a for i, a in enumerate(spec.alerts)}


def _worth_beginning(refs: Sequence[ImageRef], paths: Sequence[str], progress: Progress) -> None:
    """A mistyped path is an error of the command; among others that exist it is a failed result."""
    if refs and all(ref.problem == NOT_THERE for ref in refs):
        raise NotFound(f"there is no such file or folder: {', '.join(ref.name for ref in refs)}")
    if not refs:
        progress.note(f"no image in {', '.join(paths)}")
