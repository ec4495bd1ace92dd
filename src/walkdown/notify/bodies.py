"""Alerts and notices as JSON objects: the form in which machines get them, by whatever channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from walkdown.types import Alert, Notice

Body = dict[str, object]


def alert_body(alert: Alert) -> Body:
    """All that an alert says; times are ISO 8601 in UTC."""
    finding = alert.finding
    return {
        "id": alert.id,
        "event": alert.event,
        "severity": finding.severity.value,
        "asset": finding.asset,
        "label": finding.label,
        "score": finding.score,
        "area_pct": finding.area_pct,
        "image": finding.image,
        "pipeline": alert.pipeline,
        "inspection": alert.inspection,
        "opened_at": finding.opened_at.isoformat(),
        "seen_at": finding.seen_at.isoformat(),
        "result_id": finding.result_id,
    }


def notice_body(notice: Notice) -> Body:
    """The body of its one alert, or a list of several; a storm's has no ``asset``."""
    if len(notice.alerts) == 1 and not notice.more:
        return alert_body(notice.alerts[0])
    asset: Body = {} if notice.asset is None else {"asset": notice.asset}
    return {
        "id": notice.id,
        "severity": notice.severity.value,
        **asset,
        "more": notice.more,
        "alerts": [alert_body(alert) for alert in notice.alerts],
    }
