import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from walkdown.imaging.alignments import Alignment, apply, back_box, back_grid, seen
from walkdown.types import Box

alignments = st.builds(
    Alignment,
    width_px=st.just(384),
    height_px=st.just(256),
    rotation_deg=st.floats(-10, 10),
    scale=st.floats(0.9, 1.1),
    right_px=st.floats(-57, 57),
    down_px=st.floats(-57, 57),
)
STILL = Alignment(384, 256)


def colours(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def test_a_photo_that_lies_as_the_reference_stays_as_it_is() -> None:
    pixels = colours(20, 30)
    grid = pixels[:, :, 0].astype(np.float32)
    assert np.array_equal(apply(STILL, pixels), pixels)
    assert np.array_equal(back_grid(STILL, grid), grid)
    assert np.array_equal(seen(STILL, rows=5, columns=7), np.ones((5, 7), np.float32))
    assert back_box(STILL, (3, 4, 5, 6), width_px=1000, height_px=700) == (3, 4, 5, 6)


def test_a_shift_is_taken_as_a_share_of_the_frame_and_the_edge_is_repeated() -> None:
    pixels = colours(20, 30)  # a tenth of the frame: 3 pixels of 30 across, 2 of 20 down
    moved = apply(Alignment(300, 200, right_px=30, down_px=-20), pixels)
    assert np.array_equal(moved[2:, :-3], pixels[:-2, 3:])
    assert np.array_equal(moved[2:, -3:], np.repeat(pixels[:-2, -1:], 3, axis=1))
    assert np.array_equal(moved[:2, :-3], np.repeat(pixels[:1, 3:], 2, axis=0))


def test_a_turn_is_clockwise_and_about_the_middle() -> None:
    pixels = np.zeros((101, 101), np.uint8)
    pixels[90, 50] = 255  # below the middle on the photo
    turned = apply(Alignment(101, 101, rotation_deg=90), pixels)
    # Clockwise, what is right of the middle on the reference lies below it on the photo.
    assert divmod(int(turned.argmax()), 101) == (50, 90)


@given(alignments, st.sampled_from((64, 128, 300)), st.floats(0.4, 0.6), st.floats(0.42, 0.58))
@settings(max_examples=60, deadline=None)
def test_what_is_found_on_the_aligned_photo_is_led_back_to_its_place(
    alignment: Alignment, height: int, right: float, down: float
) -> None:
    width = 192  # the frame's shape, and flatter and taller ones: cells need not be square
    x, y = int(right * width), int(down * height)
    pixels = np.zeros((height, width), np.uint8)
    pixels[y - 2 : y + 3, x - 2 : x + 3] = 255
    there = apply(alignment, pixels) > 64
    assert there.any()
    rows, columns = (np.flatnonzero(there.any(axis=axis)) for axis in (1, 0))
    box = (int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
    left, top, wide, tall = back_box(alignment, box, width_px=width, height_px=height)
    assert left <= x <= left + wide
    assert top <= y <= top + tall
    assert max(wide, tall) <= 12


@given(alignments, st.tuples(st.integers(-50, 600), st.integers(-50, 400)), st.integers(1, 500))
@settings(max_examples=100, deadline=None)
def test_a_box_that_is_led_back_stays_on_the_photo(
    alignment: Alignment, corner: tuple[int, int], side: int
) -> None:
    box: Box = (*corner, side, side)
    x, y, width, height = back_box(alignment, box, width_px=600, height_px=400)
    assert x >= 0
    assert y >= 0
    assert min(width, height) >= 1
    assert x + width <= 600
    assert y + height <= 400


@given(alignments, st.integers(4, 19), st.integers(7, 22))
@settings(max_examples=100, deadline=None)
def test_no_peak_is_lowered_on_the_way_back(alignment: Alignment, row: int, column: int) -> None:
    grid = np.full((24, 30), 0.1, np.float32)
    grid[row, column] = 0.9
    back = back_grid(alignment, grid)
    x, y, width, height = back_box(alignment, (column, row, 1, 1), width_px=30, height_px=24)
    centre_on_photo = 0 < x < 29 and 0 < y < 23
    if centre_on_photo:
        assert back.max() == pytest.approx(0.9)
        assert back[y : y + height, x : x + width].max() == pytest.approx(0.9)


def test_what_the_reference_does_not_show_is_filled() -> None:
    grid = np.ones((4, 6), np.float32)
    back = back_grid(Alignment(60, 40, right_px=20), grid, fill=0.25)
    assert np.array_equal(back[:, :2], np.full((4, 2), 0.25, np.float32))
    assert np.array_equal(back[:, 2:], np.ones((4, 4), np.float32))


def test_cells_that_the_photo_does_not_show_are_known() -> None:
    shown = seen(Alignment(60, 40, right_px=15), rows=4, columns=6)
    assert np.array_equal(shown, np.tile(np.array([1, 1, 1, 1, 0.5, 0], np.float32), (4, 1)))
