import io

import numpy as np
import pytest
from PIL import Image

from walkdown.imaging.decode import decode

RED, WHITE = (255, 0, 0), (255, 255, 255)


def saved(image: Image.Image, format_name: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format_name, **options)
    return out.getvalue()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "LAB"])
def test_white_stays_white_in_every_mode(mode: str) -> None:
    image = Image.new("RGB", (6, 4), WHITE).convert(mode)
    photo = decode(saved(image, "TIFF" if mode in ("CMYK", "YCbCr", "LAB") else "PNG"), name="a")
    assert photo.pixels.shape == (4, 6, 3)
    assert photo.pixels.min() >= 254


def test_transparency_is_laid_over_white() -> None:
    half = decode(saved(Image.new("RGBA", (2, 2), (*RED, 128)), "PNG"), name="a").pixels
    assert half[0, 0].tolist() == [255, 127, 127]
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    for transparency in (0, b"\0\xff"):
        pixels = decode(saved(palette, "PNG", transparency=transparency), name="a").pixels
        assert pixels[0].tolist() == [[255, 255, 255], [0, 0, 255]]
    grey = decode(saved(Image.new("L", (2, 2), 9), "PNG", transparency=9), name="a").pixels
    assert grey.min() == 255


def test_cmyk_jpeg_is_not_a_negative() -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    pixel = decode(saved(image, "JPEG", quality=95), name="a").pixels[8, 8]
    assert pixel[0] > 230
    assert pixel[1] < 30


def test_deep_grey_that_fills_its_range_keeps_its_scale() -> None:
    values = np.linspace(0, 65535, 400).reshape(20, 20).astype(np.uint16)
    photo = decode(saved(Image.fromarray(values), "PNG"), name="a")
    assert np.abs(photo.pixels[:, :, 0] - values / 257).max() <= 0.51
    half = (values // 2).astype(np.uint16)
    darker = decode(saved(Image.fromarray(half), "TIFF"), name="a")
    assert np.abs(darker.pixels[:, :, 1] - half / 257).max() <= 0.51


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<i4", "<f4"])
def test_deep_grey_in_a_small_range_does_not_turn_black(dtype: str) -> None:
    counts = np.random.default_rng(1).normal(21_500, 40, (50, 60)).astype(dtype)
    data = saved(Image.fromarray(counts), "TIFF")
    pixels = decode(data, name="thermal.tif").pixels
    assert pixels.min() == 0
    assert pixels.max() == 255
    assert 100 < pixels.mean() < 155
    order = np.argsort(counts.ravel().astype(float))
    assert (np.diff(pixels[:, :, 0].ravel()[order].astype(int)) >= 0).all()
    assert np.array_equal(pixels, decode(data, name="again").pixels)


def test_dead_pixels_and_missing_values_do_not_hide_a_thermal_image() -> None:
    counts = np.random.default_rng(1).normal(21_500, 40, (100, 100)).astype(np.float32)
    counts[3, 3], counts[4, 4], counts[5, 5] = 65535, np.nan, -np.inf
    pixels = decode(saved(Image.fromarray(counts), "TIFF"), name="a").pixels
    assert 100 < pixels.mean() < 155
    assert pixels[3, 3, 0] == 255
    assert pixels[4, 4, 0] == 0 == pixels[5, 5, 0]


@pytest.mark.parametrize("value", [0, 300, 65535])
def test_a_deep_image_of_one_value_decodes(value: int) -> None:
    flat = Image.fromarray(np.full((4, 4), value, np.uint16))
    assert decode(saved(flat, "PNG"), name="a").pixels[0, 0, 0] == round(value / 257)
