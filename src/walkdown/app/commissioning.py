"""An inspection that runs as a workflow elsewhere: begun from here, watched, and read.

The workflow goes on by itself; who watches may leave at any time and look again later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from walkdown.app import workflow
from walkdown.app.deployed import read_deployed
from walkdown.app.inspecting import Line
from walkdown.app.intake import start
from walkdown.errors import NotFound, SpecError, StoreError
from walkdown.runners.executions import route
from walkdown.stores.s3_reading import s3_place, s3_uri
from walkdown.types import NOT_THERE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from walkdown.app.context import App
    from walkdown.pipeline.plan import Plan
    from walkdown.ports import Progress
    from walkdown.runners.executions import Deployment, Execution, StepFunctions
    from walkdown.types import ImageRef, Inspection

POLL_S = 2.0


@dataclass(frozen=True, slots=True)
class Commissioned:
    """An inspection that was begun. ``new`` of its ``images`` were not done before.

    ``waits`` says why its workflow is not started yet, where it is not.
    """

    deployment: Deployment
    plan: Plan
    inspection: Inspection
    images: int
    new: int
    waits: str | None = None


def pipeline_for(
    deployments: Sequence[Deployment], paths: Sequence[str], *, name: str | None, bucket: str
) -> Deployment:
    """The pipeline that photographs at these places in S3 go to; by ``name``, or by its prefix.

    Raises `NotFound`, and `SpecError` for another bucket or for places of several pipelines.
    """
    places = [_place(path) for path in paths]
    for other, _ in places:
        if other != bucket:
            raise SpecError(
                f"the functions of this stack may read s3://{bucket}/ alone, not s3://{other}/: "
                "copy the photographs there, or upload them"
            )
    known = ", ".join(f"{each.name} ({each.prefix})" for each in deployments) or "none yet"
    if name is not None:
        found = {each.name: each for each in deployments}.get(name)
        if found is None:
            raise NotFound(f"the stack has no pipeline {name!r}; it has {known}")
        return found
    fitting = {_route(key, deployments) for _, key in places}
    if None in fitting or len(fitting) != 1:
        raise SpecError(f"say which pipeline is meant, with --pipeline NAME; there are: {known}")
    return fitting.pop()  # type: ignore[return-value]


def _place(path: str) -> tuple[str, str]:
    scheme, _, rest = path.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise SpecError(f"{path!r} is no place in S3: write s3://BUCKET/FOLDER")
    return bucket, key


def _route(key: str, deployments: Sequence[Deployment]) -> Deployment | None:
    """A folder may be named without the slash at its end."""
    return route(key if not key or key.endswith("/") else f"{key}/", list(deployments))


def as_arrived(refs: Iterable[ImageRef], prefix: str) -> Iterator[ImageRef]:
    """The captures as their pipeline names them when they arrive: below its prefix."""
    for ref in refs:
        _, key = s3_place(ref.uri)
        relative = key.removeprefix(prefix).lstrip("/") or key.rpartition("/")[2]
        yield replace(ref, relative=relative)


def commission(
    app: App,
    workflows: StepFunctions,
    deployment: Deployment,
    refs: Iterable[ImageRef],
    *,
    sources: tuple[str, ...],
    again: bool = False,
) -> Commissioned:
    """Begin an inspection of these captures, or find the one of them that is running.

    ``refs`` are walked several times. With ``again``, what was done before is done anew.
    """
    plan = read_deployed(deployment.plan_key, app.blobs).plan()
    if all(ref.problem == NOT_THERE for ref in refs):
        raise NotFound(f"there are no photographs in {', '.join(sources)}")
    at, run = _when(app, workflows, deployment, plan, refs, again=again)
    begun = start(
        app,
        workflows,
        deployment,
        refs,
        sources=sources,
        at=at,
        actor=app.settings.actor,
        run=run,
    )
    return Commissioned(deployment, plan, begun.inspection, begun.images, begun.new, begun.waits)


def _when(
    app: App,
    workflows: StepFunctions,
    deployment: Deployment,
    plan: Plan,
    refs: Iterable[ImageRef],
    *,
    again: bool,
) -> tuple[datetime, int]:
    """Time and run of the inspection of the same captures that is running, or of a new one."""
    past = [each for each in app.records.inspections() if each.plan_digest == plan.digest]
    for old in past:
        if old.finished_at is None and (old.run > 0) is again:
            same = workflow.inspection_of(
                refs,
                plan,
                workspace=old.workspace,
                actor=old.actor,
                sources=old.sources,
                at=old.started_at,
                run=old.run,
            )
            found = workflows.find(deployment.machine, old.id) if same.id == old.id else None
            if found is not None and not found.is_over:
                return old.started_at, old.run
    run = 1 + max((each.run for each in past), default=0) if again else 0
    return app.clock(), run


def watch(
    workflows: StepFunctions,
    commissioned: Commissioned,
    *,
    progress: Progress,
    sleep: Callable[[float], None],
) -> Execution:
    """Tell how its stages go on until the workflow is over. Raises `StoreError` where it broke."""
    machine, name = commissioned.deployment.machine, commissioned.inspection.id
    shown = _Shown(commissioned, progress)
    while True:
        execution = workflows.execution(machine, name)
        for number, run in enumerate(workflows.map_runs(machine, name)):
            shown.tell(number, run.total, run.ended)
        if execution.is_over:
            break
        sleep(POLL_S)
    if execution.status != "SUCCEEDED":
        raise StoreError(
            f"the inspection {name} broke off: {execution.error or execution.status}; "
            "what it recorded is kept"
        )
    return execution


class _Shown:
    """What the progress bars show by now: one for each stage that has begun."""

    def __init__(self, commissioned: Commissioned, progress: Progress) -> None:
        self._names = [stage.name for stage in commissioned.plan.stages]
        self._progress = progress
        self._current, self._ended = -1, 0
        progress.start("waiting for the first stage", None)

    def tell(self, number: int, total: int, ended: int) -> None:
        """So many of a stage's images have ended."""
        if number < self._current or not total:
            return
        if number > self._current:
            self._current, self._ended = number, 0
            self._progress.start(self._name(number), total)
        self._progress.advance(ended - self._ended)
        self._ended = ended

    def _name(self, number: int) -> str:
        # A stage that nothing waited for is passed over; which one a later map is of, AWS hides.
        sure = number == 0 or len(self._names) == 2
        return f"looking: {self._names[number]}" if sure else "looking: a later stage"


def lines(app: App, inspection: Inspection) -> Iterator[Line]:
    """What an inspection has recorded; done before it began is ``skipped``."""
    for result in app.records.results(inspection_id=inspection.id):
        before = result.recorded_at < inspection.started_at
        yield Line("skipped" if before else result.status.value, result)


def source_of(deployment: Deployment, bucket: str) -> str:
    """The place of all photographs of a pipeline."""
    return s3_uri(bucket, deployment.prefix)
