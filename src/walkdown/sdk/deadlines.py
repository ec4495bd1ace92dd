"""An end to all of an answer: a service that sends a byte now and then is not waited for for ever.

A socket's own timeout begins anew with every byte. A `Deadline` shuts the socket instead, so that
whatever reads from it, in head or body, comes to an end.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Final, Self


class Deadline:
    """The time that one answer may take, from when it is waited for. Used by one thread."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._is_done = False
        self.passed = False

    def __enter__(self) -> Self:
        _HERE.deadline = self
        return self

    def __exit__(self, *_: object) -> None:
        _HERE.deadline = None
        with self._lock:
            self._is_done = True
        if self._timer is not None:
            self._timer.cancel()

    def watch(self, connection: socket.socket) -> None:
        """From now on it runs for what is read of that connection."""
        self._timer = threading.Timer(self._seconds, self._shut, (connection,))
        self._timer.daemon = True
        self._timer.start()

    def _shut(self, connection: socket.socket) -> None:
        with self._lock:
            if self._is_done:
                return
            self.passed = True
            with suppress(OSError):
                # Below TLS, whose own shutdown another thread's reading would trip over.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Here(threading.local):
    deadline: Deadline | None = None


_HERE: Final = _Here()


def watched(connection: socket.socket | None) -> None:
    """Have the deadline that this thread is within, if any, run for a connection."""
    if _HERE.deadline is not None and connection is not None:
        _HERE.deadline.watch(connection)
