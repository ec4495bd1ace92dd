"""How a stack fares: what runs, what waits, and what needs somebody. Reads, and changes nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from walkdown.app.deployed import read_deployed
from walkdown.app.waiting import budget_of, waiting
from walkdown.errors import NotFound
from walkdown.pipeline.budget import nearly_spent, usd
from walkdown.sdk.aws import Aws, explained
from walkdown.types import Alert

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from walkdown.app.context import App
    from walkdown.app.waiting import Budget
    from walkdown.aws.stacks import Stacks
    from walkdown.runners.executions import Deployment, Ran, StepFunctions

LOOKED_BACK: Final = timedelta(days=1)
LATE: Final = timedelta(minutes=15)
"""A message to people that waits longer needs somebody: the function is asked every minute."""

COUNTED: Final = 200
"""Workflows of a pipeline whose images are counted: each is a question of its own."""

ENDED_BADLY: Final = ("FAILED", "TIMED_OUT", "ABORTED")
_WELL: Final = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
_ALARMS_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Failed:
    """An execution that broke off, and why."""

    ran: Ran
    why: str


@dataclass(frozen=True, slots=True)
class Images:
    """Images of workflows that have ended well."""

    total: int = 0
    anomalies: int = 0
    failed: int = 0

    def plus(self, tally: Mapping[str, Any]) -> Images:
        """With those of a finished inspection's answer."""
        return Images(
            self.total + int(tally.get("images", 0)),
            self.anomalies + int(tally.get("anomalies", 0)),
            self.failed + int(tally.get("failed", 0)),
        )


@dataclass(frozen=True, slots=True)
class PipelineHealth:
    """A deployed pipeline and its workflows of the last day.

    ``failed`` are those that nobody has taken care of yet.
    """

    deployment: Deployment
    models: tuple[str, ...]
    running: tuple[Ran, ...]
    failed: tuple[Failed, ...]
    succeeded: int
    images: Images
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """Messages in a queue: ``waiting`` to be taken, and ``taken`` by somebody who is at work."""

    waiting: int
    taken: int


@dataclass(frozen=True, slots=True)
class Outbox:
    """What is still to be told; ``age`` is that of the oldest alert."""

    alerts: int
    batches: int
    age: timedelta


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm that is raised, and what its description says to do."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Health:
    """All of it.

    ``orphans`` are pipelines that were removed while photographs waited. ``problems`` are what
    needs somebody, in words; none when all is well.
    """

    stack: str
    status: str
    changed_at: datetime
    source_bucket: str = ""
    pipelines: tuple[PipelineHealth, ...] = ()
    arrivals: Queue = Queue(0, 0)
    dead_letters: Queue = Queue(0, 0)
    outbox: Outbox = Outbox(0, 0, timedelta(0))
    alarms: tuple[Alarm, ...] = ()
    orphans: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def state_of(cloud: Stacks, name: str) -> tuple[str, datetime, dict[str, str]]:
    """A stack's status, when it last changed, and its outputs. Raises `NotFound`."""
    found = cloud.find(name)
    if found is None:
        raise NotFound(f"there is no stack {name!r} in this account and region")
    outputs = {o["OutputKey"]: str(o["OutputValue"]) for o in found.get("Outputs", [])}
    return found["StackStatus"], found.get("LastUpdatedTime") or found["CreationTime"], outputs


