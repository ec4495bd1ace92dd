"""What functions said, from several groups in the order of time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from walkdown.aws.logs import Line, Logs, group_of, readable
from walkdown.errors import NotFound
from walkdown.sdk.aws import Aws

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)


def say(aws: Aws, function: str, *said: tuple[int, str]) -> None:
    """Lines at so many seconds after `NOW`."""
    client, group = aws.client("logs"), group_of("plant", function)
    if not client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        client.create_log_group(logGroupName=group)
        client.create_log_stream(logGroupName=group, logStreamName="one")
    events = [
        {"timestamp": int((NOW + timedelta(seconds=at)).timestamp() * 1000), "message": text}
        for at, text in said
    ]
    client.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)


def test_lines_of_all_functions_are_merged_by_time(moto_aws: Aws) -> None:
    say(moto_aws, "Look", (1, "l1 ID-7"), (4, "l4"))
    say(moto_aws, "Record", (2, "r2"), (3, "r3 ID-7"))
    logs = Logs(moto_aws.client("logs"), "plant")
    assert [line.text for line in logs.lines(since=NOW)] == ["l1 ID-7", "r2", "r3 ID-7", "l4"]
    late = logs.lines(since=NOW + timedelta(seconds=3))
    assert [(line.function, line.text) for line in late] == [("record", "r3 ID-7"), ("look", "l4")]
    about = logs.lines(since=NOW, about="ID-7")
    assert [line.text for line in about] == ["l1 ID-7", "r3 ID-7"]
    one = Logs(moto_aws.client("logs"), "plant", functions=["LOOK"])
    assert [line.text for line in one.lines(since=NOW)] == ["l1 ID-7", "l4"]
    with pytest.raises(NotFound, match="there are intake, look"):
        Logs(moto_aws.client("logs"), "plant", functions=["gone"])


def test_following_tells_each_line_once(moto_aws: Aws) -> None:
    say(moto_aws, "Look", (1, "one"), (5, "five"))
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        # The first of these becomes readable late, after one that is younger.
        say(moto_aws, "Look", (3, "late"), (9, "nine"))

    logs = Logs(moto_aws.client("logs"), "plant")
    told = islice(logs.follow(since=NOW, about=None, sleep=sleep), 4)
    assert [line.text for line in told] == ["one", "five", "late", "nine"]
    assert len(slept) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words\n", "plain words"),
        (
            {"step": "look", "stack": "s", "error": "StoreError", "message": "no", "Errors": 1},
            "Errors=1  StoreError: no",
        ),
        ({"errorType": "Runtime.ExitError", "errorMessage": "it ended"},
         "Runtime.ExitError: it ended"),
        ({"level": "WARN", "message": "slow", "time": "t"}, "WARN slow"),
        ({"type": "platform.report", "time": "t"}, '{"type": "platform.report"}'),
        ([1], "[1]"),
    ],
)  # fmt: skip
def test_lines_read_well(text: object, shown: str) -> None:
    said = text if isinstance(text, str) else json.dumps(text)
    line = Line(NOW, "1", "look", said)
    assert readable(line) == f"{NOW:%Y-%m-%d %H:%M:%S}  look     {shown}"
