"""The outbox is emptied whole: a backlog, or another pipeline's, hides nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from walkdown.app.delivery import Delivery
from walkdown.errors import NotifyError
from walkdown.notify.memory import MemoryNotifier
from walkdown.stores.lake import Lake
from walkdown.stores.memory import MemoryRecords
from walkdown.types import Alert, Entry, Finding, Result, ResultKey, Severity, Status

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MORE_THAN_A_PAGE = 1001


def an_entry(number: int, *, pipeline: str, channels: tuple[str, ...] = ("log-1",)) -> Entry:
    key = ResultKey("w", f"capture-{number}", "plan")
    result = Result(key, f"file:///{number}.png", f"{number}.png", Status.DONE, "ada", NOW)
    finding = Finding(
        f"f{number}", "w", "pole", "rust", Severity.HIGH, 0.9, 5.0, "", key.id, NOW, NOW, "ada"
    )
    alerts = [Alert(f"a{number}", "opened", finding, pipeline, "i", name) for name in channels]
    return Entry(result, (finding,), tuple(alerts))


def a_delivery(records: MemoryRecords, folder: Path, told: MemoryNotifier) -> Delivery:
    channels = {"log-1": told}
    return Delivery(records, records, Lake(folder), "new", channels, note=lambda _: None)


def test_alerts_of_a_pipeline_that_runs_no_more_hide_no_others(tmp_path: Path) -> None:
    records, told = MemoryRecords(workspace="w"), MemoryNotifier()
    old = [an_entry(i, pipeline="old") for i in range(MORE_THAN_A_PAGE)]
    records.record("i", [*old, an_entry(MORE_THAN_A_PAGE, pipeline="new")])
    a_delivery(records, tmp_path, told).deliver()
    assert [alert.id for alert in told.sent] == [f"a{MORE_THAN_A_PAGE}"]
    assert len(records.pending("alert", limit=9999)) == MORE_THAN_A_PAGE


def test_a_long_backlog_reaches_the_lake_at_once(tmp_path: Path) -> None:
    records = MemoryRecords(workspace="w")
    for number in range(MORE_THAN_A_PAGE):
        records.record("i", [replace(an_entry(number, pipeline="new"), findings=(), alerts=())])
    a_delivery(records, tmp_path, MemoryNotifier()).project()
    assert records.pending("lake") == []
    assert len(list(tmp_path.rglob("*.ndjson.gz"))) == MORE_THAN_A_PAGE


def test_a_dead_channel_silences_no_other_and_is_tried_again(tmp_path: Path) -> None:
    records, log = MemoryRecords(workspace="w"), MemoryNotifier()
    both = ("log-1", "webhook-1")
    records.record("i", [an_entry(i, pipeline="new", channels=both) for i in range(3)])
    dead = MemoryNotifier(failure=NotifyError("no route to the host"))
    notes: list[str] = []
    lake = Lake(tmp_path)
    channels = {"webhook-1": dead, "log-1": log}
    Delivery(records, records, lake, "new", channels, notes.append).deliver()
    assert sorted(a.id for a in log.sent) == ["a0", "a1", "a2"]
    assert len(notes) == 1
    assert "webhook-1" in notes[0]
    mended = MemoryNotifier()
    channels = {"webhook-1": mended, "log-1": log}
    Delivery(records, records, lake, "new", channels, notes.append).deliver()
    assert sorted(a.id for a in mended.sent) == ["a0", "a1", "a2"]
    assert len(log.sent) == 3, "what was delivered is not delivered again"
    assert records.pending("alert") == []


def test_the_worst_is_told_first(tmp_path: Path) -> None:
    records, told = MemoryRecords(workspace="w"), MemoryNotifier()
    entries = []
    for number, severity in enumerate((Severity.LOW, Severity.CRITICAL, Severity.HIGH)):
        entry = an_entry(number, pipeline="new")
        finding = replace(entry.findings[0], severity=severity)
        alert = replace(entry.alerts[0], finding=finding)
        entries.append(replace(entry, findings=(finding,), alerts=(alert,)))
    records.record("i", entries)
    a_delivery(records, tmp_path, told).deliver()
    assert [alert.finding.severity for alert in told.sent] == ["critical", "high", "low"]
