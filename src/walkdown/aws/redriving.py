"""What broke off goes on: messages that were given up on come back, and inspections are resumed.

An inspection is resumed by a new one over the photographs that it has no result for, which runs
the functions as they are deployed now. Step Functions' own redrive would run the old ones again,
and, where a `Catch` has led to a `Fail` state, that state alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from walkdown.app.intake import start
from walkdown.app.workflow import manifest_of
from walkdown.aws.health import ENDED_BADLY
from walkdown.errors import NotFound
from walkdown.sdk.aws import explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walkdown.app.context import App
    from walkdown.runners.executions import Deployment, StepFunctions
    from walkdown.types import Inspection

LOOKED_BACK: Final = timedelta(days=14)
"""How old a workflow may be; its files are kept for 30 days."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """An inspection that had broken off, and the one that goes on with its ``images``.

    ``by`` is None where nothing was left to do, or where its files are gone (``gone``).
    """

    old: str
    by: str | None
    images: int
    gone: bool = False


def move_dead_letters(sqs: Any, url: str) -> int:
    """Begin to move the messages of dead letters back into their queue; about how many."""
    with explained("count the dead letters"):
        told = sqs.get_queue_attributes(
            QueueUrl=url, AttributeNames=["QueueArn", "ApproximateNumberOfMessages"]
        )["Attributes"]
    count = int(told["ApproximateNumberOfMessages"])
    if count:
        with explained("move the dead letters back"):
            sqs.start_message_move_task(SourceArn=told["QueueArn"])
    return count


def resume(app: App, workflows: StepFunctions) -> Iterator[Resumed]:
    """Let every inspection go on whose workflow broke off, each as it comes."""
    unfinished = {each.id: each for each in app.records.inspections() if not each.finished_at}
    since = app.clock() - LOOKED_BACK
    for deployment in workflows.deployments():
        for ran in workflows.recent(deployment.machine, since=since):
            if ran.status in ENDED_BADLY and ran.name in unfinished:
                yield _resumed(app, workflows, deployment, unfinished[ran.name])


def _resumed(
    app: App, workflows: StepFunctions, deployment: Deployment, old: Inspection
) -> Resumed:
    try:
        refs = manifest_of(old.id, app.blobs)
    except NotFound:
        return Resumed(old.id, None, 0, gone=True)
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
    return Resumed(old.id, begun.inspection.id if begun.new else None, begun.new)
