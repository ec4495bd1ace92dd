"""Deliveries of the emulator: from buckets, rules, queues, streams and topics to functions."""

from __future__ import annotations

import json
import time
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
from tests.aws.emulator.handle import wait_until
from tests.aws.emulator.queues import reported
from tests.aws.emulator.targets import transformed
from tests.aws.workshop import bucket, function, machine, queue, run, table

if TYPE_CHECKING:
    from tests.aws.emulator.handle import Handle

REPORT = ["ReportBatchItemFailures"]
FAILS_BAD_MESSAGES = """
def handler(event, context):
    bad = [each["messageId"] for each in event["Records"] if each["body"] == "bad"]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in bad]}
"""
FAILS_BAD_RECORDS = """
def handler(event, context):
    for each in event["Records"]:
        if each["dynamodb"]["Keys"]["pk"]["S"] == "bad":
            number = each["dynamodb"]["SequenceNumber"]
            return {"batchItemFailures": [{"itemIdentifier": number}]}
    return {"batchItemFailures": []}
"""
RAISES_ON_BAD = """
def handler(event, context):
    assert not [e for e in event["Records"] if e["dynamodb"]["Keys"]["pk"]["S"] == "bad"]
"""


def mapped(aws: Handle, name: str, source: str, **more: Any) -> str:
    made = aws.client("lambda").create_event_source_mapping(
        FunctionName=name, EventSourceArn=source, **more
    )
    return str(made["UUID"])


def bodies(aws: Handle, name: str) -> list[list[str]]:
    return [[each["body"] for each in one.event["Records"]] for one in aws.invocations(name)]


def keys(aws: Handle, name: str) -> list[list[str]]:
    return [
        [each["dynamodb"]["Keys"]["pk"]["S"] for each in one.event["Records"]]
        for one in aws.invocations(name)
    ]


def put(aws: Handle, *names: str, **more: str) -> None:
    for name in names:
        item = {"pk": {"S": name}, **{key: {"S": value} for key, value in more.items()}}
        aws.client("dynamodb").put_item(TableName="table", Item=item)


def test_a_queues_messages_come_in_batches_of_the_size_within_the_window(aws: Handle) -> None:
    url, arn = queue(aws, "q")
    function(aws, "f")
    for number in range(7):
        aws.client("sqs").send_message(QueueUrl=url, MessageBody=str(number))

    mapped(aws, "f", arn, BatchSize=100, MaximumBatchingWindowInSeconds=60)
    aws.settle()

    assert sorted(chain.from_iterable(bodies(aws, "f"))) == [str(number) for number in range(7)]
    assert len(bodies(aws, "f")) <= 2
    assert 60.0 in aws.delays("window")
    assert aws.messages(url) == []


def test_only_the_failed_messages_come_back_and_end_as_dead_letters(aws: Handle) -> None:
    dead_url, dead_arn = queue(aws, "dead")
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 3})
    url, arn = queue(aws, "q", RedrivePolicy=redrive, VisibilityTimeout="900")
    function(aws, "f", FAILS_BAD_MESSAGES)
    for body in ("good", "bad", "fine"):
        aws.client("sqs").send_message(QueueUrl=url, MessageBody=body)

    mapped(aws, "f", arn, BatchSize=10, FunctionResponseTypes=REPORT)
    aws.settle()

    seen = list(chain.from_iterable(bodies(aws, "f")))
    assert [seen.count(each) for each in ("good", "fine", "bad")] == [1, 1, 3]
    assert aws.messages(dead_url) == ["bad"]
    assert set(aws.delays("visibility")) == {900.0}

    assert aws.redrive(dead_url, url) == 1
    aws.settle()
    assert list(chain.from_iterable(bodies(aws, "f"))).count("bad") == 6


@pytest.mark.parametrize("how", ["raises", "is throttled"])
def test_a_failed_batch_comes_back_whole(aws: Handle, how: str) -> None:
    url, arn = queue(aws, "q")
    text = "def handler(event, context):\n"
    count = 'int(event["Records"][0]["attributes"]["ApproximateReceiveCount"])'
    function(aws, "f", f"{text}    assert {count} > 1" if how == "raises" else text + "    pass")
    if how != "raises":
        aws.throttle("f", times=1)
    aws.client("sqs").send_message(QueueUrl=url, MessageBody="a")

    mapped(aws, "f", arn)
    aws.settle()

    assert [each.error for each in aws.invocations("f")][-1] is None
    assert aws.delays("visibility") == [30.0]
    assert aws.messages(url) == []


