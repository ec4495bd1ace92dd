"""The outbox, emptied into the lake and to people; the next run delivers what a crash left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from walkdown.errors import NotifyError
from walkdown.types import Alert

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from walkdown.ports import Analytics, Notifier, Outbox, Records

ALL = 1_000_000
"""Alerts read at once: older ones of a pipeline that runs no more must not hide newer ones."""


@dataclass(slots=True)
class Delivery:
    """Empties the outbox of one pipeline's alerts and of all lake batches.

    ``channels`` are notifiers by name. Once a channel has failed, its alerts wait for the next
    run: a dead mail server neither stalls this one nor silences the other channels.
    """

    records: Records
    outbox: Outbox
    analytics: Analytics
    pipeline: str
    channels: Mapping[str, Notifier]
    note: Callable[[str], None]
    broken: dict[str, str] = field(default_factory=dict)

    def deliver(self, *, alerts: bool = True) -> None:
        """Deliver what is pending. At least once: a crash between send and settle sends again.

        Without ``alerts`` these are left alone: reading them takes time where others' have piled
        up, and what caused none since brings no new ones.
        """
        self.project()
        if alerts and set(self.channels) - set(self.broken):
            self._alert()

    def project(self) -> None:
        """Bring the lake up to date with the records."""
        while waiting := self.outbox.pending("lake"):
            for message, batch in waiting:
                if isinstance(batch, str):
                    self.analytics.project(batch, list(self.records.results(batch_id=batch)))
                self.outbox.settle([message])

    def _alert(self) -> None:
        waiting = self.outbox.pending("alert", limit=ALL)
        mine = [(m, a) for m, a in waiting if isinstance(a, Alert) and a.pipeline == self.pipeline]
        for message, alert in sorted(mine, key=lambda pair: -pair[1].finding.severity.rank):
            channel = self.channels.get(alert.channel)
            if channel is not None and alert.channel not in self.broken:
                self._send(message, alert, channel)

    def _send(self, message: str, alert: Alert, channel: Notifier) -> None:
        try:
            channel.send(alert)
        except NotifyError as e:
            self.broken[alert.channel] = str(e)
            self.outbox.settle([message], error=str(e))
            self.note(f"alerts to {alert.channel} wait in the outbox until the next run: {e}")
        else:
            self.outbox.settle([message])
