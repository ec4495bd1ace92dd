"""Functions of the emulator: processes, their limits, versions, and what a test may break."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from tests.aws.emulator.handle import zipped
from tests.aws.workshop import bucket, function, invoke, table

if TYPE_CHECKING:
    from tests.aws.emulator.handle import Handle

WHERE = """
import sys
def handler(event, context):
    import boto3
    try:
        import walkdown
    except ImportError:
        return {"walkdown": None, "site": [each for each in sys.path if "site-packages" in each]}
    return {"walkdown": walkdown.__file__, "root": sys.path[0]}
"""
TRIALS = """
import os, time
def handler(event, context):
    match event:
        case "fail": raise ValueError("this went wrong")
        case "exit": os._exit(3)
        case "sleep": time.sleep(5)
        case "eat":
            eaten = bytearray(200 * 1048576)
            eaten[::4096] = b"x" * len(eaten[::4096])
            time.sleep(1)
        case "talk": return "x" * 7_000_000
    return context.function_version
"""
WRITES = """
import boto3
def handler(event, context):
    boto3.client("s3").put_object(Bucket="bucket", Key=event, Body=b"1")
    return "written"
"""


def test_a_function_sees_its_package_and_the_sdk_and_nothing_else(aws: Handle) -> None:
    function(aws, "f", WHERE)

    assert invoke(aws, "f") == ({"walkdown": None, "site": []}, None)


def test_walkdown_comes_from_the_package_alone(aws: Handle) -> None:
    function(aws, "f", WHERE)
    package = zipped({"app.py": WHERE, "walkdown/__init__.py": ""})
    aws.client("lambda").update_function_code(FunctionName="f", ZipFile=package)

    answer, _ = invoke(aws, "f")

    assert answer["walkdown"] == answer["root"] + "/walkdown/__init__.py"


def test_what_goes_wrong_in_a_function_is_told_as_aws_tells_it(aws: Handle) -> None:
    function(aws, "f", TRIALS, Timeout=1, MemorySize=128)

    told = {what: invoke(aws, "f", what) for what in ("fail", "exit", "sleep", "eat", "talk", "ok")}

    assert {what: error for what, (_, error) in told.items()} == {
        **dict.fromkeys(("fail", "exit", "sleep", "eat", "talk"), "Unhandled"),
        "ok": None,
    }
    kinds = {what: answer["errorType"] for what, (answer, error) in told.items() if error}
    assert kinds == {
        "fail": "ValueError",
        "exit": "Runtime.ExitError",
        "sleep": "Sandbox.Timedout",
        "eat": "Runtime.OutOfMemory",
        "talk": "Function.ResponseSizeTooLarge",
    }
    assert "timed out after 1.00 seconds" in told["sleep"][0]["errorMessage"]
    assert told["ok"][0] == "$LATEST"


def test_a_limit_of_the_test_stands_in_place_of_the_functions_own(aws: Handle) -> None:
    function(aws, "f", TRIALS)
    aws.limit("f", memory_mb=100, timeout_s=2)

    answer, error = invoke(aws, "f", "eat")

    assert (answer["errorType"], error) == ("Runtime.OutOfMemory", "Unhandled")


def test_a_published_version_keeps_its_code_and_settings(aws: Handle) -> None:
    function(aws, "f", "def handler(event, context): return 'old'", Timeout=7)
    client = aws.client("lambda")
    first = client.publish_version(FunctionName="f")
    assert client.publish_version(FunctionName="f")["Version"] == "1"

    package = zipped({"app.py": "def handler(event, context): return 'new'"})
    client.update_function_code(FunctionName="f", ZipFile=package)
    client.update_function_configuration(FunctionName="f", Timeout=9)
    second = client.publish_version(FunctionName="f")

    assert invoke(aws, first["FunctionArn"]) == ("old", None)
    assert invoke(aws, second["FunctionArn"]) == ("new", None)
    assert (first["Timeout"], second["Timeout"], second["Version"]) == (7, 9, "2")
    assert [each.version for each in aws.invocations("f")] == ["1", "2"]


def test_another_description_is_worth_another_version(aws: Handle) -> None:
    function(aws, "f")
    client = aws.client("lambda")
    for description, version in (("a", "1"), ("a", "1"), ("b", "2")):
        client.update_function_configuration(FunctionName="f", Description=description)
        assert client.publish_version(FunctionName="f", Description="v")["Version"] == version


def test_another_python_than_this_one_is_refused(aws: Handle) -> None:
    with pytest.raises(ClientError, match="runs python3"):
        aws.client("lambda").create_function(
            FunctionName="f",
            Runtime="python3.8",
            Role="arn:aws:iam::123456789012:role/r",
            Handler="app.handler",
            Code={"ZipFile": zipped({"app.py": ""})},
        )


def test_a_throttled_function_says_429_and_then_runs(aws: Handle) -> None:
    function(aws, "f")
    aws.throttle("f", times=1)

    with pytest.raises(ClientError) as told:
        invoke(aws, "f")

    assert told.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert told.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert invoke(aws, "f", 7) == (7, None)


def test_a_function_with_no_concurrency_left_is_throttled(aws: Handle) -> None:
    function(aws, "f")
    aws.client("lambda").put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)

    with pytest.raises(ClientError, match="TooManyRequests"):
        invoke(aws, "f")


def test_a_process_can_be_killed_at_a_certain_invocation(aws: Handle) -> None:
    function(aws, "f", "import time\ndef handler(event, context): time.sleep(0.3); return event")
    aws.kill("f", nth=2)

    answers = [invoke(aws, "f", number) for number in (1, 2, 3)]

    assert answers[0] == (1, None)
    assert (answers[1][0]["errorType"], answers[1][1]) == ("Runtime.ExitError", "Unhandled")
    assert answers[2] == (3, None)
    assert [each.cold for each in aws.invocations("f")] == [True, False, True]


@pytest.mark.parametrize(("when", "keys"), [("before", ["a"]), ("after", ["a", "b"])])
def test_a_process_can_be_killed_around_a_certain_call(
    aws: Handle, when: str, keys: list[str]
) -> None:
    function(aws, "f", WRITES)
    bucket(aws)
    aws.kill("f", call="s3:PutObject", nth=2, when="before" if when == "before" else "after")

    assert invoke(aws, "f", "a") == ("written", None)
    assert invoke(aws, "f", "b")[1] == "Unhandled"

    found = aws.client("s3").list_objects_v2(Bucket="bucket")["Contents"]
    assert [each["Key"] for each in found] == keys
    assert aws.calls("f") == {"s3:PutObject": 2}


def test_a_call_can_be_refused_a_number_of_times(aws: Handle) -> None:
    table(aws)
    client = aws.client("dynamodb")
    error = "ProvisionedThroughputExceededException"
    aws.refuse("dynamodb:PutItem", error, times=2)
    aws.refuse(
        "dynamodb:TransactWriteItems",
        "TransactionCanceledException",
        reasons=("None", "TransactionConflict"),
    )

    for _ in range(2):
        with pytest.raises(client.exceptions.ProvisionedThroughputExceededException):
            client.put_item(TableName="table", Item={"pk": {"S": "a"}})
    client.put_item(TableName="table", Item={"pk": {"S": "a"}})
    with pytest.raises(client.exceptions.TransactionCanceledException) as told:
        client.transact_write_items(
            TransactItems=[{"Put": {"TableName": "table", "Item": {"pk": {"S": "b"}}}}]
        )

    reasons = [each["Code"] for each in told.value.response["CancellationReasons"]]
    assert reasons == ["None", "TransactionConflict"]
    assert client.scan(TableName="table")["Count"] == 1


def test_an_asynchronous_invocation_is_tried_three_times(aws: Handle) -> None:
    function(aws, "f", TRIALS)

    aws.client("lambda").invoke(FunctionName="f", InvocationType="Event", Payload=b'"fail"')
    aws.settle()

    assert [each.error for each in aws.invocations("f")] == ["Unhandled"] * 3
    assert aws.delays("asynchronous") == [60.0, 120.0]


def test_a_reset_forgets_everything(aws: Handle) -> None:
    function(aws, "f")
    invoke(aws, "f")
    aws.throttle("f", times=3)

    aws.reset()
    function(aws, "f")

    assert invoke(aws, "f", 1) == (1, None)
    assert len(aws.invocations()) == 1
