"""`walkdown cost`, as users see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.conftest import Desk

PIPELINE = """\
stages:
  - {name: screen, model: bright}
  - {name: confirm, model: bright, when: screen.verdict == 'anomaly'}
"""


@pytest.fixture
def pipeline(desk: Desk) -> Path:
    file = desk.folder / "line.yaml"
    file.write_text(PIPELINE)
    return file


def test_a_table_of_parts_and_services_with_a_total_both_ways(
    desk: Desk, photos: Callable[..., Path], pipeline: Path
) -> None:
    photos(a=10, b=200, c=90, d=30)
    code, out, _ = desk.run("cost", "--images", "5000", "--pipeline", "line.yaml", "photos")
    assert code == 0
    assert out.startswith("measured on 4 photographs of ")
    assert "confirm: " in out
    assert "25% of the images" in out
    lines = out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("part"))
    assert lines[at].split() == ["part", "service", "per", "1,000", "5,000", "images"]
    parts = [line.split()[0] for line in lines[at + 1 : lines.index("", at)]]
    assert list(dict.fromkeys(parts)) == [
        "arrive", "keep", "screen", "confirm", "record", "inspection", "deliver", "total",
    ]  # fmt: skip
    for words in ("on AWS: ", "this machine: $0, ", "each month: ", "most of it: ", "cheaper: ",
                  "prices of us-east-1 as of 20"):  # fmt: skip
        assert words in out
    assert not desk.app.records.inspections()


def test_json_holds_every_line_and_they_sum_up(
    desk: Desk, photos: Callable[..., Path], pipeline: Path
) -> None:
    photos(a=10, b=200)
    line = ["cost", "--images", "2000", "--pipeline", "line.yaml", "photos", "--flagged", "5%"]
    code, (found,) = desk.lines(*line, "--region", "eu-central-1")
    assert code == 0
    assert sum(line["usd"] for line in found["lines"]) == pytest.approx(found["usd"])
    assert found["usd_per_1000"] == pytest.approx(found["usd"] / 2)
    assert found["usd_per_1000_if_slower"] > found["usd_per_1000"]
    assert [stage["share"] for stage in found["measured"]["stages"]] == [1.0, 0.05]
    assert "dynamodb.usd_per_million_write_units" in found["prices_unconfirmed"]
    assert all(o["usd_per_1000"] < found["usd_per_1000"] for o in found["others"])
    code, (near,) = desk.lines(*line)
    assert near["usd"] < found["usd"], "Frankfurt is dearer than Virginia"


def test_what_is_missing_is_told(desk: Desk, photos: Callable[..., Path], pipeline: Path) -> None:
    assert desk.run("cost", "--images", "10")[0] == 2
    code, _, err = desk.run("cost", "--images", "10", "--pipeline", "line.yaml", "nowhere")
    assert (code, "it does not exist" in err) == (1, True)
    photos(a=10)
    base = ("cost", "--images", "10", "--pipeline", "line.yaml", "photos")
    code, _, err = desk.run(*base, "--region", "mars-1")
    assert (code, "no prices of the region 'mars-1'" in err) == (1, True)
