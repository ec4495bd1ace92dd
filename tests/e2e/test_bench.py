"""`walkdown bench`, as users see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.e2e.conftest import Desk


def test_bench_prints_a_table_and_what_limits(desk: Desk, photos: Callable[..., Path]) -> None:
    photos(a=10, b=200, c=90)
    code, out, _ = desk.run("bench", "bright", "photos", "--rounds", "1")
    assert code == 0
    assert out.splitlines()[0].split() == ["step", "ms", "an", "image", "share"]
    assert "\n3 images, " in out
    assert "model alone:" in out
    assert "limited by" in out
    assert not desk.app.records.inspections()


def test_bench_as_json(desk: Desk, photos: Callable[..., Path]) -> None:
    photos(a=10, b=200)
    code, (found,) = desk.lines("bench", "bright@1", "photos", "--rounds", "2", "--workers", "1")
    assert code == 0
    assert found["model"] == "bright@1"
    assert (found["images"], found["rounds"], found["workers"]) == (2, 2, 1)
    assert found["share"] > 0
    assert {step["name"] for step in found["steps"]} >= {"decode", "model", "record"}
    assert found["limited_by"]


def test_bench_of_nothing_says_what_to_do(desk: Desk, photos: Callable[..., Path]) -> None:
    code, _, err = desk.run("bench", "dark", "photos")
    assert (code, "no model 'dark'" in err) == (1, True)
    assert desk.run("bench", "bright")[0] == 2
    code, _, err = desk.run("bench", "bright", "nowhere")
    assert (code, "no such file or folder" in err) == (1, True)
