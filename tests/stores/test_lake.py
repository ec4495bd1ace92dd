"""The lake: repeatable files, three views with fixed types, and questions that can do no harm."""

from __future__ import annotations

import gzip
import json
import math
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.stores.lake_results import NOW, failed, result

from walkdown.errors import MissingExtra, StoreError
from walkdown.stores.lake import Lake

if TYPE_CHECKING:
    from pathlib import Path

TYPES = {"VARCHAR", "BIGINT", "DOUBLE", "TIMESTAMP", "DATE", "VARCHAR[]"}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    pytest.importorskip("duckdb", reason="the extra 'query' is not installed")
    return Lake(tmp_path / "lake")


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.gz"))


def rows(lake: Lake, sql: str) -> list[tuple[object, ...]]:
    return lake.query(sql)[1]


def test_a_batch_is_one_file_with_the_date_of_its_earliest_result(tmp_path: Path) -> None:
    early = result("c2", recorded_at=NOW - timedelta(days=1))
    Lake(tmp_path).project("b1", [result(), early])
    assert files(tmp_path) == ["results/dt=2026-04-30/batch=b1.ndjson.gz"]
    text = gzip.decompress((tmp_path / files(tmp_path)[0]).read_bytes()).decode()
    assert [json.loads(line)["result_id"] for line in text.splitlines()] == [
        *(result().key.id, early.key.id)
    ]


