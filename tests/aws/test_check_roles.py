"""The questions about roles have the answers that the template gives, and IAM's are understood."""

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import botocore.session
import pytest
from tests.aws import gate

from walkdown.aws.check.deployer import policy
from walkdown.aws.check.roles import QUESTIONS, may_and_may_not, refusals
from walkdown.sdk.aws import Aws
from walkdown.settings import Stack

Json = dict[str, Any]

STACK = Stack(
    "plant",
    "default",
    table="records",
    bucket="data",
    source_bucket="source",
    topics="arn:aws:sns:eu-central-1:123456789012:plant-alerts-",
)
SERVICES = {
    "access-analyzer": "accessanalyzer",
    "states": "stepfunctions",
}
NO_OPERATION = {"iam:PassRole", "budgets:ModifyBudget", "budgets:ViewBudget"}
"""Permissions that no operation is named as."""


def in_words(resource: Any) -> str:
    """An ARN of the template with the names of `STACK` in it."""
    text = str(resource.get("Fn::Sub") or f"${{{'.'.join(resource.get('Fn::GetAtt', []))}}}")
    known = {
        "${SourceBucket.Arn}": "arn:aws:s3:::source",
        "${DataBucket.Arn}": "arn:aws:s3:::data",
        "${Table.Arn}": "arn:aws:dynamodb:eu-central-1:123456789012:table/records",
    }
    for name, arn in known.items():
        text = text.replace(name, arn)
    return text


def statements(template: Json, role: str) -> Iterator[Json]:
    for resource in template["Resources"].values():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::IAM::Policy" and {"Ref": role} in properties["Roles"]:
            yield from properties["PolicyDocument"]["Statement"]


def may(template: Json, role: str, action: str, arn: str) -> bool:
    """As IAM decides where there are only statements that allow."""
    for statement in statements(template, role):
        actions = gate._listed(statement["Action"])
        places = [in_words(r) for r in gate._listed(statement["Resource"]) if isinstance(r, dict)]
        if action in actions and any(fnmatchcase(arn, place) for place in places):
            return True
    return False


@pytest.mark.parametrize("role", sorted(QUESTIONS))
def test_the_template_gives_the_expected_answers(role: str) -> None:
    template = gate.shipped()
    questions = may_and_may_not(STACK, {role: "r"})[role]
    answers = [(action, arn, may(template, role, action, arn)) for action, arn, _ in questions]
    assert answers == list(questions)


def test_every_role_of_the_stack_is_asked_about() -> None:
    found = {
        name
        for name, resource in gate.shipped()["Resources"].items()
        if resource["Type"] == "AWS::IAM::Role"
    }
    assert found == set(QUESTIONS)


class Iam:
    """Answers as IAM's simulation does, and allows ``granted`` alone."""

    def __init__(self, *granted: str) -> None:
        self.granted = granted

    def get_paginator(self, name: str) -> "Iam":
        assert name == "simulate_principal_policy"
        return self

    def paginate(self, **asked: Any) -> Iterator[Json]:
        for action in asked["ActionNames"]:
            said = "allowed" if action in self.granted else "implicitDeny"
            result = {
                "EvalActionName": action,
                "EvalDecision": said,
                "EvalResourceName": asked["ResourceArns"][0],
            }
            yield {"EvaluationResults": [result]}


def told(questions: Sequence[tuple[str, str, bool]], *granted: str) -> list[str]:
    aws = Aws()
    aws._clients["iam"] = Iam(*granted)
    return refusals(aws, "arn:aws:iam::123456789012:role/look", questions)


def test_what_iam_decides_otherwise_is_told_in_words() -> None:
    questions = [("s3:GetObject", "a", True), ("s3:PutObject", "a", False)]
    assert told(questions, "s3:GetObject") == []
    assert told(questions) == ["may not s3:GetObject on a"]
    assert told(questions, "s3:GetObject", "s3:PutObject") == ["may s3:PutObject on a"]


def test_the_same_action_on_two_resources_is_two_questions() -> None:
    questions = [("s3:PutObject", "a", True), ("s3:PutObject", "b", False)]
    assert told(questions, "s3:PutObject") == ["may s3:PutObject on b"]


def actions() -> list[str]:
    return [action for each in policy("plant")["Statement"] for action in each["Action"]]


def test_every_action_of_the_person_who_deploys_exists() -> None:
    session = botocore.session.get_session()
    for action in set(actions()) - NO_OPERATION:
        service, _, operation = action.partition(":")
        model = session.get_service_model(SERVICES.get(service, service))
        assert operation == "*" or operation in model.operation_names, action


def test_the_person_who_deploys_may_make_every_kind_of_resource() -> None:
    kinds = {one["Type"].split("::")[1].lower() for one in gate.shipped()["Resources"].values()}
    known = {action.partition(":")[0] for action in actions()}
    assert {kind for kind in kinds if kind not in known} == set()


def test_nothing_but_what_cannot_be_named_is_allowed_on_all_resources() -> None:
    for each in policy("Plant-7")["Statement"]:
        if each["Sid"] != "Anywhere":
            open_ones = [
                r for r in each["Resource"] if not re.search("(?i)plant|catalog|deploy", r)
            ]
            assert open_ones == [], each["Sid"]
    buckets = next(e for e in policy("Plant-7")["Statement"] if e["Sid"] == "S3")["Resource"]
    assert "arn:aws:s3:::plant-7-*" in buckets
