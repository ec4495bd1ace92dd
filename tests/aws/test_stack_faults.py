"""A stack in which one thing after another breaks: every result once, every alert at least once."""

from __future__ import annotations

import json
import zlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import pytest
from tests.aws import stand_in
from tests.aws.emulator.handle import wait_until
from tests.aws.plants import (
    BRIGHT,
    DARK,
    Events,
    Plant,
    deploy,
    held_back,
    photo,
    plant,
    stand_in_place,
)

from walkdown.types import Result, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.aws.emulator.handle import Handle

pytestmark = pytest.mark.proof

STEPS = ("Look", "Record", "Choose", "Finish", "Deliver")


@pytest.fixture(scope="module")
def stack(
    aws_server: Handle, functions: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Plant]:
    """One stack for all: each test has a site of its own."""
    aws_server.reset()
    aws_server.hurry(0.5)
    place = stand_in_place(aws_server, tmp_path_factory.mktemp("poles"), functions)
    deploy(place, "poles.yaml")
    made = plant(place)
    made.run(photos("warm"))
    yield made
    assert aws_server.errors() == []


@pytest.fixture
def events(stack: Plant) -> Iterator[Events]:
    """The events of photographs, held back until the test sends them."""
    with held_back(stack) as found:
        yield found


def photos(site: str, count: int = 4) -> dict[str, bytes]:
    """So many photographs of a site, no two alike; the first is an anomaly."""
    mark = zlib.crc32(site.encode()) & 0xFFFF00
    return {f"poles/{site}/{i}.png": photo(DARK if i else BRIGHT, mark + i) for i in range(count)}


def check(stack: Plant, site: str, *, seen: int = 1) -> dict[str, Result]:
    """All of a site is recorded, its anomaly by both stages and told of under one id.

    ``seen`` is how often a result has made or changed the finding.
    """
    put = photos(site)
    results = stack.results(put)
    assert set(results) == set(put)
    assert {r.status for r in results.values()} == {Status.DONE}, results
    first = f"poles/{site}/0.png"
    assert [key for key, r in results.items() if r.verdict is Verdict.ANOMALY] == [first]
    assert [key for key, r in results.items() if len(r.stages) == 2] == [first]
    told = stack.told(f"{site}/")
    assert {alert["asset"] for alert in told} == {f"{site}/0.png"}
    assert len({alert["id"] for alert in told}) == 1
    findings = [f for f in stack.records.findings().values() if f.asset == f"{site}/0.png"]
    assert [finding.revision for finding in findings] == [seen]
    return results


def errors(stack: Plant, name: str, since: int = 0) -> list[str]:
    """The kinds of errors with which invocations of a function ended."""
    made = stack.aws.invocations(stack.function(name))[since:]
    return [each.answer["errorType"] for each in made if each.error]


@pytest.mark.parametrize(
    ("width_px", "limits", "error", "words"),
    [
        (stand_in.ENDS, {}, "Runtime.ExitError", "broke (Runtime.ExitError"),
        (
            stand_in.SWELLS,
            {"memory_mb": 500},
            "Runtime.OutOfMemory",
            "needs more memory than the function has",
        ),
        (
            stand_in.HANGS,
            {"timeout_s": 20},
            "Sandbox.Timedout",
            "took longer than the function may",
        ),
    ],
)
def test_an_image_that_breaks_the_function_fails_alone(
    stack: Plant, events: Events, width_px: int, limits: dict[str, int], error: str, words: str
) -> None:
    site, aws = f"poison-{width_px}", stack.aws
    before = len(errors(stack, "Look"))
    aws.limit(stack.function("Look"), **limits)
    put = photos(site)
    poison = f"poles/{site}/poison.png"
    # All at once, so that it lies in one batch with the others.
    events.send(events.of({**put, poison: photo(DARK, width_px, width_px=width_px)}))
    aws.limit(stack.function("Look"))
    check(stack, site)
    (failed,) = stack.results({poison: b""}).values()
    assert (failed.status, failed.verdict) == (Status.FAILED, None)
    assert words in str(failed.error)
    batches = [len(each.event["items"]) for each in stack.looks(site, "screen") if each.error]
    assert max(batches) > 1, batches
    assert min(batches) == 1, batches
    assert set(errors(stack, "Look")[before:]) == {error}