def test_an_answer_that_names_no_known_message_fails_the_batch() -> None:
    assert reported(b"null") == set()
    assert reported(b'{"batchItemFailures": []}') == set()
    assert reported(b'{"batchItemFailures": [{"itemIdentifier": "a"}]}') == {"a"}
    assert reported(b'{"batchItemFailures": [{"itemIdentifier": ""}]}') is None
    assert reported(b'{"batchItemFailures": [{"id": "a"}]}') is None
    assert reported(b"no json") is None


def test_a_queues_filter_drops_what_it_does_not_take(aws: Handle) -> None:
    url, arn = queue(aws, "q")
    function(aws, "f")
    pattern = json.dumps({"body": {"kind": ["photo"]}})
    mapped(aws, "f", arn, FilterCriteria={"Filters": [{"Pattern": pattern}]})
    for kind in ("photo", "sound"):
        aws.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps({"kind": kind}))
    aws.settle()

    assert bodies(aws, "f") == [['{"kind": "photo"}']]


def test_a_deleted_mapping_delivers_no_more(aws: Handle) -> None:
    url, arn = queue(aws, "q")
    function(aws, "f")
    aws.client("lambda").delete_event_source_mapping(UUID=mapped(aws, "f", arn))
    aws.client("sqs").send_message(QueueUrl=url, MessageBody="a")
    time.sleep(0.3)
    aws.settle()

    assert (aws.invocations("f"), aws.messages(url)) == ([], ["a"])


def test_a_stream_brings_what_its_filter_takes_in_order(aws: Handle) -> None:
    arn = table(aws)
    function(aws, "f")
    pattern = {
        "eventName": ["INSERT"],
        "dynamodb": {"NewImage": {"topic": {"S": [{"exists": True}]}}},
    }
    mapped(
        aws,
        "f",
        arn,
        StartingPosition="TRIM_HORIZON",
        BatchSize=2,
        MaximumBatchingWindowInSeconds=5,
        FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)}]},
    )
    put(aws, "a", "b", "c", topic="alerts")
    put(aws, "plain")
    put(aws, "a", topic="changed")
    aws.settle()

    assert list(chain.from_iterable(keys(aws, "f"))) == ["a", "b", "c"]
    assert max(len(each) for each in keys(aws, "f")) == 2
    image = aws.invocations("f")[0].event["Records"][0]["dynamodb"]["NewImage"]
    assert image == {"pk": {"S": "a"}, "topic": {"S": "alerts"}}


