import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from walkdown.errors import ArtefactError
from walkdown.models.artefact import Artefact, pack
from walkdown.models.bank import Bank
from walkdown.models.looking import InputSize
from walkdown.models.memory_bank import BANK, GRAPH, MemoryBank, Reading, read, reading
from walkdown.types import Photo, Verdict

SCORE: dict[str, Any] = {"threshold": 2.0, "exponent": 8.0, "calibration": [1.0, 1.5]}
INPUT = {"long_side_px": 320, "multiple_px": 32}

sides = st.integers(1, 20_000)


def photo(width: int = 40, height: int = 30) -> Photo:
    return Photo(np.zeros((2, 2, 3), np.uint8), width, height, "c")


@given(sides, sides, st.integers(2, 40), st.integers(1, 64))
def test_sides_are_multiples_within_bounds(width: int, height: int, times: int, unit: int) -> None:
    size = InputSize(times * unit, unit)
    for side in size.of(width, height):
        assert side % unit == 0
        assert 2 * unit <= side <= times * unit
    assert max(size.of(width, height)) == times * unit


@given(sides, sides)
def test_a_picture_turned_is_a_size_turned(width: int, height: int) -> None:
    size = InputSize(640, 32)
    assert size.of(width, height) == size.of(height, width)[::-1]


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(640, 480, (320, 256)), (1, 1, (320, 320)), (5000, 8, (320, 64)), (64, 4096, (64, 320))],
)
def test_known_sizes(width: int, height: int, expected: tuple[int, int]) -> None:
    assert InputSize(320, 32).of(width, height) == expected


@pytest.mark.parametrize(
    ("long_side", "multiple"), [(0, 32), (320, 0), (-320, 32), ("320", 32), (320.0, 32), (330, 32)]
)
def test_a_size_that_makes_no_sense_is_refused(long_side: Any, multiple: Any) -> None:
    with pytest.raises(ValueError, match="an input size"):
        InputSize(long_side, multiple)


grids = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.floats(0, 100, width=32),
)


@given(grids, st.integers(1, 9), st.floats(2, 16), st.floats(0.25, 1.25))
def test_an_anomaly_has_regions_and_a_normal_image_none(
    distances: NDArray[np.float32], cells: int, exponent: float, share: float
) -> None:
    """As the graph makes it: the raw score is the mean of some of the largest distances."""
    worst = np.sort(distances.ravel())[::-1][:cells]
    raw = float(worst.mean(dtype=np.float32))
    threshold = max(raw * share, 1e-3)
    said = read(raw, distances, photo(), Reading(threshold, exponent, (0.5, 1.0)))
    assert said.score is not None
    if abs(raw / threshold - 1.0) > 1e-3:
        assert (said.verdict is Verdict.ANOMALY) == (raw > threshold)
    assert (said.score >= 0.5) == (said.verdict is Verdict.ANOMALY)
    assert bool(said.regions) == (said.verdict is Verdict.ANOMALY)
    for region in said.regions:
        x, y, width, height = region.box
        assert 0 <= x < x + width <= 40
        assert 0 <= y < y + height <= 30


@given(st.integers(1, 9), st.integers(1, 9), st.floats(0.5, 100, width=32), st.integers(1, 9))
def test_equal_cells_at_the_very_threshold_are_a_region(
    rows: int, columns: int, value: float, cells: int
) -> None:
    distances = np.full((rows, columns), value, np.float32)
    raw = float(distances.ravel()[:cells].mean(dtype=np.float32))
    said = read(raw, distances, photo(), Reading(raw, 8.0, ()))
    assert said.verdict is Verdict.ANOMALY
    assert said.regions


@given(grids, st.floats(2, 16), st.floats(0.01, 50))
def test_what_is_odd_as_a_whole_shows_its_worst_place(
    distances: NDArray[np.float32], exponent: float, beyond: float
) -> None:
    """The raw score passes the threshold by what the photo adds as a whole; no place may do so."""
    threshold = max(1e-3, float(distances.max()) * 1.5)
    said = read(threshold + beyond, distances, photo(), Reading(threshold, exponent, ()))
    assert said.verdict is Verdict.ANOMALY
    assert said.regions
    worst = max(region.score for region in said.regions)
    assert said.heatmap is not None
    assert worst == pytest.approx(float(said.heatmap.grid.max()), abs=1e-6)


def test_the_reading_fills_every_part_of_a_prediction() -> None:
    distances = np.array([[1.0, 3.0]], np.float32)
    said = read(3.0, distances, photo(), Reading(2.0, 4.0, (1.0, 2.5, 3.0)))
    assert said.verdict is Verdict.ANOMALY
    assert said.score == 0.8351
    assert pytest.approx(0.83505, abs=1e-5) == 1 / (1 + (2 / 3) ** 4)
    assert (said.raw_score, said.p_normal) == (3.0, 0.5)
    assert said.heatmap is not None
    assert said.heatmap.grid.shape == (1, 2)
    assert (said.heatmap.width_px, said.heatmap.height_px) == (40, 30)


def test_a_card_is_read_with_its_scores_in_order() -> None:
    found = reading({"score": SCORE | {"calibration": [3, 1, 2]}})
    assert found == Reading(2.0, 8.0, (1.0, 2.0, 3.0))


WRONG: list[dict[str, Any]] = [
    {},
    {"input": INPUT},
    {"score": SCORE},
    {"input": {"long_side_px": 320}, "score": SCORE},
    {"input": INPUT | {"extra": 1}, "score": SCORE},
    {"input": INPUT | {"multiple_px": "32"}, "score": SCORE},
    {"input": INPUT, "score": SCORE | {"threshold": 0}},
    {"input": INPUT, "score": SCORE | {"threshold": -1.0}},
    {"input": INPUT, "score": SCORE | {"threshold": "x"}},
    {"input": INPUT, "score": SCORE | {"exponent": 0}},
    {"input": INPUT, "score": SCORE | {"calibration": None}},
    {"input": INPUT, "score": SCORE | {"calibration": ["x"]}},
    {"input": INPUT, "score": 3},
]


@pytest.mark.parametrize("card", WRONG)
def test_a_card_that_makes_no_sense_is_refused(card: dict[str, Any]) -> None:
    with pytest.raises(ArtefactError, match="model cells: its card or its files lack or garble"):
        MemoryBank(pack("memory_bank", card, {GRAPH: b""}), label="cells")


def packed(bank: bytes, **files: bytes) -> Artefact:
    card = {"input": INPUT, "score": SCORE, "worst_cells": 3, **BANK_OF_ONE.facts()}
    return pack("memory_bank", card, {BANK: bank, **files})


ONES = np.ones(4, np.float32)
BANK_OF_ONE = Bank(ONES, ONES, ONES, ONES[None], np.zeros((1, 5), np.int32), ("a.png",))


def test_a_missing_graph_is_named() -> None:
    with pytest.raises(ArtefactError, match=r"garble 'model\.onnx'"):
        MemoryBank(packed(BANK_OF_ONE.packed()), label="cells")


def test_a_graph_that_is_none_is_refused() -> None:
    made = packed(BANK_OF_ONE.packed(), **{GRAPH: b"no graph"})
    with pytest.raises(ArtefactError, match="graph can't be opened"):
        MemoryBank(made, label="cells")


def test_a_bank_that_is_none_is_refused() -> None:
    with pytest.raises(ArtefactError, match="lack or garble"):
        MemoryBank(packed(b"no bank", **{GRAPH: b""}), label="cells")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_threshold_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="threshold and exponent"):
        reading({"score": SCORE | {"threshold": value}})
