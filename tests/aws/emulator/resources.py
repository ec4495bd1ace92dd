"""CloudFormation resources inside moto: the kinds that it lacks, and those that it makes wrongly.

A kind becomes a model class of moto's own sort, so that stacks list and delete it like the rest.
Buckets, functions and state machines get the properties that moto drops.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from typing import Any

from tests.aws.emulator.kinds import KINDS, Kind, picked, typed
from tests.aws.emulator.patching import moto

Client = Callable[[str], Any]


def patch_resources(client: Client) -> None:
    parsing = moto("cloudformation.parsing")
    moto("budgets.models")
    plain_map: dict[str, Any] = dict(parsing.get_model_map())
    models = plain_map | {name: _model(name, kind, client) for name, kind in KINDS.items()}
    parsing.get_model_map = lambda: models
    _patch_machine(client)
    _patch_function(client)
    _patch_bucket(client)
    bus = moto("events.models").EventBus
    if not hasattr(bus, "physical_resource_id"):
        bus.physical_resource_id = property(lambda self: self.name)


def _model(name: str, kind: Kind, client: Client) -> Any:  # noqa: C901 - one class
    base: Any = moto("core.common_models").CloudFormationModel

    class Model(base):  # type: ignore[misc]
        # moto takes the service's name from the second part of the module's.
        __module__ = "emulated.resources.models"

        def __init__(self, physical: str, attributes: dict[str, str], said: dict[str, Any]) -> None:
            self.physical_resource_id = physical
            self.attributes, self.said = attributes, said

        @staticmethod
        def cloudformation_name_type() -> str:
            return ""

        @staticmethod
        def cloudformation_type() -> str:
            return name

        @classmethod
        def has_cfn_attr(cls, attr: str) -> bool:
            return True

        def is_created(self) -> bool:
            return True

        def get_cfn_attribute(self, attribute: str) -> str:
            return self.attributes[attribute]

        @classmethod
        def create_from_cloudformation_json(
            cls, resource_name: str, cloudformation_json: Any, *_: str, **more: Any
        ) -> Any:
            said = cloudformation_json.get("Properties", {})
            made = kind.make(client, said, resource_name[:64])
            return cls(made.physical, made.attributes, said)

        @classmethod
        def update_from_cloudformation_json(
            cls,
            original_resource: Any,
            new_resource_name: str,
            cloudformation_json: Any,
            account_id: str,
            region_name: str,
        ) -> Any:
            physical = original_resource.physical_resource_id
            if kind.update == "never":
                return original_resource
            if kind.update == "instead":
                original_resource.delete(account_id, region_name)
            return cls.create_from_cloudformation_json(physical, cloudformation_json)

        def delete(self, account_id: str, region_name: str) -> None:
            if kind.drop is not None:
                kind.drop(client, self.physical_resource_id, self.said)

    Model.__name__ = name.replace("::", "")
    return Model


def definition_of(client: Client, said: dict[str, Any]) -> str:
    """A state machine's definition with its substitutions; raises ValueError for one left open."""
    text = said.get("DefinitionString") or json.dumps(said.get("Definition", {}))
    place = said.get("DefinitionS3Location")
    if place:
        got = client("s3").get_object(Bucket=place["Bucket"], Key=place["Key"])
        text = got["Body"].read().decode()
    for name, value in (said.get("DefinitionSubstitutions") or {}).items():
        text = text.replace("${" + name + "}", str(value))
    left = re.findall(r"\$\{[A-Za-z0-9_]+\}", text)
    if left:
        raise ValueError(f"no substitution for {', '.join(sorted(set(left)))} in the definition")
    return str(text)


