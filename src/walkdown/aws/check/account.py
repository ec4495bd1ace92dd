"""A stack in the account where it lies, as the checks see it, and what a check says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from walkdown.errors import NotFound
from walkdown.sdk.aws import explained

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from walkdown.app.context import App
    from walkdown.runners.executions import Deployment
    from walkdown.sdk.aws import Aws
    from walkdown.settings import Stack

State = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What came out of a check, and why."""

    state: State
    why: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What may be done beyond asking: put a photograph, ring an alarm, ask for the bill."""

    photo: Path | None = None
    pipeline: str | None = None
    alarm: bool = False
    cost: bool = False
    timeout_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Account:
    """A deployed stack. ``resources`` are physical ids by logical ids.

    ``pipelines`` says of each pipeline how many of its batches run at once. ``sleep`` waits,
    ``clock`` gives seconds.
    """

    aws: Aws
    stack: Stack
    app: App
    resources: Mapping[str, str]
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    pipelines: Mapping[str, tuple[Deployment, int]]
    wish: Wish
    sleep: Callable[[float], None]
    clock: Callable[[], float]

    @property
    def is_real(self) -> bool:
        """Whether it is AWS that answers, and no emulator."""
        host = str(self.aws.client("sts").meta.endpoint_url).split("/")[2]
        return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))

    @property
    def region(self) -> str:
        """Where the stack is."""
        return str(self.aws.client("sts").meta.region_name)

    def pipeline(self) -> Deployment:
        """The pipeline that gets the photograph. Raises `NotFound`."""
        known = ", ".join(sorted(self.pipelines)) or "none: walkdown deploy --pipeline FILE"
        name = self.wish.pipeline or next(iter(sorted(self.pipelines)), "")
        if name not in self.pipelines:
            raise NotFound(f"the stack has no pipeline {name!r}; it has {known}")
        return self.pipelines[name][0]

    def called(self, function: str, given: object = None) -> tuple[object, str | None]:
        """What a function of the stack answers, and what went wrong."""
        name = self.outputs[f"{function}FunctionName"]
        with explained(f"call the function {name}"):
            payload = json.dumps(given or {}).encode()
            answer = self.aws.client("lambda").invoke(FunctionName=name, Payload=payload)
        said = json.loads(answer["Payload"].read())
        if not answer.get("FunctionError"):
            return said, None
        return None, f"{said.get('errorType')}: {str(said.get('errorMessage'))[:300]}"

    def waited(self, found: Callable[[], object], *, pause_s: float = 3.0) -> float | None:
        """Seconds until ``found`` is true; None where it never was."""
        began = self.clock()
        while not found():
            if self.clock() - began > self.wish.timeout_s:
                return None
            self.sleep(pause_s)
        return self.clock() - began


def passed(why: str) -> Checked:
    """It is as it should be."""
    return Checked("passed", why)


def failed(why: str) -> Checked:
    """It is not; ``why`` says what to do."""
    return Checked("failed", why)


def skipped(why: str) -> Checked:
    """It was not asked; ``why`` says how it can be."""
    return Checked("skipped", why)


def unless(wrong: list[str], right: str) -> Checked:
    """Passed where nothing is wrong; three things are told at most."""
    if not wrong:
        return passed(right)
    more = f" (and {len(wrong) - 3} more)" if len(wrong) > 3 else ""
    return failed("; ".join(wrong[:3]) + more)


def account_of(
    aws: Aws,
    stack: Stack,
    app: App,
    pipelines: Mapping[str, tuple[Deployment, int]],
    wish: Wish,
    *,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> Account:
    """All that the checks need to know of a stack."""
    cloud = aws.client("cloudformation")
    with explained(f"look up the stack {stack.name}"):
        about = cloud.describe_stacks(StackName=stack.name)["Stacks"][0]
        pages = cloud.get_paginator("list_stack_resources").paginate(StackName=stack.name)
        listed = [each for page in pages for each in page["StackResourceSummaries"]]
    return Account(
        aws=aws,
        stack=stack,
        app=app,
        resources={r["LogicalResourceId"]: r.get("PhysicalResourceId", "") for r in listed},
        outputs={o["OutputKey"]: o["OutputValue"] for o in about.get("Outputs", [])},
        parameters={p["ParameterKey"]: p["ParameterValue"] for p in about.get("Parameters", [])},
        pipelines=pipelines,
        wish=wish,
        sleep=sleep,
        clock=clock,
    )
