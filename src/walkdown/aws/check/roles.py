"""What each role of a stack may do and must not do, and whether IAM agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from walkdown.sdk.aws import explained

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from walkdown.sdk.aws import Aws
    from walkdown.settings import Stack

Question = tuple[str, str, bool]
"""An action, a resource, and whether the role may."""

SOURCE, TABLE = "SOURCE/a.jpg", "TABLE"

QUESTIONS: Final[Mapping[str, tuple[Question, ...]]] = {
    "IntakeRole": (
        ("dynamodb:BatchGetItem", TABLE, True),
        ("s3:PutObject", "DATA/work/i/manifest.jsonl", True),
        ("dynamodb:PutItem", TABLE, True),
        ("s3:PutObject", "DATA/waiting/p/i.jsonl", True),
        ("s3:DeleteObject", "DATA/waiting/p/i.jsonl", True),
        ("s3:DeleteObject", "DATA/work/i/manifest.jsonl", False),
        ("s3:GetObject", SOURCE, False),
        ("dynamodb:DeleteItem", TABLE, False),
    ),
    "LookRole": (
        ("s3:GetObject", SOURCE, True),
        ("s3:GetObjectVersion", SOURCE, True),
        ("s3:GetObject", "DATA/models/m/card.json", True),
        ("s3:PutObject", "DATA/heatmaps/h.png", True),
        ("s3:PutObject", SOURCE, False),
        ("s3:DeleteObject", SOURCE, False),
        ("s3:PutObject", "DATA/models/m/card.json", False),
        ("dynamodb:PutItem", TABLE, False),
    ),
    "RecordRole": (
        ("dynamodb:PutItem", TABLE, True),
        ("dynamodb:ConditionCheckItem", TABLE, True),
        ("s3:GetObject", "DATA/work/i/s/parts/p.json.gz", True),
        ("s3:GetObject", SOURCE, False),
        ("dynamodb:DeleteItem", TABLE, False),
    ),
    "ChooseRole": (
        ("s3:PutObject", "DATA/work/i/s/manifest.jsonl", True),
        ("s3:GetObject", SOURCE, False),
        ("dynamodb:PutItem", TABLE, False),
    ),
    "FinishRole": (
        ("dynamodb:BatchWriteItem", TABLE, True),
        ("s3:GetObject", SOURCE, False),
        ("dynamodb:DeleteItem", TABLE, False),
    ),
    "DeliverRole": (
        ("dynamodb:UpdateItem", TABLE, True),
        ("s3:PutObject", "DATA/lake/raw/results/dt=2026-01-31/b.ndjson.gz", True),
        ("s3:GetObject", SOURCE, False),
        ("s3:PutObject", "DATA/models/m/card.json", False),
    ),
    "CompactRole": (
        ("s3:DeleteObject", "DATA/lake/raw/results/dt=2026-01-31/b.ndjson.gz", True),
        ("s3:DeleteObject", "DATA/models/m/card.json", False),
        ("s3:GetObject", SOURCE, False),
    ),
    "PresignRole": (
        ("s3:PutObject", SOURCE, True),
        ("s3:GetObject", SOURCE, False),
        ("s3:DeleteObject", SOURCE, False),
    ),
    "WorkflowRole": (
        ("s3:GetObject", "DATA/work/i/manifest.jsonl", True),
        ("s3:GetObject", SOURCE, False),
        ("dynamodb:PutItem", TABLE, False),
    ),
}


def may_and_may_not(
    stack: Stack, resources: Mapping[str, str]
) -> Mapping[str, tuple[Question, ...]]:
    """The questions about each role that the stack has, with the names of its resources."""
    return {
        role: tuple((action, _arn(stack, place), may) for action, place, may in questions)
        for role, questions in QUESTIONS.items()
        if role in resources
    }


def refusals(aws: Aws, principal: str, questions: Sequence[Question]) -> list[str]:
    """Where IAM decides otherwise than it should, in words."""
    wrong = []
    for resource in sorted({resource for _, resource, _ in questions}):
        asked = {action: may for action, where, may in questions if where == resource}
        for action, may in _decided(aws, principal, sorted(asked), resource).items():
            if may != asked[action]:
                wrong.append(f"{'may' if may else 'may not'} {action} on {resource}")
    return wrong


def _decided(aws: Aws, principal: str, actions: list[str], resource: str) -> dict[str, bool]:
    with explained(f"ask what {principal} may do"):
        pages = (
            aws.client("iam")
            .get_paginator("simulate_principal_policy")
            .paginate(PolicySourceArn=principal, ActionNames=actions, ResourceArns=[resource])
        )
        results = [each for page in pages for each in page["EvaluationResults"]]
    return {each["EvalActionName"]: each["EvalDecision"] == "allowed" for each in results}


def _arn(stack: Stack, place: str) -> str:
    partition, region, account = stack.topics.split(":")[1], *stack.topics.split(":")[3:5]
    if place == TABLE:
        return f"arn:{partition}:dynamodb:{region}:{account}:table/{stack.table}"
    bucket, _, key = place.partition("/")
    name = stack.source_bucket if bucket == "SOURCE" else stack.bucket
    return f"arn:{partition}:s3:::{name}/{key}"
