"""The static gate: what can be known of a template and of a state machine before anything runs.

Each check takes plain JSON and returns what is wrong in words; an empty list where nothing is. No
single tool sees enough: cfn-lint knows the resources, statelint and asl-validator two different
halves of the Amazon States Language, and what neither of them knows is checked here.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from cfnlint.api import ManualArgs, lint  # type: ignore[import-untyped]
from statelint.config import Config  # type: ignore[import-untyped]
from statelint.linter import Linter  # type: ignore[import-untyped]
from statelint.problem import ProblemType  # type: ignore[import-untyped]

Json = dict[str, Any]

TEMPLATE = Path(__file__).parents[2] / "src" / "walkdown" / "aws" / "template.json"
ASL_VALIDATOR = Path(sys.prefix) / "asl" / "node_modules" / "asl-validator"

TASKS = frozenset(
    {
        "lambda:invoke",
        "dynamodb:getItem",
        "dynamodb:putItem",
        "dynamodb:updateItem",
        "events:putEvents",
        "s3:getObject",
        "s3:listObjectsV2",
        "s3:putObject",
        "sagemaker:createTransformJob",
        "sagemaker:createTransformJob.sync",
        "sns:publish",
        "sqs:sendMessage",
        "states:startExecution",
        "states:startExecution.sync:2",
    }
)
"""Optimised integrations, and readers and writers of a Distributed Map:
https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html"""

INPUT_TYPES = frozenset({"CSV", "JSON", "JSONL", "MANIFEST", "PARQUET"})
"""https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html"""

MATCHERS = frozenset(
    {"anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix"}
    | {"wildcard"}
)
"""https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html"""

MAY_NAME_NO_RESOURCE = {("WorkflowPolicy", "Log")}
"""Statements whose actions AWS allows on all resources only: the delivery of logs."""

_INTRINSIC = re.compile(r"Ref|Fn::\w+")
_INPUT_TYPE = re.compile(r'Field "InputType" not allowed in .*\.ReaderConfig')
_OUTPUT_PATH = re.compile(r"E3601 .*/OutputPath: .*'OutputPath' was unexpected\)")
_TOLD_BY_NODE = """
const validate = require(process.argv[1]);
const all = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(all.map((one) => validate(one).errorsText())));
"""


def shipped() -> Json:
    """The template as the deploy command finds it, before it adds pipelines."""
    template: Json = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    return template


def lint_template(template: Json) -> list[str]:
    """What cfn-lint says of it, as ``RULE Path/To/It: message``; warnings count.

    It does not put in the substitutions of a definition, and so would miss the partition; and it
    wrongly refuses the OutputPath of a Succeed state (https://states-language.net/spec.html).
    """
    found = lint(_in_partition(template), config=ManualArgs(regions=["us-east-1"]))
    said = [f"{each.rule.id} {'/'.join(map(str, each.path))}: {each.message}" for each in found]
    return [text for text in said if not _OUTPUT_PATH.fullmatch(text)]


def lint_definition(definition: Json) -> list[str]:
    """What is wrong with a state machine, by every tool there is.

    Substitutions such as ``${Look}`` may stand in it. The test is skipped where node or
    asl-validator is missing, and fails instead where nothing may be left out.
    """
    return lint_definitions([definition])[0]


def lint_definitions(definitions: Sequence[Json]) -> list[list[str]]:
    """`lint_definition` of several; node is started once."""
    filled = [json.loads(_in_partition(definition)) for definition in definitions]
    by_node = _asl_validator(filled)
    return [
        statelint(one) + unknown_tasks(one) + unknown_inputs(one) + ([text] if text else [])
        for one, text in zip(filled, by_node, strict=True)
    ]


def _in_partition(value: Json) -> str:
    return json.dumps(value).replace("arn:${Partition}:", "arn:aws:")


def statelint(definition: Json) -> list[str]:
    """What statelint says, less what it says wrongly.

    It wants 2.0 for a BackoffRate of 2, and knows no InputType of a JSON Lines reader.
    """
    found = Linter.validate(deepcopy(definition), Config({ProblemType.FLOAT}))
    return [problem for problem in found if not _INPUT_TYPE.fullmatch(problem)]


def _asl_validator(definitions: Sequence[Json]) -> list[str]:
    node = shutil.which("node")
    if node is None or not ASL_VALIDATOR.is_dir():
        folder = ASL_VALIDATOR.parents[1]
        reason = f"no asl-validator: npm install --prefix {folder} asl-validator@4.0.0"
        if os.environ.get("WALKDOWN_REQUIRE_TEST_DATA"):
            pytest.fail(reason)
        pytest.skip(reason)
    command = [node, "-e", _TOLD_BY_NODE, str(ASL_VALIDATOR)]
    text = json.dumps(definitions)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    answers: list[str] = json.loads(done.stdout)
    return answers


def unknown_tasks(definition: Json) -> list[str]:
    """Resources of tasks, readers and writers that Step Functions does not have."""
    named = (node["Resource"] for node in _objects(definition) if "Resource" in node)
    return [f"unknown task: {name}" for name in named if not _is_task(str(name))]


def unknown_inputs(definition: Json) -> list[str]:
    """Forms of a manifest that a Distributed Map cannot read."""
    readers = (node["ReaderConfig"] for node in _objects(definition) if "ReaderConfig" in node)
    types = (reader.get("InputType") for reader in readers)
    return [f"unknown InputType: {kind}" for kind in types if kind not in INPUT_TYPES | {None}]


def _is_task(name: str) -> bool:
    if re.fullmatch(r"arn:aws:lambda:[a-z0-9-]+:\d{12}:function:.+|\$\{\w+\}", name):
        return True
    start, _, task = name.partition(":::")
    if start != "arn:aws:states":
        return False
    if not task.startswith("aws-sdk:"):
        return task.removesuffix(".waitForTaskToken") in TASKS
    _, service, action = (*task.split(":"), "", "")[:3]
    session = botocore.session.get_session()
    if service not in session.get_available_services():
        return False
    return action[:1].upper() + action[1:] in session.get_service_model(service).operation_names


def missing_substitutions(template: Json) -> list[str]:
    """What a definition leaves open and nothing stands for; cfn-lint looks at Fn::Sub only."""
    problems = []
    for name in _of_type(template, "AWS::StepFunctions::StateMachine"):
        properties = template["Resources"][name]["Properties"]
        wanted = re.findall(r"\$\{(\w+)\}", json.dumps(properties.get("Definition", {})))
        left = sorted(set(wanted) - set(properties.get("DefinitionSubstitutions", {})))
        problems += [f"{name}: nothing stands for ${{{word}}}" for word in left]
    return problems


def unknown_matchers(template: Json) -> list[str]:
    """Words in patterns of rules and of stream filters that EventBridge does not know.

    A misspelt word is taken for one that is never there: the rule is accepted and matches nothing.
    """
    problems = []
    for name, resource in template["Resources"].items():
        for pattern in _patterns(resource["Properties"]):
            problems += [f"{name}: unknown matcher {word!r}" for word in _odd_words(pattern)]
    return problems


def _patterns(properties: Json) -> Iterator[Json]:
    if "EventPattern" in properties:
        yield properties["EventPattern"]
    for each in properties.get("FilterCriteria", {}).get("Filters", ()):
        yield json.loads(each["Pattern"])


def _odd_words(node: Any, *, within_list: bool = False) -> Iterator[str]:
    """In a pattern an object in a list is a matcher, any other object is a level of the event."""
    if isinstance(node, list):
        for each in node:
            yield from _odd_words(each, within_list=True)
    elif isinstance(node, dict):
        for key, value in node.items():
            known = key in MATCHERS or _INTRINSIC.fullmatch(key) or not within_list
            if not known:
                yield key
            yield from _odd_words(value, within_list=key in ("$or", "anything-but"))


def broad_statements(template: Json) -> list[str]:
    """Statements of roles that allow more than they can say."""
    problems = []
    for name, statement in _role_statements(template):
        where = f"{name}/{statement.get('Sid', '-')}"
        problems += [f"{where}: action {one}" for one in _listed(statement["Action"]) if "*" in one]
        whole = [one for one in _listed(statement["Resource"]) if _is_all(one)]
        if whole and (name, statement.get("Sid")) not in MAY_NAME_NO_RESOURCE:
            problems.append(f"{where}: resource {whole[0]}")
    return problems


def _is_all(resource: object) -> bool:
    """All resources, all of one service, or everything in the bucket of models and records."""
    text = resource.get("Fn::Sub", "") if isinstance(resource, dict) else str(resource)
    return text == "*" or text.endswith(":*:*") or text == "${DataBucket.Arn}/*"


def _role_statements(template: Json) -> Iterator[tuple[str, Json]]:
    for name, resource in template["Resources"].items():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::IAM::Policy":
            yield from ((name, one) for one in properties["PolicyDocument"]["Statement"])
        if resource["Type"] == "AWS::IAM::Role":
            found = (node for node in _objects(properties.get("Policies", [])) if "Effect" in node)
            yield from ((name, one) for one in found)


def bare_functions(template: Json) -> list[str]:
    """Functions without a role, logs that end, an alarm or a published version of their own."""
    resources = template["Resources"]
    problems = []
    for function in _of_type(template, "AWS::Lambda::Function"):
        name, properties = function.removesuffix("Function"), resources[function]["Properties"]
        logs = resources.get(f"{name}Logs", {"Properties": {}})["Properties"]
        alarm = resources.get(f"{name}Errors", {"Properties": {}})["Properties"]
        version = resources.get(f"{name}Version", {})
        asked = {
            "role": properties["Role"] == {"Fn::GetAtt": [f"{name}Role", "Arn"]},
            "logs": properties["LoggingConfig"].get("LogGroup") == {"Ref": f"{name}Logs"},
            "retention": "RetentionInDays" in logs,
            "alarm": alarm.get("Dimensions") == [{"Name": "FunctionName", "Value": _ref(function)}],
            "version": version.get("Properties", {}).get("FunctionName") == _ref(function),
            "version kept": version.get("DeletionPolicy") == "Retain",
        }
        problems += [f"{function}: no {what}" for what, there in asked.items() if not there]
    return problems


def open_stores(template: Json) -> list[str]:
    """Buckets and queues that are not encrypted, or answer over an open connection."""
    problems = []
    for name in _of_type(template, "AWS::S3::Bucket"):
        properties = template["Resources"][name]["Properties"]
        blocked = properties.get("PublicAccessBlockConfiguration", {})
        asked = {
            "encryption": "BucketEncryption" in properties,
            "public access block": len(blocked) == 4 and all(blocked.values()),
            "TLS": _refuses_open_connections(template, f"{name}Policy"),
        }
        problems += [f"{name}: no {what}" for what, there in asked.items() if not there]
    for name in _of_type(template, "AWS::SQS::Queue"):
        properties = template["Resources"][name]["Properties"]
        sealed = properties.get("SqsManagedSseEnabled") or properties.get("KmsMasterKeyId")
        asked = {
            "encryption": bool(sealed),
            "TLS": _refuses_open_connections(template, f"{name}Policy"),
        }
        problems += [f"{name}: no {what}" for what, there in asked.items() if not there]
    return problems


def _refuses_open_connections(template: Json, policy: str) -> bool:
    properties = template["Resources"].get(policy, {}).get("Properties", {})
    return any(
        statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and statement["Action"] in ("s3:*", "sqs:*")
        and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in properties.get("PolicyDocument", {}).get("Statement", ())
    )


def _of_type(template: Json, kind: str) -> list[str]:
    return [name for name, one in template["Resources"].items() if one["Type"] == kind]


def _ref(name: str) -> Json:
    return {"Ref": name}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _objects(node: Any) -> Iterator[Json]:
    """Every JSON object within, the outer ones first."""
    if isinstance(node, dict):
        yield node
    if isinstance(node, dict | list):
        for each in node.values() if isinstance(node, dict) else node:
            yield from _objects(each)