def test_a_retry_replaces_a_batch_with_the_same_bytes(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.project("b1", [result(), failed("c2")])
    (path,) = tmp_path.rglob("*.gz")
    before = path.read_bytes()
    path.write_bytes(before[:20])
    lake.project("b1", [result(), failed("c2")])
    assert path.read_bytes() == before
    assert before[4:8] == b"\0\0\0\0", "the time of writing is in the file"


def test_a_retry_with_fewer_results_leaves_no_second_file(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.project("b1", [result(), failed("c2", NOW - timedelta(days=3))])
    lake.project("b1", [result()])
    assert files(tmp_path) == ["results/dt=2026-05-01/batch=b1.ndjson.gz"]
    lake.project("b1", [])
    assert files(tmp_path) == []


def test_drop_removes_these_batches_and_nothing_else(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for batch in ("b1", "b2", "b11"):
        lake.project(batch, [result()])
    (tmp_path / "results" / "notes.txt").write_text("mine")
    assert lake.batches() == ["b1", "b11", "b2"]
    lake.drop(batch for batch in ("b2", "b11", "other"))
    assert files(tmp_path) == ["results/dt=2026-05-01/batch=b1.ndjson.gz"]
    lake.drop(["b1"])
    assert files(tmp_path) == []
    assert (tmp_path / "results" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("batch", ["", "../b", "a/b", "*", "x" * 65])
def test_a_batch_id_is_a_plain_name(tmp_path: Path, batch: str) -> None:
    with pytest.raises(StoreError, match="not a batch id"):
        Lake(tmp_path).project(batch, [result()])


def test_the_views_have_the_same_columns_empty_and_full(lake: Lake) -> None:
    empty = {view: rows(lake, f"DESCRIBE {view}") for view in ("results", "predictions", "regions")}
    assert all(rows(lake, f"SELECT * FROM {view}") == [] for view in empty)
    lake.project("b1", [failed("c9")])
    assert {view: rows(lake, f"DESCRIBE {view}") for view in empty} == empty
    lake.project("b2", [result()])
    assert {view: rows(lake, f"DESCRIBE {view}") for view in empty} == empty
    assert {column[1] for columns in empty.values() for column in columns} == TYPES


def test_one_row_per_result_stage_and_region(lake: Lake) -> None:
    lake.project("b1", [result()])
    columns, found = lake.query("SELECT * FROM results")
    assert dict(zip(columns, found[0], strict=True)) == {
        "result_id": result().key.id,
        "workspace": "w",
        "capture_id": "c1",
        "plan_digest": "plan",
        "run": 0,
        "batch_id": "b1",
        "image": "photos/c1.jpg",
        "uri": "file:///photos/c1.jpg",
        "content": "ab" * 32,
        "asset": "pole-1",
        "viewpoint": "north",
        "status": "done",
        "verdict": "anomaly",
        "score": 0.75,
        "raw_score": 3.5,
        "model": "cells@1",
        "severity": "high",
        "error": None,
        "actor": "ada",
        "recorded_at": NOW.replace(tzinfo=None),
        "taken_at": (NOW - timedelta(days=1)).replace(tzinfo=None),
        "camera": "DJI M3T",
        "latitude_deg": 47.5,
        "longitude_deg": 8.25,
        "altitude_m": 400.0,
        "width_px": 300,
        "height_px": 200,
        "dt": NOW.date(),
    }
    sql = "SELECT stage_number, stage, model, score, p_normal, labels FROM predictions ORDER BY 1"
    assert rows(lake, sql) == [
        (1, "gate", "gate@2", 0.25, None, []),
        (2, "look", "cells@1", 0.75, 0.01, ["crack", "scratch"]),
    ]
    asked = "stage, label, score, area_pct, x, y, width_px, height_px, nearest_image"
    assert rows(lake, f"SELECT {asked} FROM regions ORDER BY x") == [
        ("look", "crack", 0.75, 0.5, 1, 2, 3, 4, "good/7.png"),
        ("look", "scratch", 0.625, 1.5, 5, 6, 7, 8, None),
    ]


def test_files_from_before_a_region_had_a_nearest_image_are_read(
    lake: Lake, tmp_path: Path
) -> None:
    lake.project("b1", [result()])
    (file,) = (tmp_path / "lake").rglob("*.gz")
    new = gzip.decompress(file.read_bytes())
    old = re.sub(rb',"nearest_image":(null|"[^"]*")', b"", new)
    assert b"nearest" not in old != new
    file.write_bytes(gzip.compress(old))
    sql = "SELECT label, nearest_image FROM regions ORDER BY x"
    assert rows(lake, sql) == [("crack", None), ("scratch", None)]


def test_the_newest_row_of_a_result_counts_and_a_done_one_before_all(lake: Lake) -> None:
    lake.project("b1", [failed("c1"), failed("c2", NOW + timedelta(days=2))])
    lake.project("b2", [replace(failed("c1", NOW + timedelta(seconds=1)), error="later")])
    lake.project("b3", [result("c2")])
    sql = "SELECT capture_id, status, error FROM results ORDER BY 1"
    assert rows(lake, sql) == [("c1", "failed", "later"), ("c2", "done", None)]
    assert rows(lake, "SELECT count(*) FROM predictions") == [(2,)]


def test_what_json_readers_refuse_is_softened(lake: Lake) -> None:
    odd = result(image="caf\udce9\0.jpg", score=math.nan, raw_score=math.inf, asset='"q\n\\')
    lake.project("b1", [odd])
    sql = "SELECT image, score, raw_score, asset FROM results"
    assert rows(lake, sql) == [("caf\ufffd\0.jpg", None, None, '"q\n\\')]


@pytest.mark.parametrize("name", ["it's [a] *lake?", "dt=1999-01-01", "image=7/batch=x", "{a,b}"])
def test_a_folder_with_an_odd_name_is_no_pattern(tmp_path: Path, name: str) -> None:
    pytest.importorskip("duckdb")
    lake = Lake(tmp_path / name)
    Lake(tmp_path / "it's a xlakes").project("other", [result("c9")])
    lake.project("b1", [result()])
    assert rows(lake, "SELECT image, batch_id, dt FROM results") == [
        ("photos/c1.jpg", "b1", NOW.date())
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('{root}/../secret')",
        "SELECT * FROM read_blob('{root}/results/dt=2026-05-01/batch=b1.ndjson.gz')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM '{root}/../secret'",
        "COPY results TO 'stolen.csv'",
        "COPY (SELECT 1) TO '{root}/stolen'",
        "WITH x AS (COPY (SELECT 1) TO '{root}/stolen') SELECT * FROM x",
        "SELECT * FROM query('COPY (SELECT 1) TO ''{root}/stolen''')",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{root}/stolen'",
        "EXPORT DATABASE '{root}/stolen'",
        "ATTACH '{root}/stolen'",
        "INSTALL httpfs",
        "LOAD '{root}/stolen.so'",
        "SET enable_external_access=true",
        "SELECT 1; COPY (SELECT 1) TO '{root}/stolen'",
        "DROP VIEW results",
        "PRAGMA enable_profiling",
        "SELECT * FROM lake",
        "",
        "-- nothing",
    ],
)
def test_a_question_can_do_no_harm(lake: Lake, tmp_path: Path, sql: str) -> None:
    lake.project("b1", [result()])
    (tmp_path / "secret").write_text("secret")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoreError, match="the views are results, predictions and regions"):
        lake.query(sql.format(root=tmp_path / "lake"))
    assert sorted(tmp_path.rglob("*")) == before
    assert rows(lake, "SELECT count(*) FROM results") == [(1,)]


def test_a_question_does_not_see_variables_of_the_process(lake: Lake) -> None:
    secret = {"column": np.array([1, 2])}
    with pytest.raises(StoreError, match="Table with name secret does not exist"):
        lake.query("SELECT * FROM secret")
    assert list(secret) == ["column"]


def test_a_wrong_question_has_duckdbs_reason_in_short(lake: Lake) -> None:
    with pytest.raises(StoreError, match='Referenced column "sore" not found') as raised:
        lake.query("SELECT sore FROM results WHERE " + " OR ".join(["score > 1"] * 500))
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 450
    assert raised.value.__cause__ is not None
    with pytest.raises(StoreError, match=r"write ::TIMESTAMP after it"):
        lake.query("SELECT now()")
    with pytest.raises(StoreError, match="not Unicode"):
        lake.query("SELECT '\udcff'")


def test_times_compare_with_now_in_utc(lake: Lake) -> None:
    lake.project("b1", [result(recorded_at=datetime.now(UTC) - timedelta(minutes=5))])
    recent = "recorded_at BETWEEN now() - INTERVAL 10 MINUTE AND now()"
    assert rows(lake, f"SELECT count(*) FROM results WHERE {recent}") == [(1,)]


def test_a_damaged_file_is_said(lake: Lake, tmp_path: Path) -> None:
    lake.project("b1", [result()])
    (path,) = tmp_path.rglob("*.gz")
    path.write_bytes(b"not gzip")
    with pytest.raises(StoreError, match="walkdown query --rebuild"):
        lake.query("SELECT * FROM results")


def test_without_duckdb_the_install_command_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingExtra, match="walkdown query needs the extra 'query'"):
        Lake(tmp_path).query("SELECT 1")
