"""A plan as a state machine of AWS Step Functions (Amazon States Language, JSONPath). Pure.

One Distributed Map per stage over the manifest that the step before wrote; a child looks at a batch
and records it, and where that breaks, looks at its images one at a time. Only names and counts are
in the state. The states are named as the pipeline file names its stages.

`${...}` are substitutions of the template: versions of functions, and the bucket.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from walkdown.pipeline.plan import Plan, Stage

States = dict[str, Any]

FUNCTIONS: Final = ("Look", "Record", "Choose", "Finish")
"""Substitutions that name a published version of a function."""

BUCKET: Final = "DataBucket"
"""The substitution that names the bucket of models, manifests and parts."""

MAX_BATCH_BYTES: Final = 200 * 1024
"""What a child is given at most; the limit of a state is 256 KiB, the batch's own facts included.
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""

BUSY: Final = (
    "Lambda.TooManyRequestsException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "StoreError",
    "AwsError",
)
"""Errors that pass: throttled, or a service that did not answer."""

BROKEN: Final = (
    *BUSY,
    "Lambda.ResourceNotFoundException",
    "ArtefactError",
    "MissingExtra",
    "NotFound",
    "SpecError",
)
"""Errors that every batch meets, and no single image has caused."""

_FAIL: Final = {
    "Type": "Fail",
    "Error": "Walkdown.Broken",
    "Cause": "no image is to blame; see the error of the state before",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """How wide and how patient a workflow is.

    ``plan_key`` is where the deployed plan is stored; ``batch`` how many images one call of a stage
    looks at, by stage. ``tolerated_pct`` of a stage's batches may break without stopping the rest.
    """

    plan_key: str
    batch: Mapping[str, int]
    concurrency: int = 50
    tolerated_pct: int = 10


def definition(plan: Plan, shape: Shape) -> States:
    """The state machine: what `json.dumps` of it says is what Step Functions runs.

    Its input is ``{"inspection", "run", "manifest", "images"}``.
    """
    states: States = {}
    for number, stage in enumerate(plan.stages):
        following = plan.stages[number + 1].name if number + 1 < len(plan.stages) else None
        if number:
            states |= _choosing(stage.name, following)
        states[stage.name] = _map(stage, shape, first=number == 0, following=following)
    states |= _ending()
    return {
        "Comment": f"walkdown: pipeline {plan.name}, plan {plan.digest[:12]}",
        "StartAt": plan.stages[0].name,
        "States": states,
    }


def _after(following: str | None) -> str:
    return f"choose for {following}" if following else "finish"


def _map(stage: Stage, shape: Shape, *, first: bool, following: str | None) -> States:
    manifest = "$.manifest" if first else f"$.chosen_{stage.name}.answer.manifest"
    return {
        "Type": "Map",
        "Comment": f"{stage.model.label}",
        "ItemReader": {
            "Resource": "arn:${AWS::Partition}:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSONL"},
            "Parameters": {"Bucket": f"${{{BUCKET}}}", "Key.$": manifest},
        },
        "ItemBatcher": {
            "MaxItemsPerBatch": shape.batch[stage.name],
            "MaxInputBytesPerBatch": MAX_BATCH_BYTES,
            "BatchInput": {
                "plan": shape.plan_key,
                "stage": stage.name,
                "inspection.$": "$.inspection",
                "run.$": "$.run",
            },
        },
        "MaxConcurrency": shape.concurrency,
        "ToleratedFailurePercentage": shape.tolerated_pct,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": f"{stage.name}: look",
            "States": _child(stage.name),
        },
        "ResultWriter": {
            "Resource": "arn:${AWS::Partition}:states:::s3:putObject",
            "Parameters": {
                "Bucket": f"${{{BUCKET}}}",
                "Prefix.$": f"States.Format('work/{{}}/{stage.name}/children', $.inspection)",
            },
        },
        "ResultPath": None,
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "give up"}],
        "Next": _after(following),
    }


def _child(stage: str) -> States:
    """A batch: look and record, or else one image at a time."""
    return {
        f"{stage}: look": _call(
            "Look",
            {"batch.$": "$.BatchInput", "items.$": "$.Items"},
            ResultPath="$.looked",
            Catch=[
                _caught(f"{stage}: broken", *BROKEN),
                _caught(f"{stage}: one at a time"),
            ],
            Next=f"{stage}: record",
        ),
        f"{stage}: broken": _FAIL,
        f"{stage}: record": _call(
            "Record",
            {"batch.$": "$.BatchInput", "items.$": "$.Items"},
            End=True,
        ),
        f"{stage}: one at a time": {
            "Type": "Map",
            "ItemsPath": "$.Items",
            "MaxConcurrency": 1,
            "ItemSelector": {
                "BatchInput.$": "$.BatchInput",
                "Items.$": "States.Array($$.Map.Item.Value)",
            },
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                "StartAt": f"{stage}: look at one",
                "States": _one(stage),
            },
            "ResultSelector": {"one_at_a_time.$": "States.ArrayLength($)"},
            "End": True,
        },
    }


def _one(stage: str) -> States:
    given = {"batch.$": "$.BatchInput", "items.$": "$.Items"}
    return {
        f"{stage}: look at one": _call(
            "Look",
            given,
            ResultPath="$.looked",
            Catch=[
                _caught(f"{stage}: broken for one", *BROKEN),
                _caught(f"{stage}: record why not"),
            ],
            Next=f"{stage}: record one",
        ),
        f"{stage}: broken for one": _FAIL,
        f"{stage}: record one": _call("Record", given, End=True),
        f"{stage}: record why not": _call("Record", given | {"error.$": "$.error"}, End=True),
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
        "finish": _call("Finish", given, End=True),
        "give up": _call("Finish", given | {"error.$": "$.error"}, Next="stopped"),
        "stopped": {
            "Type": "Fail",
            "Error": "Walkdown.Stopped",
            "Cause": "more batches broke than the pipeline tolerates; redrive this execution",
        },
    }


def _call(function: str, payload: States, **more: Any) -> States:
    """Call a function. An answer is told apart from its envelope at once, to keep the state small.

    A function may be slow (timed out, out of memory) because of one image: that is tried no second
    time here, it is what one at a time is for.
    """
    return {
        "Type": "Task",
        "Resource": "arn:${AWS::Partition}:states:::lambda:invoke",
        "Parameters": {"FunctionName": f"${{{function}}}", "Payload": payload},
        "ResultSelector": {"answer.$": "$.Payload"},
        "Retry": [
            {
                "ErrorEquals": list(BUSY),
                "IntervalSeconds": 2,
                "BackoffRate": 2.0,
                "MaxAttempts": 8,
                "MaxDelaySeconds": 120,
                "JitterStrategy": "FULL",
            },
        ],
    } | more


def _caught(following: str, *errors: str) -> States:
    return {
        "ErrorEquals": list(errors) or ["States.ALL"],
        "ResultPath": "$.error",
        "Next": following,
    }
