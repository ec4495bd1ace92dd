import numpy as np
import pytest
from PIL import Image

from walkdown.imaging.resize import resize


def test_shrinking_averages_so_that_fine_patterns_do_not_alias() -> None:
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 255
    small = resize(stripes, width_px=100, height_px=80)
    assert small.shape == (80, 100, 3)
    assert small.dtype == np.uint8
    assert np.abs(small.astype(int) - 127).max() <= 3


@pytest.mark.parametrize("size", [(7, 5), (64, 48), (300, 1)])
def test_a_slope_stays_where_it_is(size: tuple[int, int]) -> None:
    slope = np.repeat(np.linspace(0, 255, 90).astype(np.uint8)[np.newaxis, :, np.newaxis], 40, 0)
    changed = resize(np.repeat(slope, 3, 2), width_px=size[0], height_px=size[1])
    centres = (np.arange(size[0]) + 0.5) / size[0] * 90 - 0.5
    expected = np.interp(centres, np.arange(90), np.linspace(0, 255, 90))
    assert changed.shape == (size[1], size[0], 3)
    assert np.abs(changed - expected[np.newaxis, :, np.newaxis])[:, 1:-1].max() < 3


def test_the_right_size_is_left_alone() -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    assert resize(pixels, width_px=6, height_px=4) is pixels


def test_views_are_fine() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    turned = resize(pixels[::-1], width_px=15, height_px=10)
    assert np.array_equal(turned, resize(pixels[::-1].copy(), width_px=15, height_px=10))


@pytest.mark.parametrize("size", [(41, 33), (12, 9), (30, 20)])
@pytest.mark.parametrize("odd_one", [None, (0, 0, 1), (19, 29, 2), (11, 7, 0)])
def test_grey_and_colour_take_different_ways_to_the_same_values(
    size: tuple[int, int], odd_one: tuple[int, int, int] | None
) -> None:
    """Grey but for one value, wherever it is, is colour."""
    grey = np.random.default_rng(1).integers(0, 255, (20, 30, 1), dtype=np.uint8)
    pixels = np.repeat(grey, 3, 2)
    if odd_one:
        pixels[odd_one] += 1
    channels = [
        np.asarray(Image.fromarray(pixels[..., i].copy()).resize(size, Image.Resampling.BILINEAR))
        for i in range(3)
    ]
    changed = resize(pixels, width_px=size[0], height_px=size[1])
    assert np.abs(changed.astype(int) - np.stack(channels, 2)).max() <= (1 if size[0] < 30 else 0)
