"""What was inspected before, to be looked at again: which results, and by which pipelines.

A photograph counts once, by its newest result; a result's pipeline is the one that was kept when it
was made, unless a pipeline file is given for it.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from walkdown.app.deployed import kept
from walkdown.app.preparations import open_preparation
from walkdown.app.reading import find_inspection
from walkdown.app.versions import open_version, resolve
from walkdown.errors import WalkdownError
from walkdown.pipeline.plan import make_plan
from walkdown.spec import one_stage
from walkdown.types import ModelInfo, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from walkdown.app.context import App
    from walkdown.imaging.preparing import Preparation
    from walkdown.pipeline.plan import Plan
    from walkdown.spec import PipelineSpec
    from walkdown.types import Inspection, Result


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which results of the archive: all, unless told. ``assets`` are names or patterns."""

    inspection: str | None = None
    assets: tuple[str, ...] = ()
    since: datetime | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline with what its models' names meant; ``models`` is by a stage's name for it."""

    spec: PipelineSpec
    models: Mapping[str, ModelInfo]
    preparation: Preparation

    def uses(self, name: str) -> bool:
        """Whether any stage runs a version of the model of that name."""
        return any(_base(s.model) == name for s in self.spec.stages if s.shadow is None)

    def plan(self, swapped: str = "", by: ModelInfo | None = None) -> Plan:
        """The plan without shadows; with the model ``swapped``, in any version, replaced ``by``."""
        models = {
            name: by if by is not None and _base(name) == swapped else info
            for name, info in self.models.items()
        }
        counted = tuple(stage for stage in self.spec.stages if stage.shadow is None)
        spec = self.spec.model_copy(update={"stages": counted})
        return make_plan(spec, models, preparation=self.preparation.digest)


@dataclass(slots=True)
class Archive:
    """Results by their pipelines, and how many were left out, by reason, in words for people."""

    groups: list[tuple[Pipeline, list[Result]]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def results(self) -> int:
        """How many there are in all."""
        return sum(len(results) for _, results in self.groups)


def collect(
    app: App, wanted: Wanted, *, model: str, by: ModelInfo, given: PipelineSpec | None, anew: bool
) -> Archive:
    """The photographs that a replay of ``model`` (a name) with the version ``by`` looks at.

    ``given`` stands for the pipelines of its name, or of the inspection that is wanted. Results
    that are of that very version are left out, unless the other side is made ``anew``, too.
    """
    known = _Known(app, wanted, given)
    found = Archive()
    groups: dict[str, tuple[Pipeline, list[Result]]] = {}
    seen: set[str] = set()
    for result in _newest_first(app, wanted):
        pipeline = known.pipeline(result)
        why = _unfit(result, pipeline, model)
        if pipeline is not None and not why and not anew:
            same = pipeline.plan(model, by).digest == result.key.plan_digest
            why = f"made by {by.label} already" if same else None
        if pipeline is None or why:
            found.left_out[why or ""] += 1
        elif result.content not in seen:
            seen.add(result.content or "")
            groups.setdefault(result.key.plan_digest, (pipeline, []))[1].append(result)
        if wanted.limit is not None and len(seen) >= wanted.limit:
            break
    found.groups = list(groups.values())
    return found


def _unfit(result: Result, pipeline: Pipeline | None, model: str) -> str | None:
    if result.verdict is None or result.content is None:
        return "without a verdict"
    if result.status is not Status.DONE:
        return "in which a stage failed; inspect them again first"
    if pipeline is None:
        return "of a pipeline that is not known here; name it with --pipeline FILE"
    return None if pipeline.uses(model) else f"of pipelines without a model {model!r}"


def _newest_first(app: App, wanted: Wanted) -> list[Result]:
    one = find_inspection(app, wanted.inspection) if wanted.inspection else None
    stored = app.records.results(inspection_id=one.id if one else None)
    fitting = [r for r in stored if _fits(r, wanted)]
    return sorted(fitting, key=lambda r: r.recorded_at, reverse=True)


def _fits(result: Result, wanted: Wanted) -> bool:
    if wanted.since is not None and result.recorded_at < wanted.since:
        return False
    asset = result.asset or ""
    return not wanted.assets or any(asset == a or fnmatchcase(asset, a) for a in wanted.assets)


class _Known:
    """Finds the pipeline that made a result."""

    def __init__(self, app: App, wanted: Wanted, given: PipelineSpec | None) -> None:
        self._given = given and opened(app, given)
        self._any = bool(wanted.inspection)
        self._names = _names(app.records.inspections())
        self._found: dict[str, Pipeline | None] = {}
        self._app = app
        self._kept: dict[str, Pipeline] | None = None

    def pipeline(self, result: Result) -> Pipeline | None:
        """The given one, the one that was kept, or the one that a single model stands for."""
        digest = result.key.plan_digest
        if self._given and (self._any or self._given.spec.name in self._names.get(digest, ())):
            return self._given
        if digest not in self._found:
            self._found[digest] = self._stored().get(digest) or _single(result)
        return self._found[digest]

    def _stored(self) -> dict[str, Pipeline]:
        if self._kept is None:
            self._kept = dict(stored_pipelines(self._app))
        return self._kept


def stored_pipelines(app: App) -> Iterator[tuple[str, Pipeline]]:
    """The pipelines that are kept in the workspace, by the digests of their plans."""
    for deployed in kept(app.blobs):
        # One whose images were damaged is as unknown as one that was not kept.
        with suppress(WalkdownError):
            preparation = deployed.preparation(app.blobs, app.open_step)
            yield deployed.plan().digest, Pipeline(deployed.spec, deployed.models, preparation)


def opened(app: App, spec: PipelineSpec) -> Pipeline:
    """A pipeline file with its models as their names are meant now."""
    versions = {name: resolve(app, name) for name in {stage.model for stage in spec.stages}}
    models = {name: open_version(app, version).info for name, version in versions.items()}
    return Pipeline(spec, models, open_preparation(spec.prepare, open_step=app.open_step))


def _single(result: Result) -> Pipeline | None:
    """What ``--model NAME`` stands for, if that made the result: nothing else is known of it."""
    if len(result.stages) != 1:
        return None
    stage = result.stages[0]
    spec = one_stage(_base(stage.model))
    info = ModelInfo(stage.model, stage.digest)
    pipeline = Pipeline(spec, {_base(stage.model): info}, open_preparation(spec.prepare))
    return pipeline if pipeline.plan().digest == result.key.plan_digest else None


def _names(inspections: Iterable[Inspection]) -> dict[str, set[str]]:
    """Names of pipelines by the digest of their plans."""
    found: dict[str, set[str]] = {}
    for each in inspections:
        found.setdefault(each.plan_digest, set()).add(each.pipeline)
    return found


def _base(model: str) -> str:
    return model.partition("@")[0]
