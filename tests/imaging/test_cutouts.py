"""Regions cut out of a photo, and what is said of them put together again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walkdown.imaging.cutouts import LEAST_PX, boxes, cut_out, put_together
from walkdown.types import HeatMap, Photo, Prediction, Region, Verdict

ANOMALY, NORMAL, UNUSABLE = Verdict.ANOMALY, Verdict.NORMAL, Verdict.UNUSABLE


def photo(width: int = 200, height: int = 100, *, by: int = 1) -> Photo:
    """Each pixel knows where it is."""
    y, x = np.mgrid[: height // by, : width // by].astype(np.uint8)
    return Photo(np.stack([x, y, x], axis=-1), width, height, "content")


@st.composite
def regions(draw: st.DrawFn, width: int = 200, height: int = 100) -> Region:
    x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    size = draw(st.integers(1, width - x)), draw(st.integers(1, height - y))
    return Region((x, y, *size), 1.0, draw(st.floats(0, 1)))


@given(st.lists(regions(), min_size=1, max_size=5), st.floats(0, 4))
def test_boxes_hold_their_regions_and_lie_on_the_image(found: list[Region], margin: float) -> None:
    cut = boxes(found, margin=margin, most=9, width_px=200, height_px=100)
    for x, y, width, height in cut:
        assert x >= 0
        assert y >= 0
        assert x + width <= 200
        assert y + height <= 100
        assert width >= LEAST_PX
        assert height >= LEAST_PX
    for region in found:
        left, top, across, down = region.box
        assert any(
            x <= left and y <= top and x + w >= left + across - 1 and y + h >= top + down - 1
            for x, y, w, h in cut
        )


def test_the_worst_come_first_and_no_box_twice() -> None:
    same = [Region((0, 0, 50, 50), 1.0, score) for score in (0.5, 0.6)]
    worst = Region((100, 40, 40, 40), 1.0, 0.9)
    cut = boxes([*same, worst], margin=0.0, most=8, width_px=200, height_px=100)
    assert cut == ((100, 40, 40, 40), (0, 0, 50, 50))
    assert boxes([*same, worst], margin=0.0, most=1, width_px=200, height_px=100) == cut[:1]


@pytest.mark.parametrize("by", [1, 2, 4])
def test_a_cut_out_shows_its_box(by: int) -> None:
    cut = cut_out(photo(by=by), (80, 40, 40, 20))
    assert cut.pixels.shape == (20 // by, 40 // by, 3)
    assert cut.pixels[0, 0].tolist() == [80 // by, 40 // by, 80 // by]
    assert (cut.width_px, cut.height_px, cut.data) == (40, 20, b"")
    assert cut.content != cut_out(photo(by=by), (80, 40, 40, 21)).content


def test_what_does_not_count_stays_uncounted() -> None:
    keep = np.zeros((10, 20), np.float32)
    keep[:, :10] = 1.0
    from dataclasses import replace

    half = replace(photo(), keep=keep)
    cut = cut_out(half, (80, 0, 40, 100))
    assert cut.keep is not None
    assert cut.keep.mean() == pytest.approx(0.5)
    nothing = cut_out(half, (120, 0, 40, 100))
    assert not nothing.pixels.any()


AT = [(0, 0, 100, 50), (100, 50, 100, 50)]


def one(
    verdict: Verdict, score: float, *found: Region, p: float | None = None, usd: float | None = None
) -> Prediction:
    return Prediction(verdict, score, score, regions=found, p_normal=p, cost_usd=usd)


def test_regions_come_back_to_the_photo() -> None:
    inner = Region((10, 5, 20, 10), 4.0, 0.8, "crack")
    both = put_together([one(NORMAL, 0.2), one(ANOMALY, 0.8, inner)], AT, photo())
    (region,) = both.regions
    assert (region.box, region.label) == ((110, 55, 20, 10), "crack")
    assert region.area_pct == pytest.approx(1.0)
    assert (both.verdict, both.score) == (ANOMALY, 0.8)


def test_an_anomaly_without_regions_is_its_cut_out() -> None:
    both = put_together([one(NORMAL, 0.2), one(ANOMALY, 0.8)], AT, photo())
    assert [region.box for region in both.regions] == [AT[1]]
    assert both.regions[0].area_pct == pytest.approx(25.0)


def test_the_oddest_of_many_is_less_odd() -> None:
    both = put_together([one(NORMAL, 0.2, p=0.3), one(NORMAL, 0.4, p=0.04)], AT, photo())
    assert both.p_normal == pytest.approx(0.08)


def test_a_failed_cut_out_fails_the_whole_but_for_an_anomaly() -> None:
    broken = Prediction(None, None, None, error="too small", cost_usd=0.5)
    normal = put_together([broken, one(NORMAL, 0.2, usd=0.25)], AT, photo())
    assert (normal.error, normal.cost_usd) == ("too small", 0.75)
    assert put_together([broken, one(ANOMALY, 0.9)], AT, photo()).verdict is ANOMALY
    assert put_together([one(UNUSABLE, 0.0), one(NORMAL, 0.2)], AT, photo()).verdict is NORMAL


def test_heat_maps_lie_where_their_cut_outs_do() -> None:
    hot = Prediction(ANOMALY, 0.9, 0.9, heatmap=HeatMap(np.full((2, 2), 0.9, np.float32), 100, 50))
    both = put_together([one(NORMAL, 0.1), hot], AT, photo())
    assert both.heatmap is not None
    grid = both.heatmap.grid
    rows, columns = grid.shape
    assert (both.heatmap.width_px, both.heatmap.height_px) == (200, 100)
    assert grid[rows // 2 :, columns // 2 :].min() == pytest.approx(0.9)
    assert grid[: rows // 2].max() == 0.0