def test_a_cancelled_transaction_leaves_nothing_in_the_stream(aws: Handle) -> None:
    arn = table(aws)
    function(aws, "f")
    mapped(aws, "f", arn, StartingPosition="TRIM_HORIZON")
    put(aws, "there")
    client = aws.client("dynamodb")
    puts = [
        {"Put": {"TableName": "table", "Item": {"pk": {"S": "new"}}}},
        {
            "Put": {
                "TableName": "table",
                "Item": {"pk": {"S": "there"}},
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        },
    ]
    with pytest.raises(client.exceptions.TransactionCanceledException):
        client.transact_write_items(TransactItems=puts)
    put(aws, "last")
    aws.settle()

    assert list(chain.from_iterable(keys(aws, "f"))) == ["there", "last"]


def test_a_stream_goes_on_from_the_first_failed_record_and_gives_up(aws: Handle) -> None:
    arn = table(aws)
    dead_url, dead_arn = queue(aws, "dead")
    function(aws, "f", FAILS_BAD_RECORDS)
    put(aws, "a", "bad", "b")

    mapped(
        aws,
        "f",
        arn,
        StartingPosition="TRIM_HORIZON",
        BatchSize=10,
        FunctionResponseTypes=REPORT,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": dead_arn}},
    )
    aws.settle()
    put(aws, "later")
    aws.settle()

    assert keys(aws, "f") == [["a", "bad", "b"], ["bad", "b"], ["later"]]
    (told,) = aws.messages(dead_url)
    batch = json.loads(told)["DDBStreamBatchInfo"]
    assert (batch["batchSize"], batch["streamArn"]) == (2, arn)
    assert json.loads(told)["requestContext"]["condition"] == "RetryAttemptsExhausted"


def test_a_stream_parts_a_failing_batch_to_find_the_bad_record(aws: Handle) -> None:
    arn = table(aws)
    dead_url, dead_arn = queue(aws, "dead")
    function(aws, "f", RAISES_ON_BAD)
    put(aws, "a", "b", "bad", "c")

    mapped(
        aws,
        "f",
        arn,
        StartingPosition="TRIM_HORIZON",
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=2,
        DestinationConfig={"OnFailure": {"Destination": dead_arn}},
    )
    aws.settle()

    done = [
        each
        for each, one in zip(keys(aws, "f"), aws.invocations("f"), strict=True)
        if one.error is None
    ]
    assert done == [["a", "b"], ["c"]]
    (told,) = aws.messages(dead_url)
    assert json.loads(told)["DDBStreamBatchInfo"]["batchSize"] == 1


def test_an_object_goes_by_a_rule_to_the_queue_and_to_the_function(aws: Handle) -> None:
    url, arn = queue(aws, "q")
    function(aws, "f")
    mapped(aws, "f", arn)
    watched(aws, "photos")
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": ["photos"]}, "object": {"key": [{"prefix": "north/"}]}},
    }
    ruled(aws, "arrivals", pattern, {"Id": "1", "Arn": arn})

    versions = [
        aws.client("s3").put_object(Bucket="photos", Key=key, Body=b"123")["VersionId"]
        for key in ("north/a b+ü.jpg", "south/c.jpg")
    ]
    aws.settle()

    (told,) = [json.loads(each) for one in bodies(aws, "f") for each in one]
    assert told["detail"]["object"] | {"sequencer": ""} == {
        "key": "north/a b+ü.jpg",
        "size": 3,
        "etag": "202cb962ac59075b964b07152d234b70",
        "version-id": versions[0],
        "sequencer": "",
    }
    assert (told["detail"]["reason"], told["detail-type"]) == ("PutObject", "Object Created")
    assert told["time"].endswith("Z")
    assert aws.messages(url) == []


def watched(aws: Handle, name: str) -> None:
    bucket(aws, name)
    s3 = aws.client("s3")
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )


def ruled(aws: Handle, name: str, pattern: dict[str, Any], target: dict[str, Any]) -> None:
    events = aws.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[target])


def test_a_rule_starts_functions_machines_and_tells_topics(aws: Handle) -> None:
    url, arn = queue(aws, "q")
    topic = aws.client("sns").create_topic(Name="t")["TopicArn"]
    raw = {"RawMessageDelivery": "true"}
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=raw)
    started = machine(aws, {"P": {"Type": "Pass", "End": True}})
    pattern = {"source": ["trial"]}
    transformer = {
        "InputPathsMap": {"name": "$.detail.name", "all": "$.detail"},
        "InputTemplate": '{"text": "of <name>", "name": <name>, "all": <all>}',
    }
    ruled(aws, "f", pattern, {"Id": "f", "Arn": function(aws, "f"), "InputPath": "$.detail"})
    ruled(aws, "m", pattern, {"Id": "m", "Arn": started, "InputTransformer": transformer})
    ruled(aws, "s", pattern, {"Id": "s", "Arn": topic, "Input": '{"fixed": 1}'})

    detail = json.dumps({"name": 'a "b"'})
    entry = {"Source": "trial", "DetailType": "d", "Detail": detail}
    aws.client("events").put_events(Entries=[entry])
    aws.settle()

    assert aws.errors() == []
    assert [each.event for each in aws.invocations("f")] == [{"name": 'a "b"'}]
    assert aws.messages(url) == ['{"fixed": 1}']
    client = aws.client("stepfunctions")
    (made,) = client.list_executions(stateMachineArn=started)["executions"]
    told = client.describe_execution(executionArn=made["executionArn"])
    assert json.loads(told["input"]) == {
        "text": 'of a "b"',
        "name": 'a "b"',
        "all": {"name": 'a "b"'},
    }


def test_a_template_of_text_alone() -> None:
    given = {"InputPathsMap": {"n": "$.n", "t": "$.t"}, "InputTemplate": '"<n> of <t>"'}

    assert transformed(given, {"n": 3, "t": "x"}) == '"3 of x"'


