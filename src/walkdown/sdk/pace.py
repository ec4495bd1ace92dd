"""Not faster than a service wants to be asked: a token bucket that threads share."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Pace:
    """Lets ``per_second`` calls through, evenly, after ``burst`` at once.

    ``clock`` and ``sleep`` are in seconds.
    """

    def __init__(
        self,
        per_second: float,
        *,
        burst: int = 1,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not (per_second > 0 and burst >= 1):  # which nan is not either
            raise ValueError(f"{per_second} calls a second, {burst} at once")
        self._gap_s = 1.0 / per_second
        self._ahead_s = (burst - 1) * self._gap_s
        self._clock, self._sleep = clock, sleep
        self._next = clock() - self._ahead_s
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when it is this caller's turn."""
        with self._lock:
            now = self._clock()
            at = max(self._next, now - self._ahead_s)
            self._next = at + self._gap_s
        if at > now:
            self._sleep(at - now)
