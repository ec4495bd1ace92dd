import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from walkdown.imaging.heatmaps import upsample
from walkdown.imaging.regions import _LONGEST, _components, _finer, _runs, regions
from walkdown.types import HeatMap

Mask = NDArray[np.bool_]


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    tall, wide = draw(st.integers(1, 14)), draw(st.integers(1, 14))
    cells = draw(st.lists(st.booleans(), min_size=tall * wide, max_size=tall * wide))
    return np.array(cells).reshape(tall, wide)


def flood(hot: Mask) -> set[frozenset[tuple[int, int]]]:
    """Components by walking from cell to cell."""
    left = {(int(y), int(x)) for y, x in np.argwhere(hot)}
    found = set()
    while left:
        edge = [left.pop()]
        place = set(edge)
        while edge:
            y, x = edge.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            place |= near
            edge.extend(near)
        found.add(frozenset(place))
    return found


def heatmap_of(*hot: tuple[int, int, float], side: int = 9, px: int = 900) -> HeatMap:
    grid = np.zeros((side, side), np.float32)
    for row, column, score in hot:
        grid[row, column] = score
    return HeatMap(grid, px, px)


@given(masks())
@settings(max_examples=150, deadline=None)
def test_components_are_those_of_a_flood_fill(hot: Mask) -> None:
    runs = _runs(hot)
    if not hot.any():
        assert runs.row.size == 0
        return
    places: dict[int, set[tuple[int, int]]] = {}
    for number, row, start, end in zip(
        _components(runs), runs.row, runs.start, runs.end, strict=True
    ):
        place = places.setdefault(int(number), set())
        place |= {(int(row), column) for column in range(start, end)}
    assert {frozenset(place) for place in places.values()} == flood(hot)


@given(masks(), st.integers(0, 99), st.integers(1, 400), st.integers(1, 400))
@settings(max_examples=100, deadline=None)
def test_regions_measure_what_a_flood_fill_finds(
    hot: Mask, seed: int, width: int, height: int
) -> None:
    scores = np.random.default_rng(seed).uniform(0.5, 1, hot.shape)
    heatmap = HeatMap(np.where(hot, scores, 0.1).astype(np.float32), width, height)
    found = regions(heatmap, max_regions=10_000)
    fine = _finer(heatmap.grid)
    places = flood(fine >= 0.5)
    assert len(found) == len(places)
    assert sum(r.area_pct for r in found) == pytest.approx(100 * np.mean(fine >= 0.5))
    assert [r.score for r in found] == sorted((r.score for r in found), reverse=True)
    expected = sorted(max(float(fine[cell]) for cell in place) for place in places)
    assert sorted(r.score for r in found) == expected
    for x, y, wide, tall in (r.box for r in found):
        assert 0 <= x < x + wide <= width
        assert 0 <= y < y + tall <= height


def test_the_box_surrounds_the_hot_place_in_pixels() -> None:
    heatmap = heatmap_of((2, 3, 1.0), side=10, px=1000)
    (region,) = regions(heatmap)
    hot_y, hot_x = np.nonzero(upsample(heatmap) >= 0.5)
    x, y, width, height = region.box
    assert abs(x - hot_x.min()) <= 20
    assert abs(y - hot_y.min()) <= 20
    assert abs(x + width - hot_x.max()) <= 20
    assert abs(y + height - hot_y.max()) <= 20
    assert region.score == 1.0
    assert region.area_pct == pytest.approx(100 * hot_x.size / 1e6, abs=0.25)


def test_one_cell_just_above_the_level_is_found_with_its_score() -> None:
    (region,) = regions(heatmap_of((4, 4, 0.501)))
    assert region.score == pytest.approx(0.501)
    (region,) = regions(heatmap_of((4, 4, 0.5)))
    assert region.score == 0.5


def test_nothing_above_the_level_is_no_region() -> None:
    assert regions(heatmap_of((4, 4, 0.499))) == ()
    assert regions(HeatMap(np.full((3, 3), np.nan, np.float32), 30, 30)) == ()
    assert len(regions(heatmap_of((4, 4, 0.499)), level=0.3)) == 1


def test_worst_first_and_no_more_than_asked() -> None:
    heatmap = heatmap_of((1, 1, 0.7), (1, 7, 0.9), (7, 1, 0.6), (7, 7, 0.8))
    found = regions(heatmap, max_regions=3)
    assert [round(r.score, 3) for r in found] == [0.9, 0.8, 0.7]
    x, y, width, height = found[0].box
    assert x < 750 < x + width
    assert y < 150 < y + height


def test_small_places_can_be_left_out() -> None:
    heatmap = heatmap_of((1, 1, 1.0), (6, 6, 0.9), (6, 7, 0.9), (7, 6, 0.9), (7, 7, 0.9))
    small, large = sorted(regions(heatmap), key=lambda r: r.area_pct)
    assert regions(heatmap, min_area_pct=(small.area_pct + large.area_pct) / 2) == (large,)


def test_an_all_hot_map_is_one_region_of_the_whole_image() -> None:
    (region,) = regions(HeatMap(np.ones((7, 5), np.float32), 333, 77))
    assert (region.box, region.area_pct, region.score) == ((0, 0, 333, 77), 100.0, 1.0)


def test_values_above_one_do_not_leave_the_scale() -> None:
    (region,) = regions(heatmap_of((4, 4, 7.0)))
    assert region.score == 1.0


def test_a_large_noisy_grid_does_not_take_long() -> None:
    grid = np.random.default_rng(0).random((_LONGEST, _LONGEST), np.float32)
    started = time.process_time()
    assert len(regions(HeatMap(grid, 4000, 4000))) > 0
    assert time.process_time() - started < 2


def test_a_place_is_drawn_down_to_the_level_if_it_reaches_the_peak() -> None:
    grid = np.full((6, 12), 0.1, dtype=np.float32)
    grid[1:4, 1:4] = 0.4
    grid[2, 2] = 0.8
    grid[1:4, 8:11] = 0.4
    heatmap = HeatMap(grid, 120, 60)
    (wide,) = regions(heatmap, level=0.3, peak=0.5)
    (narrow,) = regions(heatmap, level=0.5)
    assert wide.score == narrow.score == pytest.approx(0.8)
    assert wide.area_pct > 2 * narrow.area_pct
    assert wide.box[0] + wide.box[2] < 60


def test_a_level_that_nothing_reaches_leaves_nothing() -> None:
    """The peak is reached by a cell, the level above it by none."""
    grid = np.array([[0.1, 0.2], [0.1, 0.1]], np.float32)
    assert regions(HeatMap(grid, 20, 20), level=0.3, peak=0.2) == ()