def test_a_disabled_rule_sends_nothing(aws: Handle) -> None:
    url, arn = queue(aws, "q")
    ruled(aws, "r", {"source": ["trial"]}, {"Id": "1", "Arn": arn})
    aws.client("events").disable_rule(Name="r")
    aws.client("events").put_events(
        Entries=[{"Source": "trial", "DetailType": "d", "Detail": "{}"}]
    )

    assert aws.messages(url) == []


def test_a_rule_hears_of_executions_and_of_children(aws: Handle) -> None:
    url, arn = queue(aws, "q")
    paths = {"arn": "$.detail.executionArn", "status": "$.detail.status", "error": "$.detail.error"}
    template = '{"arn": <arn>, "status": <status>, "error": <error>}'
    target = {
        "Id": "1",
        "Arn": arn,
        "InputTransformer": {"InputPathsMap": paths, "InputTemplate": template},
    }
    ruled(aws, "every", {"source": ["aws.states"]}, target)
    other_url, other_arn = queue(aws, "parents")
    pattern = {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {
            "executionArn": [{"anything-but": {"wildcard": "*/*"}}],
            "status": ["FAILED", "TIMED_OUT", "ABORTED"],
        },
    }
    ruled(aws, "parents", pattern, {"Id": "1", "Arn": other_arn})
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "F",
        "States": {"F": {"Type": "Fail", "Error": "Bad"}},
    }
    state = {"Type": "Map", "Label": "stage", "ItemProcessor": processor, "End": True}
    run(aws, machine(aws, {"M": state}), [1])
    aws.settle()

    told = [json.loads(each) for each in aws.messages(url)]
    assert {(each["arn"].split(":")[6], each["status"], each["error"]) for each in told} == {
        ("m", "RUNNING", None),
        ("m/stage", "FAILED", "Bad"),
        ("m", "FAILED", "States.ExceedToleratedFailureThreshold"),
    }
    (failed,) = [json.loads(each)["detail"] for each in aws.messages(other_url)]
    assert failed["executionArn"].endswith(":execution:m:run")


def test_a_rule_of_a_schedule_hears_no_events(aws: Handle) -> None:
    url, arn = queue(aws, "q")
    aws.client("events").put_rule(Name="nightly", ScheduleExpression="rate(1 day)")
    aws.client("events").put_targets(Rule="nightly", Targets=[{"Id": "1", "Arn": arn}])
    entry = {"Source": "trial", "DetailType": "d", "Detail": "{}"}
    aws.client("events").put_events(Entries=[entry])

    assert aws.messages(url) == []


def test_rules_and_schedules_fire_when_the_test_says_so(aws: Handle) -> None:
    arn = function(aws, "f")
    events = aws.client("events")
    events.put_rule(Name="nightly", ScheduleExpression="rate(1 day)")
    events.put_targets(Rule="nightly", Targets=[{"Id": "1", "Arn": arn}])
    aws.client("scheduler").create_schedule(
        Name="sweep",
        ScheduleExpression="rate(5 minutes)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": "arn:aws:iam::123456789012:role/r", "Input": '{"a": 1}'},
    )

    assert (aws.fire("nightly"), aws.fire("sweep")) == (1, 1)
    aws.settle()

    told = [each.event for each in aws.invocations("f")]
    assert {"a": 1} in told
    assert "Scheduled Event" in [each.get("detail-type") for each in told]
    with pytest.raises(AssertionError, match="no schedule is named other"):
        aws.fire("other")


def test_a_topic_tells_the_queues_whose_filter_takes_it(aws: Handle) -> None:
    url, arn = queue(aws, "q")
    sns = aws.client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    policy = json.dumps({"severity": ["high"]})
    attributes = {"RawMessageDelivery": "true", "FilterPolicy": policy}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
    for severity in ("low", "high"):
        said = {"severity": {"DataType": "String", "StringValue": severity}}
        sns.publish(TopicArn=topic, Message=severity, MessageAttributes=said)

    assert aws.messages(url) == ["high"]


def test_waiting_in_vain_says_for_what() -> None:
    with pytest.raises(AssertionError, match="until the moon is blue"):
        wait_until(lambda: False, "the moon is blue", timeout_s=0.01)