def test_messages_twice_and_out_of_order_change_nothing(stack: Plant, events: Events) -> None:
    bodies = events.of(photos("twice"))
    events.send([*reversed(bodies), *bodies])
    results = check(stack, "twice")
    looked = len(stack.looks("twice/", "screen"))
    told = stack.told("twice/")
    events.send(bodies[2:])
    events.send(bodies[:2])
    assert check(stack, "twice") == results
    assert len(stack.looks("twice/", "screen")) == looked
    assert stack.told("twice/") == told


@pytest.mark.parametrize(
    ("site", "when", "calls"),
    [
        (
            "kill-a",
            "before",
            {
                "Intake": "states:StartExecution",
                "Look": "s3:PutObject",
                "Record": "dynamodb:TransactWriteItems",
                "Choose": "s3:PutObject",
                "Finish": "dynamodb:BatchWriteItem",
                "Deliver": "s3:PutObject",
            },
        ),
        (
            "kill-b",
            "after",
            {
                "Intake": "states:StartExecution",
                "Look": "s3:PutObject",
                "Record": "dynamodb:TransactWriteItems",
                "Choose": "s3:PutObject",
                "Finish": "dynamodb:BatchWriteItem",
                "Deliver": "s3:PutObject",
            },
        ),
        (
            "kill-c",
            "before",
            {
                "Intake": "s3:PutObject",
                "Record": "dynamodb:BatchWriteItem",
                "Deliver": "sns:Publish",
            },
        ),
        (
            "kill-d",
            "after",
            {
                "Intake": "dynamodb:BatchWriteItem",
                "Record": "dynamodb:BatchWriteItem",
                "Deliver": "sns:Publish",
            },
        ),
        ("kill-e", "before", {"Record": "s3:PutObject", "Deliver": "dynamodb:UpdateItem"}),
        ("kill-f", "after", {"Record": "s3:PutObject", "Deliver": "dynamodb:UpdateItem"}),
    ],
)
def test_functions_that_are_killed_around_a_write(
    stack: Plant, events: Events, site: str, when: Literal["before", "after"], calls: dict[str, str]
) -> None:
    before = {name: len(stack.aws.invocations(stack.function(name))) for name in calls}
    for name, call in calls.items():
        stack.aws.kill(stack.function(name), call=call, when=when)
    events.send(events.of(photos(site)))
    for name in calls:
        assert errors(stack, name, before[name]) == ["Runtime.ExitError"], name
    deliver(stack)
    check(stack, site)
    finished(stack, site)


def test_an_anomaly_whose_writer_dies_before_it_hears_the_answer_is_recorded_once(
    stack: Plant, events: Events
) -> None:
    before = len(stack.aws.invocations(stack.function("Record")))
    call = "dynamodb:TransactWriteItems"
    stack.aws.kill(stack.function("Record"), call=call, when="after")
    events.send(events.of(photos("unheard", 1)))
    assert errors(stack, "Record", before) == ["Runtime.ExitError"]
    (result,) = stack.results(photos("unheard", 1)).values()
    (finding,) = (f for f in stack.records.findings().values() if f.asset == result.asset)
    assert (finding.result_id, finding.revision) == (result.key.id, 1)
    assert len({alert["id"] for alert in stack.told("unheard/")}) == 1


def deliver(stack: Plant) -> None:
    """What the schedule does every minute."""
    rules = stack.aws.client("events").list_rules()["Rules"]
    (name,) = (r["Name"] for r in rules if r.get("ScheduleExpression") == "rate(1 minute)")
    stack.aws.fire(name)
    stack.aws.settle(timeout_s=300)


def finished(stack: Plant, site: str, count: int = 1) -> None:
    """As many inspections of a site have a result for each image, and say so."""
    keys = {f"s3://{stack.outputs['SourceBucketName']}/{key}" for key in photos(site)}
    own = [
        inspection
        for inspection in stack.records.inspections()
        if keys & {r.image for r in stack.records.results(inspection_id=inspection.id)}
    ]
    assert len(own) == count
    assert all(inspection.finished_at for inspection in own)


def test_an_alert_that_was_sent_but_not_settled_comes_again_under_its_id(
    stack: Plant, events: Events
) -> None:
    stack.aws.kill(stack.function("Deliver"), call="sns:Publish", when="after")
    events.send(events.of(photos("unsettled")))
    deliver(stack)
    told = stack.told("unsettled/")
    assert len(told) > 1
    assert len({alert["id"] for alert in told}) == 1
    check(stack, "unsettled")


