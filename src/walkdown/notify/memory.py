"""Keeps notices instead of sending them: for tests, and to see what would be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from walkdown.errors import NotifyError
    from walkdown.types import Notice


class MemoryNotifier:
    """``sent`` holds what was delivered, in order; while ``failure`` is set, sending raises it."""

    def __init__(self, *, failure: NotifyError | None = None) -> None:
        self.sent: list[Notice] = []
        self.failure = failure

    def send(self, notice: Notice) -> None:
        if self.failure is not None:
            raise self.failure
        self.sent.append(notice)
