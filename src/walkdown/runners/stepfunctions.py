"""A plan as a state machine of AWS Step Functions (Amazon States Language, JSONPath). Pure.

One Distributed Map per stage over the manifest that the step before wrote; a child looks at a batch
and records it, and where that breaks, looks at its images one at a time. Only names and counts are
in the state. The states are named as the pipeline file names its stages; names of other states have
a blank or a question mark, which no stage's has.

`${...}` are substitutions of the template: `FUNCTIONS`, `BUCKET` and ``Partition``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from walkdown.pipeline.plan import Plan, Stage

States = dict[str, Any]

FUNCTIONS: Final = ("Look", "Record", "Choose", "Finish", "Deliver")
"""Substitutions that name a published version of a function."""

BUCKET: Final = "DataBucket"
"""The substitution that names the bucket of models, manifests and parts."""

MAX_BATCH_BYTES: Final = 200 * 1024
"""What a child is given at most; the limit of a state is 256 KiB, the batch's own facts included.
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""

MAX_BATCH: Final = 100
"""Images of one call at most: so many results fit into one write."""

CALL_S: Final = 60.0
"""How long a call should take."""

THROTTLED: Final = ("Lambda.TooManyRequestsException",)
"""More calls at once than the account's functions may run: their turn comes."""

BUSY: Final = (
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "StoreError",
    "AwsError",
)
"""Errors that pass by themselves, most often: a service that did not answer."""

BROKEN: Final = (
    *THROTTLED,
    *BUSY,
    "Lambda.ResourceNotFoundException",
    "ArtefactError",
    "MissingExtra",
    "NotFound",
    "SpecError",
)
"""Errors that every batch meets, and no single image has caused."""

WAIT_S: Final = 30
"""How long a workflow waits before it asks for a job again."""

_ONE: Final = " one"
_BATCH: Final = {"batch.$": "$.BatchInput", "items.$": "$.Items"}
_FAIL: Final = {
    "Type": "Fail",
    "Error": "Walkdown.Broken",
    "Cause": "no image is to blame; see the error of the state before",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """How wide and how patient a workflow is.

    ``batch`` is how many images one call of a stage looks at, by stage. ``tolerated_pct`` of a
    stage's batches may break without stopping the rest.
    """

    batch: Mapping[str, int]
    concurrency: int = 50
    tolerated_pct: int = 10

    def __post_init__(self) -> None:
        whole = all(1 <= count <= MAX_BATCH for count in self.batch.values())
        if not (whole and 1 <= self.concurrency <= 10_000 and 0 <= self.tolerated_pct <= 100):
            raise ValueError(f"not a shape of a workflow: {self}")


def batch_of(seconds_per_image: float) -> int:
    """How many images one call looks at, so that it takes a minute: far from Lambda's 15.

    >>> batch_of(0.25), batch_of(400), batch_of(0.001)
    (100, 1, 100)
    """
    return max(1, min(MAX_BATCH, int(CALL_S / seconds_per_image)))


def definition(plan: Plan, shape: Shape, *, plan_key: str) -> States:
    """The state machine: what `json.dumps` of it says is what Step Functions runs.

    Its input is ``{"inspection", "run", "manifest", "images"}``; ``plan_key`` is where the deployed
    pipeline is stored.
    """
    states: States = {}
    for number, stage in enumerate(plan.stages):
        following = plan.stages[number + 1].name if number + 1 < len(plan.stages) else None
        if number:
            states |= _choosing(stage.name, following)
        states[stage.name] = _map(stage, shape, plan_key, first=number == 0, following=following)
    states |= _ending()
    return {
        "Comment": f"walkdown: pipeline {plan.name}, plan {plan.digest[:12]}",
        "StartAt": plan.stages[0].name,
        "States": states,
    }


def _after(following: str | None) -> str:
    return f"choose for {following}" if following else "close the inspection"


def _map(
    stage: Stage, shape: Shape, plan_key: str, *, first: bool, following: str | None
) -> States:
    manifest = "$.manifest" if first else f"$.chosen_{stage.name}.answer.manifest"
    return {
        "Type": "Map",
        "Comment": f"{stage.model.label}",
        "ItemReader": {
            "Resource": "arn:${Partition}:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSONL"},
            "Parameters": {"Bucket": f"${{{BUCKET}}}", "Key.$": manifest},
        },
        "ItemBatcher": {
            "MaxItemsPerBatch": shape.batch[stage.name],
            "MaxInputBytesPerBatch": MAX_BATCH_BYTES,
            "BatchInput": {
                "plan": plan_key,
                "stage": stage.name,
                "inspection.$": "$.inspection",
                "run.$": "$.run",
            },
        },
        "MaxConcurrency": shape.concurrency,
        # What breaks a shadow must stop nothing.
        "ToleratedFailurePercentage": 100 if stage.shadow_of else shape.tolerated_pct,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": _first(stage),
            "States": _child(stage),
        },
        "ResultWriter": {
            "Resource": "arn:${Partition}:states:::s3:putObject",
            "Parameters": {
                "Bucket": f"${{{BUCKET}}}",
                "Prefix.$": f"States.Format('{_children(stage.name)}', $.inspection)",
            },
        },
        # CloudFormation takes no null, which would leave the children's place out.
        "ResultPath": "$.children",
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "give up"}],
        "Next": _after(following),
    }


