"""Where photographs lie within an input, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walkdown.models.graphs.card import Resize
from walkdown.models.graphs.placing import placed

sides = st.integers(1, 6000)
inputs = st.sampled_from([(640, 640), (320, 192), (64, 480), (7, 5)])
ways = st.sampled_from(["stretch", "letterbox", "center_crop"])


@given(ways, st.tuples(sides, sides), inputs)
def test_corners_of_what_is_seen_come_back(
    way: Resize, photo: tuple[int, int], size: tuple[int, int]
) -> None:
    where = placed(way, photo, size)
    left, top, width, height = where.at
    assert 0 <= left <= left + width <= size[0]
    assert 0 <= top <= top + height <= size[1]
    corners = np.array([[left, top, left + width, top + height]], np.float32)
    assert where.shares(corners)[0] == pytest.approx(where.seen, abs=1e-6)


@given(st.tuples(sides, sides), inputs)
def test_a_letterbox_keeps_shapes_and_a_crop_too(
    photo: tuple[int, int], size: tuple[int, int]
) -> None:
    _, _, width, height = placed("letterbox", photo, size).at
    scale = min(size[0] / photo[0], size[1] / photo[1])
    # Within the rounding to whole px, and never less than one.
    assert abs(width - max(1.0, photo[0] * scale)) <= 0.5 + 1e-9
    assert abs(height - max(1.0, photo[1] * scale)) <= 0.5 + 1e-9
    _, _, wide, high = placed("center_crop", photo, size).seen
    assert wide * photo[0] / (high * photo[1]) == pytest.approx(size[0] / size[1])
    assert max(wide, high) == pytest.approx(1.0)


@given(ways, st.tuples(sides, sides), inputs, st.integers(1, 40), st.integers(1, 40))
def test_a_map_comes_back_whole(
    way: Resize, photo: tuple[int, int], size: tuple[int, int], rows: int, columns: int
) -> None:
    grid = np.ones((rows, columns), np.float32)
    over = placed(way, photo, size).over(grid)
    assert over.dtype == np.float32
    assert min(over.shape) >= 1
    assert max(over.shape) <= 4097
    assert 0.0 <= over.min() <= over.max() == pytest.approx(1.0)
    inside = placed(way, photo, size).inside(grid)
    assert inside.size >= 1


def test_a_letterbox_is_in_the_middle() -> None:
    assert placed("letterbox", (100, 200), (640, 640)).at == (160, 0, 320, 640)
    assert placed("letterbox", (200, 100), (640, 640)).at == (0, 160, 640, 320)


def test_bars_are_cut_off_a_map() -> None:
    grid = np.full((64, 64), 9.0, np.float32)
    grid[16:48] = 1.0
    where = placed("letterbox", (200, 100), (640, 640))
    assert where.over(grid).shape == (32, 64)
    assert where.over(grid).max() == 1.0
    assert where.inside(grid).max() == 1.0


def test_what_was_cut_off_is_nothing_on_a_map() -> None:
    over = placed("center_crop", (200, 100), (64, 64)).over(np.ones((8, 8), np.float32))
    assert over.shape == (8, 16)
    assert np.array_equal(over.any(axis=0), [False] * 4 + [True] * 8 + [False] * 4)
