"""What broke off goes on: messages that were given up on come back, and inspections are resumed.

An inspection is resumed by a new one over the photographs that it has no result for, which runs
the functions as they are deployed now. Step Functions' own redrive would run the old ones again,
and, where a `Catch` has led to a `Fail` state, that state alone.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from walkdown.app.intake import go_on, resume_waiting
from walkdown.aws.health import ENDED_BADLY
from walkdown.sdk.aws import explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walkdown.app.context import App
    from walkdown.app.intake import Resumed
    from walkdown.runners.executions import StepFunctions

LOOKED_BACK: Final = timedelta(days=14)
"""How old a workflow may be; its files are kept for 45 days."""


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
    """Let every inspection go on that waits for a budget, or whose workflow broke off."""
    yield from resume_waiting(app, workflows)
    unfinished = {each.id: each for each in app.records.inspections() if not each.finished_at}
    since = app.clock() - LOOKED_BACK
    for deployment in workflows.deployments():
        for ran in workflows.recent(deployment.machine, since=since):
            if ran.status in ENDED_BADLY and ran.name in unfinished:
                yield go_on(app, workflows, deployment, ran.name)
