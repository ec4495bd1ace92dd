"""What a file on disk adds to the contract of records: other processes, kills, errors, speed."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from walkdown.errors import StoreError
from walkdown.stores.sqlite import SqliteStore
from walkdown.stores.sqlite_database import SCHEMA_VERSION, Database
from walkdown.types import (
    Alert,
    Entry,
    Finding,
    Inspection,
    Prediction,
    Result,
    ResultKey,
    Severity,
    StageResult,
    Status,
    Verdict,
    digest_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PREDICTION = Prediction(Verdict.ANOMALY, 0.7, 3.25)
FINDING = Finding("f", "w", "a", "l", Severity.LOW, 0.6, 0.1, "x", "r", NOW, NOW, "ada")


def open_store(path: Path, *, busy_timeout_s: float = 30.0, workspace: str = "w") -> SqliteStore:
    return SqliteStore(path, workspace=workspace, clock=lambda: NOW, busy_timeout_s=busy_timeout_s)


def result(capture: str, workspace: str = "w") -> Result:
    return Result(
        key=ResultKey(workspace, capture, "plan"),
        uri=f"file:///photos/{capture}.jpg",
        image=f"photos/{capture}.jpg",
        status=Status.DONE,
        actor="ada",
        recorded_at=NOW,
        content=digest_of(capture),
        verdict=Verdict.ANOMALY,
        stages=(StageResult("look", "cells@1", "d", PREDICTION),),
    )


def whole(number: int) -> Entry:
    """An entry that touches every table: result, finding, alert and cache."""
    found = replace(FINDING, id=f"f{number}")
    told = Alert(f"a{number}", "opened", found, "cells", "i1")
    return Entry(result(f"c{number}"), (found,), (told,), ((f"k{number}", PREDICTION, None),))


# The same entries as `whole`, written in batches of four until the process ends or is killed.
WRITER = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_sqlite import open_store, whole
store = open_store(Path(sys.argv[1]))
for start in range(int(sys.argv[2]), int(sys.argv[3]), 4):
    store.record("i1", [whole(number) for number in range(start, start + 4)])
    print(start, flush=True)
"""


def start_writer(path: Path, start: int, end: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), str(start), str(end)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def captures(store: SqliteStore) -> list[str]:
    return [each.key.capture_id for each in store.results()]


def test_nothing_is_made_before_the_first_use(tmp_path: Path) -> None:
    store = open_store(tmp_path / "new" / "records.sqlite")
    assert not (tmp_path / "new").exists()
    assert store.inspections() == []
    assert (tmp_path / "new" / "records.sqlite").is_file()
    store.close()


def test_what_was_recorded_is_there_after_closing(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "r.sqlite")) as store:
        store.record("i1", [whole(1)])
    with closing(open_store(tmp_path / "r.sqlite")) as store:
        assert list(store.results()) == [result("c1")]
        assert store.pending("alert")[0][0] == "a1"
        store.close()
        assert captures(store) == ["c1"]


