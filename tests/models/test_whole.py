"""What a photograph is like as a whole: the same from one piece and from tiles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walkdown.models.whole import Components, Whole, quarters

RNG = np.random.default_rng(3)


def whole_grid(rows: int, columns: int) -> tuple[slice, slice]:
    return slice(0, rows), slice(0, columns)


def test_a_quarter_is_the_mean_of_its_cells() -> None:
    patches = RNG.normal(size=(5, 6, 9)).astype(np.float32)
    found = quarters([(whole_grid(6, 9), patches)], (6, 9), channels=(1, 4))
    deep = patches[1:4]
    expected = [
        part.mean(axis=(1, 2))
        for part in (deep[:, :3, :4], deep[:, :3, 4:], deep[:, 3:, :4], deep[:, 3:, 4:])
    ]
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=1e-5, atol=1e-6)


@given(st.integers(4, 20), st.integers(4, 20), st.data())
def test_tiles_come_to_the_same_as_one_piece(rows: int, columns: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(rows * 31 + columns)
    patches = rng.normal(size=(2, rows, columns)).astype(np.float32)
    keep = np.random.default_rng(1).random((rows, columns)).astype(np.float32)
    down, across = data.draw(st.integers(1, rows - 1)), data.draw(st.integers(1, columns - 1))
    places = [
        (slice(*high), slice(*wide))
        for high in ((0, down), (down, rows))
        for wide in ((0, across), (across, columns))
    ]
    parts = [(place, patches[:, *place]) for place in places]
    grid = rows, columns
    once = quarters([(whole_grid(*grid), patches)], grid, channels=(0, 2), keep=keep)
    tiled = quarters(parts, grid, channels=(0, 2), keep=keep)
    np.testing.assert_allclose(tiled, once, rtol=1e-5, atol=1e-5)


def test_a_quarter_that_does_not_count_says_nothing() -> None:
    keep = np.ones((4, 4), np.float32)
    keep[:2, :2] = 0
    patches = np.ones((1, 4, 4), np.float32)
    found = quarters([(whole_grid(4, 4), patches)], (4, 4), channels=(0, 1), keep=keep)
    assert np.isnan(found[0])
    assert found[1:].tolist() == [1, 1, 1]
    learned = Components(np.zeros(4, np.float32), np.zeros((1, 4), np.float32))
    assert learned.left_over(found) == pytest.approx(3**0.5)


def test_what_components_explain_is_not_left_over() -> None:
    learned = Components(np.array([1, 1, 1], np.float32), np.array([[0, 0, 1]], np.float32))
    assert learned.left_over(np.array([1, 1, 9], np.float32)) == pytest.approx(0.0)
    assert learned.left_over(np.array([4, 5, 9], np.float32)) == pytest.approx(5.0)
    adds = Whole(learned, factor=2.0, usual=1.0, channels=(0, 1))
    assert adds(np.array([4, 5, 9], np.float32)) == pytest.approx(8.0)
    assert adds(np.array([1, 1, 1], np.float32)) == pytest.approx(-2.0)
