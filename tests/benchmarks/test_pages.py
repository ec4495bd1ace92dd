"""The page of benchmarks: every command finds its own part, and leaves the others alone."""

from pathlib import Path

import pytest
from benchmarks.labelled import Photographs, interval
from benchmarks.pages import CASCADE, COMPARISON, FALSE_ALARMS, LABELLED, put


def test_parts_of_a_new_page_are_written_one_by_one(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for part in (LABELLED, CASCADE, FALSE_ALARMS, COMPARISON):
        put(page, part, f"old {part}")
    put(page, LABELLED, "new")
    text = page.read_text(encoding="utf-8")
    assert f"old {FALSE_ALARMS}" in text
    assert f"old {COMPARISON}" in text
    assert f"old {LABELLED}" not in text
    assert text.count("\nnew\n") == 1


def test_a_draw_learns_from_at_most_half_and_judges_the_rest() -> None:
    few, many = (
        Photographs((), (), tuple(Path(str(i)) for i in range(count))) for count in (7, 50)
    )
    for files, learned in ((few, 3), (many, 10)):
        chosen, rest = files.drawn(1)
        assert len(chosen) == learned
        assert sorted(chosen + rest) == list(range(len(files.bad)))
    assert many.drawn(1) == many.drawn(1) != many.drawn(2)


def test_the_interval_is_students() -> None:
    low, high = interval([0.4, 0.5, 0.6])
    assert low == pytest.approx(0.2516, abs=1e-4)
    assert high == pytest.approx(0.7484, abs=1e-4)
    assert interval([0.9, 1.0])[1] == 1.0
