import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from walkdown.errors import ImageError
from walkdown.imaging.heatmaps import from_png, overlay, to_png, upsample
from walkdown.types import HeatMap


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((height, width), np.float32)


def plain_bilinear(grid: NDArray[np.float32], width: int, height: int) -> NDArray[np.float64]:
    """The definition, slowly: half-pixel centres, edges held."""

    def weights(cells: int, pixels: int) -> NDArray[np.float64]:
        table = np.zeros((pixels, cells))
        for i in range(pixels):
            at = min(max((i + 0.5) * cells / pixels - 0.5, 0), cells - 1)
            low = int(at)
            table[i, low] += 1 - (at - low)
            table[i, min(low + 1, cells - 1)] += at - low
        return table

    tall, wide = grid.shape
    return weights(tall, height) @ grid @ weights(wide, width).T


@given(
    tall=st.integers(1, 9),
    wide=st.integers(1, 9),
    times_x=st.floats(1, 30),
    times_y=st.floats(1, 30),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_upsample_is_bilinear_between_cell_centres(
    tall: int, wide: int, times_x: float, times_y: float, seed: int
) -> None:
    grid = noise(tall, wide, seed)
    width, height = round(wide * times_x), round(tall * times_y)
    scores = upsample(HeatMap(grid, width, height))
    assert scores.shape == (height, width)
    assert scores.dtype == np.float32
    assert np.abs(scores - plain_bilinear(grid, width, height)).max() < 1e-5


def test_an_odd_enlargement_keeps_every_cell_at_its_centre() -> None:
    grid = noise(4, 6)
    for times in (3, 9, 15):
        scores = upsample(HeatMap(grid, 6 * times, 4 * times))
        assert np.allclose(scores[times // 2 :: times, times // 2 :: times], grid, atol=1e-6)


def test_scores_are_clipped_and_nan_is_nothing() -> None:
    grid = np.array([[-1.0, 2.0], [np.nan, np.inf]], np.float32)
    for side in (2, 40):
        scores = upsample(HeatMap(grid, side, side))
        assert scores[0, 0] == 0 == scores[-1, 0]
        assert scores[0, -1] == 1 == scores[-1, -1]


def test_an_image_smaller_than_the_grid() -> None:
    scores = upsample(HeatMap(noise(20, 30), 3, 2))
    assert scores.shape == (2, 3)
    assert np.abs(scores - 0.5).max() < 0.2
    assert from_png(to_png(HeatMap(noise(20, 30), 1, 1))).shape == (1, 1)


@pytest.mark.parametrize(("width", "height"), [(300, 300), (101, 67), (7, 400), (12, 9)])
def test_png_holds_round_255_times_score(width: int, height: int) -> None:
    heatmap = HeatMap(noise(6, 9), width, height)
    png = to_png(heatmap)
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.mode, image.size) == ("PNG", "L", (width, height))
    exact = upsample(heatmap).astype(np.float64) * 255
    assert np.abs(np.asarray(image) - exact).max() < 0.5 + 1e-3
    assert np.array_equal(from_png(png), np.asarray(image, np.float32) / np.float32(255))
    assert from_png(png).dtype == np.float32


def test_extreme_scores_are_exact_in_the_png() -> None:
    grid = np.array([[0, 1], [0.5, 0.2]], np.float32)
    scores = from_png(to_png(HeatMap(grid, 2, 2)))
    assert scores.tolist() == [[0, 1], [np.float32(128 / 255), np.float32(51 / 255)]]


@pytest.mark.parametrize("data", [b"", b"junk", to_png(HeatMap(noise(2, 2), 50, 50))[:90]])
def test_a_damaged_heat_map_is_an_image_error(data: bytes) -> None:
    for read in (from_png, lambda d: overlay(d, max_px=9)):
        with pytest.raises(ImageError, match="inspect the image again"):
            read(data)


def overlaid(score: float) -> NDArray[np.uint8]:
    png = to_png(HeatMap(np.full((2, 2), score, np.float32), 60, 40))
    return np.asarray(Image.open(io.BytesIO(overlay(png, max_px=30))).convert("RGBA"))


def test_overlay_is_clear_below_and_turns_from_yellow_to_red_above() -> None:
    assert overlaid(0.0).shape == (20, 30, 4)
    for score in (0.0, 0.2, 0.39):
        assert overlaid(score)[:, :, 3].max() == 0
    hot = [overlaid(score)[5, 5].astype(int) for score in (0.5, 0.65, 0.8, 1.0)]
    opacity = [pixel[3] for pixel in hot]
    light = [pixel[:3] @ (0.2126, 0.7152, 0.0722) for pixel in hot]
    assert opacity == sorted(opacity)
    assert 80 < opacity[0] < opacity[-1] < 255
    assert light == sorted(light, reverse=True)
    assert hot[0][1] > 180
    assert hot[-1][1] < 20 < hot[-1][0]


def test_overlay_is_never_enlarged() -> None:
    png = to_png(HeatMap(noise(2, 2), 60, 4))
    assert Image.open(io.BytesIO(overlay(png, max_px=900))).size == (60, 4)
    assert Image.open(io.BytesIO(overlay(png, max_px=6))).size == (6, 1)
