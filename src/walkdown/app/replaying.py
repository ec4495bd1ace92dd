"""Another version of a model over what was inspected before: which verdicts would be others.

Nothing is recorded, told or projected. What models say is remembered, as in every inspection, so
that a replay that was broken off goes on where it was, and one that is repeated costs nothing.
"""

from __future__ import annotations

import hashlib
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from walkdown.app.archive import Archive, collect
from walkdown.app.versions import open_version, resolve
from walkdown.errors import ImageError, NotFound, WalkdownError
from walkdown.models import artefact
from walkdown.runners import local
from walkdown.runners.jobs import runnable
from walkdown.runners.recording import Recorder
from walkdown.runners.worker import Work
from walkdown.spec import OutputsSpec
from walkdown.types import ImageRef, Original, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from walkdown.app.archive import Pipeline, Wanted
    from walkdown.app.context import App
    from walkdown.pipeline.plan import Plan, Stage
    from walkdown.ports import Model, Predictions, Progress, Records
    from walkdown.spec import PipelineSpec
    from walkdown.types import Entry, Finding, ModelInfo, ModelVersion, Photo, Prediction, Result


class Kind(StrEnum):
    """What became of a verdict. Worst first: a person looks at them in this order."""

    TO_ANOMALY = "to_anomaly"
    TO_NORMAL = "to_normal"
    UNUSABLE = "unusable"
    FAILED = "failed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Change:
    """One photograph: what was said of it, and what would be."""

    before: Result
    after: Result

    @property
    def kind(self) -> Kind:
        """``unusable``: one of the two can't use the image. ``failed``: nothing to compare."""
        before, after = self.before.verdict, self.after.verdict
        if before is None or self.after.status is not Status.DONE:
            return Kind.FAILED
        if before is after:
            return Kind.UNCHANGED
        if Verdict.UNUSABLE in (before, after):
            return Kind.UNUSABLE
        return Kind.TO_ANOMALY if after is Verdict.ANOMALY else Kind.TO_NORMAL

    @property
    def jump(self) -> float:
        """How far the score has moved, 0 to 1; 0 where one of them has none."""
        before, after = self.before.score, self.after.score
        return 0.0 if before is None or after is None else abs(after - before)

    @property
    def error(self) -> str | None:
        """Why there is nothing to compare."""
        if self.kind is not Kind.FAILED:
            return None
        return self.after.error or self.before.error


def worst_first(changes: Iterable[Change]) -> list[Change]:
    """By kind, then by how far the score has moved, then by name."""
    order = list(Kind)
    return sorted(changes, key=lambda c: (order.index(c.kind), -c.jump, c.after.image))


@dataclass(frozen=True, slots=True)
class Replaying:
    """A replay under way: iterate over `changes` to the end to carry it out.

    ``name`` is the model's that is replaced, ``by`` the version that takes its place, ``against``
    the one that it is compared with; without, with what each result was made with. ``costs`` is
    what services charged for it, in US dollars by stage.
    """

    app: App
    archive: Archive
    name: str
    by: Model
    against: Model | None
    progress: Progress
    counts: Counter[Kind] = field(default_factory=Counter)
    costs: dict[str, float] = field(default_factory=dict)

    @property
    def other(self) -> str:
        """What it is compared with, as people call it."""
        if self.against is not None:
            return self.against.info.label
        labels = {
            info.label
            for pipeline, _ in self.archive.groups
            for model, info in pipeline.models.items()
            if model.partition("@")[0] == self.name
        }
        return ", ".join(sorted(labels)) or self.name

    @property
    def most_usd(self) -> float:
        """What asking the new version costs at most, if nothing that it says were known by now."""
        looks = sum(
            _looks(stage, result)
            for pipeline, results in self.archive.groups
            for stage in pipeline.plan(self.name, self.by.info).stages
            if stage.model.digest == self.by.info.digest
            for result in results
        )
        return looks * self.by.info.usd_per_image

    def changes(self) -> Iterator[Change]:
        """Every photograph once, as it becomes known."""
        self.progress.start("replaying", self.archive.results)
        for pipeline, results in self.archive.groups:
            after = self._said(pipeline, results, self.by)
            before = iter(results)
            if self.against is not None:
                before = self._said(pipeline, results, self.against)
            for pair in zip(before, after, strict=True):
                change = Change(*pair)
                self.counts[change.kind] += 1
                self.progress.advance()
                yield change

    def _said(
        self, pipeline: Pipeline, results: Sequence[Result], model: Model
    ) -> Iterator[Result]:
        """What the pipeline would say with that version, in order; nothing is recorded."""
        plan = pipeline.plan(self.name, model.info)
        source = _Photographs(results, self.app.original)
        work = Work(
            plan=plan,
            models=self._models(plan, model),
            source=source,
            blobs=self.app.blobs,
            records=self.app.records,
            outputs=OutputsSpec(heatmaps=True, images=False),
            # The pixel limit was applied when the image came in, and may have been raised for it.
            max_pixels=sys.maxsize,
            preparation=pipeline.preparation,
            ahead="://" in self.app.place,
        )
        recorder = self._recorder(plan)
        for group in local.run(work, recorder, source.refs(), workers=self.app.settings.workers):
            for result in group:
                self._charge(result)
                yield result

    def _charge(self, result: Result) -> None:
        for stage in result.stages:
            if stage.prediction.cost_usd:
                usd = self.costs.get(stage.stage, 0.0) + stage.prediction.cost_usd
                self.costs[stage.stage] = usd

    def _models(self, plan: Plan, model: Model) -> Mapping[str, Model]:
        others = {
            stage.model.digest: cast("Model", _Later(stage.model, self.app))
            for stage in plan.stages
        }
        return others | {model.info.digest: runnable(model)}

    def _recorder(self, plan: Plan) -> Recorder:
        return Recorder(
            plan=plan,
            records=cast("Records", _Aside(self.app.predictions)),
            workspace=self.app.settings.workspace,
            inspection="",
            run=0,
            actor=self.app.settings.actor,
            clock=self.app.clock,
        )


