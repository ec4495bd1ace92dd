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
from walkdown.app.waiting import admitted, forget, waiting
from walkdown.app.workflow import begun as begun_of
from walkdown.app.workflow import manifest_of
from walkdown.errors import NotFound, WalkdownError
from walkdown.runners.executions import route
from walkdown.runners.recording import Recorder
from walkdown.stores.s3_reading import s3_ref, s3_uri

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from walkdown.app.context import App
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
    held = sum(begun.new for begun in late)
    return Taken(ids, new, held, known, unrouted, tuple(failed), tuple(errors))


@dataclass(frozen=True, slots=True)
class Resumed:
    """An inspection that had waited, or broken off, and the one that goes on with its ``images``.

    ``by`` is None where nothing was left to do, or where its files are ``gone``; ``waits`` says
    why it does not go on yet.
    """

    old: str
    by: str | None
    images: int
    waits: str | None = None
    gone: bool = False


def resume_waiting(app: App, workflows: StepFunctions) -> Iterator[Resumed]:
    """Start what has waited for its pipeline's budget, as far as there is room by now."""
    deployments = {each.name: each for each in workflows.deployments()}
    for one in waiting(app.blobs):
        if one.pipeline in deployments:
            resumed = go_on(app, workflows, deployments[one.pipeline], one.inspection)
            if resumed.waits is None or resumed.by != one.inspection:
                forget(one.inspection, app.blobs)
            yield resumed


def go_on(
    app: App,
    workflows: StepFunctions,
    deployment: Deployment,
    identity: str,
    *,
    at: datetime | None = None,
) -> Resumed:
    """Start an inspection over what another one was to look at and has no result for.

    It is the same one where the pipeline is as it was and no other time ``at`` is given; else the
    old one is closed.
    """
    try:
        old, refs = begun_of(identity, app.blobs).inspection, manifest_of(identity, app.blobs)
    except NotFound:
        return Resumed(identity, None, 0, gone=True)
    again = start(
        app,
        workflows,
        deployment,
        refs,
        sources=old.sources,
        at=at or old.started_at,
        actor=app.settings.actor,
        run=old.run,
    )
    if again.inspection.id != identity:
        # Last: an inspection that is not closed is resumed again.
        app.records.save_inspection(replace(old, finished_at=app.clock()))
    return Resumed(identity, again.inspection.id if again.new else None, again.new, again.waits)


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
) -> workflow.Begun:
    """Begin an inspection of these captures; start its workflow where anything is new and paid for.

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
    begun = admitted(app, deployed, workflow.begin(refs, inspection, recorder, app.blobs))
    if begun.new and not begun.waits:
        given = {"manifest": begun.manifest, "images": begun.images, "run": run}
        workflows.start(deployment.machine, inspection.id, {"inspection": inspection.id, **given})
    return begun
