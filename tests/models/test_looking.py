import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walkdown.models.looking import CELL_PX, MARGIN_PX, InputSize, counting, scaled
from walkdown.types import Photo

UNIT = 32
multiples = st.integers(2, 90).map(lambda times: times * UNIT)
tiles = st.integers(12, 40).map(lambda times: times * UNIT)


@given(multiples, multiples, tiles)
def test_cores_cover_every_cell_exactly_once(width: int, height: int, tile: int) -> None:
    seen = np.zeros((height // CELL_PX, width // CELL_PX), dtype=int)
    for window in InputSize(4096, UNIT, tile).windows(width, height):
        seen[window.of_grid] += 1
        numbers = np.zeros((window.height // CELL_PX, window.width // CELL_PX))
        assert numbers[window.core].shape == seen[window.of_grid].shape
    assert (seen == 1).all()


@given(multiples, multiples, tiles)
def test_windows_lie_within_the_image_on_whole_cells(width: int, height: int, tile: int) -> None:
    for window in InputSize(4096, UNIT, tile).windows(width, height):
        assert 0 <= window.top <= window.top + window.height <= height
        assert 0 <= window.left <= window.left + window.width <= width
        assert not {window.top % UNIT, window.left % UNIT, window.height % UNIT}.difference({0})
        assert max(window.height, window.width) <= tile


@given(multiples, multiples, tiles)
def test_a_tile_sees_beyond_its_core_except_at_the_border(
    width: int, height: int, tile: int
) -> None:
    least = MARGIN_PX - UNIT
    for window in InputSize(4096, UNIT, tile).windows(width, height):
        top, left = (cells[0] * CELL_PX for cells in (window.rows, window.columns))
        bottom, right = (cells[1] * CELL_PX for cells in (window.rows, window.columns))
        assert top == 0 or top - window.top >= least
        assert left == 0 or left - window.left >= least
        assert bottom == height or window.top + window.height - bottom >= least
        assert right == width or window.left + window.width - right >= least


@given(multiples, multiples, tiles)
def test_of_grid_and_core_are_the_same_pixels(width: int, height: int, tile: int) -> None:
    """Each cell of a window's core is the one that the whole image has at that place."""
    rows, columns = height // CELL_PX, width // CELL_PX
    numbers = np.arange(rows * columns).reshape(rows, columns)
    for window in InputSize(4096, UNIT, tile).windows(width, height):
        top, left = window.top // CELL_PX, window.left // CELL_PX
        own = numbers[top:, left:][: window.height // CELL_PX, : window.width // CELL_PX]
        assert np.array_equal(own[window.core], numbers[window.of_grid])


def test_an_image_that_fits_is_one_window() -> None:
    (window,) = InputSize(1024, UNIT, 1024).windows(1024, 768)
    assert (window.height, window.width) == (768, 1024)
    (window,) = InputSize(2048, UNIT).windows(2048, 512)
    assert (window.height, window.width) == (512, 2048)


@pytest.mark.parametrize("tile", [4 * MARGIN_PX - UNIT, 1000, 0, True])
def test_a_tile_that_makes_no_sense_is_refused(tile: int) -> None:
    with pytest.raises(ValueError, match="px"):
        InputSize(2048, UNIT, tile)


def test_a_cell_counts_by_its_share() -> None:
    pixels = np.zeros((64, 128, 3), np.uint8)
    keep = np.zeros((64, 128), np.float32)
    keep[:, 40:] = 1.0
    photo = Photo(pixels, 128, 64, "c", keep=keep)
    share = counting(photo, (64, 128))
    assert share is not None
    assert share.shape == (4, 8)
    assert np.allclose(share[0], [0, 0, 0.5, 1, 1, 1, 1, 1])
    assert counting(Photo(pixels, 128, 64, "c"), (64, 128)) is None


def test_a_photo_is_scaled_by_the_shape_of_the_original() -> None:
    """What was decoded may be smaller than the original, and be rounded in its shape."""
    photo = Photo(np.full((65, 128, 3), 9, np.uint8), 1280, 640, "c")
    image = scaled(photo, InputSize(256, UNIT))
    assert image.shape == (1, 128, 256, 3)
    assert (image == 9).all()
