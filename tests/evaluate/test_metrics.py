import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from sklearn.metrics import auc, precision_recall_curve, roc_auc_score

from walkdown.evaluate.metrics import aupro, auroc, f1_max

sides = st.lists(st.integers(0, 12), min_size=1, max_size=40)
Maps = list[NDArray[np.float32]]
Regions = list[NDArray[np.int64]]


def labelled(normal: list[int], anomalous: list[int]) -> tuple[list[int], list[int]]:
    return [0] * len(normal) + [1] * len(anomalous), normal + anomalous


@given(sides, sides)
def test_auroc_is_that_of_scikit_learn(normal: list[int], anomalous: list[int]) -> None:
    expected = roc_auc_score(*labelled(normal, anomalous))
    assert auroc(normal, anomalous) == pytest.approx(expected, abs=1e-12)


@given(sides, sides)
def test_f1_max_is_that_of_scikit_learn(normal: list[int], anomalous: list[int]) -> None:
    precision, recall, _ = precision_recall_curve(*labelled(normal, anomalous))
    # Its last point stands for no alarm at all, where precision has no meaning.
    share = np.maximum(precision + recall, 1e-12)[:-1]
    expected = float((2 * precision[:-1] * recall[:-1] / share).max())
    assert f1_max(normal, anomalous) == pytest.approx(expected, abs=1e-12)


def test_an_empty_side_has_no_measure() -> None:
    assert math.isnan(auroc([], [1]))
    assert math.isnan(auroc([1], []))
    assert math.isnan(f1_max([1], []))
    assert f1_max([], [1]) == 1.0


def slow_aupro(maps: Maps, regions: Regions, limit: float) -> float:
    """The curve point by point: at every score, the share of good cells and the mean overlap."""
    levels = np.unique(np.concatenate([m.ravel() for m in maps]))[::-1]
    points = [(0.0, 0.0)]
    for level in levels:
        good = np.concatenate([m[r == 0] >= level for m, r in zip(maps, regions, strict=True)])
        overlaps = [
            float(np.mean(m[r == number] >= level))
            for m, r in zip(maps, regions, strict=True)
            for number in np.unique(r[r > 0])
        ]
        points.append((float(good.mean()), float(np.mean(overlaps))))
    x, y = np.array(points).T
    inside = x < limit
    after = int(inside.sum())
    share = (limit - x[after - 1]) / (x[after] - x[after - 1])
    end = y[after - 1] + share * (y[after] - y[after - 1])
    return float(auc(np.append(x[inside], limit), np.append(y[inside], end))) / limit


@st.composite
def segmented(draw: st.DrawFn) -> tuple[Maps, Regions]:
    shape = (draw(st.integers(2, 8)), draw(st.integers(2, 8)))
    maps, regions = [], []
    for _ in range(draw(st.integers(1, 3))):
        maps.append(draw(hnp.arrays(np.float32, shape, elements=st.integers(0, 9))))
        marked = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 2)))
        marked[0, 0], marked[-1, -1] = 0, 1
        regions.append(marked)
    return maps, regions


@given(segmented(), st.sampled_from([0.1, 0.3, 1.0]))
def test_aupro_is_the_area_of_the_curve_drawn_point_by_point(
    given_maps: tuple[Maps, Regions], limit: float
) -> None:
    maps, regions = given_maps
    fast = aupro(maps, regions, limit=limit, cuts=1000)
    assert fast == pytest.approx(slow_aupro(maps, regions, limit), abs=1e-9)


def test_at_a_few_cuts_aupro_is_close() -> None:
    rng = np.random.default_rng(0)
    regions = [np.zeros((30, 30), np.int64) for _ in range(3)]
    for i, marked in enumerate(regions):
        marked[5 : 20 + i, 5:15] = 1
        marked[24:28, 24:28] = 2
    maps = [(rng.normal(size=r.shape) + 1.5 * (r > 0)).astype(np.float32) for r in regions]
    assert aupro(maps, regions) == pytest.approx(slow_aupro(maps, regions, 0.3), abs=0.005)


def test_a_perfect_map_has_aupro_one_and_a_blind_one_that_of_chance() -> None:
    region = np.zeros((10, 10), np.int64)
    region[2:4, 2:4] = 1
    perfect = region.astype(np.float32)
    assert aupro([perfect], [region]) == pytest.approx(1.0)
    assert aupro([np.zeros_like(perfect)], [region]) == pytest.approx(0.15)
    assert aupro([-perfect], [region]) == pytest.approx(0.0, abs=1e-9)


def test_without_a_defect_or_without_background_there_is_no_aupro() -> None:
    flat = np.zeros((4, 4), np.float32)
    assert math.isnan(aupro([flat], [np.zeros((4, 4), np.int64)]))
    assert math.isnan(aupro([flat], [np.ones((4, 4), np.int64)]))
