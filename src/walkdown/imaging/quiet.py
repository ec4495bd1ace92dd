"""Keeps Pillow's warnings about odd files to itself, without a change that other threads notice.

``warnings.catch_warnings`` swaps the filters of the whole process and is not safe with threads.
Here one entry is put in front of the process's filters. It matches only while the calling thread
is inside `quiet`, and only warnings that come out of Pillow itself, so for all others the filters
act as if it were absent.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

_inside: ContextVar[bool] = ContextVar("walkdown_quiet", default=False)
_lock = threading.Lock()


class _PillowOfThisThread:
    """Stands where a filter has its compiled module pattern: ``warnings`` only calls `match`."""

    def match(self, module: str) -> bool:
        return _inside.get() and module.startswith(("PIL.", "pi_heif"))


_ENTRY: Final = ("ignore", None, Warning, _PillowOfThisThread(), 0)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """While inside, warnings that Pillow gives in this thread are dropped."""
    _put_in_front()
    token = _inside.set(True)
    try:
        yield
    finally:
        _inside.reset(token)


def _put_in_front() -> None:
    # Looked at each time: others may have replaced the list or put their own entry before ours.
    filters = cast("list[object]", warnings.filters)
    if filters and filters[0] is _ENTRY:
        return
    with _lock:
        with contextlib.suppress(ValueError):
            filters.remove(_ENTRY)
        filters.insert(0, _ENTRY)
