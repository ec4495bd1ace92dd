import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from walkdown.evaluate.scores import (
    MAX_EXPONENT,
    MIN_EXPONENT,
    exponent_for,
    p_normal,
    score,
    scores,
)

thresholds = st.floats(1e-3, 1e3)
exponents = st.floats(MIN_EXPONENT, MAX_EXPONENT)
raws = st.floats(0.0, 1e6)


@given(thresholds, exponents)
def test_the_threshold_scores_exactly_a_half(threshold: float, exponent: float) -> None:
    assert score(threshold, threshold=threshold, exponent=exponent) == 0.5


@given(thresholds, exponents)
def test_a_hair_on_either_side_of_the_threshold_shows(threshold: float, exponent: float) -> None:
    below, above = math.nextafter(threshold, 0.0), math.nextafter(threshold, math.inf)
    assert score(below, threshold=threshold, exponent=exponent) <= 0.5
    assert score(above, threshold=threshold, exponent=exponent) >= 0.5
    assert score(threshold * 0.9999, threshold=threshold, exponent=exponent) < 0.5
    assert score(threshold * 1.0001, threshold=threshold, exponent=exponent) > 0.5


@given(thresholds, exponents, raws, raws)
def test_a_higher_raw_score_never_scores_lower(
    threshold: float, exponent: float, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    scored = [score(raw, threshold=threshold, exponent=exponent) for raw in (low, high)]
    assert 0.0 <= scored[0] <= scored[1] <= 1.0


@given(thresholds, exponents, st.floats(0.01, 7.0), st.floats(1.0001, 2.0))
def test_within_reach_of_the_threshold_a_higher_raw_score_scores_higher(
    threshold: float, exponent: float, share: float, more: float
) -> None:
    """Up to some ten times the threshold: beyond, a float of 64 bits can't show the difference."""
    raw = share * threshold
    less = score(raw, threshold=threshold, exponent=exponent)
    assert score(raw * more, threshold=threshold, exponent=exponent) > less


def test_the_map_is_the_one_that_is_documented() -> None:
    assert score(3.0, threshold=2.0, exponent=4.0) == pytest.approx(1 / (1 + (2 / 3) ** 4))
    assert score(0.0, threshold=2.0, exponent=4.0) == 0.0
    assert score(-1.0, threshold=2.0, exponent=4.0) == 0.0
    assert score(1e-300, threshold=1e3, exponent=16.0) < 1e-200


@given(st.lists(st.floats(0, 1e4, width=32), min_size=1, max_size=20), thresholds, exponents)
def test_a_grid_is_scored_as_its_cells_are(
    raw: list[float], threshold: float, exponent: float
) -> None:
    grid = scores(np.array(raw, np.float32), threshold=threshold, exponent=exponent)
    each = [score(float(np.float32(v)), threshold=threshold, exponent=exponent) for v in raw]
    assert grid.dtype == np.float32
    np.testing.assert_allclose(grid, each, atol=2e-5)


@given(st.floats(2**-10, 2**10, width=32), exponents)
def test_a_cell_at_the_threshold_is_not_lost_by_rounding(raw: float, exponent: float) -> None:
    grid = np.array([[raw]], np.float32)
    threshold = math.nextafter(raw, 0.0)
    assert scores(grid, threshold=threshold, exponent=exponent)[0, 0] >= 0.5


@given(st.lists(st.floats(0.1, 10), min_size=1), st.floats(0.1, 20))
def test_the_typical_normal_image_scores_a_tenth(normal: list[float], threshold: float) -> None:
    exponent = exponent_for(normal, threshold)
    assert MIN_EXPONENT <= exponent <= MAX_EXPONENT
    assume(MIN_EXPONENT < exponent < MAX_EXPONENT)
    typical = float(np.median(normal))
    assert score(typical, threshold=threshold, exponent=exponent) == pytest.approx(0.1)


@pytest.mark.parametrize("normal", [[0.0, 0.0, 5.0], [3.0, 3.0, 3.0]])
def test_without_a_spread_to_go_by_the_map_is_steep(normal: list[float]) -> None:
    assert exponent_for(normal, 2.0) == MAX_EXPONENT


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(-1, 10))
def test_p_normal_counts_the_normal_images_that_look_as_odd(normal: list[int], raw: int) -> None:
    expected = (1 + sum(v >= raw for v in normal)) / (len(normal) + 1)
    assert p_normal(float(raw), sorted(float(v) for v in normal)) == expected
