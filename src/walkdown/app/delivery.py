"""The outbox, emptied into the lake and to people; the next run delivers what a crash left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from walkdown.errors import NotifyError
from walkdown.types import Alert

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from walkdown.ports import Analytics, Notifier, Outbox, Records
    from walkdown.types import Severity

ALL = 1_000_000
"""Alerts read at once: older ones of a pipeline that runs no more must not hide newer ones."""


@dataclass(slots=True)
class Delivery:
    """Empties the outbox of one pipeline's alerts and of all lake batches.

    ``channels`` are notifiers, each with the least severity that it is told. After a channel has
    failed once, alerts wait for the next run, so that a dead mail server does not stall this one.
    """

    records: Records
    outbox: Outbox
    analytics: Analytics
    pipeline: str
    channels: Sequence[tuple[Severity, Notifier]]
    note: Callable[[str], None]
    sent: int = 0
    broken: str | None = field(default=None)

    def deliver(self) -> None:
        """Deliver what is pending. At least once: a crash between send and settle sends again."""
        self.project()
        if self.channels and self.broken is None:
            self._alert()

    def project(self) -> None:
        """Bring the lake up to date with the records."""
        while waiting := self.outbox.pending("lake"):
            for message, batch in waiting:
                if isinstance(batch, str):
                    self.analytics.project(batch, list(self.records.results(batch_id=batch)))
                self.outbox.settle([message])

    def _alert(self) -> None:
        for message, alert in self.outbox.pending("alert", limit=ALL):
            if not isinstance(alert, Alert) or alert.pipeline != self.pipeline:
                continue
            try:
                self._send(alert)
            except NotifyError as e:
                self.broken = str(e)
                self.outbox.settle([message], error=self.broken)
                self.note(f"alerts wait in the outbox until the next run: {self.broken}")
                return
            self.outbox.settle([message])
            self.sent += 1

    def _send(self, alert: Alert) -> None:
        for least, channel in self.channels:
            if alert.finding.severity.rank >= least.rank:
                channel.send(alert)
