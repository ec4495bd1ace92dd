"""What subscribers of a topic get: people text, machines JSON, each what its filter asks for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.notify.clouds import ACCOUNT, LEVELS, REGION, TOPICS, Cloud, an_account
from tests.notify.servers import a_notice, an_alert, two_alerts

from walkdown.errors import NotifyError
from walkdown.notify.bodies import notice_body
from walkdown.notify.sns import MAX_BYTES, SnsNotifier, attributes, subject
from walkdown.notify.wording import headline, letter
from walkdown.types import Notice, Severity

if TYPE_CHECKING:
    from walkdown.sdk.aws import Aws

HIGH = f"{TOPICS}high"
NAMES = st.text(alphabet=st.characters(), max_size=400)


@pytest.fixture
def account(moto_aws: Aws) -> Cloud:
    return an_account(moto_aws)


class Kept:
    """Takes what would be published; a client's one method."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def publish(self, **call: Any) -> None:
        self.calls.append(call)


def published(notice: Notice) -> dict[str, Any]:
    client = Kept()
    SnsNotifier(client, TOPICS).send(notice)
    (call,) = client.calls
    return call


def forms(notice: Notice) -> dict[str, str]:
    found = json.loads(published(notice)["Message"])
    assert isinstance(found, dict)
    return found


def weight(call: dict[str, Any]) -> int:
    named = call["MessageAttributes"].items()
    sizes = [len((name + v["DataType"] + v["StringValue"]).encode()) for name, v in named]
    return len(call["Message"].encode()) + sum(sizes)


def test_a_queue_gets_the_documented_json_and_the_subject(account: Cloud) -> None:
    queue = account.subscribed(HIGH, "all")
    SnsNotifier(account.client("sns"), TOPICS).send(two_alerts(more=3))
    (envelope,) = account.received(queue)
    assert json.loads(envelope["Message"]) == notice_body(two_alerts(more=3))
    assert envelope["Subject"] == "[HIGH] 5 alerts on several assets, the worst: crack on pole-17"


def test_raw_delivery_is_the_json_alone(account: Cloud) -> None:
    queue = account.subscribed(HIGH, "raw", raw=True)
    SnsNotifier(account.client("sns"), TOPICS).send(a_notice())
    assert account.received(queue) == [notice_body(a_notice())]


def test_each_severity_has_its_topic_and_the_worst_counts(account: Cloud) -> None:
    queues = {level: account.subscribed(f"{TOPICS}{level}", level) for level in LEVELS}
    notifier = SnsNotifier(account.client("sns"), TOPICS)
    for severity in Severity:
        mild = an_alert(severity=Severity.LOW, identity="mild")
        notifier.send(Notice((an_alert(severity=severity), mild)))
    found = {level: account.received(queue) for level, queue in queues.items()}
    told = {
        level: [json.loads(m["Message"])["severity"] for m in got] for level, got in found.items()
    }
    assert told == {level: [level] for level in LEVELS}


def test_one_topic_takes_every_severity(account: Cloud) -> None:
    topic = account.client("sns").create_topic(Name="crew")["TopicArn"]
    queue = account.subscribed(topic, "crew")
    for severity in Severity:
        SnsNotifier(account.client("sns"), topic).send(Notice((an_alert(severity=severity),)))
    assert len(account.received(queue)) == 4


@pytest.mark.parametrize(
    ("policy", "passes"),
    [
        ({"severity": ["high"]}, True),
        ({"severity": ["critical"]}, False),
        ({"label": ["rust"]}, True),
        ({"label": ["dent"]}, False),
        ({"asset": ["north/pole-17"], "pipeline": ["poles"]}, True),
        ({"asset": [{"prefix": "south/"}]}, False),
        ({"site": ["north"]}, True),
        ({"event": ["raised"]}, False),
        ({"more": [{"numeric": [">", 0]}]}, True),
    ],
    ids=str,
)
def test_a_subscription_can_filter(
    account: Cloud, policy: dict[str, object], *, passes: bool
) -> None:
    queue = account.subscribed(HIGH, "some", policy)
    assets = ("north/pole-17", "north/pole-17")
    SnsNotifier(account.client("sns"), TOPICS).send(two_alerts(assets=assets, more=1))
    assert bool(account.received(queue)) is passes


def test_a_mail_is_readable_and_a_text_message_is_its_first_line() -> None:
    found = forms(two_alerts())
    assert found["email"] == f"{headline(two_alerts())}\n\n{letter(two_alerts())}"
    assert found["sms"] == "[HIGH] 2 alerts on pole-17: crack, rust"
    long = forms(a_notice(asset="pole " * 99))["sms"]
    assert (len(long), long[-3:]) == (140, "...")


@given(asset=NAMES, label=NAMES)
def test_no_name_makes_a_subject_that_sns_refuses(asset: str, label: str) -> None:
    text = subject(a_notice(asset=asset, label=label))
    assert text.isascii()
    assert text.isprintable()
    assert text.startswith("[HIGH]")
    assert len(text) < 100


def test_a_subject_keeps_what_ascii_can_say() -> None:
    assert subject(a_notice(asset="Müllers Straße", label="漢")) == (
        "[HIGH] ? on Mullers Stra?e: opened"
    )


@given(asset=NAMES, label=NAMES)
def test_no_name_makes_an_attribute_that_sns_refuses(asset: str, label: str) -> None:
    odd = replace(two_alerts().alerts[0], finding=an_alert(asset=asset, label=label).finding)
    for notice in (Notice((odd,)), Notice((odd, *two_alerts().alerts))):
        known = attributes(notice)
        assert len(known) <= 10
        for each in known.values():
            text = each["StringValue"]
            assert text.encode()
            values = json.loads(text) if each["DataType"] == "String.Array" else [text]
            assert all(0 < len(value) <= 256 and value.isprintable() for value in values)


def test_an_image_without_an_asset_has_no_site() -> None:
    assert "site" not in attributes(a_notice(asset="s3://photos/north/1.jpg"))
    assert "site" not in attributes(a_notice(asset="pole-17"))


def test_a_large_notice_is_shortened_and_the_rest_counted() -> None:
    alerts = tuple(an_alert(label=f"{i:03}" + "é" * 900, identity=f"a{i}") for i in range(300))
    notice = Notice(alerts, more=7)
    call = published(notice)
    assert MAX_BYTES * 0.7 < weight(call) <= MAX_BYTES
    body = json.loads(json.loads(call["Message"])["default"])
    told = [alert["id"] for alert in body["alerts"]]
    assert told == [f"a{i}" for i in range(len(told))]
    assert len(told) + body["more"] == 307
    assert body["id"] == notice.id


def test_a_single_alert_always_fits() -> None:
    name = "\U0001f600" * 50_000
    assert weight(published(a_notice(asset=name, label=name))) <= MAX_BYTES


def test_a_topic_that_is_gone_is_an_error_that_says_what_to_do(account: Cloud) -> None:
    gone = f"arn:aws:sns:{REGION}:{ACCOUNT}:gone"
    with pytest.raises(NotifyError, match=rf"{gone}.*does not exist.*the alerts wait") as caught:
        SnsNotifier(account.client("sns"), gone).send(a_notice())
    assert caught.value.__cause__ is not None


def test_a_number_that_is_none_is_an_error_of_ours() -> None:
    alert = an_alert()
    odd = replace(alert, finding=replace(alert.finding, score=float("nan")))
    with pytest.raises(NotifyError, match="plant-alerts-high"):
        published(Notice((odd,)))
