"""The log notifier writes one line per alert."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tests.notify.servers import a_notice, two_alerts

from walkdown.notify.log import LogNotifier

if TYPE_CHECKING:
    import pytest


def test_the_line_says_what_where_and_which(caplog: pytest.LogCaptureFixture) -> None:
    LogNotifier().send(a_notice())
    (record,) = caplog.records
    assert record.name == "walkdown.alerts"
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "[HIGH] crack on pole-17: opened (score 0.93, 1.25 % of north/pole-17/left.jpg; alert a1b2)"
    )


def test_several_are_a_line_each_and_the_rest_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    notice = two_alerts(more=1)
    LogNotifier().send(notice)
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        "[HIGH] crack on pole-17: opened",
        "[LOW] rust on pole-17: opened",
        "and 1 more alert: see `walkdown results`",
    ]
    assert caplog.records[-1].getMessage().endswith(f"(notice {notice.id})")
