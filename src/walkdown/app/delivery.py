"""The outbox, emptied into the lake and to people; the next run delivers what a crash left."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from walkdown.errors import NotifyError
from walkdown.pipeline.notices import STORM, grouped
from walkdown.types import Alert

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from walkdown.pipeline.notices import Grouped
    from walkdown.ports import Analytics, Notifier, Outbox, Records

ALL = 1_000_000
"""Alerts read at once: older ones of a pipeline that runs no more must not hide newer ones."""


@dataclass(slots=True)
class Delivery:
    """Empties the outbox of one pipeline's alerts and of all lake batches.

    Where ``pipeline`` is None, alerts of all pipelines are sent. ``channels`` are notifiers by
    name. Once a channel has failed, its alerts wait for the next run: a dead mail server neither
    stalls this one nor silences the other channels. A channel gets at most ``most`` notices in a
    run, which is the life of this object: the last of them is kept for the end of the run and
    tells of all that came after the others.
    """

    records: Records
    outbox: Outbox
    analytics: Analytics
    pipeline: str | None
    channels: Mapping[str, Notifier]
    note: Callable[[str], None]
    most: int = STORM
    broken: dict[str, str] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    held: set[str] = field(default_factory=set)

    def deliver(self, *, alerts: bool = True, last: bool = False) -> None:
        """Deliver what is pending. At least once: a crash between send and settle sends again.

        Without ``alerts`` these are left alone: reading them takes time where others' have piled
        up, and what caused none since brings no new ones. ``last`` ends the run: what was held back
        is told.
        """
        self.project()
        able = [name for name in self.channels if self._able(name, last=last)]
        if able and (alerts or last):
            self._alert(able, last=last)

    def project(self) -> None:
        """Bring the lake up to date with the records."""
        while waiting := self.outbox.pending("lake"):
            for message, batch in waiting:
                if isinstance(batch, str):
                    self.analytics.project(batch, list(self.records.results(batch_id=batch)))
                self.outbox.settle([message])

    def _able(self, channel: str, *, last: bool) -> bool:
        return channel not in self.broken and (last or self.sent[channel] < self.most - 1)

    def _alert(self, able: Sequence[str], *, last: bool) -> None:
        waiting = self.outbox.pending("alert", limit=ALL)
        alerts = [(message, alert) for message, alert in waiting if isinstance(alert, Alert)]
        mine = [(m, a) for m, a in alerts if self.pipeline in (None, a.pipeline)]
        messages = {alert.message_id: message for message, alert in mine}
        for name in able:
            own = [alert for _, alert in mine if alert.channel == name]
            for each in self._due(name, own, last=last):
                if name not in self.broken:
                    self._send(name, each, [messages[alert.message_id] for alert in each.covers])

    def _due(self, channel: str, alerts: Sequence[Alert], *, last: bool) -> list[Grouped]:
        room = self.most - self.sent[channel]
        if last:
            return grouped(alerts, most=max(1, room))
        each = grouped(alerts, most=max(1, len(alerts)))
        if len(each) >= room and channel not in self.held:
            self.held.add(channel)
            self.note(f"many alerts to {channel}: what is left is told at the end, in one message")
        return each[: room - 1]

    def _send(self, channel: str, each: Grouped, messages: Sequence[str]) -> None:
        try:
            self.channels[channel].send(each.notice)
        except NotifyError as e:
            self.broken[channel] = str(e)
            self.outbox.settle(messages, error=str(e))
            self.note(f"alerts to {channel} wait in the outbox until the next run: {e}")
        else:
            self.sent[channel] += 1
            self.outbox.settle(messages)