class Examiner:
    """Asks AWS how a stack fares."""

    def __init__(self, aws: Aws, app: App, workflows: StepFunctions) -> None:
        self._aws = aws
        self._app = app
        self._workflows = workflows
        self._now = app.clock()

    def examine(
        self, stack: str, status: str, changed_at: datetime, outputs: Mapping[str, str]
    ) -> Health:
        """The stack's health, with what needs somebody in words."""
        health = Health(
            stack=stack,
            status=status,
            changed_at=changed_at,
            source_bucket=outputs.get("SourceBucketName", ""),
            pipelines=self._pipelines(),
            arrivals=self._queue(outputs["IntakeQueueUrl"]),
            dead_letters=self._queue(outputs["IntakeDeadLettersUrl"]),
            outbox=self._outbox(),
            alarms=tuple(self._alarms(stack)),
        )
        known = {each.deployment.name for each in health.pipelines}
        left = {one.pipeline for one in waiting(self._app.blobs)} - known
        health = replace(health, orphans=tuple(sorted(left)))
        return replace(health, problems=tuple(problems_of(health)))

    def _pipelines(self) -> tuple[PipelineHealth, ...]:
        under_way = {each.id for each in self._app.records.inspections() if not each.finished_at}
        found = self._workflows.deployments()
        return tuple(self._pipeline(each, under_way) for each in found)

    def _pipeline(self, deployment: Deployment, under_way: set[str]) -> PipelineHealth:
        recent = list(self._workflows.recent(deployment.machine, since=self._now - LOOKED_BACK))
        failed = [r for r in recent if r.status in ENDED_BADLY and r.name in under_way]
        done = [r for r in recent if r.status == "SUCCEEDED"]
        deployed = read_deployed(deployment.plan_key, self._app.blobs)
        models = deployed.models
        return PipelineHealth(
            deployment=deployment,
            models=tuple(dict.fromkeys(info.label for info in models.values())),
            running=tuple(r for r in recent if r.status in ("RUNNING", "PENDING_REDRIVE")),
            failed=tuple(Failed(r, self._why(deployment, r)) for r in failed),
            succeeded=len(done),
            images=self._images(deployment, done[:COUNTED]),
            budget=budget_of(self._app, deployed),
        )

    def _why(self, deployment: Deployment, ran: Ran) -> str:
        return self._workflows.execution(deployment.machine, ran.name).error or ran.status

    def _images(self, deployment: Deployment, done: Sequence[Ran]) -> Images:
        images = Images()
        for ran in done:
            output = self._workflows.execution(deployment.machine, ran.name).output
            images = images.plus(json.loads(output or "{}"))
        return images

    def _queue(self, url: str) -> Queue:
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        with explained("count a queue's messages"):
            told = self._aws.client("sqs").get_queue_attributes(
                QueueUrl=url, AttributeNames=list(names)
            )["Attributes"]
        return Queue(*(int(told[name]) for name in names))

    def _outbox(self) -> Outbox:
        alerts = self._app.outbox.pending("alert")
        seen = [body.finding.seen_at for _, body in alerts if isinstance(body, Alert)]
        age = self._now - min(seen, default=self._now)
        return Outbox(len(alerts), len(self._app.outbox.pending("lake")), max(age, timedelta(0)))

    def _alarms(self, stack: str) -> Iterator[Alarm]:
        """The stack's own: another's name may begin as this one's does."""
        with explained(f"list the resources of the stack {stack}"):
            pages = self._aws.client("cloudformation").get_paginator("list_stack_resources")
            names = [
                one["PhysicalResourceId"]
                for page in pages.paginate(StackName=stack)
                for one in page["StackResourceSummaries"]
                if one["ResourceType"] == "AWS::CloudWatch::Alarm" and "PhysicalResourceId" in one
            ]
        for at in range(0, len(names), _ALARMS_AT_ONCE):
            with explained("ask for alarms"):
                told = self._aws.client("cloudwatch").describe_alarms(
                    AlarmNames=names[at : at + _ALARMS_AT_ONCE], StateValue="ALARM"
                )
            for one in told["MetricAlarms"]:
                if one["StateValue"] == "ALARM":
                    yield Alarm(one["AlarmName"], one.get("AlarmDescription", ""))


def problems_of(health: Health) -> Iterator[str]:
    """What needs somebody, each with what to do next."""
    stack = health.stack
    if health.status not in _WELL and not health.status.endswith("_IN_PROGRESS"):
        yield f"the stack is {health.status}: deploy it again, or see its events in CloudFormation"
    for pipeline in health.pipelines:
        for failed in pipeline.failed:
            yield (
                f"the inspection {failed.ran.name} of {pipeline.deployment.name} broke off "
                f"({failed.why:.200}); see why: walkdown logs --stack {stack} --inspection "
                f"{failed.ran.name}; let it go on: walkdown redrive --stack {stack}"
            )
        yield from _about_budget(pipeline.deployment.name, pipeline.budget)
    for name in health.orphans:
        yield f"photographs wait for the pipeline {name}, which was removed: deploy it again"
    if health.dead_letters.waiting:
        yield (
            f"{health.dead_letters.waiting} photographs could not be taken in; see why: walkdown "
            f"logs --stack {stack} --function intake; try again: walkdown redrive --stack {stack}"
        )
    if health.outbox.age > LATE:
        minutes = health.outbox.age.total_seconds() / 60
        yield (
            f"{health.outbox.alerts} alerts wait, the oldest for {minutes:.0f} minutes; "
            f"see why: walkdown logs --stack {stack} --function deliver"
        )
    for alarm in health.alarms:
        yield f"alarm {alarm.name}: {alarm.description}"


def _about_budget(name: str, budget: Budget | None) -> Iterator[str]:
    if budget is None:
        return
    if budget.waiting:
        yield f"{name}: {budget.words}"
    elif nearly_spent(budget.spent, budget.limit):
        spent, limit = usd(budget.spent), usd(budget.limit)
        yield f"{name}: {spent} of this month's {limit} are spent; what comes beyond it waits"


def unfinished(stack: str, status: str, changed_at: datetime) -> Health:
    """A stack of which nothing can be asked yet, or any more."""
    health = Health(stack, status, changed_at)
    return replace(health, problems=tuple(problems_of(health)))
