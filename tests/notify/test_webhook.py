"""The webhook notifier posts what its docstring says, signed, and takes only 2xx for delivered."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.notify.servers import NOW, Receiver, a_notice, an_alert, http_receiver, two_alerts

from walkdown.errors import NotifyError, SpecError
from walkdown.notify.webhook import WebhookNotifier, signature
from walkdown.types import Notice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


WORD = "hunter2"


def clock() -> datetime:
    return NOW


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with http_receiver() as running:
        yield running


def notifier(url: str, *, secret: str | None = None, timeout_s: float = 5) -> WebhookNotifier:
    return WebhookNotifier(url, secret=secret, timeout_s=timeout_s, clock=clock)


def test_the_body_holds_the_documented_fields(receiver: Receiver) -> None:
    notifier(receiver.url).send(a_notice())
    (posted,) = receiver.posted
    assert posted.path == "/hooks/token?site=north"
    assert posted.headers["Content-Type"] == "application/json"
    assert posted.headers["Idempotency-Key"] == "a1b2"
    assert "Walkdown-Signature" not in posted.headers
    assert json.loads(posted.body) == {
        "id": "a1b2",
        "event": "opened",
        "severity": "high",
        "asset": "pole-17",
        "label": "crack",
        "score": 0.93,
        "area_pct": 1.25,
        "image": "north/pole-17/left.jpg",
        "pipeline": "poles",
        "inspection": "i1",
        "opened_at": "2026-11-20T09:30:00+00:00",
        "seen_at": "2026-11-21T01:00:00+00:00",
        "result_id": "r1",
    }


@pytest.mark.parametrize(
    ("notice", "asset"),
    [
        (two_alerts(), {"asset": "pole-17"}),
        (two_alerts(assets=("pole-17", "pole-18")), {}),
        (two_alerts(more=3), {}),
    ],
    ids=["one asset", "two assets", "a storm"],
)
def test_the_body_of_several_lists_todays_bodies(
    receiver: Receiver, notice: Notice, asset: dict[str, str]
) -> None:
    for alert in notice.alerts:
        notifier(receiver.url).send(Notice((alert,)))
    notifier(receiver.url).send(notice)
    *each, posted = receiver.posted
    assert posted.headers["Idempotency-Key"] == notice.id
    assert json.loads(posted.body) == asset | {
        "id": notice.id,
        "severity": "high",
        "more": notice.more,
        "alerts": [json.loads(one.body) for one in each],
    }


def test_the_signature_can_be_checked_by_the_receiver(receiver: Receiver) -> None:
    notifier(receiver.url, secret=WORD).send(a_notice())
    (posted,) = receiver.posted
    timestamp = posted.headers["Walkdown-Timestamp"]
    assert int(timestamp) == int(NOW.timestamp())
    expected = hmac.digest(WORD.encode(), timestamp.encode() + b"." + posted.body, hashlib.sha256)
    assert posted.headers["Walkdown-Signature"] == f"v1={expected.hex()}"
    assert signature(WORD, timestamp, posted.body) == f"v1={expected.hex()}"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered(receiver: Receiver, status: int) -> None:
    receiver.status = status
    notifier(receiver.url).send(a_notice())
    assert len(receiver.posted) == 1


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (302, "answered 302 Found; .* it has moved: put its new URL in the settings"),
        (304, "answered 304"),
        (400, "answered 400 Bad Request; .* check what the receiver expects"),
        (401, "answered 401 Unauthorized; .* check the secret"),
        (404, "answered 404 Not Found; .* check the URL"),
        (429, "answered 429 Too Many Requests; .* try again later"),
        (503, "answered 503 Service Unavailable; .* try again later"),
        (799, "answered 799; "),
    ],
)
def test_anything_else_is_an_error_that_says_what_to_do(
    receiver: Receiver, status: int, message: str
) -> None:
    receiver.status = status
    with pytest.raises(NotifyError, match=rf"webhook http://127\.0\.0\.1: {message}"):
        notifier(receiver.url).send(a_notice())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(receiver: Receiver, status: int) -> None:
    receiver.status = status
    receiver.headers = {"Location": receiver.url}
    with pytest.raises(NotifyError, match="it has moved"):
        notifier(receiver.url).send(a_notice())
    assert len(receiver.posted) == 1


def test_a_receiver_that_hangs_up(receiver: Receiver) -> None:
    receiver.status = None
    with pytest.raises(NotifyError, match="not delivered"):
        notifier(receiver.url).send(a_notice())


def test_a_receiver_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(NotifyError, match=r"not delivered \(timed out\)"):
            notifier(url, timeout_s=0.1).send(a_notice())


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/"
    with pytest.raises(NotifyError, match="check the URL and the network"):
        notifier(url).send(a_notice())


def test_a_plain_server_behind_https_is_an_error(receiver: Receiver) -> None:
    with pytest.raises(NotifyError, match=r"webhook https://127\.0\.0\.1: not delivered"):
        notifier(receiver.url.replace("http:", "https:")).send(a_notice())
    assert receiver.posted == []


def test_what_can_not_be_sent_is_an_error_of_ours(receiver: Receiver) -> None:
    alert = an_alert()
    for odd in (
        replace(alert, id="a\r\nX-Other: 1"),
        replace(alert, finding=replace(alert.finding, score=float("nan"))),
    ):
        with pytest.raises(NotifyError, match="not delivered"):
            notifier(receiver.url).send(Notice((odd,)))
    assert receiver.posted == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com/x",
        "file:///etc/passwd",
        "ftp://example.com/",
        "http://",
        "https:///path",
        "http://example.com:70000/",
        "http://example.com:0/",
        "http://[::1/",
        "http://example.com/a b",
        "http://example.com/\r\nX: 1",
        "ht\ntp://example.com/",
        "http://exämple.com/",
    ],
)
def test_only_http_and_https_urls_are_admitted(url: str) -> None:
    with pytest.raises(SpecError, match="the URL can't be used"):
        notifier(url)


def test_a_login_in_the_url_is_refused_without_repeating_it() -> None:
    with pytest.raises(SpecError, match="carries a login") as caught:
        notifier("https://me:hunter2@example.com/")
    assert WORD not in str(caught.value)


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(SpecError, match="secret is empty"):
        notifier("https://example.com/", secret="")


def test_neither_secret_nor_path_is_shown(receiver: Receiver) -> None:
    subject = notifier(receiver.url, secret=WORD)
    receiver.status = 500
    with pytest.raises(NotifyError) as caught:
        subject.send(a_notice())
    for text in (repr(subject), str(caught.value)):
        assert WORD not in text
        assert "token" not in text
