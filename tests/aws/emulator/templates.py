"""CloudFormation templates: what is checked of them, and functions that moto resolves wrongly.

moto's `Fn::Sub` halves `$$`, which definitions of state machines are full of; `AWS::NoValue` stays
in its lists; its comparison tells
the number 0 from the text "0", which CloudFormation does not; a template's address is taken for a
host of AWS.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import Any

from tests.aws.emulator.patching import moto, replace_everywhere

BODY_BYTES = 51200
RESOURCES = 500
UNCHANGEABLE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED", "UPDATE_ROLLBACK_FAILED")
REFERENCE = re.compile(r"\$\{([^}]*)\}")


def check_template(template: dict[str, Any]) -> None:
    """Raises ValueError where CloudFormation refuses a template of this size."""
    count = len(template.get("Resources", {}))
    if count > RESOURCES:
        raise ValueError(f"Template format error: {count} resources, {RESOURCES} are allowed")


def check_parameters(template: dict[str, Any], given: dict[str, Any]) -> str | None:
    """What CloudFormation has against these parameters, or None."""
    declared = template.get("Parameters", {})
    unknown = [name for name in given if name not in declared]
    if unknown:
        return f"Parameters: [{', '.join(unknown)}] do not exist in the template"
    missing = [name for name, each in declared.items() if "Default" not in each]
    missing = [name for name in missing if name not in given]
    if missing:
        return f"Parameters: [{', '.join(missing)}] must have values"
    for name, value in given.items():
        if wrong := _wrong(name, str(value), declared[name]):
            return wrong
    return None


def _wrong(name: str, value: str, declared: dict[str, Any]) -> str | None:
    allowed = declared.get("AllowedValues")
    if allowed is not None and value not in [str(each) for each in allowed]:
        return f"Parameter '{name}' must be one of AllowedValues"
    pattern = declared.get("AllowedPattern")
    if pattern is not None and not re.fullmatch(pattern, value):
        return f"Parameter '{name}' must match pattern {pattern}"
    if declared.get("Type") == "Number":
        low, high = declared.get("MinValue"), declared.get("MaxValue")
        if low is not None and float(value) < float(low):
            return f"Parameter '{name}' must be a number not less than {low}"
        if high is not None and float(value) > float(high):
            return f"Parameter '{name}' must be a number not greater than {high}"
    return None


def missing_capability(template: dict[str, Any], given: list[str]) -> str | None:
    """The capability that the template needs and the call does not give, or None."""
    resources = template.get("Resources", {}).values()
    identities = [each for each in resources if str(each.get("Type", "")).startswith("AWS::IAM::")]
    names = {"RoleName", "UserName", "GroupName", "ManagedPolicyName"}
    if any(names & set(each.get("Properties", {})) for each in identities):
        return None if "CAPABILITY_NAMED_IAM" in given else "CAPABILITY_NAMED_IAM"
    if identities and not {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"} & set(given):
        return "CAPABILITY_IAM"
    return None


def patch_templates() -> None:
    parsing = moto("cloudformation.parsing")
    plain_clean, plain_condition = parsing.clean_json, parsing.parse_condition

    def clean(said: Any, resources: Any) -> Any:
        if isinstance(said, list):
            made = [clean(each, resources) for each in said]
            return [each for each in made if each is not None]
        if isinstance(said, dict):
            if "Fn::Sub" in said:
                return substituted(said["Fn::Sub"], resources, clean)
            if isinstance(said.get("Fn::GetAtt"), str):
                return plain_clean({"Fn::GetAtt": said["Fn::GetAtt"].split(".", 1)}, resources)
            if "Fn::GetAtt" in said and len(said["Fn::GetAtt"]) > 2:
                first, *rest = said["Fn::GetAtt"]
                return plain_clean({"Fn::GetAtt": [first, ".".join(rest)]}, resources)
        return plain_clean(said, resources)

    def condition(said: Any, resources: Any, conditions: Any) -> Any:
        if isinstance(said, dict) and "Fn::Equals" in said:
            first, second = (_compared(clean(each, resources)) for each in said["Fn::Equals"])
            return first == second
        if isinstance(said, dict) and "Condition" in said:
            return conditions[said["Condition"]]
        return plain_condition(said, resources, conditions)

    replace_everywhere("moto.cloudformation", "clean_json", clean)
    replace_everywhere("moto.cloudformation", "parse_condition", condition)
    replace_everywhere("moto.cloudformation", "get_stack_from_s3_url", template_at)
    _patch_change_sets()


def _compared(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def substituted(said: Any, resources: Any, clean: Any) -> str:
    """A text of `Fn::Sub`, with ``${!Name}`` left as ``${Name}``."""
    text, own = (said[0], said[1]) if isinstance(said, list) else (said, {})

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name.startswith("!"):
            return "${" + name[1:] + "}"
        if name in own:
            return str(clean(own[name], resources))
        if "." in name:
            return str(clean({"Fn::GetAtt": name.split(".", 1)}, resources))
        return str(clean({"Ref": name}, resources))

    return REFERENCE.sub(value, text)


def template_at(template_url: str, account_id: str, partition: str) -> str:
    """The template at an address of S3, whether the bucket is in the host or in the path."""
    parts = urllib.parse.urlparse(template_url)
    host, path = parts.netloc, urllib.parse.unquote(parts.path.lstrip("/"))
    if re.match(r"(s3[.-]|localhost|[0-9.]+(:|$))", host):
        bucket, _, path = path.partition("/")
    else:
        bucket = host.partition(".s3")[0]
    key = moto("s3.models").s3_backends[account_id][partition].get_object(bucket, path)
    if key is None:
        raise moto("cloudformation.exceptions").ValidationError(
            template_url, "S3 error: The specified key does not exist."
        )
    return str(key.value.decode())


def _patch_change_sets() -> None:
    """A change set is refused for what AWS refuses."""
    models = moto("cloudformation.models")
    refused = moto("cloudformation.exceptions").ValidationError
    backend = models.CloudFormationBackend
    plain = backend.create_change_set

    def create(self: Any, **given: Any) -> Any:
        if given["change_set_type"] == "CREATE":
            name = given["stack_name"]
            existing = [s for s in self.stacks.values() if s.name == name]
            if any(s.status != "REVIEW_IN_PROGRESS" for s in existing):
                raise refused(name, f"Stack [{name}] already exists and cannot be created again")
        for stack in self.stacks.values():
            if stack.name == given["stack_name"] and stack.status in UNCHANGEABLE:
                state = f"is in {stack.status} state and can not be updated."
                raise refused(stack.name, f"Stack:{stack.stack_id} {state}")
        template = models.Stack.parse_template(given["template"])
        wrong = check_parameters(template, given["parameters"])
        if wrong:
            raise refused(given["stack_name"], wrong)
        return plain(self, **given)

    backend.create_change_set = create
    responses = moto("cloudformation.responses").CloudFormationResponse
    for name in ("create_change_set", "create_stack", "update_stack"):
        setattr(responses, name, _with_limit(getattr(responses, name), refused))


def _with_limit(plain: Any, refused: Any) -> Any:
    def checked(self: Any) -> Any:
        body = self._get_param("TemplateBody")
        if body and len(body.encode()) > BODY_BYTES:
            raise refused(
                self._get_param("StackName"),
                "1 validation error detected: Value at 'templateBody' failed to satisfy "
                f"constraint: Member must have length less than or equal to {BODY_BYTES}",
            )
        url = self._get_param("TemplateURL")
        text = body or (url and self._get_stack_from_s3_url(url))
        template = moto("cloudformation.models").Stack.parse_template(text) if text else {}
        missing = missing_capability(template, self._get_param("Capabilities", []))
        if missing:
            raise refused(self._get_param("StackName"), f"Requires capabilities : [{missing}]")
        return plain(self)

    return checked
