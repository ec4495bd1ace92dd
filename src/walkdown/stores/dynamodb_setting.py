"""What the ports over DynamoDB share: the table, the workspace's keys, time, order and chance."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from walkdown.stores.fields import time_to_json
from walkdown.types import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from walkdown.stores.dynamodb_keys import Keys
    from walkdown.stores.dynamodb_table import Table


class Sequence:
    """Text that sorts in the order in which it was asked for: the time, then a counter.

    Within one process it never goes back, whatever the clock does; between processes it is as good
    as their clocks.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._time = ""
        self._count = 0

    def __call__(self) -> str:
        """The next one, such as ``2026-05-01T12:00:00.000000Z-000000``."""
        with self._lock:
            now = time_to_json(self._clock())
            self._count = 0 if now > self._time else self._count + 1
            self._time = max(now, self._time)
            return f"{self._time}-{self._count:06d}"


@dataclass(frozen=True, slots=True)
class Setting:
    """One workspace in one table; ``random`` gives 0..1."""

    table: Table
    keys: Keys
    clock: Callable[[], datetime]
    random: Callable[[], float]
    sequence: Sequence
    cache_days: int

    def token(self) -> str:
        """16 hex digits that no other call gets: what was written with them was written by us."""
        return digest_of(self.random(), self.random(), self.sequence())[:16]
