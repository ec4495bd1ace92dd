"""How an alert reads in one line, whatever the names in it hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from walkdown.types import Alert

_MAX_CHARACTERS = 200


def one_line(text: str) -> str:
    """The text without line breaks, control or invisible characters, cut at 200 characters.

    >>> one_line("pole\\r\\nBcc: 17")
    'pole Bcc: 17'
    """
    words = "".join(c if c.isprintable() else " " for c in text).split()
    line = " ".join(words)
    return line if len(line) <= _MAX_CHARACTERS else f"{line[: _MAX_CHARACTERS - 1]}…"


def headline(alert: Alert) -> str:
    """What is wrong, how bad, and where: ``[HIGH] crack on pole-17: opened``."""
    finding = alert.finding
    label, asset = one_line(finding.label), one_line(finding.asset)
    return f"[{finding.severity.upper()}] {label} on {asset}: {alert.event}"
