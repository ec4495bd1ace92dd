"""What a function keeps between its calls: clients, adapters, the models of a deployed pipeline.

One execution environment runs one call at a time and many after one another. A model is read from
S3 and checked once in each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from walkdown import wiring_aws
from walkdown.app.deployed import read_deployed
from walkdown.app.stage_budgets import refusing
from walkdown.clock import utc_now
from walkdown.models import artefact
from walkdown.runners.recording import Recorder
from walkdown.runners.worker import Work
from walkdown.settings import Stack, environment, stack_of_environment
from walkdown.types import Severity
from walkdown.wiring_aws import build_stack, captures, workflows

if TYPE_CHECKING:
    from walkdown.app.context import App
    from walkdown.app.deployed import Deployed
    from walkdown.app.workflow import Batch
    from walkdown.ports import Notifier
    from walkdown.runners.executions import StepFunctions
    from walkdown.stores.athena import Compaction

ACTOR = "walkdown-on-aws"
CHANNELS = ("eventbridge", "sns")
"""Who is told of every finding of a stack; the rules and subscriptions behind them choose."""

KEPT = 4
"""Deployed pipelines whose models are held: more would not fit into a function's memory."""


@dataclass(frozen=True, slots=True)
class Function:
    """The parts that every function of a stack may need."""

    stack: Stack
    app: App
    workflows: StepFunctions


@lru_cache(maxsize=1)
def function() -> Function:
    """Made by the first call."""
    stack = stack_of_environment(environment())
    return Function(stack, build_stack(stack, actor=ACTOR), workflows(stack))


@dataclass(frozen=True, slots=True)
class Door:
    """The parts of the function that signs addresses. ``signer`` is a client of S3."""

    stack: Stack
    workflows: StepFunctions
    signer: Any


@lru_cache(maxsize=1)
def door() -> Door:
    """Made by the first call; needs no table, so that it answers soon."""
    stack = stack_of_environment(environment())
    return Door(stack, workflows(stack), wiring_aws.aws().signer())


@lru_cache(maxsize=1)
def channels() -> dict[str, Notifier]:
    """Who is told of findings."""
    return wiring_aws.channels(function().stack)


def compaction() -> Compaction:
    """Merges the days of the lake."""
    return wiring_aws.compaction(function().stack)


@lru_cache(maxsize=64)
def deployed(plan_key: str) -> Deployed:
    """A deployed pipeline: immutable, so that it can be kept."""
    return read_deployed(plan_key, function().app.blobs)


@lru_cache(maxsize=KEPT)
def work(plan_key: str, stage: str) -> Work:
    """All that a stage's batches need, with the model of that stage alone."""
    app, pipeline = function().app, deployed(plan_key)
    plan = pipeline.plan()
    info = next(each.model for each in plan.stages if each.name == stage)
    model = app.open_model(artefact.load(info.digest, app.blobs), info.label)
    return Work(
        plan=plan,
        models={info.digest: model},
        source=captures(),
        blobs=app.blobs,
        records=app.records,
        # The source bucket keeps the photographs, so that a copy would only cost.
        outputs=pipeline.spec.outputs.model_copy(update={"images": False}),
        max_pixels=pipeline.spec.prepare.max_pixels,
        preparation=pipeline.preparation(app.blobs, app.open_step),
        ahead=True,
    )


def work_of(batch: Batch, plan_key: str) -> Work:
    """`work`, which takes what looks of a batch cost from its stage's budget, where it has one."""
    app, kept = function().app, work(plan_key, batch.stage)
    return replace(kept, refuse=refusing(app, kept.plan.name, batch.inspection, run=batch.run))


def recorder(batch: Batch, plan_key: str) -> Recorder:
    """Writes the results of a batch's inspection."""
    app = function().app
    return Recorder(
        plan=deployed(plan_key).plan(),
        records=app.records,
        workspace=app.settings.workspace,
        inspection=batch.inspection,
        run=batch.run,
        actor=ACTOR,
        clock=utc_now,
        channels=tuple((name, Severity.LOW) for name in CHANNELS),
    )
