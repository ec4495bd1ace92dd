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
    from collections.abc import Mapping


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

    def redrive(self, machine: str, name: str) -> None:
        """Let a failed execution go on where it stopped."""
        with explained(f"redrive the workflow {name}"):
            self._states.redrive_execution(executionArn=_execution_arn(machine, name))


def _execution_arn(machine: str, name: str) -> str:
    return f"{machine.replace(':stateMachine:', ':execution:')}:{name}"


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
