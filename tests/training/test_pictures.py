"""The picture of a bank's rows: where its tiles lie, what they show, and what is taken over."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from walkdown.errors import ArtefactError, ImageError
from walkdown.models.bank import TILE_COLUMNS, TILE_PX
from walkdown.training import pictures
from walkdown.types import ImageRef, Photo

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 50, 220)}
REFS = [ImageRef(name, "1", name, name) for name in (*COLOURS, "gone")]


def photo(ref: ImageRef) -> Photo:
    """All of one colour, but for a white part from (100, 50) to (140, 90) of 200 x 100."""
    if ref.name == "gone":
        raise ImageError("it was removed")
    pixels = np.full((100, 200, 3), COLOURS[ref.name], np.uint8)
    pixels[50:90, 100:140] = 255
    return Photo(pixels, 200, 100, ref.name)


def origins(*rows: tuple[int, int, int, int, int]) -> NDArray[np.int32]:
    return np.array(rows, np.int32)


def tile(picture: bytes, row: int) -> NDArray[np.uint8]:
    pixels = np.asarray(Image.open(io.BytesIO(picture)))
    down, right = divmod(row, TILE_COLUMNS)
    return pixels[down * TILE_PX :, right * TILE_PX :][:TILE_PX, :TILE_PX]


def near(found: NDArray[np.uint8], colour: tuple[int, ...]) -> bool:
    return bool(np.abs(found.reshape(-1, 3).mean(axis=0) - np.array(colour)).max() < 12)


def drawn(origin: NDArray[np.int32], **options: Any) -> bytes:
    return pictures.draw(origin, REFS, photo, workers=2, **options)


@given(st.integers(-50, 500), st.integers(-50, 500), st.integers(1, 80), st.integers(1, 80))
def test_a_tile_has_its_cell_in_the_middle(x: int, y: int, width: int, height: int) -> None:
    (box,) = pictures.tile_boxes(np.array([[x, y, width, height]], np.int32), 16)
    assert box[2] == width * TILE_PX // 16
    assert box[3] == height * TILE_PX // 16
    assert abs((box[0] + box[2] / 2) - (x + width / 2)) <= 1
    assert abs((box[1] + box[3] / 2) - (y + height / 2)) <= 1


def test_tiles_lie_in_the_order_of_the_rows() -> None:
    rows = [(i % 3, 0, 0, 40, 40) for i in range(TILE_COLUMNS + 2)]
    picture = drawn(origins(*rows))
    size = Image.open(io.BytesIO(picture)).size
    assert size == (TILE_COLUMNS * TILE_PX, 2 * TILE_PX)
    for row in (0, 1, 2, TILE_COLUMNS, TILE_COLUMNS + 1):
        assert near(tile(picture, row), list(COLOURS.values())[row % 3]), row


def test_a_tile_shows_its_box_and_goes_on_beyond_the_border() -> None:
    picture = drawn(origins((0, 100, 50, 40, 40), (1, -500, -500, 30, 30), (2, 120, 50, 40, 40)))
    assert near(tile(picture, 0), (255, 255, 255))
    assert near(tile(picture, 1), COLOURS["green"])
    half = tile(picture, 2)
    assert near(half[:, : TILE_PX // 2 - 8], (255, 255, 255))
    assert near(half[:, TILE_PX // 2 + 8 :], COLOURS["blue"])


def test_boxes_are_of_the_original_where_the_photograph_was_reduced() -> None:
    def reduced(ref: ImageRef) -> Photo:
        whole = photo(ref)
        return Photo(whole.pixels[::2, ::2], 200, 100, ref.name)

    picture = pictures.draw(origins((0, 102, 52, 36, 36)), REFS, reduced, workers=1)
    assert near(tile(picture, 0), (255, 255, 255))


def test_a_photograph_that_is_gone_leaves_its_tile_black() -> None:
    picture = drawn(origins((3, 0, 0, 40, 40), (0, 0, 0, 40, 40)))
    assert near(tile(picture, 0), (0, 0, 0))
    assert near(tile(picture, 1), COLOURS["red"])


def test_tiles_of_before_are_taken_over_without_their_photographs() -> None:
    before = drawn(origins((0, 0, 0, 40, 40), (1, 0, 0, 40, 40), (2, 0, 0, 40, 40)))
    origin = origins((2, 0, 0, 40, 40), (7, 0, 0, 40, 40), (1, 0, 0, 40, 40))
    picture = pictures.draw(
        origin,
        {7: REFS[0]},
        photo,
        workers=1,
        drawn=pictures.Drawn(before, np.array([2, pictures.NONE, 1])),
    )
    for row, colour in enumerate(("blue", "red", "green")):
        assert near(tile(picture, row), COLOURS[colour]), row


def test_a_damaged_picture_of_before_is_refused() -> None:
    before = drawn(origins((0, 0, 0, 40, 40)))
    small = io.BytesIO()
    Image.new("RGB", (40, 40)).save(small, "JPEG")
    far = pictures.Drawn(before, np.array([TILE_COLUMNS]))
    for wrong in (far, *(pictures.Drawn(b, np.array([0])) for b in (b"", small.getvalue()))):
        with pytest.raises(ArtefactError, match="missing or damaged"):
            drawn(origins((0, 0, 0, 40, 40)), drawn=wrong)
