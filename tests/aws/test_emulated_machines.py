"""State machines of the emulator: distributed maps above all, starts, retries, context."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from tests.aws.emulator.batches import gathered
from tests.aws.emulator.handle import zipped
from tests.aws.emulator.map_runs import too_many
from tests.aws.workshop import bucket, function, machine, output, run

if TYPE_CHECKING:
    from tests.aws.emulator.handle import Handle

PASS = {"P": {"Type": "Pass", "End": True}}
FAILS_ON_BAD = {
    "C": {
        "Type": "Choice",
        "Choices": [{"Variable": "$.bad", "BooleanEquals": True, "Next": "F"}],
        "Default": "P",
    },
    "F": {"Type": "Fail", "Error": "Bad", "Cause": "a bad item"},
    **PASS,
}
LINES = {
    "Resource": "arn:aws:states:::s3:getObject",
    "ReaderConfig": {"InputType": "JSONL"},
    "Parameters": {"Bucket": "bucket", "Key.$": "$.manifest"},
}


def distributed(states: dict[str, Any], **more: Any) -> dict[str, Any]:
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": next(iter(states)),
        "States": states,
    }
    return {"Type": "Map", "ItemProcessor": processor, "End": True, **more}


def lines(count: int) -> str:
    return "".join(json.dumps({"key": f"ä{number}"}) + "\n" for number in range(count))


def task(name: str, **more: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": name, "Payload.$": "$"},
        "OutputPath": "$.Payload",
        "End": True,
        **more,
    }


def test_a_map_over_json_lines_gives_its_children_batches(aws: Handle) -> None:
    bucket(aws, manifest__jsonl=lines(10))
    batcher = {
        "MaxItemsPerBatch": 4,
        "BatchInput": {"plan": "p1", "job.$": "$.job", "run.$": "$$.Execution.Name"},
    }
    arn = machine(aws, {"M": distributed(PASS, ItemReader=LINES, ItemBatcher=batcher)})

    made = output(run(aws, arn, {"manifest": "manifest.jsonl", "job": 7}, name="first"))

    assert [len(each["Items"]) for each in made] == [4, 4, 2]
    assert made[2]["Items"] == [{"key": "ä8"}, {"key": "ä9"}]
    assert {json.dumps(each["BatchInput"], sort_keys=True) for each in made} == {
        '{"job": 7, "plan": "p1", "run": "first"}'
    }


def test_an_item_selector_works_on_each_item_before_batching(aws: Handle) -> None:
    selector = {"n.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "job.$": "$.job"}
    state = distributed(
        PASS,
        ItemsPath="$.items",
        ItemSelector=selector,
        ItemBatcher={"MaxItemsPerBatchPath": "$.n"},
    )
    made = output(run(aws, machine(aws, {"M": state}), {"items": ["a", "b"], "job": 1, "n": 1}))

    assert made == [
        {"Items": [{"n": 0, "v": "a", "job": 1}]},
        {"Items": [{"n": 1, "v": "b", "job": 1}]},
    ]


def test_batches_keep_to_their_bytes_and_part_no_item() -> None:
    assert gathered(["aaaa"] * 5, most=10, room=14) == [["aaaa"] * 2, ["aaaa"] * 2, ["aaaa"]]
    assert gathered(["a" * 99, "b"], most=10, room=20) == [["a" * 99], ["b"]]


def test_a_child_has_a_context_of_its_own(aws: Handle) -> None:
    context = {
        "id.$": "$$.Execution.Id",
        "name.$": "$$.Execution.Name",
        "in.$": "$$.Execution.Input",
    }
    child = {"P": {"Type": "Pass", "Parameters": context, "End": True}}
    arn = machine(aws, {"M": distributed(child, ItemsPath="$", Label="stage")}, name="poles")

    made = output(run(aws, arn, [1, 2], name="parent"))

    assert [each["in"] for each in made] == [1, 2]
    assert made[0]["name"] not in ("parent", made[1]["name"])
    assert made[0]["id"].endswith(f":execution:poles/stage:{made[0]['name']}")


def test_one_failed_item_fails_a_run_that_tolerates_nothing(aws: Handle) -> None:
    items = [{"bad": number == 3} for number in range(6)]
    arn = machine(aws, {"M": distributed(FAILS_ON_BAD, ItemsPath="$")})

    # More than once, since the children that are stopped are at different points each time.
    ended = [run(aws, arn, items, name=f"run{number}") for number in range(10)]

    assert {(told["status"], told["error"]) for told in ended} == {
        ("FAILED", "States.ExceedToleratedFailureThreshold")
    }


@pytest.mark.parametrize(("percentage", "status"), [(30, "SUCCEEDED"), (29, "FAILED")])
def test_a_run_tolerates_a_share_of_failed_items(aws: Handle, percentage: int, status: str) -> None:
    items = [{"bad": number < 3} for number in range(10)]
    state = distributed(FAILS_ON_BAD, ItemsPath="$", ToleratedFailurePercentage=percentage)

    told = run(aws, machine(aws, {"M": state}), items)

    assert told["status"] == status
    if status == "SUCCEEDED":
        assert len(output(told)) == 7


def test_two_limits_are_exceeded_by_either() -> None:
    assert not too_many(0, 10, count=0, percentage=0)
    assert too_many(1, 10, count=0, percentage=0)
    assert not too_many(2, 10, count=2, percentage=0)
    assert not too_many(2, 10, count=2, percentage=20)
    assert too_many(2, 10, count=1, percentage=50)
    assert too_many(2, 10, count=5, percentage=10)


def test_a_failed_run_is_caught_and_starts_nothing_more(aws: Handle) -> None:
    function(aws, "f", "def handler(event, context): raise ValueError(event)")
    states = {
        "M": distributed(
            {"T": task("f")},
            ItemsPath="$",
            MaxConcurrency=1,
            Catch=[
                {
                    "ErrorEquals": ["States.ExceedToleratedFailureThreshold"],
                    "ResultPath": "$",
                    "Next": "Z",
                }
            ],
        ),
        "Z": {"Type": "Pass", "End": True},
    }
    made = output(run(aws, machine(aws, states), list(range(20))))

    assert made["Error"] == "States.ExceedToleratedFailureThreshold"
    assert len(aws.invocations("f")) == 1


@pytest.mark.parametrize("percentage", [50, 10])
def test_the_results_are_written_by_status_also_of_a_failed_run(
    aws: Handle, percentage: int
) -> None:
    bucket(aws)
    items = [{"bad": number == 9, "n": number} for number in range(5, 10)]
    writer = {
        "Resource": "arn:aws:states:::s3:putObject",
        "Parameters": {"Bucket": "bucket", "Prefix.$": "$.prefix"},
    }
    state = distributed(
        FAILS_ON_BAD,
        ItemsPath="$.items",
        ResultWriter=writer,
        ToleratedFailurePercentage=percentage,
        MaxConcurrency=1,
    )
    told = run(aws, machine(aws, {"M": state}), {"items": items, "prefix": "work/out"})

    s3 = aws.client("s3")
    assert told["status"] == ("SUCCEEDED" if percentage == 50 else "FAILED")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="bucket")["Contents"]]
    (place,) = (each for each in keys if each.endswith("/manifest.json"))
    assert place.startswith("work/out/")
    if percentage == 50:
        assert output(told)["ResultWriterDetails"] == {"Bucket": "bucket", "Key": place}
    manifest = json.loads(s3.get_object(Bucket="bucket", Key=place)["Body"].read())
    records = {}
    for status, files in manifest["ResultFiles"].items():
        for each in files:
            body = s3.get_object(Bucket="bucket", Key=each["Key"])["Body"].read()
            assert each["Size"] == len(body)
            records[status] = json.loads(body)
    assert [json.loads(each["Output"])["n"] for each in records["SUCCEEDED"]] == [5, 6, 7, 8]
    (failed,) = records["FAILED"]
    assert (failed["Status"], failed["Error"], failed["Cause"]) == ("FAILED", "Bad", "a bad item")
    assert json.loads(failed["Input"]) == {"bad": True, "n": 9}


def test_many_children_one_after_another(aws: Handle) -> None:
    arn = machine(aws, {"M": distributed(PASS, ItemsPath="$", MaxConcurrency=1)})

    assert output(run(aws, arn, list(range(300)))) == list(range(300))


def test_no_more_children_at_once_than_the_state_says(aws: Handle) -> None:
    text = "import time\ndef handler(event, context):\n    at = time.time(); time.sleep(0.2)\n"
    function(aws, "f", text + "    return [at, time.time()]")
    arn = machine(aws, {"M": distributed({"T": task("f")}, ItemsPath="$", MaxConcurrency=2)})

    spans = output(run(aws, arn, list(range(6))))

    assert max(sum(a <= at < b for a, b in spans) for at, _ in spans) == 2


def test_an_execution_keeps_to_the_version_that_it_names(aws: Handle) -> None:
    function(aws, "f", "def handler(event, context): return 'old'")
    client = aws.client("lambda")
    version = client.publish_version(FunctionName="f")["FunctionArn"]
    arn = machine(aws, {"T": task(version)})
    package = zipped({"app.py": "def handler(event, context): return 'new'"})
    client.update_function_code(FunctionName="f", ZipFile=package)

    told = run(aws, arn)

    assert told["output"].strip('"') == "old"
    assert [each.version for each in aws.invocations("f")] == ["1"]


def test_a_retry_waits_as_the_state_says_and_is_shortened(aws: Handle) -> None:
    function(aws, "f")
    aws.throttle("f", times=3)
    aws.hurry(0.05)
    retry = {
        "ErrorEquals": ["Lambda.TooManyRequestsException"],
        "IntervalSeconds": 2,
        "BackoffRate": 3,
        "MaxAttempts": 5,
        "MaxDelaySeconds": 10,
    }
    arn = machine(aws, {"T": task("f", Retry=[retry])})

    began = time.monotonic()
    assert output(run(aws, arn, {"a": 1})) == {"a": 1}

    assert aws.delays("retry") == [2, 6, 10]
    assert time.monotonic() - began < 2


def test_jitter_keeps_within_the_delay(aws: Handle) -> None:
    function(aws, "f")
    aws.throttle("f", times=2)
    aws.hurry(0.01)
    retry = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 4, "JitterStrategy": "FULL"}
    run(aws, machine(aws, {"T": task("f", Retry=[retry])}))

    first, second = aws.delays("retry")
    assert 0 <= first <= 4
    assert 0 <= second <= 8


def test_an_inline_map_within_a_child_and_its_own_catch(aws: Handle) -> None:
    function(aws, "f", "def handler(event, context): return 1 / event")
    each = {
        "StartAt": "T",
        "States": {
            "T": task("f", Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Z"}]),
            "Z": {"Type": "Pass", "Parameters": {"error.$": "$.Error"}, "End": True},
        },
    }
    inner = {"I": {"Type": "Map", "ItemsPath": "$.Items", "ItemProcessor": each, "End": True}}
    state = distributed(inner, ItemsPath="$", ItemBatcher={"MaxItemsPerBatch": 2})

    made = output(run(aws, machine(aws, {"M": state}), [1, 0, 2]))

    assert made == [[1.0, {"error": "ZeroDivisionError"}], [0.5]]


def test_choices_waits_and_intrinsic_functions(aws: Handle) -> None:
    states = {
        "A": {
            "Type": "Pass",
            "Parameters": {
                "n.$": "States.ArrayLength($.items)",
                "text.$": "States.Format('{}/part-{}.json', $$.Execution.Name, $.items[0])",
            },
            "Next": "W",
        },
        "W": {"Type": "Wait", "Seconds": 120, "Next": "C"},
        "C": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.n", "NumericGreaterThan": 1, "Next": "P"}],
            "Default": "F",
        },
        "F": {"Type": "Fail"},
        **PASS,
    }
    made = output(run(aws, machine(aws, states), {"items": [5, 6]}, name="i1"))

    assert made == {"n": 2, "text": "i1/part-5.json"}
    assert aws.delays("wait") == [120.0]


def test_a_name_starts_once(aws: Handle) -> None:
    client = aws.client("stepfunctions")
    arn = machine(aws, {"W": {"Type": "Wait", "Seconds": 5, "End": True}})
    aws.hurry(5)
    given = {"stateMachineArn": arn, "name": "i1"}

    first = client.start_execution(**given, input='{"a": 1}')["executionArn"]
    assert client.start_execution(**given, input='{"a": 1}')["executionArn"] == first
    with pytest.raises(client.exceptions.ExecutionAlreadyExists):
        client.start_execution(**given, input='{"a": 2}')
    client.stop_execution(executionArn=first)
    aws.settle()

    assert client.describe_execution(executionArn=first)["status"] == "ABORTED"
    with pytest.raises(client.exceptions.ExecutionAlreadyExists):
        client.start_execution(**given, input='{"a": 1}')
    assert len(client.list_executions(stateMachineArn=arn)["executions"]) == 1


def test_a_stopped_execution_starts_no_further_child(aws: Handle) -> None:
    function(aws, "f", "import time\ndef handler(event, context): time.sleep(0.3)")
    client = aws.client("stepfunctions")
    arn = machine(aws, {"M": distributed({"T": task("f")}, ItemsPath="$", MaxConcurrency=1)})
    started = client.start_execution(stateMachineArn=arn, name="x", input=json.dumps([1] * 50))
    time.sleep(1)

    client.stop_execution(executionArn=started["executionArn"])
    aws.settle()

    assert client.describe_execution(executionArn=started["executionArn"])["status"] == "ABORTED"
    assert 0 < len(aws.invocations("f")) < 10


def test_jsonata_and_what_step_functions_adds_to_it(aws: Handle) -> None:
    parts = "{% $partition($states.input.l, 2) %}"
    state = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": {"p": parts}, "End": True}

    assert output(run(aws, machine(aws, {"A": state}), {"l": [1, 2, 3]})) == {"p": [[1, 2], [3]]}


def test_a_definition_with_a_mistake_is_refused(aws: Handle) -> None:
    with pytest.raises(ClientError, match="InvalidDefinition"):
        machine(aws, {"A": {"Type": "Pas", "End": True}})
    batcher = {"MaxItemPerBatch": 3}
    told = run(aws, machine(aws, {"M": distributed(PASS, ItemsPath="$", ItemBatcher=batcher)}), [1])
    assert "MaxItemPerBatch" in told["cause"]


def test_no_state_carries_more_than_its_limit(aws: Handle) -> None:
    function(aws, "f", "def handler(event, context): return 'x' * 270_000")
    of_task = run(aws, machine(aws, {"T": task("f")}, name="task"))
    assert (of_task["status"], of_task["error"]) == ("FAILED", "States.DataLimitExceeded")

    items = [{"text": "x" * 900} for _ in range(200)]
    doubled = {"a.$": "$.text", "b.$": "$.text"}
    twice = {"P": {"Type": "Pass", "Parameters": doubled, "End": True}}
    of_map = run(aws, machine(aws, {"M": distributed(twice, ItemsPath="$")}, name="map"), items)
    assert (of_map["status"], of_map["error"]) == ("FAILED", "States.DataLimitExceeded")

    state = distributed(PASS, ItemsPath="$.items", ItemSelector=doubled)
    large = {"items": [1], "text": "x" * 200_000}
    of_child = run(aws, machine(aws, {"M": state}, name="child"), large)
    assert of_child["error"] == "States.ExceedToleratedFailureThreshold"

    with pytest.raises(ClientError, match="less than or equal to 262144"):
        run(aws, machine(aws, {**PASS}, name="start"), {"text": "x" * 270_000})
