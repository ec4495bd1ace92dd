"""What every notifier promises, run over all of them."""

from __future__ import annotations

import json
import logging
import re
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.notify.clouds import TOPICS, Cloud, an_account
from tests.notify.servers import NOW, a_notice, http_receiver, smtp_server, two_alerts

from walkdown.errors import NotifyError
from walkdown.notify.eventbridge import EventBridgeNotifier
from walkdown.notify.log import LogNotifier
from walkdown.notify.memory import MemoryNotifier
from walkdown.notify.smtp import SmtpNotifier
from walkdown.notify.sns import SnsNotifier
from walkdown.notify.webhook import WebhookNotifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from walkdown.ports import Notifier
    from walkdown.sdk.aws import Aws

WORD = "hunter2"


@dataclass
class Desk:
    """A notifier, and the ids of the alerts that arrived where it delivers them."""

    notifier: Notifier
    arrived: Callable[[], list[str]]


def clock() -> datetime:
    return NOW


def ids_of(body: str | bytes) -> list[str]:
    """The alerts of a notice in JSON."""
    notice = json.loads(body)
    return [alert["id"] for alert in notice.get("alerts", [notice])]


@contextmanager
def memory() -> Iterator[Desk]:
    notifier = MemoryNotifier()
    yield Desk(notifier, lambda: [alert.id for notice in notifier.sent for alert in notice.alerts])


@contextmanager
def log() -> Iterator[Desk]:
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.extend(record.getMessage().splitlines())  # type: ignore[method-assign]
    logger = logging.getLogger("walkdown.alerts")
    logger.addHandler(handler)
    try:
        yield Desk(LogNotifier(), lambda: [re.findall(r"alert (\w+)\)$", li)[0] for li in lines])
    finally:
        logger.removeHandler(handler)


@contextmanager
def webhook() -> Iterator[Desk]:
    with http_receiver() as receiver:
        notifier = WebhookNotifier(receiver.url, secret=WORD, clock=clock)
        yield Desk(notifier, lambda: [i for p in receiver.posted for i in ids_of(p.body)])


@contextmanager
def smtp() -> Iterator[Desk]:
    with smtp_server() as mailbox:
        notifier = SmtpNotifier(
            "127.0.0.1", mailbox.port, "w@a.example", ["o@a.example"], clock=clock, security="none"
        )
        find = re.compile(r"^Alert: +(\w+)\s*$", re.MULTILINE)
        mails = mailbox.parsed
        yield Desk(notifier, lambda: [i for m in mails() for i in find.findall(m.get_content())])


@contextmanager
def sns(aws: Aws) -> Iterator[Desk]:
    account = an_account(aws)
    queue = account.subscribed(f"{TOPICS}high", "all", raw=True)
    yield Desk(SnsNotifier(account.client("sns"), TOPICS), partial(queued, account, queue))


@contextmanager
def eventbridge(aws: Aws) -> Iterator[Desk]:
    account = an_account(aws)
    queue = account.ruled("all", {"source": ["walkdown"]})
    yield Desk(EventBridgeNotifier(account.client("events")), partial(queued, account, queue))


def queued(account: Cloud, queue: str) -> list[str]:
    """The alerts of a queue's messages: notices, or events with one alert each."""
    bodies = [message.get("detail", message) for message in account.received(queue)]
    return [i for body in bodies for i in ids_of(json.dumps(body))]


@pytest.fixture(
    params=[memory, log, webhook, smtp, sns, eventbridge], ids=lambda desk: desk.__name__
)
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    cloudy = request.param in (sns, eventbridge)
    given = [request.getfixturevalue("moto_aws")] if cloudy else []
    with request.param(*given) as opened:
        yield opened


def test_an_alert_arrives_once_with_its_id(desk: Desk) -> None:
    desk.notifier.send(a_notice(identity="a1"))
    desk.notifier.send(a_notice(identity="a2"))
    assert desk.arrived() == ["a1", "a2"]


def test_a_notice_of_several_tells_each_in_its_order(desk: Desk) -> None:
    desk.notifier.send(two_alerts())
    assert desk.arrived() == ["a1", "a2"]


def test_a_repeated_alert_arrives_with_the_same_id(desk: Desk) -> None:
    for _ in range(2):
        desk.notifier.send(a_notice(identity="a1"))
    assert desk.arrived() == ["a1", "a1"]


@pytest.mark.parametrize("name", ["a\r\nb: c\n\n.\r\n", "\udcff\x00", "ø漢 %s {0}", "x" * 5000, ""])
def test_no_name_breaks_the_message(desk: Desk, name: str) -> None:
    desk.notifier.send(a_notice(asset=name, label=name, identity="a1"))
    assert desk.arrived() == ["a1"]


def test_a_failure_is_an_error_that_names_where() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    smtp_down = SmtpNotifier("127.0.0.1", port, "w@a.example", ["o@a.example"], clock=clock)
    webhook_down = WebhookNotifier(f"http://127.0.0.1:{port}/", clock=clock)
    for notifier in (smtp_down, webhook_down):
        with pytest.raises(NotifyError, match=r"127\.0\.0\.1.*the alerts wait"):
            notifier.send(a_notice())
