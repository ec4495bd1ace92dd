"""The log notifier writes one line per alert."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tests.notify.servers import an_alert

from walkdown.notify.log import LogNotifier

if TYPE_CHECKING:
    import pytest


def test_the_line_says_what_where_and_which(caplog: pytest.LogCaptureFixture) -> None:
    LogNotifier().send(an_alert())
    (record,) = caplog.records
    assert record.name == "walkdown.alerts"
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "[HIGH] crack on pole-17: opened (score 0.93, 1.25 % of north/pole-17/left.jpg; alert a1b2)"
    )