def test_several_processes_record_into_one_new_file(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    writers = [start_writer(path, start, start + 40) for start in (0, 20, 40)]
    for writer in writers:
        output, _ = writer.communicate(timeout=60)
        assert writer.returncode == 0
        assert len(output.split()) == 10
    with closing(open_store(path)) as store:
        assert sorted(captures(store)) == sorted(f"c{number}" for number in range(80))
        assert len(store.pending("alert")) == len(store.findings()) == 80
        batches = [str(batch) for _, batch in store.pending("lake")]
        in_batches = sum(len(list(store.results(batch_id=batch))) for batch in batches)
        assert in_batches == 80


def test_a_killed_process_leaves_whole_batches(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    writer = start_writer(path, 0, 100_000)
    assert writer.stdout is not None
    for _ in range(15):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    with closing(open_store(path)) as store:
        seen = captures(store)
        assert len(seen) >= 60
        assert len(seen) % 4 == 0
        assert len(store.findings()) == len(store.pending("alert")) == len(seen)
        assert len(store.cached(f"k{number}" for number in range(len(seen)))) == len(seen)
        assert store.record("i1", [whole(0)]) == ["exists"]


def test_an_exception_in_the_middle_writes_nothing(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "r.sqlite")) as store:
        bad = replace(whole(2), cache=(("caf\udce9", PREDICTION, None),))
        with pytest.raises(StoreError, match="not Unicode"):
            store.record("i1", [whole(1), bad])
        assert captures(store) == []
        assert store.findings() == {}
        assert store.pending("lake") == []
        assert store.record("i1", [whole(1)]) == ["written"]


def test_workspaces_in_one_file_do_not_see_each_other(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    with closing(open_store(path)) as ours, closing(open_store(path, workspace="v")) as theirs:
        ours.record("i1", [whole(1)])
        ours.save_inspection(Inspection("i1", "w", "p", "d", (), "ada", NOW))
        assert captures(theirs) == []
        assert theirs.inspections() == []
        assert theirs.pending("alert") == theirs.pending("lake") == []
        assert theirs.findings() == {}
        assert theirs.cached(["k1"]) == {}
        assert list(theirs.results(image=digest_of("c1")[:8])) == []
        theirs.settle(["a1"])
        assert len(ours.pending("alert")) == 1
        assert theirs.record("i1", [Entry(result("c1", "v"))]) == ["written"]


def test_a_reader_goes_on_while_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    with closing(open_store(path)) as store, closing(open_store(path)) as other:
        store.record("i1", [whole(number) for number in range(10)])
        reading = store.results()
        first = next(reading).key.capture_id
        other.record("i1", [whole(99)])
        rest = [each.key.capture_id for each in reading]
        assert [first, *rest] == [f"c{number}" for number in range(10)]
        assert len(captures(store)) == 11


def test_a_write_waits_for_another_and_says_when_that_takes_too_long(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    with closing(open_store(path, busy_timeout_s=0.1)) as store:
        store.record("i1", [whole(1)])
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match=r"r\.sqlite: another process has been writing"):
                store.record("i1", [whole(2)])
            assert captures(store) == ["c1"]
            patient = open_store(path)
            answers: list[str] = []
            waiting = threading.Thread(
                target=lambda: answers.extend(patient.record("i1", [whole(2)]))
            )
            waiting.start()
            time.sleep(0.1)
            assert answers == []
            other.execute("COMMIT")
            waiting.join(timeout=10)
            assert answers == ["written"]
            patient.close()


def test_the_first_opening_waits_for_another_first_opening(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE not_yet_wal (a)")
        release = threading.Timer(0.2, other.execute, ["COMMIT"])
        release.start()
        with closing(open_store(path)) as store:
            assert store.record("i1", [whole(1)]) == ["written"]
        release.join()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    impatient = open_store(tmp_path / "held.sqlite", busy_timeout_s=0.1)
    with closing(sqlite3.connect(tmp_path / "held.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE not_yet_wal (a)")
        with pytest.raises(StoreError, match="another process has been writing"):
            impatient.inspections()


def test_a_file_of_a_newer_walkdown_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    open_store(path).inspections()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    with pytest.raises(StoreError, match=r"newer walkdown.*pip install --upgrade walkdown"):
        open_store(path).record("i1", [whole(1)])


def test_what_is_no_database_is_said(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    path.write_bytes(b"Dear all, " * 1000)
    with pytest.raises(StoreError, match="not a walkdown database: restore it from a backup"):
        open_store(path).inspections()
    assert path.read_bytes().startswith(b"Dear all")


def test_a_damaged_database_is_said(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    with closing(open_store(path)) as store:
        store.record("i1", [whole(number) for number in range(200)])
    pages = bytearray(path.read_bytes())
    for start in range(4096 * 2, len(pages), 4096):
        pages[start : start + 2000] = b"\xff" * 2000
    path.write_bytes(pages)
    with pytest.raises(StoreError, match="the database is damaged: restore it from a backup"):
        list(open_store(path).results())


def test_a_damaged_record_is_said(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "r.sqlite")) as store:
        store.record("i1", [whole(1)])
        with closing(sqlite3.connect(tmp_path / "r.sqlite")) as connection, connection:
            connection.execute("UPDATE results SET doc = '{\"uri\": 3}'")
        with pytest.raises(StoreError, match="a stored result is damaged"):
            list(store.results())


def test_a_folder_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"cannot make .*file: "):
        open_store(tmp_path / "file" / "r.sqlite").inspections()
    (tmp_path / "r.sqlite").mkdir()
    with pytest.raises(StoreError, match="it cannot be opened: check that its folder exists"):
        open_store(tmp_path / "r.sqlite").inspections()


def test_a_read_only_folder_is_said(
    open_folder: Path, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    path = open_folder / "r.sqlite"
    with closing(open_store(path)) as store:
        store.record("i1", [whole(1)])
    open_folder.chmod(0o555)
    path.chmod(0o444)
    with unprivileged(), pytest.raises(StoreError, match="write"):
        open_store(path).record("i1", [whole(2)])
    with unprivileged(), pytest.raises(StoreError, match="cannot be opened"):
        open_store(open_folder / "new.sqlite").inspections()


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "r.sqlite")
    with database.read() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages + 2}")
    rows = [("w", str(number), "x" * 4000, "y" * 4000) for number in range(100)]
    with pytest.raises(StoreError, match="the disk is full: make room"), database.write() as full:
        full.executemany("INSERT INTO inspections VALUES (?, ?, ?, ?)", rows)
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM inspections").fetchone()[0] == 0
    database.close()


def test_a_failed_delivery_is_noted_with_its_reason(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "r.sqlite")) as store:
        store.record("i1", [whole(1)])
        store.settle(["a1"], error="no route to caf\udce9")
        store.settle(["a1"], error="still none")
        with closing(sqlite3.connect(tmp_path / "r.sqlite")) as connection:
            row = connection.execute("SELECT attempts, error, settled_at FROM outbox").fetchone()
        assert row == (2, "still none", None)


def test_thousands_of_results_are_recorded_and_found_by_index(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "r.sqlite")) as store:
        entries = [Entry(result(f"c{number}")) for number in range(2000)]
        started = time.perf_counter()
        for start in range(0, len(entries), 32):
            store.record("i1", entries[start : start + 32])
        # Measured: 0.1 ms a result. A table scan or a commit a result takes ten times as long.
        assert time.perf_counter() - started < 5
        with closing(sqlite3.connect(tmp_path / "r.sqlite")) as connection:
            for condition in (
                "id IN (SELECT value FROM json_each('[]'))",
                "batch_id = 'x'",
                "content >= 'a' AND content < 'b'",
                "image = 'x' OR workspace = 'w' AND uri = 'y'",
            ):
                sql = f"SELECT 1 FROM results WHERE workspace = 'w' AND ({condition})"
                plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
                assert "SCAN results" not in str(plan), condition
