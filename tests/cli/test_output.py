"""What commands print of a result, for programs and for people."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from walkdown.app.foretelling import Forecast, Range, StageForecast
from walkdown.app.remarks import remarks_on
from walkdown.app.replay_page import change_row
from walkdown.app.replaying import Change
from walkdown.cli import output
from walkdown.cli.describe import describe
from walkdown.cli.dry_run import forecast_json
from walkdown.cli.output import echo_json, left_out_json, result_json
from walkdown.stores.memory import MemoryBlobs
from walkdown.types import (
    Exif,
    Nearest,
    Prediction,
    Region,
    Result,
    ResultKey,
    StageResult,
    Status,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walkdown.app.context import App

NOON = datetime(2026, 5, 4, 12, 0, 0, 250_000, tzinfo=UTC)
NAME = "good/caf\udce9.png"
NEAREST = Nearest(NAME, (9, 8, 7, 6), (-1, 2, 7, 6), "models/d/p.jpg", (0, 16, 8, 8))
REGIONS = (Region((1, 2, 3, 4), 0.5, 0.9, "crack", NEAREST), Region((5, 6, 7, 8), 0.25, 0.6))
DOCUMENTED = Path(__file__).parents[2] / "docs" / "json.md"


class Desk:
    """The one part of an App that is asked where things are."""

    blobs = MemoryBlobs()


def row(**changes: Any) -> dict[str, Any]:
    gate = StageResult("gate", "gate@1", "g" * 64, Prediction(Verdict.NORMAL, 0.2, 0.4))
    by = Prediction(Verdict.ANOMALY, 0.9, 2.5, ("crack",), REGIONS, p_normal=0.01)
    look = StageResult("look", "cells@1", "d" * 64, by, "heatmaps/x.png")
    values: dict[str, Any] = {
        "key": ResultKey("w", "c", "p"),
        "uri": "file:///a.png",
        "image": "a.png",
        "status": Status.DONE,
        "actor": "ada",
        "recorded_at": NOON,
        "content": "ab" * 32,
        "verdict": Verdict.ANOMALY,
        "score": 0.9,
        "raw_score": 2.5,
        "model": "cells@1",
        "stages": (gate, look),
        "exif": Exif(NOON),
    }
    return cast("dict[str, Any]", result_json(cast("App", Desk()), Result(**(values | changes))))


def documented() -> Iterator[set[str]]:
    """The keys of each table of docs/json.md."""
    for table in re.findall(r"\| key \|.*?\n\n", DOCUMENTED.read_text("utf-8"), re.DOTALL):
        cells = (line.split("|")[1] for line in table.strip().splitlines()[2:])
        yield {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}


def test_a_result_and_a_skipped_file_have_the_documented_keys() -> None:
    keys, nearest, *_ = documented()
    assert set(row()) == set(left_out_json("a.txt", "no image")) == keys
    assert set(row()["regions"][0]["nearest"]) == nearest


def priced(note: str | None, usd: float | None, **more: Any) -> Prediction:
    return Prediction(Verdict.NORMAL, 0.2, 0.4, note=note, cost_usd=usd, **more)


def test_words_are_those_of_the_deciding_stage_and_costs_those_of_all() -> None:
    gate = StageResult("gate", "gate@1", "g" * 64, priced("a roof", 0.002))
    look = StageResult("look", "cells@1", "d" * 64, priced("no cell\nis cracked", 0.01))
    found = row(stages=(gate, look))
    assert (found["note"], found["cost_usd"]) == ("no cell\nis cracked", pytest.approx(0.012))
    said = [(stage["note"], stage["cost_usd"]) for stage in found["stages"]]
    assert said == [("a roof", 0.002), ("no cell\nis cracked", 0.01)]
    assert (row()["note"], row()["cost_usd"]) == (None, None)


def test_people_are_told_what_a_model_says_and_what_that_cost() -> None:
    broke = Prediction(None, None, None, error="too slow", cost_usd=0.5)
    stages = (
        StageResult("look", "cells@1", "d" * 64, priced("move\x1b[2J\ncloser", 0.00125)),
        StageResult("ask", "far@1", "e" * 64, broke),
    )
    found = Result(
        ResultKey("w", "c", "p"), "file:///a", "a", Status.PARTIAL, "ada", NOON, stages=stages
    )
    told = list(describe(found, str))
    assert "    says: move\\x1b[2J closer" in told
    assert [line for line in told if "cost" in line] == ["    cost $0.00125", "    cost $0.50"]
    assert output.costs([found, found]) == {"look": 0.0025, "ask": 1.0}


def test_a_forecast_and_a_replay_have_the_documented_keys() -> None:
    _, _, dry_run, replay = documented()
    stage = StageForecast(
        "ask", "far@1", "call", Range(2, 1, 3), Range(0.1, 0.0, 0.2), "history", 20, 2, 0.5
    )
    forecast = forecast_json(Forecast(20, 0, 0, (stage,)), left_out=0)
    assert set(forecast) == dry_run
    assert forecast["usd"] == {"likely": 1.0, "least": 0.5, "most": 1.5}
    told = Result(ResultKey("w", "c", "p"), "file:///a", "a", Status.DONE, "ada", NOON)
    changed = change_row(Change(told, told))
    assert set(changed) == replay
    sides = cast("list[dict[str, object]]", [changed["before"], changed["after"]])
    assert [side["result_id"] for side in sides] == [told.key.id, None]


def test_regions_and_heat_map_are_those_of_the_deciding_stage() -> None:
    found = row()
    assert found["regions"] == found["stages"][1]["regions"] != []
    assert found["stages"][0]["regions"] == []
    assert found["heatmap"] == found["stages"][1]["heatmap"] == "memory:heatmaps/x.png"
    assert found["stages"][0]["heatmap"] is None
    failed = row(verdict=None, model=None, stages=(), status=Status.FAILED)
    assert (failed["regions"], failed["heatmap"], failed["stages"]) == ([], None, [])


def test_a_region_says_what_it_was_compared_to() -> None:
    first, second = row()["regions"]
    assert first == {
        "box": [1, 2, 3, 4],
        "area_pct": 0.5,
        "score": 0.9,
        "label": "crack",
        "nearest": {
            "image": NAME,
            "box": [9, 8, 7, 6],
            "place": [-1, 2, 7, 6],
            "picture": "memory:models/d/p.jpg",
            "at": [0, 16, 8, 8],
        },
    }
    assert second["nearest"] is None


def test_a_line_is_json_that_any_reader_takes(capsys: pytest.CaptureFixture[str]) -> None:
    echo_json(row(raw_score=math.inf, image="caf\udce9.png"))
    line = json.loads(capsys.readouterr().out)
    assert (line["raw_score"], line["image"]) == (None, "caf\udce9.png")
    assert line["recorded_at"] == line["taken_at"] == "2026-05-04T12:00:00.250000+00:00"


def test_people_are_told_the_nearest_normal_image() -> None:
    by = Prediction(Verdict.ANOMALY, 0.9, 2.5, (), REGIONS)
    stages = (StageResult("look", "cells@1", "d" * 64, by),)
    found = Result(
        ResultKey("w", "c", "p"), "file:///a", "a", Status.DONE, "ada", NOON, stages=stages
    )
    told = [line for line in describe(found, str) if "nearest" in line]
    assert told == ["      nearest normal: good/caf\\xe9.png at x 9, y 8, 7 x 6 px"]


def test_a_table_without_columns_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([], header=())
    assert capsys.readouterr().out == ""


def test_anything_can_be_shown() -> None:
    assert output.shown("caf\udce9 \ud800 \x1b[2J é") == r"caf\xe9 \ud800 \x1b[2J é"


def test_what_models_call_places_can_not_control_a_terminal() -> None:
    bad = Region((1, 2, 3, 4), 0.5, 0.9, "cr\x1back\ud800")
    said = Prediction(Verdict.ANOMALY, 0.9, 1.0, regions=(bad,))
    stages = (StageResult("look", "m@1", "d" * 64, said),)
    found = Result(
        ResultKey("w", "c", "p"), "file:///a", "a", Status.DONE, "ada", NOON, stages=stages
    )
    told = "\n".join(describe(found, str))
    assert r"cr\x1back\ud800 at x 1" in told


def _result(**values: Any) -> Result:
    return Result(
        ResultKey("w", "c", "p"), "file:///a", "a", values.pop("status", Status.DONE), "ada", NOON,
        **values,
    )  # fmt: skip


def test_an_unusable_image_is_listed_with_the_advice() -> None:
    said = Prediction(Verdict.UNUSABLE, None, None, note="blurred:\nhold still")
    stage = StageResult("look", "q@1", "d" * 64, said)
    found = _result(verdict=Verdict.UNUSABLE, model="q@1", stages=(stage,))
    assert output.result_row(found)[-1] == "a  (blurred: hold still)"


def test_a_stage_without_numbers_ends_without_a_comma() -> None:
    stage = StageResult("look", "q@1", "d" * 64, Prediction(Verdict.UNUSABLE, None, None))
    assert "  stage look (q@1): unusable" in list(describe(_result(stages=(stage,)), str))


def test_remarks_tell_what_was_charged_and_what_is_partial() -> None:
    stage = StageResult("ask", "q@1", "d" * 64, Prediction(Verdict.NORMAL, 0.1, 0.1, cost_usd=0.25))
    found = [_result(stages=(stage,)), _result(status=Status.PARTIAL, stages=(stage,))]
    partial, charged = remarks_on(found)
    assert partial.startswith("1 result is partial: a stage failed")
    assert charged == "services charged about $0.50: ask $0.50"
    assert remarks_on(found, costs=False, partial=False) == []