def test_functions_that_are_busy_get_their_turn(stack: Plant, events: Events) -> None:
    waited = len(stack.aws.delays("retry"))
    for name in ("Intake", *STEPS):
        stack.aws.throttle(stack.function(name), times=3)
    events.send(events.of(photos("busy")))
    check(stack, "busy")
    finished(stack, "busy")
    assert len(stack.aws.delays("retry")) >= waited + 3 * len(STEPS)


@pytest.mark.parametrize(
    ("site", "call", "error", "status"),
    [
        ("slow-a", "dynamodb:TransactWriteItems", "ProvisionedThroughputExceededException", 400),
        ("slow-b", "dynamodb:BatchGetItem", "ThrottlingException", 400),
        ("slow-c", "s3:GetObject", "SlowDown", 503),
        ("slow-d", "s3:PutObject", "SlowDown", 503),
        ("slow-e", "sns:Publish", "ThrottlingException", 400),
    ],
)
def test_a_service_that_refuses_for_a_while(
    stack: Plant, events: Events, site: str, call: str, error: str, status: int
) -> None:
    sent = events.of(photos(site))
    stack.aws.refuse(call, error, times=7, status=status)
    events.send(sent)
    deliver(stack)
    check(stack, site)
    finished(stack, site)


def test_a_second_stage_that_is_down_leaves_the_verdict_of_the_first(
    stack: Plant, events: Events
) -> None:
    shut, site = stack.door("second", "shut"), "down"
    first, *others = (f"poles/{site}/{i}.png" for i in range(4))
    sent = events.of(photos(site))
    shut.touch()
    events.send(sent)
    shut.unlink()
    results = stack.results(photos(site))
    assert (results[first].status, results[first].verdict) == (Status.PARTIAL, Verdict.ANOMALY)
    assert results[first].error == "stage confirm: the service does not answer"
    assert {results[key].status for key in others} == {Status.DONE}
    looked = len(stack.looks(f"{site}/", "screen"))
    events.send([later(body) for body in sent])
    check(stack, site, seen=2)
    finished(stack, site, 2)
    again = [each.event["items"] for each in stack.looks(f"{site}/", "screen")[looked:]]
    assert [[item["relative"] for item in items] for items in again] == [[f"{site}/0.png"]]


def later(body: str) -> str:
    """The event of the same capture an hour later."""
    event: dict[str, Any] = json.loads(body)
    time = datetime.fromisoformat(event["time"]) + timedelta(hours=1)
    return json.dumps(event | {"time": time.isoformat()})


def test_dead_letters_go_on_once_the_intake_works_again(stack: Plant, events: Events) -> None:
    ssm, aws = stack.aws.client("ssm"), stack.aws
    (entry,) = ssm.get_parameters_by_path(Path="/walkdown/plant/pipelines/")["Parameters"]
    given = {"Name": entry["Name"], "Type": "String", "Overwrite": True}
    ssm.put_parameter(**given, Value="{}")
    events.send(events.of(photos("dead")))
    dead = stack.outputs["IntakeDeadLettersUrl"]
    wait_until(lambda: len(aws.messages(dead)) == 4, "all are dead letters", timeout_s=120)
    assert stack.results(photos("dead")) == {}
    ssm.put_parameter(**given, Value=entry["Value"])
    assert aws.redrive(dead, stack.outputs["IntakeQueueUrl"]) == 4
    aws.settle(timeout_s=300)
    check(stack, "dead")


def test_a_workflow_in_which_too_much_breaks_stops_and_can_go_on(
    stack: Plant, events: Events
) -> None:
    states, site = stack.aws.client("stepfunctions"), "broken"
    sent = events.of(photos(site))
    look = stack.function("Look")
    stack.aws.refuse("s3:PutObject", "AccessDenied", times=10_000, function=look, status=403)
    before = {each["executionArn"] for each in stack.place.executions()}
    events.send(sent)
    stack.aws.relent()
    assert stack.results(photos(site)) == {}
    stopped = [e for e in stack.place.executions() if e["executionArn"] not in before]
    assert stopped
    for number, each in enumerate(stopped):
        told = states.describe_execution(executionArn=each["executionArn"])
        assert (told["status"], told["error"]) == ("FAILED", "Walkdown.Stopped")
        states.start_execution(
            stateMachineArn=each["stateMachineArn"], name=f"again-{number}", input=told["input"]
        )
    stack.aws.settle(timeout_s=300)
    check(stack, site)
    finished(stack, site)
