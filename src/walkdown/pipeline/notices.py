"""Alerts gathered into notices: one for each channel and asset, and one for the rest of a storm.

A person who gets a hundred messages reads none of them; a person who gets thirty, the worst first
and the last of them with a count, knows where to begin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from walkdown.types import Notice

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from walkdown.types import Alert

STORM = 30
"""Notices that one channel gets at most before the rest becomes a single one."""

WORST = 20
"""Alerts that are spelled out in the notice of a storm."""


@dataclass(frozen=True, slots=True)
class Grouped:
    """A notice, and all alerts that are told once it is: those in it and those it only counts."""

    notice: Notice
    covers: tuple[Alert, ...]


def grouped(alerts: Iterable[Alert], *, most: int = STORM) -> list[Grouped]:
    """One notice per channel and asset, worst first, and at most ``most`` for each channel.

    Where a channel would get more, its worst ``most - 1`` stay, and the rest becomes one notice of
    its worst `WORST` alerts, which counts the others. Each alert is covered once. Raises
    `ValueError` for a ``most`` below 1.
    """
    if most < 1:
        raise ValueError(f"most must be at least 1, not {most}")
    channels: dict[str, dict[str, list[Alert]]] = {}
    for alert in sorted(alerts, key=_worst_first):
        assets = channels.setdefault(alert.channel, {})
        assets.setdefault(alert.finding.asset, []).append(alert)
    found = [g for assets in channels.values() for g in _bounded(list(assets.values()), most)]
    return sorted(found, key=lambda each: _worst_first(each.covers[0]))


def _bounded(assets: Sequence[Sequence[Alert]], most: int) -> list[Grouped]:
    """The notices of one channel; its assets come with the worst first."""
    if len(assets) <= most:
        return [Grouped(Notice(tuple(asset)), tuple(asset)) for asset in assets]
    kept, rest = assets[: most - 1], assets[most - 1 :]
    covers = tuple(sorted((alert for asset in rest for alert in asset), key=_worst_first))
    storm = Notice(covers[:WORST], more=max(0, len(covers) - WORST))
    return [*_bounded(kept, most), Grouped(storm, covers)]


def _worst_first(alert: Alert) -> tuple[int, float, str, str]:
    """Total, so that the same alerts make the same notices, whatever their order was."""
    finding = alert.finding
    return -finding.severity.rank, -finding.score, finding.asset, alert.message_id
