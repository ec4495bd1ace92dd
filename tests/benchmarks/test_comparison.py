"""The comparison with anomalib: its pure parts, and the limits on processes of our own."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.anomalib.page import better, likeness, summary, table, update
from benchmarks.anomalib.rows import (
    ANOMALIB,
    LIKE,
    WALKDOWN,
    Job,
    Row,
    Store,
    hopeless,
    schedule,
    too_long,
)
from benchmarks.anomalib.setup import Footprint
from benchmarks.anomalib.supervise import DONE, Limits, watch

PEER = Job("boards", ANOMALIB, "patchcore", 256)
LARGE = Job("boards", ANOMALIB, "patchcore", 512)
OWN = Job("boards", WALKDOWN, "memory_bank")
ROWS = [
    Row(PEER, "done", fit_s=22.7, images_per_s=3.4, auroc=0.81, aupro=0.7, peak_mib=1400),
    Row(LARGE, "done", fit_s=400.0, images_per_s=0.9, auroc=0.9, bank_rows=8192),
    *(
        Row(Job("boards", WALKDOWN, "memory_bank", None, turn), "done", fit, speed, auroc=0.978)
        for turn, (fit, speed) in enumerate([(9.0, 20.0), (5.0, 30.0), (6.0, 25.0)])
    ),
    Row(Job("boards", ANOMALIB, "padim", 256), "stopped: passed 16 GiB"),
]


def test_sides_take_turns_and_every_turn_is_taken() -> None:
    jobs = schedule(["a", "b"], ["patchcore", "padim"], [512, 256], turns=3, like=[256])
    of_a = [job for job in jobs if job.set == "a"]
    assert [(job.side, job.size_px) for job in of_a] == [
        *[(ANOMALIB, 256), (LIKE, 256)] * 3,
        (WALKDOWN, None),
        (ANOMALIB, 256),
        (WALKDOWN, None),
        (ANOMALIB, 512),
        (WALKDOWN, None),
        (ANOMALIB, 512),
    ]
    assert [job.turn for job in of_a if job.side == WALKDOWN] == [0, 1, 2]
    assert len(set(jobs)) == len(jobs)


def test_without_a_peer_walkdown_still_takes_its_turns() -> None:
    assert [job.turn for job in schedule(["a"], [], [256], turns=2)] == [0, 1]


def test_what_was_stopped_is_not_tried_larger() -> None:
    stopped = Row(PEER, "stopped: fit passed 20 min")
    assert hopeless(LARGE, [stopped]) == stopped
    assert hopeless(PEER, [stopped]) is None
    assert hopeless(replace(PEER, turn=1), [stopped]) == stopped
    assert hopeless(LARGE, [ROWS[0]]) is None
    assert hopeless(Job("cookies", ANOMALIB, "patchcore", 512), [stopped]) is None


def test_what_must_take_more_than_twice_the_limit_is_not_tried() -> None:
    small = replace(ROWS[0], fit_s=200.0)
    assert too_long(LARGE, [small], limit_s=1200.0) == small
    assert too_long(LARGE, [small], limit_s=1700.0) is None
    assert too_long(PEER, [small], limit_s=1200.0) is None
    assert too_long(replace(LARGE, model="padim"), [small], limit_s=1200.0) is None
    assert too_long(replace(LARGE, set="cookies"), [small], limit_s=1200.0) is None


def test_rows_are_found_again_after_an_interruption(tmp_path: Path) -> None:
    store = Store(tmp_path / "rows.json")
    for row in ROWS:
        store.add(row)
    again = Store(tmp_path / "rows.json")
    assert again.rows() == ROWS
    assert again.has(PEER)
    assert not again.has(Job("boards", ANOMALIB, "patchcore", 1024))


def test_the_better_of_two_sizes_counts() -> None:
    assert better(ROWS) == [ROWS[1]]
    worse_but_stopped = Row(PEER, "stopped: run passed 20 min", auroc=0.99)
    assert better([worse_but_stopped, ROWS[1]]) == [ROWS[1]]


def test_the_table_has_medians_bold_and_what_was_stopped() -> None:
    lines = table(ROWS).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    large = "**anomalib patchcore** | **512** | **0.900** |  | **400** | **0.9** |  | **8192** |  |"
    assert lines[2:] == [
        "| boards | anomalib padim | 256 |  |  |  |  |  |  | stopped: passed 16 GiB |",
        "| boards | anomalib patchcore | 256 | 0.810 | 0.700 | 22.7 | 3.4 | 1400 |  |  |",
        f"| boards | {large}",
        "| boards | walkdown |  | 0.978 |  | 6 | 25 |  |  |  |",
    ]


def test_the_summary_has_the_peers_best_beside_walkdowns_medians() -> None:
    (line,) = summary([*ROWS, replace(ROWS[0], job=replace(PEER, set="x"))]).splitlines()[2:]
    assert [cell.strip() for cell in line.strip("| ").split("|")] == [
        *("boards", "0.978", "", "6.0", "25.0"),
        *("patchcore, 512 px", "0.900", "", "400.0", "0.9"),
    ]


def test_what_is_alike_is_compared_by_medians_of_turns() -> None:
    times = [(60.0, 1.0, 2.0, 10.0), (90.0, 2.0, 3.0, 30.0), (9.0, 9.0, 1.0, 20.0)]
    rows = [
        row
        for turn, (peer_fit, peer_speed, fit, speed) in enumerate(times)
        for row in (
            Row(replace(PEER, turn=turn), "done", peer_fit, peer_speed),
            Row(replace(PEER, side=LIKE, turn=turn), "done", fit, speed),
        )
    ]
    assert likeness(rows) == (
        "Like for like (boards, patchcore, 256 px): walkdown's fit is 30.0 times faster, its "
        "inspection 10.0 times."
    )
    assert likeness([replace(row, status="stopped") for row in rows]) == ""
    assert len(table(rows).splitlines()) == 4


def test_a_page_is_made_and_then_only_its_table_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    update(page, ROWS[:1], machine={"date": "2026-01-02"})
    page.write_text(page.read_text(encoding="utf-8") + "\nkept\n", encoding="utf-8")
    update(page, ROWS, machine={"date": "2026-02-03"}, footprints=[Footprint("x", 250, 0.25)])
    text = page.read_text(encoding="utf-8")
    assert "| x | 250 | 0.25 |" in text
    assert "2026-01-02" not in text
    assert text.count("anomalib padim") == 1
    assert text.endswith("\nkept\n")


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="no marks"):
        update(page, ROWS, machine={})
    assert page.read_text(encoding="utf-8") == "mine"


def run(tmp_path: Path, code: str, *, time_s: float = 60.0, memory_mib: int = 4096) -> str:
    limits = Limits(time_s=time_s, memory_mib=memory_mib)
    return watch(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        log=tmp_path / "log",
        limits=limits,
        fitted=tmp_path / "fit.json",
    )


def test_a_run_ends_in_its_own_way(tmp_path: Path) -> None:
    assert run(tmp_path, "print('well')") == DONE
    assert (tmp_path / "log").read_text(encoding="utf-8") == "well\n"
    assert run(tmp_path, "raise ValueError('no such thing')") == "failed: ValueError: no such thing"


def test_a_fit_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    assert run(tmp_path, "import time; time.sleep(60)", time_s=1.2) == (
        "stopped: fit passed 0.02 min"
    )


def test_the_clock_starts_again_after_the_fit(tmp_path: Path) -> None:
    code = (
        "import pathlib, time; time.sleep(1.2); pathlib.Path('fit.json').touch(); time.sleep(1.2)"
    )
    assert run(tmp_path, code, time_s=2.0) == DONE
    assert run(tmp_path, "import time; time.sleep(60)", time_s=0.6) == (
        "stopped: run passed 0.01 min"
    )


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_in_use_is_bounded_and_so_is_one_great_allocation(tmp_path: Path) -> None:
    grows = "import time; x = b'x' * (270 * 2**20); time.sleep(4)"
    assert run(tmp_path, grows, memory_mib=256) == "stopped: passed 0.25 GiB"
    reserves = "import mmap; mmap.mmap(-1, 2**31)"
    assert run(tmp_path, reserves, memory_mib=1024) == "stopped: passed 1 GiB"
