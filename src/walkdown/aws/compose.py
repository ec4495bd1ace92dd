"""The template of a stack with its pipelines: the shipped one, and two resources for each. Pure.

Versions of functions get the deployment's digest into their logical ids, so that each deployment
publishes its own and running executions keep theirs.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from walkdown.errors import SpecError
from walkdown.runners.stepfunctions import BUCKET, FUNCTIONS, definition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from walkdown.app.deployed import Deployed
    from walkdown.types import Permission

Template = dict[str, Any]

PREFIX: Final = re.compile(r"[A-Za-z0-9!_.()/-]{0,200}")
"""What a pipeline's prefix may be made of: it stands in patterns and policies."""

ACTION: Final = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")
RESOURCE: Final = re.compile(
    r"\*|(arn:|\$\{Table\.Arn\})"
    r"([A-Za-z0-9_.:/@+=*-]|\$\{(AWS::(Partition|Region|AccountId)|Table\.Arn)\})*"
)
"""What a model may ask for: each action by name, and ARNs with the stack's own placeholders."""

_VERSION: Final = "AWS::Lambda::Version"
_NAMED: Final = 8


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline as a stack runs it."""

    deployed: Deployed

    @property
    def name(self) -> str:
        """The name in the pipeline file."""
        return self.deployed.spec.name

    @property
    def prefix(self) -> str:
        """What the keys of its photographs begin with."""
        return self.deployed.prefix

    @property
    def logical(self) -> str:
        """What the logical ids of its resources begin with."""
        plain = re.sub(r"[^A-Za-z0-9]", "", self.name)
        return f"Pipeline{plain}{hashlib.sha256(self.name.encode()).hexdigest()[:6]}"


def deployment_digest(base: Template, code: str, parameters: Mapping[str, str]) -> str:
    """Identity of all that a function is: code, configuration, parameters."""
    text = json.dumps([base["Resources"], code, sorted(parameters.items())], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def compose(base: Template, pipelines: Sequence[Pipeline], *, digest: str) -> Template:
    """The stack's template. Raises `SpecError` for prefixes that nobody could tell apart."""
    _check(pipelines)
    whole = _with_versions(copy.deepcopy(base), digest[:_NAMED])
    for pipeline in sorted(pipelines, key=lambda each: each.name):
        whole["Resources"] |= _resources(pipeline, digest[:_NAMED])
    whole["Resources"] |= _look_policy(pipelines)
    return whole


def permissions_of(deployed: Deployed) -> set[Permission]:
    """What the models of a pipeline may do."""
    return {each for info in deployed.models.values() for each in info.permissions}


def _check_permissions(wanted: Iterable[Permission]) -> None:
    """A model may be anyone's: what it asks for must be said by name."""
    for each in wanted:
        if not all(ACTION.fullmatch(action) for action in each.actions):
            raise SpecError(f"a model wants to do {each.actions}: name each action, without '*'")
        if not all(RESOURCE.fullmatch(resource) for resource in each.resources):
            raise SpecError(f"a model wants to use {each.resources}: these are no ARNs")


def _look_policy(pipelines: Sequence[Pipeline]) -> Template:
    """What the models of all pipelines need, and stages' budgets: nothing, where none needs any."""
    wanted = {each for pipeline in pipelines for each in permissions_of(pipeline.deployed)}
    _check_permissions(wanted)
    statements: list[Template] = [
        {
            "Effect": "Allow",
            "Action": sorted(each.actions),
            "Resource": [{"Fn::Sub": arn} if "${" in arn else arn for arn in each.resources],
        }
        for each in sorted(wanted, key=lambda each: (each.actions, each.resources))
    ]
    if any(stage.budget for pipeline in pipelines for stage in pipeline.deployed.spec.stages):
        table = {"Fn::GetAtt": ["Table", "Arn"]}
        statements.append({"Effect": "Allow", "Action": ["dynamodb:PutItem"], "Resource": table})
    if not statements:
        return {}
    return {
        "LookModelsPolicy": {
            "Type": "AWS::IAM::Policy",
            "Properties": {
                "PolicyName": "look-models",
                "Roles": [{"Ref": "LookRole"}],
                "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
            },
        }
    }


def _check(pipelines: Sequence[Pipeline]) -> None:
    taken: dict[str, str] = {}
    for pipeline in pipelines:
        if not PREFIX.fullmatch(pipeline.prefix):
            raise SpecError(
                f"the prefix {pipeline.prefix!r} may have letters, digits and !_.()/- alone"
            )
        other = taken.setdefault(pipeline.prefix, pipeline.name)
        if other != pipeline.name:
            raise SpecError(
                f"the pipelines {other!r} and {pipeline.name!r} have the same prefix "
                f"{pipeline.prefix!r}: give one another, with --prefix"
            )


def _with_versions(whole: Template, mark: str) -> Template:
    found = [name for name, one in whole["Resources"].items() if one["Type"] == _VERSION]
    renamed = {name: f"{name}{mark}" for name in found}
    if not renamed:
        return whole
    pattern = re.compile(r'"({0})"|\$\{{({0})([.}}])'.format("|".join(sorted(renamed))))

    def put(match: re.Match[str]) -> str:
        if match[1]:
            return f'"{renamed[match[1]]}"'
        return f"${{{renamed[match[2]]}{match[3]}"

    parts = {key: whole[key] for key in ("Resources", "Outputs") if key in whole}
    text = pattern.sub(put, json.dumps(parts))
    replaced: Template = json.loads(text)
    return whole | replaced


def _resources(pipeline: Pipeline, mark: str) -> Template:
    deployed = pipeline.deployed
    machine, entry = f"{pipeline.logical}Machine", f"{pipeline.logical}Entry"
    functions: Template = {name: {"Ref": f"{name}Version{mark}"} for name in FUNCTIONS}
    value = {"prefix": pipeline.prefix, "machine": "${Machine}", "plan": deployed.key}
    return {
        machine: {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "StateMachineName": {"Fn::Sub": f"${{AWS::StackName}}-{_slug(pipeline.name)}"},
                "StateMachineType": "STANDARD",
                "RoleArn": {"Fn::GetAtt": ["WorkflowRole", "Arn"]},
                "Definition": definition(deployed.plan(), deployed.shape, plan_key=deployed.key),
                "DefinitionSubstitutions": functions
                | {BUCKET: {"Ref": "DataBucket"}, "Partition": {"Ref": "AWS::Partition"}},
            },
        },
        entry: {
            "Type": "AWS::SSM::Parameter",
            "Properties": {
                "Type": "String",
                "Name": {"Fn::Sub": f"/walkdown/${{AWS::StackName}}/pipelines/{pipeline.name}"},
                "Value": {"Fn::Sub": [json.dumps(value), {"Machine": {"Ref": machine}}]},
                "Description": f"walkdown: photographs of {pipeline.prefix} go to this pipeline",
            },
        },
    }


def _slug(name: str) -> str:
    """A name of a state machine: with the stack's before it, 80 characters at most."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", name)
    if plain == name and len(name) <= 40:
        return name
    return f"{plain[:30]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
