"""The shipped fake keeps alerts, or fails as it is told."""

from __future__ import annotations

import pytest
from tests.notify.servers import a_notice

from walkdown.errors import NotifyError
from walkdown.notify.memory import MemoryNotifier


def test_it_keeps_what_was_sent() -> None:
    notifier = MemoryNotifier()
    notifier.send(a_notice())
    assert notifier.sent == [a_notice()]


def test_it_fails_until_told_otherwise() -> None:
    notifier = MemoryNotifier(failure=NotifyError("down"))
    with pytest.raises(NotifyError, match="down"):
        notifier.send(a_notice())
    notifier.failure = None
    notifier.send(a_notice())
    assert len(notifier.sent) == 1
