"""Photographs that have arrived, grouped into inspections and handed to their pipelines' workflows.

The same arrivals make the same inspection, whose workflow starts once: a message that comes twice
changes nothing. What a pipeline could not take in stays with the queue.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from walkdown.app import workflow
from walkdown.app.deployed import read_deployed
from walkdown.app.waiting import budget_of, held, hold, read_held, waiting
from walkdown.errors import NotFound, WalkdownError
from walkdown.runners.executions import route
from walkdown.runners.recording import Recorder
from walkdown.stores.s3_reading import s3_ref, s3_uri

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from walkdown.app.context import App
    from walkdown.app.deployed import Deployed
    from walkdown.app.waiting import Waiting
    from walkdown.runners.executions import Deployment, StepFunctions
    from walkdown.types import ImageRef


@dataclass(frozen=True, slots=True)
class Arrival:
    """An object that was put into the source bucket at ``at`` (aware UTC).

    ``message`` is the queue's id of the event that tells of it.
    """

    message: str
    bucket: str
    key: str
    version_id: str | None
    etag: str
    size_bytes: int
    at: datetime

    def ref(self, prefix: str) -> ImageRef:
        """The capture; ``prefix`` is where its pipeline's photographs lie."""
        return s3_ref(
            self.bucket, self.key, version_id=self.version_id, etag=self.etag, prefix=prefix
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of arrivals: ``failed`` are the messages that must come again.

    ``new`` photographs are inspected, but for those that are ``waiting`` for a budget; ``known``
    ones were before; ``unrouted`` ones have no pipeline. ``errors`` say why some failed, or wait.
    """

    inspections: tuple[str, ...]
    new: int
    waiting: int
    known: int
    unrouted: int
    failed: tuple[str, ...]
    errors: tuple[str, ...]


def take_in(
    app: App, workflows: StepFunctions, arrivals: Sequence[Arrival], *, actor: str
) -> Taken:
    """Start one inspection per pipeline over what has arrived for it and is new."""
    deployments = workflows.deployments()
    groups: dict[str, list[Arrival]] = defaultdict(list)
    unrouted = 0
    for arrival in arrivals:
        found = route(arrival.key, deployments)
        if found is None or not arrival.size_bytes or arrival.key.endswith("/"):
            unrouted += 1
        else:
            groups[found.name].append(arrival)
    started: list[workflow.Begun] = []
    failed: list[str] = []
    errors: list[str] = []
    for deployment in deployments:
        group = groups.get(deployment.name, [])
        try:
            if group:
                started.append(_start(app, workflows, deployment, group, actor=actor))
        except WalkdownError as e:
            failed += [arrival.message for arrival in group]
            errors.append(f"{deployment.name}: {e}")
    new = sum(begun.new for begun in started)
    known = sum(begun.images for begun in started) - new
    ids = tuple(begun.inspection.id for begun in started)
    late = [begun for begun in started if begun.waits]
    errors += [f"{begun.inspection.id}: {begun.waits}" for begun in late]
    waits = sum(begun.new for begun in late)
    return Taken(ids, new, waits, known, unrouted, tuple(failed), tuple(errors))


@dataclass(frozen=True, slots=True)
class Resumed:
    """What had waited, or broken off, and the inspection that goes on ``by`` its ``images``.

    ``by`` is None where nothing was left to do, where its files are ``gone``, or with an ``error``;
    ``waits`` says why it does not go on yet.
    """

    old: str
    by: str | None = None
    images: int = 0
    waits: str | None = None
    gone: bool = False
    error: str | None = None


def resume_waiting(app: App, workflows: StepFunctions) -> Iterator[Resumed]:
    """Start what has waited for its pipeline's budget, the longest first, as far as there is room.

    What goes wrong with one pipeline keeps no other from going on.
    """
    for deployment in workflows.deployments():
        deployed = read_deployed(deployment.plan_key, app.blobs)
        while one := _next(app, deployed):
            try:
                resumed = _resume(app, workflows, deployment, one)
            except WalkdownError as e:
                yield Resumed(one.key, error=str(e))
                break
            yield resumed
            if resumed.waits:
                break


def _next(app: App, deployed: Deployed) -> Waiting | None:
    """What may begin now; without a budget any more, all that waits."""
    budget = budget_of(app, deployed)
    if budget is None:
        return next(waiting(app.blobs, deployed.spec.name), None)
    return budget.next if budget.next and budget.fits(budget.next.cost) else None


def _resume(app: App, workflows: StepFunctions, deployment: Deployment, one: Waiting) -> Resumed:
    try:
        kept = read_held(one, app.blobs)
    except NotFound:
        return Resumed(one.key)
    begun = start(
        app,
        workflows,
        deployment,
        kept.refs,
        sources=kept.sources,
        at=app.clock(),
        actor=app.settings.actor,
        run=kept.run,
        again=True,
    )
    if not begun.waits:
        # Last: what is not forgotten is begun again, and what is done is left out then.
        app.blobs.delete(one.key)
    return Resumed(one.key, begun.inspection.id if begun.new else None, begun.new, begun.waits)


def go_on(app: App, workflows: StepFunctions, deployment: Deployment, identity: str) -> Resumed:
    """Start an inspection over what one that broke off has no result for, and close that."""
    try:
        old = workflow.begun(identity, app.blobs).inspection
        refs = workflow.manifest_of(identity, app.blobs)
    except NotFound:
        return Resumed(identity, gone=True)
    begun = start(
        app,
        workflows,
        deployment,
        refs,
        sources=old.sources,
        at=app.clock(),
        actor=app.settings.actor,
        run=old.run,
    )
    # Last: an inspection that is not closed is resumed again.
    app.records.save_inspection(replace(old, finished_at=app.clock()))
    return Resumed(identity, begun.inspection.id if begun.new else None, begun.new, begun.waits)


def _start(
    app: App,
    workflows: StepFunctions,
    deployment: Deployment,
    arrivals: Sequence[Arrival],
    *,
    actor: str,
) -> workflow.Begun:
    refs = {arrival.ref(deployment.prefix) for arrival in arrivals}
    source = s3_uri(arrivals[0].bucket, deployment.prefix)
    return start(
        app,
        workflows,
        deployment,
        sorted(refs, key=lambda ref: ref.uri),
        sources=(source,),
        at=max(arrival.at for arrival in arrivals),
        actor=actor,
    )


def start(
    app: App,
    workflows: StepFunctions,
    deployment: Deployment,
    refs: Iterable[ImageRef],
    *,
    sources: tuple[str, ...],
    at: datetime,
    actor: str,
    run: int = 0,
    again: bool = False,
) -> workflow.Begun:
    """Begin an inspection of these captures; start its workflow where anything is new.

    Where its pipeline's budget has no room the new ones wait, and the inspection ends with those
    that were done before. ``again``: they have waited longest.

    ``refs`` are walked twice, so that they need not be in memory.
    """
    deployed = read_deployed(deployment.plan_key, app.blobs)
    plan = deployed.plan()
    workspace = app.settings.workspace
    inspection = workflow.inspection_of(
        refs, plan, workspace=workspace, actor=actor, sources=sources, at=at, run=run
    )
    recorder = Recorder(
        plan=plan,
        records=app.records,
        workspace=workspace,
        inspection=inspection.id,
        run=run,
        actor=actor,
        clock=app.clock,
    )
    begun = workflow.begin(refs, inspection, recorder, app.blobs)
    why = held(app, deployed, begun, again=again)
    if why:
        if not again:
            hold(app, deployed, begun)
        app.records.save_inspection(replace(begun.inspection, finished_at=app.clock()))
        return replace(begun, waits=why)
    if begun.new:
        given = {"manifest": begun.manifest, "images": begun.images, "run": run}
        workflows.start(deployment.machine, inspection.id, {"inspection": inspection.id, **given})
    return begun
