"""Writes alerts to the log, where whatever collects the process's logs finds them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from walkdown.notify.wording import alert_line, and_more, one_line

if TYPE_CHECKING:
    from walkdown.types import Notice


class LogNotifier:
    """One line per alert at level WARNING of the logger ``walkdown.alerts``, its id at the end.

    Alerts that are only counted are one more line.
    """

    def send(self, notice: Notice) -> None:
        log = logging.getLogger("walkdown.alerts")
        for alert in notice.alerts:
            finding = alert.finding
            log.warning(
                "%s (score %.2f, %.2f %% of %s; alert %s)",
                alert_line(alert),
                finding.score,
                finding.area_pct,
                one_line(finding.image),
                one_line(alert.id),
            )
        if notice.more:
            log.warning("%s (notice %s)", and_more(notice), notice.id)
