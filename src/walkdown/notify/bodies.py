"""Alerts and notices as JSON objects: the form in which machines get them, by whatever channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from walkdown.types import Alert, Notice

Body = dict[str, object]

_LONGEST = 4096


def alert_body(alert: Alert, *, strict: bool = False) -> Body:
    """All that an alert says; times are ISO 8601 in UTC. See `strict_text`."""
    finding = alert.finding
    body: Body = {
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
    if not strict:
        return body
    return {name: strict_text(v) if isinstance(v, str) else v for name, v in body.items()}


def notice_body(notice: Notice, *, strict: bool = False) -> Body:
    """The body of its one alert, or a list of several; a storm's has no ``asset``."""
    if len(notice.alerts) == 1 and not notice.more:
        return alert_body(notice.alerts[0], strict=strict)
    alerts = [alert_body(alert, strict=strict) for alert in notice.alerts]
    asset: Body = {} if notice.asset is None else {"asset": alerts[0]["asset"]}
    head: Body = {"id": notice.id, "severity": notice.severity.value}
    return head | asset | {"more": notice.more, "alerts": alerts}


def strict_text(text: str) -> str:
    """What any service takes: Unicode without halves of characters, cut at 4,096 characters.

    Names are hardly ever longer, and a single alert then fits into what AWS takes at once.
    """
    return text[:_LONGEST].encode("utf-8", "replace").decode()
