"""Puts alerts on an Amazon EventBridge bus, one event each, so that rules can act on findings.

An event's ``detail`` is the body of `bodies.alert_body` with ``schema`` (1) and ``link``; its
``resources`` name the photograph's ARN where it lies in S3. What a storm's notice only counts is
one event ``Findings Held Back``. The schemas are in docs/alerts.md.
https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
"""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from walkdown.errors import NotifyError
from walkdown.notify.bodies import alert_body, strict_text
from walkdown.sdk.aws import AwsError, explained, shown
from walkdown.sdk.aws_words import advice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from walkdown.types import Alert, Notice

Entry = dict[str, object]

SCHEMA = 1
"""Version of the details: raised when a field changes its meaning or goes, not when one is new."""

MAX_ENTRIES = 10
MAX_BYTES = 256 * 1024
"""What one call takes, over all of its entries."""

_PAUSES_S = (0.2, 1.0)
_EVENTS = {"opened": "Finding Opened", "raised": "Finding Raised"}


@dataclass(frozen=True, slots=True)
class EventBridgeNotifier:
    """Puts events on a bus, by its name or ARN; what the bus refuses is tried three times in all.

    ``link`` says in each event how to see the result: an address in which ``{result}``,
    ``{inspection}`` and ``{image}`` are filled in, quoted; without one it is the command
    ``walkdown show``.
    """

    client: Any
    _: KW_ONLY
    bus: str = "default"
    link: str | None = None
    sleep: Callable[[float], None] = time.sleep

    def send(self, notice: Notice) -> None:
        try:
            for entries in _calls(self._entries(notice)):
                self._put(entries)
        except AwsError as error:
            raise NotifyError(f"{error}; the alerts wait and are sent again") from error
        except ValueError as error:
            raise NotifyError(f"cannot tell the bus {self.bus} of an alert: {error}") from error

    def _entries(self, notice: Notice) -> Iterator[Entry]:
        for alert in notice.alerts:
            detail = alert_body(alert, strict=True) | {"link": strict_text(self._link(alert))}
            yield self._entry(_EVENTS[alert.event], detail, self._resources(alert))
        if notice.more:
            detail = {"id": notice.id, "severity": notice.severity.value, "more": notice.more}
            yield self._entry("Findings Held Back", detail, [])

    def _entry(self, kind: str, detail: Mapping[str, object], resources: list[str]) -> Entry:
        return {
            "EventBusName": self.bus,
            "Source": "walkdown",
            "DetailType": kind,
            "Detail": json.dumps({"schema": SCHEMA, **detail}, allow_nan=False),
            "Resources": resources,
        }

    def _resources(self, alert: Alert) -> list[str]:
        scheme, _, path = alert.finding.image.partition("://")
        if scheme != "s3":
            return []
        return [strict_text(f"arn:{self.client.meta.partition}:s3:::{unquote(path)}")]

    def _link(self, alert: Alert) -> str:
        finding = alert.finding
        if self.link is None:
            return f"walkdown show {shlex.quote(finding.image)}"
        link = self.link
        known = (("result", finding.result_id), ("inspection", alert.inspection))
        for name, value in (*known, ("image", finding.image)):
            link = link.replace(f"{{{name}}}", quote(value, safe="", errors="replace"))
        return link

    def _put(self, entries: Sequence[Entry]) -> None:
        refused = self._refused(entries)
        for pause in _PAUSES_S:
            if refused:
                self.sleep(pause)
                refused = self._refused([entry for entry, _ in refused])
        if refused:
            raise self._failed(refused[0][1])

    def _refused(self, entries: Sequence[Entry]) -> list[tuple[Entry, Mapping[str, str]]]:
        """What a call could not put, and what the bus says of each."""
        with explained(f"put events on the bus {self.bus}"):
            answer = self.client.put_events(Entries=entries)
        if not answer["FailedEntryCount"]:
            return []
        pairs = zip(entries, answer["Entries"], strict=True)
        return [(entry, said) for entry, said in pairs if said.get("ErrorCode")]

    def _failed(self, said: Mapping[str, str]) -> NotifyError:
        code, words = said["ErrorCode"], shown(said.get("ErrorMessage", ""))
        what_next = advice(code, 500 if code.startswith("Internal") else 400, words, "PutEvents")
        return NotifyError(
            f"the event bus {self.bus} refuses an event: AWS says {code} ({words:.300}); "
            f"{what_next}; the alerts wait and are sent again"
        )


def _calls(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    """Entries that fit into one call each."""
    call: list[Entry] = []
    size = 0
    for entry in entries:
        weight = _weight(entry)
        if call and (len(call) == MAX_ENTRIES or size + weight > MAX_BYTES):
            yield call
            call, size = [], 0
        call.append(entry)
        size += weight
    if call:
        yield call


def _weight(entry: Entry) -> int:
    """No fewer bytes than AWS counts."""
    return len(json.dumps(entry))
