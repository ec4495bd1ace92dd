"""The primitives of the stored JSON form: text, times, and fields that are checked when read.

Floats keep every bit, times are ISO-8601 with ``Z`` and always six decimals (so that they sort as
text), and text that is not Unicode (a file name in an old encoding) survives, because `dumps`
writes ASCII with escapes.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar, cast

from walkdown.errors import StoreError
from walkdown.types import Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, object]
T = TypeVar("T")


def dumps(value: object) -> str:
    """Compact ASCII JSON; the same value always gives the same text."""
    return json.dumps(value, separators=(",", ":"))


def loads(text: str) -> Json:
    """A JSON object back from `dumps`. Raises `StoreError` for anything else."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise StoreError(f"a stored record is damaged, it is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise StoreError(f"a stored record is damaged: it holds {value!r:.40} instead of fields")
    return value


def time_to_json(time: datetime) -> str:
    """ISO-8601 in UTC with six decimals and ``Z``.

    >>> time_to_json(datetime(2026, 5, 1, 12, tzinfo=UTC))
    '2026-05-01T12:00:00.000000Z'
    """
    if time.tzinfo is None:
        raise ValueError(f"a time without a zone cannot be stored: {time.isoformat()}")
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def time_from_json(text: str) -> datetime:
    """An aware UTC time back from `time_to_json`. Raises ValueError for a time without a zone."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"a time without a zone: {text}")
    return time.astimezone(UTC)


class Fields:
    """The fields of one stored object, read by name and checked for their type.

    Every reader raises `StoreError` that names the object and the damaged field.
    """

    def __init__(self, what: str, value: object) -> None:
        if not isinstance(value, dict):
            raise StoreError(f"a stored {what} is damaged: it holds {value!r:.40}")
        self._what = what
        self._value = value

    def get(self, name: str, kinds: type[T] | tuple[type[T], ...]) -> T:
        """A field of one of these types."""
        value = self._value.get(name)
        if isinstance(value, kinds) and not isinstance(value, bool):
            return value
        raise self.damaged(name)

    def damaged(self, name: str) -> StoreError:
        """The error that says what this field holds."""
        value = self._value.get(name)
        return StoreError(f"a stored {self._what} is damaged: its '{name}' is {value!r:.40}")

    def text(self, name: str) -> str:
        """A string."""
        return self.get(name, str)

    def whole(self, name: str) -> int:
        """An int."""
        return self.get(name, int)

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._value.get(name)
        if isinstance(value, bool):
            return value
        raise self.damaged(name)

    def number(self, name: str) -> float:
        """A float or an int."""
        return self.get(name, (float, int))

    def made(self, name: str, make: Callable[[str], T]) -> T:
        """What is made from a string; `make` raises ValueError for a wrong one."""
        text = self.text(name)
        try:
            return make(text)
        except ValueError as error:
            raise self.damaged(name) from error

    def time(self, name: str) -> datetime:
        """An aware UTC time."""
        return self.made(name, time_from_json)

    def maybe(self, name: str, read: Callable[[str], T]) -> T | None:
        """What `read` gives, or None where the field is absent."""
        return None if self._value.get(name) is None else read(name)

    def many(self, name: str) -> list[object]:
        """A list, empty where the field is absent."""
        return self.get(name, list) if name in self._value else []

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        values = self.many(name)
        if not all(isinstance(value, str) for value in values):
            raise self.damaged(name)
        return tuple(cast("list[str]", values))

    def verdict(self) -> Verdict | None:
        """The field 'verdict'."""
        return self.maybe("verdict", lambda name: self.made(name, Verdict))

    def severity(self, name: str) -> Severity:
        """A severity."""
        return self.made(name, Severity)


def present(**fields: object) -> Json:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def maybe_float(value: float | None) -> float | None:
    """Also a numpy scalar becomes Python's float, which JSON can write."""
    return None if value is None else float(value)


def maybe_int(value: int | None) -> int | None:
    """Python's int of a whole number, or None."""
    return None if value is None else int(value)


def maybe_time(value: datetime | None) -> str | None:
    """`time_to_json`, or None."""
    return None if value is None else time_to_json(value)
