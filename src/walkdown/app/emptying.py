"""The outbox of a whole workspace, emptied: what a schedule does where no command runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from walkdown.app.delivery import Delivery
from walkdown.types import Alert

if TYPE_CHECKING:
    from collections.abc import Mapping

    from walkdown.app.context import App
    from walkdown.ports import Notifier


@dataclass(frozen=True, slots=True)
class Left:
    """What could not be delivered: how many alerts, how old the oldest is, and why."""

    waiting: int
    age_s: float
    reasons: tuple[str, ...]


def empty(app: App, channels: Mapping[str, Notifier]) -> Left:
    """Bring batches into the lake and alerts to people; what fails waits for the next time."""
    reasons: list[str] = []
    Delivery(
        records=app.records,
        outbox=app.outbox,
        analytics=app.analytics,
        pipeline=None,
        channels=channels,
        note=reasons.append,
    ).deliver(last=True)
    waiting = [body for _, body in app.outbox.pending("alert") if isinstance(body, Alert)]
    oldest = min((alert.finding.seen_at for alert in waiting), default=None)
    age_s = (app.clock() - oldest).total_seconds() if oldest else 0.0
    return Left(len(waiting), max(0.0, age_s), tuple(reasons))