def _child(stage: Stage) -> States:
    """A batch: look and record, or else one image at a time."""
    name = stage.name
    return {
        **_looking(stage, "", record=f"{name}: record", otherwise=f"{name}: one at a time"),
        f"{name}: record": _call("Record", _BATCH, End=True),
        f"{name}: one at a time": {
            "Type": "Map",
            "ItemsPath": "$.Items",
            "MaxConcurrency": 1,
            "ItemSelector": {
                "BatchInput.$": "$.BatchInput",
                "Items.$": "States.Array($$.Map.Item.Value)",
            },
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                "StartAt": _first(stage, _ONE),
                "States": {
                    **_looking(
                        stage, _ONE, record=f"{name}: record one", otherwise=f"{name}: say why not"
                    ),
                    f"{name}: record one": _call("Record", _BATCH, End=True),
                    f"{name}: say why not": _call(
                        "Record", _BATCH | {"error.$": "$.error"}, End=True
                    ),
                },
            },
            "ResultSelector": {"one_at_a_time.$": "States.ArrayLength($)"},
            "End": True,
        },
    }


def _children(stage: str) -> str:
    return f"work/{{}}/stages/{stage}/children"


def _first(stage: Stage, which: str = "") -> str:
    return f"{stage.name}: {'submit' if stage.model.kind == 'job' else 'look'}{which}"


def _looking(stage: Stage, which: str, *, record: str, otherwise: str) -> States:
    """Look at a batch: at once, or by jobs that are submitted, asked for and collected."""
    broken = f"{stage.name}: broken{which}"
    # A shadow that breaks is noted for each image, which is recorded without it.
    stops = [] if stage.shadow_of else [_caught(broken, *BROKEN)]
    caught = [*stops, _caught(otherwise)]
    look = f"{stage.name}: look{which}"
    if stage.model.kind != "job":
        looks = {look: _call("Look", _BATCH, ResultPath="$.looked", Catch=caught, Next=record)}
        return looks if stage.shadow_of else {**looks, broken: _FAIL}
    wait, ask, is_ready = (f"{stage.name}: {step}{which}" for step in ("wait", "ask", "ready?"))

    def step(do: str, following: str) -> States:
        given = _BATCH | {"do": do}
        return _call("Look", given, ResultPath="$.looked", Catch=caught, Next=following)

    is_there = {"Variable": "$.looked.answer.ready", "BooleanEquals": True, "Next": look}
    return {
        _first(stage, which): step("submit", wait),
        wait: {"Type": "Wait", "Seconds": WAIT_S, "Next": ask},
        ask: step("ask", is_ready),
        is_ready: {"Type": "Choice", "Choices": [is_there], "Default": wait},
        look: step("collect", record),
        **({} if stage.shadow_of else {broken: _FAIL}),
    }


def _choosing(stage: str, following: str | None) -> States:
    """Gather what waits for a stage, and go on past it where nothing does."""
    return {
        f"choose for {stage}": _call(
            "Choose",
            {"inspection.$": "$.inspection", "stage": stage},
            ResultPath=f"$.chosen_{stage}",
            Next=f"anything for {stage}?",
        ),
        f"anything for {stage}?": {
            "Type": "Choice",
            "Choices": [
                {
                    "Variable": f"$.chosen_{stage}.answer.images",
                    "NumericGreaterThan": 0,
                    "Next": stage,
                }
            ],
            "Default": _after(following),
        },
    }


def _ending() -> States:
    given = {
        "inspection.$": "$.inspection",
        "images.$": "$.images",
        "execution.$": "$$.Execution.Id",
    }
    return {
        "close the inspection": _call("Finish", given, ResultPath="$.finished", Next="tell people"),
        "tell people": _call(
            "Deliver",
            {"inspection.$": "$.inspection"},
            ResultPath="$.told",
            # What could not be told is in the outbox, which is emptied every minute.
            Catch=[_caught("is all there?")],
            Next="is all there?",
        ),
        "is all there?": {
            "Type": "Choice",
            "Choices": [
                {
                    "Variable": "$.finished.answer.missing",
                    "NumericGreaterThan": 0,
                    "Next": "is incomplete",
                }
            ],
            "Default": "the end",
        },
        "the end": {"Type": "Succeed", "OutputPath": "$.finished.answer"},
        "is incomplete": {
            "Type": "Fail",
            "Error": "Walkdown.Incomplete",
            "Cause": "some images have no result; they are taken up again by: walkdown redrive",
        },
        "give up": _call("Finish", given | {"error.$": "$.error"}, Next="was stopped"),
        "was stopped": {
            "Type": "Fail",
            "Error": "Walkdown.Stopped",
            "Cause": "more batches broke than the pipeline tolerates; go on by: walkdown redrive",
        },
    }


def _call(function: str, payload: States, **more: Any) -> States:
    """Call a function. An answer is told apart from its envelope at once, to keep the state small.

    A function may be slow (timed out, out of memory) because of one image: that is tried no second
    time here, it is what one at a time is for.
    """
    return {
        "Type": "Task",
        "Resource": "arn:${Partition}:states:::lambda:invoke",
        "Parameters": {"FunctionName": f"${{{function}}}", "Payload": payload},
        "ResultSelector": {"answer.$": "$.Payload"},
        "Retry": [_again(THROTTLED, times=60), _again(BUSY, times=8), *_whatever(function)],
    } | more


def _whatever(function: str) -> list[States]:
    """Any error is worth another try where it is no image's fault: recording killed half-way."""
    return [] if function == "Look" else [_again(("States.ALL",), times=3)]


def _again(errors: tuple[str, ...], *, times: int) -> States:
    """Wait twice as long each time, two minutes at most; full jitter spreads the callers."""
    return {
        "ErrorEquals": list(errors),
        "IntervalSeconds": 2,
        "BackoffRate": 2.0,
        "MaxAttempts": times,
        "MaxDelaySeconds": 120,
        "JitterStrategy": "FULL",
    }


def _caught(following: str, *errors: str) -> States:
    return {
        "ErrorEquals": list(errors) or ["States.ALL"],
        "ResultPath": "$.error",
        "Next": following,
    }
