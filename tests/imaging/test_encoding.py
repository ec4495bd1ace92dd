"""Photographs as bytes that a service takes: its own bytes where they fit, and never beyond."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from walkdown.errors import ImageError
from walkdown.imaging.decode import decode
from walkdown.imaging.encoding import Encoded, Limits, encoded
from walkdown.types import Photo

WIDE = Limits(5_000_000)


def noise(width: int, height: int, seed: int = 1) -> Image.Image:
    """Noise, which no format makes small."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))


def file_of(image: Image.Image, made: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, made, **options)
    return out.getvalue()


def photo(data: bytes, at_least_px: int | None = None) -> Photo:
    return decode(data, name="a", at_least_px=at_least_px, max_pixels=10**8)


def opened(sent: Encoded) -> Image.Image:
    image = Image.open(io.BytesIO(sent.data))
    image.load()
    assert (image.format, image.size) == (sent.format, (sent.width_px, sent.height_px))
    return image


@pytest.mark.parametrize("made", ["JPEG", "PNG"])
def test_a_file_that_fits_is_sent_as_it_is(made: str) -> None:
    data = file_of(noise(60, 40), made)
    sent = encoded(photo(data), WIDE)
    assert sent == Encoded(data, 60, 40, made)
    assert sent.content_type == f"image/{made.lower()}"


def test_what_has_no_file_is_made_one() -> None:
    pixels = np.full((40, 60, 3), 90, np.uint8)
    sent = encoded(Photo(pixels, 600, 400, "c"), WIDE)
    assert (sent.width_px, sent.height_px, sent.format) == (60, 40, "JPEG")
    assert abs(np.asarray(opened(sent)).astype(int) - 90).max() <= 2


@pytest.mark.parametrize("made", ["BMP", "TIFF", "WEBP"])
def test_a_format_that_the_service_does_not_take_is_made_anew(made: str) -> None:
    assert opened(encoded(photo(file_of(noise(60, 40), made)), WIDE)).format == "JPEG"


def test_a_service_without_jpeg_gets_a_png_without_loss() -> None:
    image = noise(60, 40)
    sent = encoded(photo(file_of(image, "TIFF")), Limits(5_000_000, formats=("PNG",)))
    assert np.array_equal(np.asarray(opened(sent)), np.asarray(image))


@pytest.mark.parametrize("turn", range(2, 9))
def test_a_photograph_that_lies_on_its_side_is_sent_upright(turn: int) -> None:
    image = Image.new("RGB", (64, 48), (20, 20, 20))
    image.paste((250, 250, 250), (0, 0, 32, 24))
    tags = Image.Exif()
    tags[0x0112] = turn
    whole = photo(file_of(image, "JPEG", exif=tags, quality=95))
    sent = opened(encoded(whole, WIDE))
    assert sent.size == (whole.width_px, whole.height_px)
    assert 0x0112 not in sent.getexif()
    difference = np.asarray(sent).astype(int) - whole.pixels
    assert abs(difference).mean() < 3, "it shows what the model's own pixels show"


@pytest.mark.parametrize("mode", ["CMYK", "RGBA", "P", "I;16"])
def test_pixels_that_are_read_differently_are_made_plain(mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.full((40, 60), 40_000, np.uint16))
    else:
        image = noise(60, 40).convert(mode)
    data = file_of(image, "JPEG" if mode == "CMYK" else "PNG")
    sent = opened(encoded(photo(data), WIDE))
    assert (sent.format, sent.mode) == ("JPEG", "RGB")


def test_a_transparent_colour_is_made_plain() -> None:
    data = file_of(noise(60, 40), "PNG", transparency=(0, 0, 0))
    assert opened(encoded(photo(data), WIDE)).format == "JPEG"


def test_grey_files_are_plain() -> None:
    data = file_of(noise(60, 40).convert("L"), "JPEG")
    assert encoded(photo(data), WIDE).data == data


def test_too_many_bytes_lose_quality_before_they_lose_size() -> None:
    data = file_of(noise(200, 150), "PNG")
    sent = encoded(photo(data), Limits(40_000))
    assert len(sent.data) <= 40_000 < len(data)
    assert (sent.width_px, sent.height_px) == (200, 150)
    small = encoded(photo(data), Limits(10_000))
    assert len(small.data) <= 10_000
    assert small.width_px < 200
    assert abs(small.width_px / small.height_px - 4 / 3) < 0.05


def test_a_side_that_is_too_long_is_made_shorter() -> None:
    sent = encoded(photo(file_of(noise(200, 100), "PNG")), Limits(10**7, max_side_px=50))
    assert (sent.width_px, sent.height_px) == (50, 25)
    opened(sent)


def test_a_whole_file_is_sent_where_a_smaller_image_was_decoded() -> None:
    data = file_of(Image.new("RGB", (1600, 1200), (9, 9, 9)), "JPEG")
    shrunk = photo(data, at_least_px=200)
    assert shrunk.pixels.shape[1] < 1600
    assert encoded(shrunk, WIDE) == Encoded(data, 1600, 1200, "JPEG")
    less = encoded(shrunk, Limits(10**6, max_side_px=300))
    assert max(less.width_px, less.height_px) <= 300


@pytest.mark.parametrize(("width", "height"), [(63, 100), (100, 63), (1, 1)])
def test_one_that_is_too_small_is_told(width: int, height: int) -> None:
    with pytest.raises(ImageError, match=rf"{width} x {height} px can't be sent: .* 64 to 4096 px"):
        encoded(photo(file_of(noise(width, height), "PNG")), Limits(10**6, 4096, 64))


def test_one_that_is_too_long_for_its_width_is_told() -> None:
    with pytest.raises(ImageError, match="4000 x 80 px can't be sent"):
        encoded(photo(file_of(noise(4000, 80), "PNG")), Limits(10**7, 1000, 64))


def test_a_limit_that_nothing_fits_into_is_told() -> None:
    with pytest.raises(ImageError, match="no image fits"):
        encoded(photo(file_of(noise(64, 64), "PNG")), Limits(100))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 300), st.integers(1, 300), st.integers(800, 50_000),
    st.integers(20, 400), st.sampled_from(["JPEG", "PNG"]),
)  # fmt: skip
def test_what_is_sent_is_always_within_the_limits(
    width: int, height: int, max_bytes: int, max_side: int, made: str
) -> None:
    limits = Limits(max_bytes, max_side, 16)
    try:
        sent = encoded(photo(file_of(noise(width, height), made)), limits)
    except ImageError:
        assert min(width, height) * min(1, max_side / max(width, height)) < 17 or max_bytes < 3_000
        return
    assert len(sent.data) <= max_bytes
    assert min(sent.width_px, sent.height_px) >= 16
    assert max(sent.width_px, sent.height_px) <= max_side
    opened(sent)
