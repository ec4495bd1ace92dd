from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from walkdown.imaging.decode import from_array
from walkdown.imaging.keeping import painted, share_of, without_rest
from walkdown.pipeline.predictions import failed
from walkdown.types import HeatMap, Photo, Prediction, Region, Verdict

LEFT, RIGHT = np.array([[1, 0]], np.float32), np.array([[0, 1]], np.float32)


def photo_of(left: int, right: int, keep: NDArray[np.float32] | None) -> Photo:
    """80 x 40 pixels in two halves."""
    pixels = np.full((40, 80, 3), left, np.uint8)
    pixels[:, 40:] = right
    return replace(from_array(pixels), keep=keep, data=b"the file")


def said(*regions: Region, grid: NDArray[np.float32] | None = None) -> Prediction:
    heatmap = None if grid is None else HeatMap(grid, 80, 40)
    return Prediction(Verdict.ANOMALY, 0.9, 9.0, regions=regions, heatmap=heatmap)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_what_does_not_count_can_not_be_seen(shown: int, hidden: int, other: int) -> None:
    one, two = (painted(photo_of(shown, each, LEFT)) for each in (hidden, other))
    assert np.array_equal(one.pixels, two.pixels)
    assert (one.pixels == shown).all()
    assert (one.keep, one.data) == (None, b"")


@pytest.mark.parametrize("cells", [(1, 2), (3, 4), (96, 128), (128, 1024)])
def test_painting_ends_where_counting_does_at_any_grid(cells: tuple[int, int]) -> None:
    keep = np.zeros(cells, np.float32)
    keep[:, cells[1] // 2 :] = 1
    seen = painted(photo_of(200, 50, keep)).pixels
    assert (seen == 50).all()


def test_the_paint_is_the_mean_of_what_counts() -> None:
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, :10] = (100, 0, 20)
    pixels[:, 10:20] = (200, 40, 20)
    keep = np.array([[1, 1, 0]], np.float32)
    seen = painted(replace(from_array(pixels), keep=keep)).pixels
    assert seen[5, 25].tolist() == [150, 20, 20]
    assert seen[5, 5].tolist() == [100, 0, 20]


def test_a_photo_that_counts_as_a_whole_is_left_alone() -> None:
    photo = photo_of(1, 2, None)
    assert painted(photo) is photo
    prediction = said(Region((0, 0, 5, 5), 1.0, 0.9), grid=np.ones((2, 2), np.float32))
    assert without_rest(prediction, photo) is prediction


def test_regions_are_dropped_where_less_than_half_of_them_counts() -> None:
    boxes = ((0, 0, 10, 10), (20, 0, 40, 10), (21, 0, 40, 10), (60, 0, 10, 10))
    regions = [Region(box, 1.0, 0.9) for box in boxes]
    left = without_rest(said(*regions), photo_of(1, 2, LEFT))
    assert [region.box for region in left.regions] == [(0, 0, 10, 10), (20, 0, 40, 10)]


def test_the_verdict_stays_when_no_region_does() -> None:
    left = without_rest(said(Region((60, 0, 10, 10), 1.0, 0.9)), photo_of(1, 2, LEFT))
    assert (left.verdict, left.score, left.raw_score, left.regions) == ("anomaly", 0.9, 9.0, ())


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (100, 200)])
def test_the_heat_map_is_nothing_where_nothing_counts(shape: tuple[int, int]) -> None:
    keep = np.repeat(RIGHT, 8, axis=1)
    left = without_rest(said(grid=np.full(shape, 0.8, np.float32)), photo_of(1, 2, keep))
    assert left.heatmap is not None
    grid = left.heatmap.grid
    assert grid.shape >= shape
    middle = grid.shape[1] // 2
    near = max(1, grid.shape[1] // 16)
    assert (grid[:, : middle - near] == 0).all()
    assert grid[:, middle + near :] == pytest.approx(0.8)


def test_a_failed_prediction_is_left_alone() -> None:
    prediction = failed("its service is down")
    assert without_rest(prediction, photo_of(1, 2, LEFT)) is prediction


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_the_share_of_a_box_is_the_mean_of_its_cells(data: st.DataObject) -> None:
    rows, columns = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    values = st.lists(st.floats(0, 1, width=32), min_size=rows * columns, max_size=rows * columns)
    keep = np.array(data.draw(values), np.float32).reshape(rows, columns)
    x, y = data.draw(st.integers(0, columns * 3 - 1)), data.draw(st.integers(0, rows * 3 - 1))
    width, height = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 30))
    drawn = keep.repeat(3, axis=0).repeat(3, axis=1)
    expected = drawn[y : y + height, x : x + width].mean(dtype=np.float64)
    got = share_of(keep, (x, y, width, height), width_px=columns * 3, height_px=rows * 3)
    assert got == pytest.approx(expected, abs=1e-6)


def test_a_box_outside_of_the_image_does_not_count() -> None:
    assert share_of(LEFT, (-50, 0, 10, 10), width_px=80, height_px=40) == 0
    assert share_of(LEFT, (900, 0, 10, 10), width_px=80, height_px=40) == 0
    assert share_of(LEFT, (0, 0, 0, 10), width_px=80, height_px=40) == 0
