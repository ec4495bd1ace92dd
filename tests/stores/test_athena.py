"""The lake on AWS: one file a batch, the same answers as the local lake, and days merged safely."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from tests.stores.athena_on_duckdb import DuckAthena
from tests.stores.lake_results import NOW, failed, result

from walkdown.errors import StoreError
from walkdown.stores.athena import AthenaLake, Compacted, Compaction
from walkdown.stores.athena_queries import AthenaQueries
from walkdown.stores.lake import Lake
from walkdown.stores.s3 import S3Blobs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from walkdown.sdk.aws import Aws
    from walkdown.types import Result

VIEWS = ("results", "predictions", "regions")
MAY = "2026-05-01"
RAW = f"lake/raw/results/dt={MAY}/"
COMPACT = f"lake/compact/results/dt={MAY}/"


@pytest.fixture
def client(moto_aws: Aws) -> Any:
    client = moto_aws.client("s3")
    where = {"LocationConstraint": "eu-central-1"}
    client.create_bucket(Bucket="data", CreateBucketConfiguration=where)
    return client


@pytest.fixture
def athena(client: Any) -> DuckAthena:
    return DuckAthena(client)


@pytest.fixture
def queries(athena: DuckAthena) -> AthenaQueries:
    return AthenaQueries(athena, database="d", workgroup="w", sleep=lambda _: None)


@pytest.fixture
def lake(client: Any, queries: AthenaQueries) -> AthenaLake:
    return AthenaLake(S3Blobs(client, "data"), queries)


@pytest.fixture
def compaction(client: Any, queries: AthenaQueries) -> Compaction:
    numbers = count()
    return Compaction(S3Blobs(client, "data"), queries, new_id=lambda: f"{next(numbers):032}")


def keys(client: Any, prefix: str = "lake/") -> list[str]:
    listed = client.list_objects_v2(Bucket="data", Prefix=prefix).get("Contents", [])
    return [item["Key"] for item in listed]


def captures(lake: AthenaLake) -> list[tuple[object, ...]]:
    return lake.query("SELECT capture_id, status, error FROM results ORDER BY 1")[1]


def everything(lake: AthenaLake | Lake, view: str) -> list[dict[str, object]]:
    """Rows as people see them: whole milliseconds, lists as text."""
    columns, rows = lake.query(f"SELECT * FROM {view} ORDER BY 1, 2, 3, 4, 5")
    dicts = [dict(zip(columns, row, strict=True)) for row in rows]
    for row in dicts:
        if isinstance(row.get("labels"), list):
            row["labels"] = f"[{', '.join(row['labels'])}]"  # type: ignore[arg-type]
    return sorted(dicts, key=lambda row: str(list(row.values())))


def batches() -> dict[str, Sequence[Result]]:
    """Two days: retried failures, a partial one, nothing to show, and odd text."""
    later = NOW + timedelta(days=1)
    odd = result("c4", asset='"q" \n\\ ü ☃', image="caf\udce9.jpg", recorded_at=later)
    return {
        "b1": [result("c1"), failed("c2"), failed("c3", NOW + timedelta(seconds=3))],
        "b2": [replace(failed("c3", later), error="later")],
        "b3": [result("c2", recorded_at=later), odd, failed("c5")],
        "b4": [failed("c2", later + timedelta(days=9))],
    }


def test_a_batch_is_the_file_that_the_local_lake_would_write(
    lake: AthenaLake, client: Any, tmp_path: Path
) -> None:
    Lake(tmp_path).project("b1", batches()["b1"])
    lake.project("b1", batches()["b1"])
    (file,) = tmp_path.rglob("*.gz")
    assert keys(client, "lake/raw/results/") == [f"{RAW}batch=b1.ndjson.gz"]
    stored = client.get_object(Bucket="data", Key=f"{RAW}batch=b1.ndjson.gz")
    assert stored["Body"].read() == file.read_bytes()
    assert stored["ContentType"] == "application/gzip"
    assert "ContentEncoding" not in stored, "Athena would get it unpacked, and fail"


@pytest.mark.parametrize("compacted", ["nothing", "a day", "all"])
def test_the_views_answer_as_the_local_ones_do(
    lake: AthenaLake, compaction: Compaction, tmp_path: Path, compacted: str
) -> None:
    local = Lake(tmp_path)
    for batch, results in batches().items():
        lake.project(batch, results)
        local.project(batch, results)
    for day in {"nothing": [], "a day": [MAY], "all": compaction.due(date(2027, 1, 1))}[compacted]:
        compaction.compact(day)
    for view in VIEWS:
        found = everything(local, view)
        assert found
        assert everything(lake, view) == found


def test_the_views_are_there_and_empty_before_the_first_batch(lake: AthenaLake) -> None:
    for view in VIEWS:
        columns, rows = lake.query(f"SELECT * FROM {view}")
        assert rows == []
        assert columns[0] == "result_id"


def test_a_retry_replaces_a_batch_by_one_read(lake: AthenaLake, client: Any) -> None:
    calls: list[str] = []
    client.meta.events.register(
        "before-call.s3", lambda model, **_: calls.append(model.name), unique_id="count"
    )
    lake.project("b1", [result(), failed("c2", NOW - timedelta(days=3))])
    lake.project("b1", [result()])
    client.meta.events.unregister("before-call.s3", unique_id="count")
    assert keys(client, "lake/raw/results/") == [f"{RAW}batch=b1.ndjson.gz"]
    assert captures(lake) == [("c1", "done", None)]
    assert "ListObjectsV2" not in calls
    assert len(calls) == 3 + 5
    lake.project("b1", [])
    assert keys(client) == []
    lake.project("never", [])
    assert keys(client) == []


def test_a_crash_between_the_writes_leaves_nothing_unknown(
    lake: AthenaLake, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.project("b1", [failed("c2", NOW - timedelta(days=3)), result()])

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(S3Blobs, "delete_many", cut)
    with pytest.raises(KeyboardInterrupt):
        lake.project("b1", [result()])
    monkeypatch.undo()
    assert len(keys(client, "lake/raw/results/")) == 2
    assert len(captures(lake)) == 2
    lake.project("b1", [result()])
    assert keys(client, "lake/raw/results/") == [f"{RAW}batch=b1.ndjson.gz"]


def test_a_first_try_that_is_cut_off_is_known_to_the_second(
    lake: AthenaLake, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, calls = S3Blobs.put, count(1)

    def cut(self: S3Blobs, key: str, data: bytes) -> None:
        put(self, key, data)
        if next(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(S3Blobs, "put", cut)
    with pytest.raises(KeyboardInterrupt):
        lake.project("b1", [failed("c2", NOW - timedelta(days=3)), result()])
    monkeypatch.undo()
    lake.project("b1", [result()])
    assert keys(client, "lake/raw/results/") == [f"{RAW}batch=b1.ndjson.gz"]


def test_what_is_made_anew_wins_over_what_was_compacted(
    lake: AthenaLake, compaction: Compaction
) -> None:
    lake.project("z", [result("c1", asset="old")])
    compaction.compact(MAY)
    lake.project("a", [result("c1", asset="new")])
    assert lake.query("SELECT asset FROM results")[1] == [("new",)]
    compaction.compact(MAY)
    assert lake.query("SELECT asset FROM results")[1] == [("new",)]


def test_batches_and_compacted_days_are_listed_and_dropped(
    lake: AthenaLake, compaction: Compaction, client: Any
) -> None:
    for batch, results in batches().items():
        lake.project(batch, results)
    client.put_object(Bucket="data", Key="lake/raw/results/notes.txt", Body=b"mine")
    compaction.compact(MAY)
    assert lake.batches() == ["b2", "b4", f"day-{MAY}"]
    lake.drop(["b4", f"day-{MAY}", "other"])
    assert lake.batches() == ["b2"]
    assert captures(lake) == [("c3", "failed", "later")]
    assert "lake/raw/results/notes.txt" in keys(client)
    lake.drop(["b2"])
    assert keys(client) == ["lake/raw/results/notes.txt"]


@pytest.mark.parametrize("batch", ["", "../b", "a/b", "*", "x" * 65])
def test_a_batch_id_is_a_plain_name(lake: AthenaLake, batch: str) -> None:
    with pytest.raises(StoreError, match="not a batch id"):
        lake.project(batch, [result()])


def test_a_day_becomes_one_file_and_a_second_run_changes_nothing(
    lake: AthenaLake, compaction: Compaction, client: Any, athena: DuckAthena
) -> None:
    for number in range(5):
        lake.project(f"b{number}", [result(f"c{number}")])
    before = captures(lake)
    assert compaction.compact(MAY) == Compacted(MAY, 5, 1, 1000)
    assert keys(client) == [f"{COMPACT}merge-{0:032}/part-0"]
    assert captures(lake) == before
    asked = len(athena.statements)
    assert compaction.compact(MAY) == Compacted(MAY, 0, 0, 0)
    assert len(athena.statements) == asked


def test_what_comes_late_is_merged_with_what_was(
    lake: AthenaLake, compaction: Compaction, client: Any
) -> None:
    lake.project("b1", [failed("c1"), result("c2")])
    compaction.compact(MAY)
    lake.project("b2", [result("c1")])
    assert captures(lake) == [("c1", "done", None), ("c2", "done", None)]
    assert compaction.compact(MAY).merged == 2
    assert keys(client) == [f"{COMPACT}merge-{1:032}/part-0"]
    assert captures(lake) == [("c1", "done", None), ("c2", "done", None)]
    assert lake.query("SELECT count(*) FROM compact_results")[1] == [(2,)]


def test_a_crash_after_the_merge_doubles_no_answer_and_the_next_run_tidies(
    lake: AthenaLake, compaction: Compaction, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for batch, results in batches().items():
        lake.project(batch, results)
    before = everything(lake, "regions")

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(S3Blobs, "delete_many", cut)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            compaction.compact(MAY)
    monkeypatch.undo()
    assert len(keys(client, COMPACT)) == 2
    assert everything(lake, "regions") == before
    assert compaction.compact(MAY).made == 1
    assert keys(client, COMPACT) == [f"{COMPACT}merge-{2:032}/part-0"]
    assert keys(client, RAW) == []
    assert everything(lake, "regions") == before


def test_a_batch_that_changes_while_its_day_is_merged_is_kept(
    lake: AthenaLake, compaction: Compaction, client: Any, athena: DuckAthena
) -> None:
    lake.project("b1", [failed("c1")])
    lake.project("b2", [result("c2")])
    start = athena.start_query_execution

    def slow(**asked: Any) -> dict[str, str]:
        answer = start(**asked)
        lake.project("b1", [result("c1", recorded_at=NOW + timedelta(minutes=1))])
        lake.project("b3", [result("c3")])
        return answer

    athena.start_query_execution = slow  # type: ignore[method-assign]
    assert compaction.compact(MAY).merged == 1
    del athena.start_query_execution
    assert keys(client, RAW) == [f"{RAW}batch=b1.ndjson.gz", f"{RAW}batch=b3.ndjson.gz"]
    assert [row[:2] for row in captures(lake)] == [(f"c{n}", "done") for n in (1, 2, 3)]


def test_a_merge_that_fails_removes_nothing(
    lake: AthenaLake, compaction: Compaction, client: Any, athena: DuckAthena
) -> None:
    lake.project("b1", [result("c1")])
    before = keys(client)
    failing = {"State": "FAILED", "StateChangeReason": "HIVE_CURSOR_ERROR: bad"}
    look = {"QueryExecution": {"Status": failing}}
    athena.get_query_execution = lambda **_: look  # type: ignore[method-assign]
    athena.stop_query_execution = lambda **_: None  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match="damaged"):
        compaction.compact(MAY)
    assert set(before) <= set(keys(client))


def test_a_merge_that_went_elsewhere_removes_nothing(
    lake: AthenaLake, compaction: Compaction, client: Any, athena: DuckAthena
) -> None:
    lake.project("b1", [result("c1")])
    before = keys(client)
    athena.start_query_execution = lambda **_: {"QueryExecutionId": "q"}  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="nothing is there: nothing was removed"):
        compaction.compact(MAY)
    assert keys(client) == before


def test_the_days_that_are_due_end_before_today(lake: AthenaLake, compaction: Compaction) -> None:
    for batch, results in batches().items():
        lake.project(batch, results)
    assert compaction.due(date(2026, 5, 2)) == [MAY]
    assert compaction.due(date(2026, 5, 3)) == [MAY, "2026-05-02"]
    compaction.compact(MAY)
    assert compaction.due(date(2026, 5, 3)) == ["2026-05-02"]
