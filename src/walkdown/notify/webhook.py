"""Posts notices as JSON to a URL.

The body is one JSON object. Of one alert: ``id``, ``event`` (``opened`` or ``raised``),
``severity``, ``asset``, ``label``, ``score``, ``area_pct``, ``image``, ``pipeline``,
``inspection``, ``opened_at``, ``seen_at`` (ISO 8601, UTC) and ``result_id``. Of several: ``id`` (of
the notice), ``severity`` (the worst), ``asset`` (not in a storm), ``more`` (how many are only
counted) and ``alerts``, a list of objects such as that of one alert. The header
``Idempotency-Key`` repeats the id: a second request with the same one can be dropped.

With a secret, ``Walkdown-Timestamp`` holds the time in seconds since 1970 and
``Walkdown-Signature`` holds ``v1=`` and the HMAC-SHA256, in hex, of timestamp, a full stop and the
body. To check a request: compute `signature` over the header and the body as received, compare in
constant time (``hmac.compare_digest``), and refuse a timestamp more than five minutes away.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
from dataclasses import KW_ONLY, dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from walkdown.errors import NotifyError, SpecError
from walkdown.notify.bodies import notice_body
from walkdown.notify.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from walkdown.types import Notice


@dataclass(frozen=True, slots=True)
class WebhookNotifier:
    """Delivered is what the receiver answers with 2xx; no redirect is followed, and no proxy used.

    The path of a webhook's URL is often a password itself, so messages name scheme and host only.
    ``timeout_s`` holds for connecting and for each wait. Raises `SpecError` for a URL that isn't
    http or https with a host, or that carries a login.
    """

    url: str = field(repr=False)
    _: KW_ONLY
    clock: Callable[[], datetime]
    secret: str | None = field(default=None, repr=False)
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        _checked(self.url)
        if self.secret is not None and not self.secret:
            raise SpecError("webhook: the secret is empty: give one, or leave it out")

    def send(self, notice: Notice) -> None:
        try:
            status = self._post(notice)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = one_line(str(error)) or type(error).__name__
            raise self._failed(
                f"not delivered ({reason})", "check the URL and the network"
            ) from error
        if not 200 <= status < 300:
            raise self._failed(f"answered {status}{_phrase(status)}", _advice(status))

    def _post(self, notice: Notice) -> int:
        parts = _checked(self.url)
        body = json.dumps(notice_body(notice), allow_nan=False).encode()
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self.timeout_s)
        try:
            connection.request("POST", path, body, self._headers(notice, body))
            return connection.getresponse().status
        finally:
            connection.close()

    def _headers(self, notice: Notice, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "walkdown",
            "Idempotency-Key": notice.id,
        }
        if self.secret is not None:
            timestamp = str(int(self.clock().timestamp()))
            headers["Walkdown-Timestamp"] = timestamp
            headers["Walkdown-Signature"] = signature(self.secret, timestamp, body)
        return headers

    def _failed(self, reason: str, advice: str) -> NotifyError:
        parts = urlsplit(self.url)
        return NotifyError(
            f"webhook {parts.scheme}://{parts.hostname}: {reason};"
            f" the alerts wait and are sent again: {advice}"
        )


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What ``Walkdown-Signature`` must be for this timestamp and body.

    >>> signature("secret", "1795225352", b"{}")[:11]
    'v1=8a27021a'
    """
    message = timestamp.encode() + b"." + body
    return "v1=" + hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _checked(url: str) -> SplitResult:
    """The parts of the URL. The message never repeats it, since it may hold a password."""
    problem = "it must be http:// or https:// and a host, in plain characters"
    if not (url.isascii() and url.isprintable() and " " not in url):
        raise SpecError(f"webhook: the URL can't be used: {problem}")
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise SpecError(f"webhook: the URL can't be used: {problem}") from error
    if not valid:
        raise SpecError(f"webhook: the URL can't be used: {problem}")
    if parts.username is not None or parts.password is not None:
        raise SpecError("webhook: the URL carries a login: leave it out and use a secret")
    return parts


def _phrase(status: int) -> str:
    return f" {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else ""


def _advice(status: int) -> str:
    if 300 <= status < 400:
        return "it has moved: put its new URL in the settings"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return "check the secret and what the URL admits"
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return "check the URL"
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500:
        return "the receiver is overloaded or broken: try again later"
    return "check what the receiver expects"
