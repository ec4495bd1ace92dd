"""The outbox is emptied whole, in few messages: a backlog, or another pipeline's, hides nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from walkdown.app.delivery import Delivery
from walkdown.errors import NotifyError
from walkdown.notify.memory import MemoryNotifier
from walkdown.stores.lake import Lake
from walkdown.stores.memory import MemoryRecords
from walkdown.types import Alert, Entry, Finding, Result, ResultKey, Severity, Status

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from walkdown.ports import Notifier, Topic
    from walkdown.types import Notice

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MORE_THAN_A_PAGE = 1001


def an_entry(
    number: int, *, pipeline: str, channels: tuple[str, ...] = ("log-1",), asset: str = "pole"
) -> Entry:
    key = ResultKey("w", f"capture-{number}", "plan")
    result = Result(key, f"file:///{number}.png", f"{number}.png", Status.DONE, "ada", NOW)
    finding = Finding(
        f"f{number}", "w", asset, "rust", Severity.HIGH, 0.9, 5.0, "", key.id, NOW, NOW, "ada"
    )
    alerts = [Alert(f"a{number}", "opened", finding, pipeline, "i", name) for name in channels]
    return Entry(result, (finding,), tuple(alerts))


def a_delivery(
    records: MemoryRecords,
    folder: Path,
    told: Notifier,
    *,
    most: int = 30,
    notes: list[str] | None = None,
    pipeline: str | None = "new",
) -> Delivery:
    note = (notes if notes is not None else []).append
    return Delivery(records, records, Lake(folder), pipeline, {"log-1": told}, note, most=most)


def ids(notifier: MemoryNotifier) -> list[str]:
    """Of the alerts that were told, notice by notice."""
    return [alert.id for notice in notifier.sent for alert in notice.alerts]


def fill(records: MemoryRecords, count: int, *, start: int = 0) -> None:
    """An alert for each of so many assets, the later the milder."""
    for number in range(start, start + count):
        entry = an_entry(number, pipeline="new", asset=f"pole-{number}")
        finding = replace(entry.findings[0], score=1 - number / 1000)
        alert = replace(entry.alerts[0], finding=finding)
        records.record("i", [replace(entry, findings=(finding,), alerts=(alert,))])


def test_alerts_of_a_pipeline_that_runs_no_more_hide_no_others(tmp_path: Path) -> None:
    records, told = MemoryRecords(workspace="w"), MemoryNotifier()
    old = [an_entry(i, pipeline="old") for i in range(MORE_THAN_A_PAGE)]
    records.record("i", [*old, an_entry(MORE_THAN_A_PAGE, pipeline="new")])
    a_delivery(records, tmp_path, told).deliver()
    assert ids(told) == [f"a{MORE_THAN_A_PAGE}"]
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
    assert sorted(ids(log)) == ["a0", "a1", "a2"]
    assert len(notes) == 1
    assert "webhook-1" in notes[0]
    mended = MemoryNotifier()
    channels = {"webhook-1": mended, "log-1": log}
    Delivery(records, records, lake, "new", channels, notes.append).deliver()
    assert sorted(ids(mended)) == ["a0", "a1", "a2"]
    assert len(ids(log)) == 3, "what was delivered is not delivered again"
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
    (notice,) = told.sent
    assert [alert.finding.severity for alert in notice.alerts] == ["critical", "high", "low"]


def test_one_message_tells_of_one_asset(tmp_path: Path) -> None:
    records, told = MemoryRecords(workspace="w"), MemoryNotifier()
    for number, asset in enumerate(("pole", "mast", "pole")):
        records.record("i", [an_entry(number, pipeline="new", asset=asset)])
    a_delivery(records, tmp_path, told).deliver()
    assert {notice.asset: len(notice.alerts) for notice in told.sent} == {"pole": 2, "mast": 1}


def test_without_a_pipeline_all_are_told(tmp_path: Path) -> None:
    records, told = MemoryRecords(workspace="w"), MemoryNotifier()
    records.record("i", [an_entry(0, pipeline="old"), an_entry(1, pipeline="new")])
    a_delivery(records, tmp_path, told, pipeline=None).deliver(last=True)
    assert sorted(ids(told)) == ["a0", "a1"]
    assert records.pending("alert") == []


def test_a_storm_waits_for_the_end_of_the_run_and_is_one_message(tmp_path: Path) -> None:
    records, told = MemoryRecords(workspace="w"), MemoryNotifier()
    notes: list[str] = []
    delivery = a_delivery(records, tmp_path, told, most=5, notes=notes)
    for start in range(0, 40, 10):
        fill(records, 10, start=start)
        delivery.deliver()
    assert ids(told) == ["a0", "a1", "a2", "a3"]
    assert len(records.pending("alert")) == 36
    assert len(notes) == 1
    assert "log-1" in notes[0]
    delivery.deliver(last=True)
    *_, storm = told.sent
    assert len(told.sent) == 5
    assert (storm.asset, [a.id for a in storm.alerts][:2], storm.more) == (None, ["a4", "a5"], 16)
    assert records.pending("alert") == []


class Reading(MemoryRecords):
    """Counts how often the waiting alerts are read, and keeps what was noted of failures."""

    def __init__(self) -> None:
        super().__init__(workspace="w")
        self.read = 0
        self.noted: dict[str, str] = {}

    def pending(self, topic: Topic, limit: int = 1000) -> list[tuple[str, Alert | str]]:
        self.read += topic == "alert"
        return super().pending(topic, limit)

    def settle(self, ids: Iterable[str], *, error: str | None = None) -> None:
        listed = list(ids)
        self.noted.update(dict.fromkeys(listed, error) if error else {})
        super().settle(listed, error=error)


class Dead:
    """A channel that fails; counts how often it is tried."""

    tried = 0

    def send(self, notice: Notice) -> None:
        self.tried += 1
        raise NotifyError(f"no route to the host for {notice.id}")


def test_a_dead_channel_is_tried_once_in_a_run(tmp_path: Path) -> None:
    records, dead = Reading(), Dead()
    fill(records, 3)
    delivery = a_delivery(records, tmp_path, dead)
    delivery.deliver()
    delivery.deliver(last=True)
    assert (dead.tried, records.read) == (1, 1)
    waiting = [message for message, _ in records.pending("alert")]
    assert records.noted == {waiting[0]: "no route to the host for a0"}
    assert len(waiting) == 3


def test_what_is_held_back_is_not_read_again_and_again(tmp_path: Path) -> None:
    records = Reading()
    fill(records, 9)
    delivery = a_delivery(records, tmp_path, MemoryNotifier(), most=3)
    for _ in range(5):
        delivery.deliver()
    assert records.read == 1


def test_few_alerts_are_told_at_once_and_the_end_adds_nothing(tmp_path: Path) -> None:
    records, told = MemoryRecords(workspace="w"), MemoryNotifier()
    fill(records, 4)
    delivery = a_delivery(records, tmp_path, told, most=5)
    delivery.deliver()
    assert len(told.sent) == 4
    delivery.deliver(last=True)
    assert len(told.sent) == 4


def test_a_storm_in_one_channel_holds_back_no_other(tmp_path: Path) -> None:
    records, few, many = MemoryRecords(workspace="w"), MemoryNotifier(), MemoryNotifier()
    fill(records, 9)
    records.record("i", [an_entry(9, pipeline="new", channels=("few",))])
    channels = {"log-1": many, "few": few}
    run = Delivery(records, records, Lake(tmp_path), "new", channels, lambda _: None, most=3)
    run.deliver()
    assert (len(many.sent), ids(few)) == (2, ["a9"])
    records.record("i", [an_entry(10, pipeline="new", channels=("few",), asset="mast")])
    run.deliver()
    assert (len(many.sent), ids(few)) == (2, ["a9", "a10"])


def test_a_storm_that_can_not_be_told_waits_whole(tmp_path: Path) -> None:
    records = MemoryRecords(workspace="w")
    fill(records, 50)
    dead = MemoryNotifier(failure=NotifyError("no route to the host"))
    a_delivery(records, tmp_path, dead, most=1).deliver(last=True)
    assert len(records.pending("alert")) == 50
    told = MemoryNotifier()
    a_delivery(records, tmp_path, told, most=1).deliver(last=True)
    (storm,) = told.sent
    assert len(storm.alerts) + storm.more == 50
    assert records.pending("alert") == []


class Dying:
    """Delivers, and takes the process with it at the notice of this number."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.sent: list[Notice] = []

    def send(self, notice: Notice) -> None:
        self.sent.append(notice)
        if len(self.sent) == self.at:
            raise KeyboardInterrupt


def test_a_crash_repeats_the_one_message_that_was_under_way(tmp_path: Path) -> None:
    records, before, after = MemoryRecords(workspace="w"), Dying(at=3), MemoryNotifier()
    fill(records, 5)
    with pytest.raises(KeyboardInterrupt):
        a_delivery(records, tmp_path, before).deliver()
    a_delivery(records, tmp_path, after).deliver()
    assert [n.id for n in before.sent] == ["a0", "a1", "a2"]
    assert [n.id for n in after.sent] == ["a2", "a3", "a4"]


def test_a_storm_broken_off_comes_again_under_the_same_id(tmp_path: Path) -> None:
    records, before, after = MemoryRecords(workspace="w"), Dying(at=1), MemoryNotifier()
    fill(records, 30)
    with pytest.raises(KeyboardInterrupt):
        a_delivery(records, tmp_path, before, most=1).deliver(last=True)
    a_delivery(records, tmp_path, after, most=1).deliver(last=True)
    assert [n.id for n in after.sent] == [n.id for n in before.sent]
