"""Events as rules see them: documented, one for each alert, and none lost by a half-failed call."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import jsonschema  # type: ignore[import-untyped]
import pytest
from tests.notify.clouds import ACCOUNT, REGION, Cloud, an_account
from tests.notify.servers import a_notice, an_alert, two_alerts

from walkdown.errors import NotifyError
from walkdown.notify.bodies import alert_body
from walkdown.notify.eventbridge import MAX_BYTES, EventBridgeNotifier
from walkdown.types import Alert, Notice

if TYPE_CHECKING:
    from walkdown.sdk.aws import Aws

PAGE = Path(__file__).parents[2] / "docs" / "alerts.md"
ALL: dict[str, object] = {"source": ["walkdown"]}


@pytest.fixture
def account(moto_aws: Aws) -> Cloud:
    return an_account(moto_aws)


def schemas() -> dict[str, dict[str, Any]]:
    """The documented schemas of details, by the event's name."""
    blocks = re.findall(r"^```json\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    known = [schema for schema in map(json.loads, blocks) if "$schema" in schema]
    return {name: schema for schema in known for name in schema["title"].split(" or ")}


class Bus:
    """A client whose answers a test gives; then it takes everything. Keeps what it was asked."""

    class meta:  # noqa: N801 (boto3's name)
        partition = "aws"

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.calls: list[list[dict[str, Any]]] = []

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.calls.append(Entries)
        codes = self.answers.pop(0) if self.answers else [""] * len(Entries)
        said = [{"ErrorCode": c, "ErrorMessage": "no"} if c else {"EventId": "1"} for c in codes]
        return {"FailedEntryCount": sum(map(bool, codes)), "Entries": said}


def details(calls: list[list[dict[str, Any]]]) -> list[list[str]]:
    return [[json.loads(entry["Detail"])["id"] for entry in call] for call in calls]


def many(count: int, *, name: str = "pole") -> Notice:
    return Notice(tuple(an_alert(asset=name, identity=f"a{i}") for i in range(count)))


@pytest.mark.parametrize(
    ("event", "kind"), [("opened", "Finding Opened"), ("raised", "Finding Raised")]
)
def test_an_event_is_what_the_documents_say(
    account: Cloud, event: Literal["opened", "raised"], kind: str
) -> None:
    queue = account.ruled("everything", ALL)
    alert = replace(an_alert(), event=event)
    EventBridgeNotifier(account.client("events")).send(Notice((alert,)))
    (got,) = account.received(queue)
    assert (got["source"], got["detail-type"], got["resources"]) == ("walkdown", kind, [])
    link = "walkdown show north/pole-17/left.jpg"
    assert got["detail"] == alert_body(alert) | {"schema": 1, "link": link}
    check(got["detail"], schemas()[kind])


def check(detail: dict[str, Any], schema: dict[str, Any]) -> None:
    """Valid, and without a field that is not documented or could be missing."""
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(detail, schema, jsonschema.Draft202012Validator)
    assert set(detail) == set(schema["properties"]) == set(schema["required"])


def test_the_rest_of_a_storm_is_one_event_with_its_count(account: Cloud) -> None:
    queue = account.ruled("everything", ALL)
    EventBridgeNotifier(account.client("events")).send(two_alerts(more=40))
    *alerts, held = account.received(queue)
    assert [got["detail"]["id"] for got in alerts] == ["a1", "a2"]
    assert held["detail-type"] == "Findings Held Back"
    identity = two_alerts(more=40).id
    assert held["detail"] == {"schema": 1, "id": identity, "severity": "high", "more": 40}
    check(held["detail"], schemas()["Findings Held Back"])


def test_the_schema_notices_what_is_wrong() -> None:
    detail = alert_body(an_alert()) | {"schema": 1, "link": "walkdown show x"}
    check(detail, schemas()["Finding Opened"])
    wrong = ({"schema": 2}, {"severity": "bad"}, {"score": 1.5}, {"asset": None}, {"seen_at": ""})
    for each in wrong:
        with pytest.raises(jsonschema.ValidationError):
            check(detail | each, schemas()["Finding Opened"])


def test_a_rule_can_ask_for_what_matters(account: Cloud) -> None:
    pattern = {"detail": {"severity": ["high"], "asset": [{"prefix": "south/"}]}}
    queue = account.ruled("south", ALL | pattern)
    notice = two_alerts(assets=("south/pole-1", "north/pole-2"))
    EventBridgeNotifier(account.client("events")).send(notice)
    assert [got["detail"]["asset"] for got in account.received(queue)] == ["south/pole-1"]


def test_a_bus_of_its_own_by_name_and_by_arn(account: Cloud) -> None:
    events = account.client("events")
    events.create_event_bus(Name="plant")
    queue = account.ruled("plant", ALL, bus="plant")
    for bus in ("plant", f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/plant", "default"):
        EventBridgeNotifier(events, bus=bus).send(a_notice())
    assert len(account.received(queue)) == 2


def from_s3(key: str) -> Alert:
    alert = an_alert()
    return replace(alert, finding=replace(alert.finding, image=f"s3://photos/{key}"))


def test_a_photograph_in_s3_is_the_events_resource(account: Cloud) -> None:
    queue = account.ruled("everything", ALL)
    notice = Notice((from_s3("north/a%20b%2Bc.jpg"),))
    EventBridgeNotifier(account.client("events")).send(notice)
    (got,) = account.received(queue)
    assert got["resources"] == ["arn:aws:s3:::photos/north/a b+c.jpg"]


def test_the_link_is_a_command_or_an_address_with_everything_quoted() -> None:
    hostile = from_s3("it's $(here)/x y.jpg")
    bus = Bus()
    EventBridgeNotifier(bus).send(Notice((hostile,)))
    address = "https://plant.example/{inspection}/{result}?of={image}"
    EventBridgeNotifier(bus, link=address).send(Notice((hostile,)))
    command, link = (json.loads(call[0]["Detail"])["link"] for call in bus.calls)
    assert shlex.split(command) == ["walkdown", "show", hostile.finding.image]
    quoted = "s3%3A%2F%2Fphotos%2Fit%27s%20%24%28here%29%2Fx%20y.jpg"
    assert link == f"https://plant.example/i1/r1?of={quoted}"


def test_no_call_has_more_entries_than_ten() -> None:
    bus = Bus()
    EventBridgeNotifier(bus).send(replace(many(21), more=1))
    assert [len(call) for call in bus.calls] == [10, 10, 2]


def test_no_call_is_larger_than_the_bus_takes() -> None:
    bus = Bus()
    EventBridgeNotifier(bus).send(many(10, name="\U0001f600" * 9999))
    assert sum(len(call) for call in bus.calls) == 10
    assert 1 < len(bus.calls) < 10
    for call in bus.calls:
        assert sum(len(json.dumps(entry)) for entry in call) <= MAX_BYTES


def test_what_alone_was_refused_is_put_again() -> None:
    bus = Bus(["", "ThrottlingException", "InternalFailure"], ["", "InternalFailure"])
    pauses: list[float] = []
    EventBridgeNotifier(bus, sleep=pauses.append).send(many(3))
    assert details(bus.calls) == [["a0", "a1", "a2"], ["a1", "a2"], ["a2"]]
    assert pauses == sorted(pauses)
    assert len(pauses) == 2


@pytest.mark.parametrize(
    ("code", "advised"),
    [
        ("ThrottlingException", "run again in a minute"),
        ("InternalFailure", "AWS has a fault"),
        ("AccessDeniedException", "let your AWS user or role do"),
        ("MalformedDetail", "check what was asked for"),
    ],
)
def test_what_is_refused_for_good_is_an_error_that_says_why(code: str, advised: str) -> None:
    bus = Bus(*[[code]] * 3)
    with pytest.raises(NotifyError, match=rf"bus default refuses .*{code}.*{advised}.*alerts wait"):
        EventBridgeNotifier(bus, sleep=lambda _: None).send(a_notice())
    assert len(bus.calls) == 3


def test_nothing_goes_on_after_a_refused_call() -> None:
    bus = Bus(*[["MalformedDetail"] * 10] * 3)
    with pytest.raises(NotifyError):
        EventBridgeNotifier(bus, sleep=lambda _: None).send(many(20))
    assert {identity for call in details(bus.calls) for identity in call} == {
        f"a{i}" for i in range(10)
    }


def test_a_call_that_fails_is_an_error_of_ours(account: Cloud) -> None:
    with pytest.raises(NotifyError, match=r"bus gone.*does not exist.*the alerts wait") as caught:
        EventBridgeNotifier(account.client("events"), bus="gone").send(a_notice())
    assert caught.value.__cause__ is not None


def test_a_number_that_is_none_is_an_error_of_ours() -> None:
    alert = an_alert()
    odd = replace(alert, finding=replace(alert.finding, score=float("nan")))
    with pytest.raises(NotifyError, match="the bus default"):
        EventBridgeNotifier(Bus()).send(Notice((odd,)))
