"""What the emulator's own tests share: making functions, machines, tables and queues."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.aws.emulator.functions import RUNTIME
from tests.aws.emulator.handle import wait_until, zipped

if TYPE_CHECKING:
    from tests.aws.emulator.handle import Handle

ECHO = "def handler(event, context):\n    return event\n"


def role(aws: Handle) -> str:
    iam = aws.client("iam")
    try:
        return str(iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"])
    except iam.exceptions.EntityAlreadyExistsException:
        return str(iam.get_role(RoleName="r")["Role"]["Arn"])


def function(aws: Handle, name: str, text: str = ECHO, **more: Any) -> str:
    """The ARN of a new function whose module is ``text``."""
    given = {"Timeout": 10, "MemorySize": 256, **more}
    made = aws.client("lambda").create_function(
        FunctionName=name,
        Runtime=RUNTIME,
        Role=role(aws),
        Handler="app.handler",
        Code={"ZipFile": zipped({"app.py": text})},
        **given,
    )
    return str(made["FunctionArn"])


def invoke(aws: Handle, name: str, event: Any = None) -> tuple[Any, str | None]:
    """The answer, and the error of the header."""
    got = aws.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode())
    return json.loads(got["Payload"].read()), got.get("FunctionError")


def machine(aws: Handle, states: dict[str, Any], *, name: str = "m") -> str:
    """The ARN of a new state machine that starts at the first of ``states``."""
    definition = {"StartAt": next(iter(states)), "States": states}
    made = aws.client("stepfunctions").create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=role(aws)
    )
    return str(made["stateMachineArn"])


def run(aws: Handle, arn: str, given: Any = None, *, name: str = "run") -> dict[str, Any]:
    """One execution to its end, described."""
    client = aws.client("stepfunctions")
    started = client.start_execution(stateMachineArn=arn, name=name, input=json.dumps(given or {}))

    def ended() -> dict[str, Any] | None:
        told: dict[str, Any] = client.describe_execution(executionArn=started["executionArn"])
        return told if told["status"] != "RUNNING" else None

    return wait_until(ended, "the execution has ended", timeout_s=20) or {}


def output(described: dict[str, Any]) -> Any:
    assert described["status"] == "SUCCEEDED", (described.get("error"), described.get("cause"))
    return json.loads(described["output"])


def bucket(aws: Handle, name: str = "bucket", **objects: str) -> str:
    """A new bucket with these objects; ``__`` in a name stands for the dot."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=name)
    for key, text in objects.items():
        s3.put_object(Bucket=name, Key=key.replace("__", "."), Body=text)
    return name


def queue(aws: Handle, name: str, **attributes: str) -> tuple[str, str]:
    """URL and ARN of a new queue."""
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return url, told["Attributes"]["QueueArn"]


def table(aws: Handle, name: str = "table") -> str:
    """The ARN of the stream of a new table with the key ``pk``."""
    made = aws.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    return str(made["TableDescription"]["LatestStreamArn"])
