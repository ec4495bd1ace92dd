"""Fault points: the moments at which a kill may leave something half done.

What Python programs write with (``os`` and ``sqlite3``) is wrapped, so that the product needs no
hooks. A point is known by its thread and its number there, which are the same in every run with one
worker; which of two threads is ahead is not. An audit hook sees what goes past the wrappers.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

BOTH_SIDES = ("replace", "rename", "unlink", "remove", "rmdir", "fsync", "fdatasync", "link")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink",
}  # fmt: skip
"""Audit events of calls that change a file system; opening a file for writing is looked at too."""


class Faults:
    """Counts the points of this process, or kills it at one of them.

    ``stop_at`` is a thread ("main" or "worker") and a number in it, from 0. ``below`` is the folder
    in which nothing may be written past the wrappers; ``escaped`` lists what was.
    """

    def __init__(self, *, below: str, stop_at: tuple[str, int] | None = None) -> None:
        self._below = below
        self._stop_at = stop_at
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._here = threading.local()
        self.kinds: list[tuple[str, int, str]] = []
        self.escaped: list[str] = []

    def install(self) -> None:
        """Wrap; there is no way back, since the process is made for this one run."""
        for name in BOTH_SIDES:
            setattr(os, name, partial(self._both_sides, name, getattr(os, name)))
        for name, wrapper in (("open", self._open), ("write", self._write), ("mkdir", self._mkdir)):
            setattr(os, name, partial(wrapper, getattr(os, name)))
        connect = partial(sqlite3.connect, factory=_watched(self))
        setattr(sqlite3, connect.func.__name__, connect)
        sys.addaudithook(self._audit)

    def reach(self, kind: str, torn: Callable[[], object] | None = None) -> None:
        """A point. ``torn`` is the half of a work that is done if the kill is here."""
        thread = "main" if threading.current_thread() is threading.main_thread() else "worker"
        with self._lock:
            number = self._counts[thread]
            self._counts[thread] += 1
            self.kinds.append((thread, number, kind))
        if (thread, number) == self._stop_at:
            if torn:
                torn()
            os.kill(os.getpid(), signal.SIGKILL)

    def _both_sides(self, name: str, original: Any, *args: Any, **options: Any) -> Any:
        self.reach(f"{name}: before")
        answer = self._known(original, *args, **options)
        self.reach(f"{name}: after")
        return answer

    def _open(self, original: Any, path: Any, flags: int, *args: Any, **options: Any) -> Any:
        if not flags & WRITING:
            return original(path, flags, *args, **options)
        return self._both_sides("open", original, path, flags, *args, **options)

    def _mkdir(self, original: Any, path: Any, *args: Any, **options: Any) -> Any:
        if os.path.isdir(path):  # noqa: PTH112 - pathlib itself comes here
            return self._known(original, path, *args, **options)
        return self._both_sides("mkdir", original, path, *args, **options)

    def _write(self, original: Any, handle: int, data: Any) -> Any:
        self.reach("write: before")
        self.reach("write: half", lambda: original(handle, memoryview(data)[: len(data) // 2]))
        written = original(handle, data)
        self.reach("write: after")
        return written

    def _known(self, original: Any, *args: Any, **options: Any) -> Any:
        self._here.inside = True
        try:
            return original(*args, **options)
        finally:
            self._here.inside = False

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            _, mode, flags = args
            if not (set(mode or "") & set("wax+") or (mode is None and flags & WRITING)):
                return
        elif event not in CHANGES:
            return
        path = os.fsdecode(args[0]) if isinstance(args[0], str | bytes | os.PathLike) else ""
        if path.startswith(self._below) and not getattr(self._here, "inside", False):
            self.escaped.append(f"{event} {path}")


def _watched(faults: Faults) -> type[sqlite3.Connection]:
    """A connection whose writing statements are points; COMMIT is one on both sides."""

    def told(call: Any, connection: sqlite3.Connection, sql: str, *args: Any) -> Any:
        kind = _kind(sql)
        if kind:
            faults.reach(f"{kind}: before")
        answer = call(connection, sql, *args)
        if kind == "COMMIT":
            faults.reach("COMMIT: after")
        return answer

    class Watched(sqlite3.Connection):
        def execute(self, *args: Any) -> Any:
            return told(sqlite3.Connection.execute, self, *args)

        def executemany(self, *args: Any) -> Any:
            return told(sqlite3.Connection.executemany, self, *args)

    return Watched


def _kind(sql: str) -> str | None:
    """The first word of a statement that changes the file, None for the others."""
    words = sql.upper().split()
    if not words or words[0] == "SELECT" or words == ["BEGIN"]:
        return None
    if words[0] == "PRAGMA" and not words[1].startswith(("JOURNAL_MODE=", "USER_VERSION=")):
        return None
    return words[0]
