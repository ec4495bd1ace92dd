"""Writes alerts to the log, where whatever collects the process's logs finds them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from walkdown.notify.wording import headline, one_line

if TYPE_CHECKING:
    from walkdown.types import Alert


class LogNotifier:
    """One line per alert at level WARNING of the logger ``walkdown.alerts``, its id at the end."""

    def send(self, alert: Alert) -> None:
        finding = alert.finding
        logging.getLogger("walkdown.alerts").warning(
            "%s (score %.2f, %.2f %% of %s; alert %s)",
            headline(alert),
            finding.score,
            finding.area_pct,
            one_line(finding.image),
            one_line(alert.id),
        )
