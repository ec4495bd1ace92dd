"""Workflows in AWS Step Functions: which are deployed, and their executions.

An execution is named as its inspection is, so that the same arrivals start one execution only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from walkdown.errors import StoreError
from walkdown.sdk.aws import AwsError, explained

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Deployment:
    """A pipeline of a stack: photographs whose keys begin with ``prefix`` go to ``machine``.

    ``machine`` is the state machine's ARN, ``plan_key`` where the deployed pipeline is stored.
    """

    name: str
    prefix: str
    machine: str
    plan_key: str


@dataclass(frozen=True, slots=True)
class Execution:
    """How far a workflow got: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED, PENDING_REDRIVE."""

    arn: str
    status: str
    error: str | None = None
    output: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether it goes on no more by itself."""
        return self.status not in ("RUNNING", "PENDING_REDRIVE")


@dataclass(frozen=True, slots=True)
class Ran:
    """An execution in a list: its name is its inspection's id."""

    name: str
    arn: str
    status: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class MapRun:
    """A stage of an execution at work: how many images it has, and how many are through."""

    arn: str
    total: int
    ended: int


class StepFunctions:
    """The workflows of one stack. ``ssm`` and ``states`` are boto3 clients."""

    def __init__(self, ssm: Any, states: Any, *, stack: str) -> None:
        self._ssm = ssm
        self._states = states
        self._path = f"/walkdown/{stack}/pipelines/"

    def deployments(self) -> list[Deployment]:
        """All pipelines of the stack, by name."""
        with explained("list the stack's pipelines"):
            pages = self._ssm.get_paginator("get_parameters_by_path").paginate(Path=self._path)
            found = [one for page in pages for one in page["Parameters"]]
        entries = [_deployment(one["Name"].removeprefix(self._path), one["Value"]) for one in found]
        return sorted(entries, key=lambda entry: entry.name)

    def start(self, machine: str, name: str, given: Mapping[str, object]) -> str:
        """Start an execution and return its ARN; one of that name and input is not started again.

        Raises `StoreError` where an execution of that name was given something else.
        """
        text = json.dumps(given, sort_keys=True)
        try:
            with explained(f"start the workflow {name}"):
                answer = self._states.start_execution(
                    stateMachineArn=machine, name=name, input=text
                )
        except AwsError as e:
            if e.code != "ExecutionAlreadyExists":
                raise
            return _execution_arn(machine, name)
        return str(answer["executionArn"])

    def execution(self, machine: str, name: str) -> Execution:
        """How an execution fares. Raises `StoreError` where there is none."""
        arn = _execution_arn(machine, name)
        with explained(f"ask for the workflow {name}"):
            found = self._states.describe_execution(executionArn=arn)
        error = ": ".join(found[key] for key in ("error", "cause") if found.get(key))
        return Execution(arn, found["status"], error or None, found.get("output"))

    def find(self, machine: str, name: str) -> Execution | None:
        """How an execution fares; None where there is none."""
        try:
            return self.execution(machine, name)
        except AwsError as e:
            if e.code != "ExecutionDoesNotExist":
                raise
        return None

    def recent(self, machine: str, *, since: datetime) -> Iterator[Ran]:
        """Executions that were started since then, the newest first."""
        pages = self._states.get_paginator("list_executions").paginate(stateMachineArn=machine)
        with explained("list the workflows"):
            for page in pages:
                for one in page["executions"]:
                    if one["startDate"] < since:
                        return
                    yield Ran(one["name"], one["executionArn"], one["status"], one["startDate"])

    def map_runs(self, machine: str, name: str) -> list[MapRun]:
        """The stages that an execution has begun, in the order in which they began."""
        arn = _execution_arn(machine, name)
        with explained(f"ask for the stages of {name}"):
            pages = self._states.get_paginator("list_map_runs").paginate(executionArn=arn)
            found = [one for page in pages for one in page["mapRuns"]]
            found.sort(key=lambda one: one["startDate"])
            told = [self._states.describe_map_run(mapRunArn=one["mapRunArn"]) for one in found]
        return [_map_run(one) for one in told]

    def redrive(self, machine: str, name: str) -> None:
        """Let a failed execution go on where it stopped."""
        with explained(f"redrive the workflow {name}"):
            self._states.redrive_execution(executionArn=_execution_arn(machine, name))


def _execution_arn(machine: str, name: str) -> str:
    return f"{machine.replace(':stateMachine:', ':execution:')}:{name}"


def _map_run(told: Mapping[str, Any]) -> MapRun:
    counts = told["itemCounts"]
    ended = sum(counts[key] for key in ("succeeded", "failed", "timedOut", "aborted"))
    return MapRun(told["mapRunArn"], counts["total"], ended)


def _deployment(name: str, value: str) -> Deployment:
    try:
        fields = json.loads(value)
        return Deployment(name, fields["prefix"], fields["machine"], fields["plan"])
    except (ValueError, KeyError, TypeError) as e:
        raise StoreError(
            f"the stack's entry of pipeline {name!r} is damaged; deploy it again"
        ) from e


def route(key: str, deployments: list[Deployment]) -> Deployment | None:
    """The pipeline whose prefix a key begins with; the longest one where several fit.

    >>> rows = [Deployment(name, prefix, "", "") for name, prefix in (("a", "x/"), ("b", "x/y/"))]
    >>> [getattr(route(key, rows), "name", None) for key in ("x/1", "x/y/1", "z")]
    ['a', 'b', None]
    """
    fitting = [entry for entry in deployments if key.startswith(entry.prefix)]
    return max(fitting, key=lambda entry: len(entry.prefix), default=None)