def replay(
    app: App,
    model: str,
    *,
    against: str | None = None,
    spec: PipelineSpec | None = None,
    wanted: Wanted,
    progress: Progress,
) -> Replaying:
    """Prepare a replay: the model is opened and the archive listed before anything is looked at.

    ``against`` is a version, or the bare name of the model that is replaced, if that is another.
    Raises `NotFound` where the archive has nothing to look at, and says why.
    """
    version = resolve(app, model)
    other = resolve(app, against) if against else None
    name = other.name if other else version.name
    by = open_version(app, version)
    old = open_version(app, other) if other and "@" in (against or "") else None
    progress.start("reading the archive", None)
    archive = collect(app, wanted, model=name, by=by.info, given=spec, anew=old is not None)
    if not archive.results:
        raise NotFound(_nothing(app, version, name, archive))
    return Replaying(app, archive, name, by, old, progress)


def _nothing(app: App, version: ModelVersion, name: str, archive: Archive) -> str:
    if not archive.left_out:
        return (
            f"there is nothing to replay {version.label} over in {app.place}: no result fits; "
            f"inspect photographs first: walkdown inspect FOLDER --model {name}"
        )
    why = "; ".join(f"{count:,} {reason}" for reason, count in archive.left_out.items())
    return f"there is nothing to replay {version.label} over in {app.place}: results are {why}"


class _Photographs:
    """The photographs of results, as they were inspected (port Source)."""

    def __init__(self, results: Sequence[Result], original: Callable[[Result], bytes]) -> None:
        self._results = {result.key.id: result for result in results}
        self._original = original

    def refs(self) -> Iterator[ImageRef]:
        """One for each result, in order."""
        for key, result in self._results.items():
            yield ImageRef(result.uri, key, result.image, result.relative or result.image)

    def read(self, ref: ImageRef) -> Original:
        """The bytes that were looked at then. Raises `ImageError` where they are gone."""
        result = self._results[ref.version]
        try:
            data = self._original(result)
        except WalkdownError as e:
            raise ImageError(f"{ref.name}: its photograph is not there any more: {e}") from e
        if hashlib.sha256(data).hexdigest() != result.content:
            raise ImageError(f"{ref.name}: the copy of its photograph that was kept is damaged")
        return Original(data, result.asset, result.viewpoint, result.exif.taken_at)

    def left_out(self) -> list[tuple[str, str]]:
        """Nothing."""
        return []


def _looks(stage: Stage, result: Result) -> int:
    """Looks of a stage at one photograph, at most: each of its regions is one."""
    if stage.regions is None:
        return 1
    of = stage.regions.of
    found = next((s for s in result.stages if s.stage == of), None)
    count = len(found.prediction.regions) if found else stage.regions.most
    return min(count, stage.regions.most)


class _Later:
    """A model that is opened when it is first asked: what it said before is remembered."""

    def __init__(self, info: ModelInfo, app: App) -> None:
        self.info = info
        self._app = app
        self._lock = threading.Lock()
        self._model: Model | None = None

    @property
    def knows_keep(self) -> bool:
        """The model's own."""
        return bool(getattr(self._opened(), "knows_keep", False))

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """As `Model.predict`. Raises `ModelError` also where it can't be opened."""
        return self._opened().predict(photos)

    def _opened(self) -> Model:
        with self._lock:
            if self._model is None:
                made = artefact.load(self.info.digest, self._app.blobs)
                self._model = runnable(self._app.open_model(made, self.info.label))
            return self._model


class _Aside:
    """Records that keep what models have said, and nothing else."""

    def __init__(self, predictions: Predictions) -> None:
        self._predictions = predictions

    def findings(self, _: object) -> dict[str, Finding]:
        """None: what is open changes nothing here."""
        return {}

    def record(self, _: str, entries: Sequence[Entry]) -> list[str]:
        """Remember the predictions."""
        self._predictions.remember([said for entry in entries for said in entry.cache])
        return ["written"] * len(entries)
