import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from walkdown.imaging.decode import decode, from_array
from walkdown.imaging.thumbnails import cutout, thumbnail
from walkdown.types import Photo


def jpeg(width: int, height: int, orientation: int = 1) -> bytes:
    image = Image.new("RGB", (width, height), (20, 160, 60))
    image.paste((240, 240, 240), (0, 0, width, height // 2))
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif)
    return out.getvalue()


def test_a_thumbnail_is_a_small_upright_webp() -> None:
    photo = decode(jpeg(1200, 800, 6), name="a", at_least_px=300)
    data, width, height = thumbnail(photo, max_px=300)
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.size) == ("WEBP", (200, 300))
    assert (width, height) == (200, 300)
    pixels = np.asarray(image.convert("RGB"))
    # Orientation 6: what is stored at the top belongs to the right.
    assert pixels[150, 190].min() > 220
    assert pixels[150, 10, 0] < 60
    assert len(data) < 3000


@pytest.mark.parametrize(
    ("size", "expected"), [((60, 40), (60, 40)), ((2000, 2), (300, 1)), ((1, 1), (1, 1))]
)
def test_small_images_keep_their_size_and_thin_ones_a_pixel(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    data, *found = thumbnail(decode(jpeg(*size), name="a"), max_px=300)
    assert tuple(found) == expected == Image.open(io.BytesIO(data)).size


def slope(width: int, height: int) -> Photo:
    """An image that gets brighter by one with each pixel to the right."""
    row = np.arange(width, dtype=np.uint8)
    return from_array(np.broadcast_to(row, (height, width)).copy())


def opened(data: bytes | None) -> Image.Image:
    assert data is not None
    return Image.open(io.BytesIO(data))


def test_a_cutout_shows_the_place_and_nothing_else() -> None:
    image = opened(cutout(slope(200, 90), (120, 30, 40, 40), max_px=100))
    assert (image.format, image.mode, image.size) == ("WEBP", "RGB", (40, 40))
    middle = np.asarray(image)[20, :, 0].astype(int)
    assert np.abs(middle - np.arange(120, 160)).max() <= 4


def test_a_large_cutout_is_made_smaller() -> None:
    image = opened(cutout(slope(200, 90), (100, 0, 80, 40), max_px=20))
    assert image.size == (20, 10)
    assert np.asarray(image)[5, 0, 0] == pytest.approx(101.5, abs=4)


def test_a_box_is_in_pixels_of_the_original_also_where_less_was_decoded() -> None:
    whole = slope(200, 100)
    half = replace(whole, pixels=np.ascontiguousarray(whole.pixels[::2, ::2]))
    image = opened(cutout(half, (120, 20, 40, 40), max_px=100))
    assert image.size == (40, 40)
    assert np.asarray(image)[20, 20, 0] == pytest.approx(140, abs=4)


def test_what_lies_outside_the_image_is_transparent() -> None:
    image = opened(cutout(slope(200, 90), (-10, 70, 40, 40), max_px=100))
    assert image.mode == "RGBA"
    opaque = np.asarray(image)[:, :, 3] > 0
    expected = np.zeros((40, 40), bool)
    expected[:20, 10:] = True
    assert (opaque == expected).all()
    assert np.asarray(image)[5, 15, 0] == pytest.approx(5, abs=4)


@pytest.mark.parametrize(
    "box", [(200, 0, 40, 40), (-40, 0, 40, 40), (0, 90, 9, 9), (5, 5, 0, 4), (5, 5, 4, -4)]
)
def test_a_box_without_any_of_the_image_shows_nothing(box: tuple[int, int, int, int]) -> None:
    assert cutout(slope(200, 90), box, max_px=100) is None


sides = st.integers(1, 10**12)
corners = st.integers(-(10**12), 60) | st.integers(-80, 60)


@given(corners, corners, sides | st.integers(1, 90), sides | st.integers(1, 90))
def test_any_box_that_touches_the_image_has_a_small_cutout(
    x: int, y: int, width: int, height: int
) -> None:
    touches = x < 30 and y < 20 and x + width > 0 and y + height > 0
    data = cutout(slope(30, 20), (x, y, width, height), max_px=24)
    assert (data is not None) == touches
    if data is not None:
        image = opened(data)
        assert max(image.size) <= 24
        assert image.getchannel("A").getextrema()[1] == 255 if image.mode == "RGBA" else True