def _patch_machine(client: Client) -> None:
    models = moto("stepfunctions.models")
    parsers = moto("stepfunctions.parser.models").stepfunctions_parser_backends
    tags = moto("stepfunctions.utils").cfn_to_api_tags
    machine = models.StateMachine
    plain_attribute = machine.get_cfn_attribute

    def create(cls: Any, name: str, said: Any, account: str, region: str, /, **_: Any) -> Any:
        given = said["Properties"]
        return parsers[account][region].create_state_machine(
            given.get("StateMachineName", name)[:80],
            definition_of(client, given),
            given.get("RoleArn", ""),
            tags=tags(given.get("Tags", [])),
            sm_type=given.get("StateMachineType"),
        )

    def update(
        cls: Any,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Any:
        given = cloudformation_json["Properties"]
        return parsers[account_id][region_name].update_state_machine(
            original_resource.arn, definition_of(client, given), given.get("RoleArn")
        )

    def attribute(self: Any, name: str) -> Any:
        return self.arn if name == "Arn" else plain_attribute(self, name)

    machine.create_from_cloudformation_json = classmethod(create)
    machine.update_from_cloudformation_json = classmethod(update)
    machine.get_cfn_attribute = attribute
    machine.has_cfn_attr = classmethod(lambda cls, attr: True)
    machine.delete = lambda self, account, region: parsers[account][region].delete_state_machine(
        self.arn
    )


DROPPED = ("Layers", "EphemeralStorage", "Architectures", "TracingConfig", "PackageType")


def _function_spec(name: str, said: dict[str, Any]) -> dict[str, Any]:
    plain = ("Code", "Handler", "Role", "Runtime", "Description", "Environment", "VpcConfig")
    numbers = dict.fromkeys(("Timeout", "MemorySize", "ReservedConcurrentExecutions"), int)
    spec = {"FunctionName": name, **picked(said, *plain, *DROPPED, **numbers)}
    if "EphemeralStorage" in spec:
        spec["EphemeralStorage"] = {"Size": int(spec["EphemeralStorage"]["Size"])}
    return spec


def _patch_function(client: Client) -> None:
    function = moto("awslambda.models").LambdaFunction
    backends = moto("awslambda.utils")

    def create(cls: Any, name: str, said: Any, account: str, region: str, /, **_: Any) -> Any:
        given = said["Properties"]
        spec = _function_spec(name, given)
        if "ZipFile" in given["Code"]:
            spec["Code"] = {"ZipFile": _inline(cls, given["Code"]["ZipFile"])}
        made = backends.get_backend(account, region).create_function(spec)
        _log_group(made, given)
        return made

    def update(
        cls: Any,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Any:
        given = cloudformation_json["Properties"]
        spec = _function_spec(original_resource.function_name, given)
        code = dict(spec.pop("Code"))
        if "ZipFile" in code:
            code["ZipFile"] = _inline(cls, given["Code"]["ZipFile"])
        defaults = {"Timeout": 3, "MemorySize": 128, "Environment": {"Variables": {}}}
        original_resource.update_configuration(
            {**defaults, "Description": "", "Layers": [], **spec}
        )
        original_resource.reserved_concurrency = spec.get("ReservedConcurrentExecutions")
        original_resource.code = dict(original_resource.code)
        original_resource.update_function_code(code)
        _log_group(original_resource, given)
        return original_resource

    function.create_from_cloudformation_json = classmethod(create)
    function.update_from_cloudformation_json = classmethod(update)


def _inline(function: Any, text: str) -> bytes:
    import base64

    return base64.b64encode(function._create_zipfile_from_plaintext_code(text))


def _log_group(function: Any, said: dict[str, Any]) -> None:
    group = said.get("LoggingConfig", {}).get("LogGroup")
    if group:
        function.logs_group_name = group


def _patch_bucket(client: Client) -> None:
    bucket = moto("s3.models").FakeBucket
    plain = bucket.create_from_cloudformation_json.__func__

    def create(cls: Any, name: str, said: Any, account: str, region: str, /, **more: Any) -> Any:
        made = plain(cls, name, said, account, region, **more)
        configure_bucket(client("s3"), made.name, said.get("Properties", {}))
        return made

    def update(
        cls: Any,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Any:
        said = cloudformation_json.get("Properties", {})
        configure_bucket(client("s3"), original_resource.name, said)
        return original_resource

    # Asked of the API, a bucket that still has objects stays, as on AWS.
    bucket.delete = lambda self, account, region: client("s3").delete_bucket(Bucket=self.name)
    bucket.create_from_cloudformation_json = classmethod(create)
    bucket.update_from_cloudformation_json = classmethod(update)


def configure_bucket(s3: Any, name: str, said: dict[str, Any]) -> None:
    """Set what moto drops of a bucket's properties: versions, events, access, tags."""
    events = said.get("NotificationConfiguration", {})
    if "EventBridgeConfiguration" in events:
        s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
    if said.get("VersioningConfiguration"):
        s3.put_bucket_versioning(
            Bucket=name, VersioningConfiguration=said["VersioningConfiguration"]
        )
    if said.get("PublicAccessBlockConfiguration"):
        block = typed(said["PublicAccessBlockConfiguration"])
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
    if said.get("Tags"):
        with contextlib.suppress(s3.exceptions.ClientError):
            s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": said["Tags"]})
