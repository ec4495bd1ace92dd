"""How alerts and notices read, whatever the names in them hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from walkdown.types import Alert, Notice

_MAX_CHARACTERS = 200
_LABELS = 3


def one_line(text: str) -> str:
    """The text without line breaks, control or invisible characters, cut at 200 characters.

    >>> one_line("pole\\r\\nBcc: 17")
    'pole Bcc: 17'
    """
    words = "".join(c if c.isprintable() else " " for c in text).split()
    line = " ".join(words)
    return line if len(line) <= _MAX_CHARACTERS else f"{line[: _MAX_CHARACTERS - 1]}…"


def alert_line(alert: Alert) -> str:
    """What is wrong, how bad, and where: ``[HIGH] crack on pole-17: opened``."""
    finding = alert.finding
    label, asset = one_line(finding.label), one_line(finding.asset)
    return f"[{finding.severity.upper()}] {label} on {asset}: {alert.event}"


def headline(notice: Notice) -> str:
    """One alert's line; of several how bad, how many and where, such as:

    ``[HIGH] 3 alerts on pole-17: crack, rust`` and, in a storm,
    ``[HIGH] 412 alerts on several assets, the worst: crack on pole-17``.
    """
    count, worst = len(notice.alerts) + notice.more, notice.alerts[0].finding
    if count == 1:
        return alert_line(notice.alerts[0])
    start = f"[{notice.severity.upper()}] {count} alerts on"
    label, asset = one_line(worst.label), one_line(worst.asset)
    if notice.asset is None:
        return f"{start} several assets, the worst: {label} on {asset}"
    labels = list(dict.fromkeys(one_line(alert.finding.label) for alert in notice.alerts))
    dots = ", …" if labels[_LABELS:] else ""
    return f"{start} {asset}: {', '.join(labels[:_LABELS])}{dots}"


def letter(notice: Notice) -> str:
    """All that the notice tells, line by line, the worst first; each line ends with a newline."""
    if len(notice.alerts) == 1 and not notice.more:
        return _details(notice.alerts[0])
    parts = [f"{alert_line(alert)}\n{_details(alert)}" for alert in notice.alerts]
    return "\n".join(
        ["The worst first.\n", *parts, *([f"{and_more(notice)}\n"] * bool(notice.more))]
    )


def and_more(notice: Notice) -> str:
    """What is said of alerts that are only counted."""
    others = "1 more alert" if notice.more == 1 else f"{notice.more} more alerts"
    return f"and {others}: see `walkdown results`"


def _details(alert: Alert) -> str:
    finding = alert.finding
    lines = {
        "Asset": finding.asset,
        "Finding": finding.label,
        "Severity": str(finding.severity),
        "Score": f"{finding.score:.2f}",
        "Area": f"{finding.area_pct:.2f} % of the image",
        "Image": finding.image,
        "Opened": f"{finding.opened_at:%Y-%m-%d %H:%M} UTC",
        "Last seen": f"{finding.seen_at:%Y-%m-%d %H:%M} UTC",
        "Pipeline": alert.pipeline,
        "Inspection": alert.inspection,
        "Result": finding.result_id,
        "Alert": alert.id,
    }
    return "".join(f"{name + ':':<12}{one_line(value)}\n" for name, value in lines.items())
