"""What a training is said to take, beside what it takes."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walkdown.models.looking import InputSize
from walkdown.training import choosing, estimates
from walkdown.training.estimates import Measured, Plan

MEASURED = Measured(look_s=0.03, giga_s=0.03, cells=576)
FIRST = choosing.first_sensible(300)
PLAN = Plan(
    photographs=60,
    candidate=FIRST,
    compared=choosing.candidates(300),
    rows=800,
    depth=608,
    pool_numbers=24_000_000,
    folds=5,
    calibrate=400,
    workers=2,
    network_mib=14.0,
)


def test_comparing_ways_takes_longer_and_is_told_apart() -> None:
    found = estimates.estimate(PLAN, MEASURED)
    assert found.seconds > 1.5 * found.fast_s
    assert "--fast" in found.sentence
    fast = estimates.estimate(replace(PLAN, compared=()), MEASURED)
    assert (fast.seconds, fast.memory_mib) == (found.fast_s, found.fast_mib)
    assert "--fast" not in fast.sentence
    few = estimates.estimate(replace(PLAN, photographs=9), MEASURED)
    assert few.seconds == few.fast_s, "so few are not compared on"


def test_time_follows_the_machine_and_memory_is_bounded() -> None:
    slow = replace(MEASURED, look_s=0.3, giga_s=0.3)
    once, ten = estimates.estimate(PLAN, MEASURED), estimates.estimate(PLAN, slow)
    assert 5 * once.seconds < ten.seconds <= 10 * once.seconds
    assert ten.memory_mib == once.memory_mib
    many = [estimates.estimate(replace(PLAN, photographs=n), MEASURED) for n in (1000, 10_000)]
    assert many[1].fast_s > 2 * many[0].fast_s
    assert many[0].memory_mib == many[1].memory_mib < 1300


@given(st.integers(1, 5000), st.integers(1, 32), st.sampled_from([24, 300, 640, 1000, 4000]))
def test_more_photographs_never_take_less(photographs: int, workers: int, side_px: int) -> None:
    plan = replace(
        PLAN,
        photographs=photographs,
        workers=workers,
        candidate=choosing.first_sensible(side_px),
        compared=choosing.candidates(side_px),
    )
    more = replace(plan, photographs=photographs + 1, workers=workers)
    less, found = (estimates.estimate(p, MEASURED) for p in (plan, more))
    assert found.memory_mib >= less.memory_mib > 200
    assert found.seconds >= 0.97 * less.seconds > 0


def test_a_size_in_tiles_needs_the_memory_of_a_tile() -> None:
    tiles = choosing.Candidate(InputSize(4096, 32, 1024), choosing.FINE)
    plan = replace(PLAN, candidate=tiles, compared=(), depth=192)
    whole = replace(plan, candidate=choosing.Candidate(InputSize(1024, 32), choosing.FINE))
    found = [
        estimates.estimate(plan, replace(MEASURED, cells=65536)),
        estimates.estimate(whole, replace(MEASURED, cells=4096)),
    ]
    assert found[0].fast_mib < 1.3 * found[1].fast_mib


SCRIPT = """
import sys, time
from pathlib import Path
import walkdown
from walkdown.memory import peak_mib
from walkdown.app.training import train
from walkdown.training.memory_bank import Options
from walkdown.wiring import open_workspace

class Told:
    def start(self, what, total): self.began = getattr(self, "began", time.perf_counter())
    def advance(self, count=1): pass
    def note(self, text): print(text); self.began = time.perf_counter()

told = Told()
app = open_workspace(sys.argv[2], workers=2)
train(app, "m", normal=[sys.argv[1]], options=Options(fast=sys.argv[3] == "fast"), progress=told)
print(time.perf_counter() - told.began)
print(peak_mib())
print(sum(f.stat().st_size for f in Path(sys.argv[2]).rglob("*") if f.is_file()))
"""

SAID = re.compile(r"photographs: about ([\d.]+) (s|min|h), up to ([\d.]+) (MB|GB) .* of (\d+) MB")


@pytest.mark.proof
@pytest.mark.parametrize(("count", "how"), [(20, "fast"), (60, "fast"), (20, "all"), (60, "all")])
def test_it_comes_true(tmp_path: Path, count: int, how: str) -> None:
    from PIL import Image

    rng = np.random.default_rng(6)
    texture = rng.normal(110, 20, (420, 420))
    (tmp_path / "photos").mkdir()
    for i in range(count):
        x, y = rng.integers(0, 120, 2)
        grey = texture[y : y + 300, x : x + 300] + rng.normal(0, 4, (300, 300))
        Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(tmp_path / "photos" / f"{i}.png")
    ended = subprocess.run(
        [sys.executable, "-c", dedent(SCRIPT), str(tmp_path / "photos"), str(tmp_path / "w"), how],
        capture_output=True,
        text=True,
        check=True,
    )
    text, seconds, peak_mib, size = ended.stdout.splitlines()
    sys.stdout.write(f"{text}\n{seconds} s, {peak_mib} MiB, {size} bytes\n")
    said = SAID.search(text)
    assert said, text
    told_s = float(said[1]) * {"s": 1, "min": 60, "h": 3600}[said[2]]
    told_mib = float(said[3]) * {"MB": 1e6, "GB": 1e9}[said[4]] / 2**20
    assert told_s / 3 < float(seconds) < told_s * 3
    assert float(peak_mib) < told_mib * 1.3
    assert told_mib < float(peak_mib) * 2
    assert 0.7 < float(said[5]) * 1e6 / float(size) < 1.5
