"""What the functions of a stack said: lines of their log groups, merged by time."""

from __future__ import annotations

import heapq
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from walkdown.errors import NotFound
from walkdown.sdk.aws import AwsError, explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FUNCTIONS: Final = ("Intake", "Look", "Record", "Choose", "Finish", "Deliver", "Compact", "Presign")
POLL_S: Final = 2.0
LATENESS: Final = timedelta(seconds=30)
"""A line may become readable so long after its time."""

_FIRST: Final = ("stage", "inspection", "batch")
_HIDDEN: Final = frozenset({"_aws", "step", "stack", "level", "error", "message", *_FIRST})


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """One line of a function's log. ``id`` is CloudWatch's."""

    at: datetime
    id: str
    function: str = field(compare=False)
    text: str = field(compare=False)

    @property
    def fields(self) -> dict[str, Any] | None:
        """What it says, where it is one JSON object."""
        try:
            value = json.loads(self.text)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None


def group_of(stack: str, function: str) -> str:
    """The log group of a function, by its name in any case. Raises `NotFound` for another one."""
    known = {name.lower(): name for name in FUNCTIONS}
    if function.lower() not in known:
        raise NotFound(f"there is no function {function!r}; there are {', '.join(known)}")
    return f"/walkdown/{stack}/{known[function.lower()]}"


class Logs:
    """The log groups of one stack. ``client`` is boto3's of CloudWatch Logs."""

    def __init__(self, client: Any, stack: str, *, functions: Sequence[str] = FUNCTIONS) -> None:
        self._client = client
        self._groups = {group_of(stack, name): name.lower() for name in functions}

    def lines(self, *, since: datetime, about: str | None = None) -> Iterator[Line]:
        """Lines since then, oldest first; with ``about``, those alone that hold these words."""
        groups = [self._of(group, since, about) for group in self._groups]
        yield from heapq.merge(*groups)

    def follow(
        self, *, since: datetime, about: str | None, sleep: Callable[[float], None]
    ) -> Iterator[Line]:
        """Lines as they come, without an end."""
        told: dict[str, datetime] = {}
        while True:
            for line in self.lines(since=since, about=about):
                if line.id not in told:
                    told[line.id] = line.at
                    yield line
            since = max([since, *(at - LATENESS for at in told.values())])
            told = {identity: at for identity, at in told.items() if at >= since}
            sleep(POLL_S)

    def _of(self, group: str, since: datetime, about: str | None) -> Iterator[Line]:
        asked: dict[str, Any] = {"startTime": int(since.timestamp() * 1000)}
        if about:
            asked["filterPattern"] = json.dumps(about)
        pages = self._client.get_paginator("filter_log_events")
        try:
            with explained(f"read the log {group}"):
                for page in pages.paginate(logGroupName=group, **asked):
                    for event in sorted(page["events"], key=lambda each: int(each["timestamp"])):
                        yield _line(event, self._groups[group])
        except AwsError as e:
            if e.code != "ResourceNotFoundException":
                raise


def readable(line: Line) -> str:
    """A line for people: when, which step, what about, its figures, and what went wrong.

    >>> text = '{"step": "look", "stack": "s", "stage": "screen", "Images": 4, "DurationMs": 31.5}'
    >>> readable(Line(datetime(2026, 5, 1, 12, tzinfo=UTC), "1", "look", text))
    '2026-05-01 12:00:00  look     screen  Images=4 DurationMs=31.5'
    """
    fields = line.fields
    return f"{line.at:%Y-%m-%d %H:%M:%S}  {line.function:<7}  " + (
        line.text.rstrip() if fields is None else _said(fields)
    )


def _said(fields: dict[str, Any]) -> str:
    if "step" not in fields:
        return _by_aws(fields)
    parts = [str(fields[name]) for name in _FIRST if name in fields]
    figures = [f"{name}={_short(value)}" for name, value in fields.items() if name not in _HIDDEN]
    wrong = f"{fields['error']}: {fields.get('message', '')}" if "error" in fields else ""
    return "  ".join(part for part in [*parts, " ".join(figures), wrong] if part)


def _by_aws(fields: dict[str, Any]) -> str:
    """What the runtime itself says: an error that was raised, or a report."""
    if "errorType" in fields or "errorMessage" in fields:
        return f"{fields.get('errorType', 'error')}: {fields.get('errorMessage', '')}"
    level, message = fields.get("level", ""), fields.get("message")
    if isinstance(message, str):
        return f"{level} {message}".strip()
    return json.dumps({name: fields[name] for name in fields if name != "time"})


def _short(value: object) -> str:
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def _line(event: dict[str, Any], function: str) -> Line:
    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    return Line(at, str(event["eventId"]), function, event["message"])
