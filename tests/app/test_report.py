"""The report is opened, parsed back and attacked; one test looks at it in a real browser."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.app.reports import (
    CHROMIUM,
    HOSTILE,
    NOON,
    Blobs,
    Counter,
    browse,
    inspection,
    make,
    opened,
    result,
    stored,
)

from walkdown.app import report_pictures
from walkdown.app.report import write_report
from walkdown.app.report_pictures import drawn_pictures, plan_pictures
from walkdown.app.report_rows import COLUMNS, dumps
from walkdown.errors import StoreError
from walkdown.pipeline.keys import image_key
from walkdown.types import (
    Exif,
    Prediction,
    Severity,
    StageResult,
    Status,
    Verdict,
)

if TYPE_CHECKING:
    from pathlib import Path


def lines(out: Path) -> list[dict[str, str]]:
    with (out / "results.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_worst_come_first_and_everything_is_counted(tmp_path: Path) -> None:
    results = [
        result("b.png", 0.1),
        result("broken.png", None),
        result("worst.png", 0.97),
        replace(result("dark.png", 0.3), verdict=Verdict.UNUSABLE, score=None),
        result("a.png", 0.1),
        result("late.png", 0.6, status=Status.PARTIAL, error="stage second timed out"),
    ]
    data = make(tmp_path, results).data
    names = [row["name"] for row in data["results"]]
    assert names == ["worst.png", "late.png", "a.png", "b.png", "broken.png", "dark.png"]
    assert data["counts"] == {"normal": 2, "anomaly": 2, "unusable": 1, "failed": 1, "partial": 1}
    assert [line["image"] for line in lines(tmp_path)] == names
    table = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert [row["name"] for row in table["results"]] == names
    assert table["counts"] == data["counts"]


def test_a_score_of_zero_comes_before_no_score(tmp_path: Path) -> None:
    data = make(tmp_path, [result("a.png", None), result("z.png", 0.0)]).data
    assert [row["name"] for row in data["results"]] == ["z.png", "a.png"]


def test_pictures_belong_to_their_results(tmp_path: Path) -> None:
    blobs = Blobs()
    results = [stored(blobs, result(f"{n:03}.png", n / 200), n) for n in range(120)]
    page = make(tmp_path, results, blobs)
    pictures = page.pictures()
    assert len(pictures) == 120
    assert page.data["per_block"] == len(json.loads(page.scripts["pictures-0"])) == 50
    for row in page.data["results"]:
        image = opened(pictures[row["picture"]]["image"])
        assert abs(int(np.asarray(image).mean()) - int(row["name"][:3])) <= 3
        assert pictures[row["picture"]]["heat"].startswith("data:image/")


def test_one_picture_serves_results_of_the_same_image(tmp_path: Path) -> None:
    blobs = Blobs()
    results = [stored(blobs, result(name, 0.8), 90) for name in ("a.png", "b.png")]
    page = make(tmp_path, results, blobs)
    assert [row["picture"] for row in page.data["results"]] == [0, 0]
    assert len(page.pictures()) == 1


def test_heat_map_and_regions_of_the_deciding_stage_are_shown(tmp_path: Path) -> None:
    first = stored(Blobs(), result("a.png", 0.8), 90)
    later = StageResult("check", "second@1", "e" * 64, Prediction(None, None, None, error="late"))
    page = make(tmp_path, [replace(first, stages=(*first.stages, later))])
    row = page.data["results"][0]
    assert row["shown"] == 0
    assert row["stages"][0]["regions"] == [
        {"box": [4, 3, 10, 6], "area_pct": 5.0, "score": 0.8, "label": "crack", "nearest": None}
    ]
    assert row["stages"][1]["error"] == "late"


def test_missing_or_damaged_blobs_cost_only_the_picture(tmp_path: Path) -> None:
    blobs = Blobs()
    gone = replace(result("gone.png", 0.9), content="ab" * 32)
    cold = stored(blobs, result("cold.png", 0.8), 10)
    blobs.delete(cold.stages[0].heatmap or "")
    torn = stored(blobs, result("torn.png", 0.7), 20)
    blobs.put(image_key(torn.content or ""), b"\x89PNG\r\n\x1a\n torn")
    worn = stored(blobs, result("worn.png", 0.6), 30)
    blobs.put(worn.stages[0].heatmap or "", b"not a picture")
    pictures = make(tmp_path, [gone, cold, torn, worn], blobs).pictures()
    assert [p and bool(p["heat"]) for p in pictures] == [None, False, None, False]


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    undecodable = b"a/caf\xe9.png".decode("utf-8", "surrogateescape")
    page = make(
        tmp_path,
        [
            result(HOSTILE, 0.9, asset="<!--<script>"),
            result(undecodable),
            result("x", None, error="</script>"),
        ],
        pipeline="</title><script>alert(1)</script>",
        sources=("</script>", undecodable),
    )
    assert [row["image"] for row in page.data["results"]] == [HOSTILE, "a/caf\\udce9.png", "x"]
    assert page.data["results"][1]["name"] == "caf\\udce9.png"
    assert page.data["results"][0]["asset"] == "<!--<script>"
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == len(page.scripts) == 2
    assert "img" not in tags
    assert "alert" not in page.scripts["code"]
    text = (tmp_path / "index.html").read_text("utf-8")
    assert text.count("<!--") == text.count("<script>alert") == 0
    (tmp_path / "results.json").read_bytes().decode("ascii")


@given(st.text(alphabet=st.characters(), max_size=40))
def test_json_in_a_script_element_is_inert_and_whole(text: str) -> None:
    encoded = dumps({"text": text})
    assert not re.search(r"[<>&\u2028\u2029]", encoded)
    assert json.loads(encoded) == {"text": text.encode("utf-8", "backslashreplace").decode()}


@pytest.mark.parametrize(
    "cell", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"]
)
def test_no_cell_is_a_formula(tmp_path: Path, cell: str) -> None:
    make(tmp_path, [result(cell, None, asset=cell, error=cell)])
    line = lines(tmp_path)[0]
    assert [line[name] for name in ("image", "asset", "error")] == [f"'{cell}"] * 3


def test_columns_hold_what_they_say(tmp_path: Path) -> None:
    exif = Exif(NOON.astimezone(), "DJI ZH20T", -47.5, -8.25, 412.5)
    full = result("roof/a.png", 0.75, severity=Severity.HIGH, asset="roof-1", exif=exif)
    make(tmp_path, [full])
    line = lines(tmp_path)[0]
    assert tuple(line) == COLUMNS
    assert line["image"] == "roof/a.png"
    assert (line["verdict"], line["severity"], line["score"]) == ("anomaly", "high", "0.75")
    assert (line["labels"], line["regions"], line["area_pct"]) == ("crack", "1", "5.0")
    assert line["taken_at"] == "2026-05-04T12:00:00+00:00"
    assert (line["latitude_deg"], line["longitude_deg"]) == ("-47.5", "-8.25")
    assert line["id"] == full.key.id


def test_words_and_costs_of_a_service_are_in_all_three_files(tmp_path: Path) -> None:
    said = Prediction(Verdict.ANOMALY, 0.9, 9.0, note="=rust on\nthe flange", cost_usd=0.0125)
    stage = StageResult("look", "tiles@3", "d" * 64, said)
    page = make(tmp_path, [replace(result("a.png", 0.9), stages=(stage,))])
    assert page.data["results"][0]["stages"][0]["note"] == "=rust on\nthe flange"
    line = lines(tmp_path)[0]
    assert (line["note"], line["cost_usd"]) == ("'=rust on\nthe flange", "0.0125")
    row = json.loads((tmp_path / "results.json").read_text("utf-8"))["results"][0]
    assert (row["note"], row["cost_usd"]) == ("=rust on\nthe flange", 0.0125)


def test_numbers_that_json_does_not_know_become_null(tmp_path: Path) -> None:
    odd = result("a.png", 0.4, raw_score=float("inf"), exif=Exif(latitude_deg=float("nan")))
    row = make(tmp_path, [odd], threshold=float("nan")).data["results"][0]
    assert row["raw_score"] is None
    assert row["latitude_deg"] is None


def test_empty_inspection_and_failed_only(tmp_path: Path) -> None:
    page = make(tmp_path / "empty", [], finished_at=None, threshold=None, sources=())
    assert page.data["results"] == page.pictures() == lines(tmp_path / "empty") == []
    assert json.loads((tmp_path / "empty/results.json").read_text("utf-8"))["results"] == []
    page = make(tmp_path / "failed", [result("a.png", None), result("b.png", None)])
    assert page.data["counts"]["failed"] == 2
    assert page.data["results"][0]["error"] == "the file is empty"


def test_a_result_without_verdict_never_passes_for_inspected(tmp_path: Path) -> None:
    data = make(tmp_path, [result("a.png", 0.2, verdict=None, status=Status.PARTIAL)]).data
    assert data["counts"] == {"normal": 0, "anomaly": 0, "unusable": 0, "failed": 1, "partial": 0}


def test_the_page_needs_nothing_else_and_runs_only_its_own_script(tmp_path: Path) -> None:
    page = make(tmp_path, [result("a.png", 0.9)])
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "srcset"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
    policies = [a["content"] for _, a in page.tags if a.get("http-equiv")]
    digest = hashlib.sha256(page.scripts["code"].encode()).digest()
    expected = base64.b64encode(digest).decode()
    assert f"script-src 'sha256-{expected}'" in (policies[0] or "")
    assert "default-src 'none'" in (policies[0] or "")
    assert "unsafe" not in (policies[0] or "")


def test_files_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    make(tmp_path, [result("old.png")])
    before = (tmp_path / "index.html").read_bytes()
    blobs = Blobs()
    results = [stored(blobs, result("new.png", 0.9), 5)]

    class Stopped(Counter):
        def advance(self, count: int = 1) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_report(inspection(), results, blobs=blobs, out=tmp_path, progress=Stopped())
    assert (tmp_path / "index.html").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "index.html",
        "results.csv",
        "results.json",
    ]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"file.*choose another folder"):
        make(tmp_path / "file", [])


def test_progress_counts_pictures(tmp_path: Path) -> None:
    blobs, progress = Blobs(), Counter()
    results = [stored(blobs, result(f"{n}.png", n / 10), n) for n in range(7)]
    results.append(result("broken.png", None))
    write_report(inspection(), results, blobs=blobs, out=tmp_path, progress=progress)
    assert progress.total == progress.done == 7


def test_memory_is_bounded_while_pictures_are_drawn() -> None:
    blobs = Blobs()
    results = [replace(result(f"{n}"), content=f"{n:064x}") for n in range(200)]
    drawn = drawn_pictures(plan_pictures(results), blobs=blobs)
    next(drawn)
    assert len(blobs.reads) <= 2 * report_pictures._WORKERS
    drawn.close()  # type: ignore[attr-defined]


def test_longer_reports_have_smaller_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = (1, 60, 61, 300, 1000, 5000, 5001, 10**6)
    sizes = [report_pictures._sizes_px(count)[0] for count in counts]
    assert sizes == [960, 960, 480, 480, 320, 200, 160, 160]
    monkeypatch.setattr(report_pictures, "_MOST_PICTURES", 2)
    results = [replace(result(f"{n}", 0.5), content=f"{n:064x}") for n in (1, 2, 3, 2)]
    plan = plan_pictures(results)
    assert plan.numbers == (0, 1, None, 1)
    assert [picture.name for picture in plan.pictures] == ["1", "2"]


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine to open the page with")
def test_a_browser_draws_the_cards_without_an_error(tmp_path: Path) -> None:
    blobs = Blobs()
    results = [stored(blobs, result(f"{n}.png", n / 70), n) for n in range(70)]
    results += [result(HOSTILE, 0.99), result("broken.png", None)]
    make(tmp_path / "out", results, blobs)
    page = (tmp_path / "out/index.html").as_uri()
    first = f"{page}#image={results[-2].key.id}"
    dom, log = browse(first, tmp_path)
    seen = [attributes for _, attributes in dom.tags]
    assert sum(a.get("class") == "card" for a in seen) == 48
    assert sum("aria-pressed" in a for a in seen) == 4 + 20
    assert sum((a.get("src") or "").startswith("data:image/webp") for a in seen) >= 47
    assert any(a.get("id") == "detail" and "open" in a for a in seen)
    assert any(a.get("title") == HOSTILE for a in seen)
    assert not any(a.get("src") == "x" for a in seen)
    assert "CONSOLE" not in log, log
    dom, log = browse(f"{page}#show=failed", tmp_path)
    seen = [attributes for _, attributes in dom.tags]
    assert not any(a.get("class") == "card" for a in seen)
    assert sum(a.get("class") == "why" for a in seen) == 1
    assert "CONSOLE" not in log, log


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine to open the page with")
def test_an_open_image_shows_what_a_model_says_and_what_that_cost(tmp_path: Path) -> None:
    note = "<b>rust</b> on the flange"
    said = Prediction(Verdict.ANOMALY, 0.9, 9.0, note=note, cost_usd=0.0125)
    stage = StageResult("look", "tiles@3", "d" * 64, said)
    shown = replace(result("a.png", 0.9), stages=(stage,))
    make(tmp_path / "out", [shown])
    url = f"{(tmp_path / 'out/index.html').as_uri()}#image={shown.key.id}"
    dom, log = browse(url, tmp_path)
    assert note in dom.texts
    assert "$0.0125" in dom.texts
    assert "CONSOLE" not in log, log


def test_the_page_tells_what_was_charged_and_what_is_partial(tmp_path: Path) -> None:
    whole = result("a.png", 0.2)
    (stage, *others) = whole.stages
    asked = replace(stage, prediction=replace(stage.prediction, cost_usd=0.5))
    part = replace(whole, stages=(asked, *others), status=Status.PARTIAL, error="stage x: no")
    make(tmp_path, [part])
    page = (tmp_path / "index.html").read_text("utf-8")
    assert "1 result is partial" in page
    assert f"services charged about $0.50: {stage.stage} $0.50" in page
