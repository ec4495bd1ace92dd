"""Maps of classes: heat maps, places, and how much of an image must be odd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.models.graphs.opening import dark, opened, said
from tests.services import graphs

from walkdown.errors import ArtefactError
from walkdown.types import Verdict

CARD: dict[str, Any] = {
    "task": "segmentation",
    "labels": ["dark", "bright"],
    "anomalies": ["bright"],
}
FORMS = ["logits", "probabilities", "classes", "nhwc"]
PATCH = (100, 60, 80, 60)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_what_is_bright_is_outlined(form: str, resize: str) -> None:
    photo = dark(320, 180, PATCH)
    found = said(graphs.segmenter(form), photo, **CARD, input={"resize": resize})
    assert found.verdict is Verdict.ANOMALY
    assert found.labels == ("bright",)
    (region,) = found.regions
    assert all(abs(a - b) <= 4 for a, b in zip(region.box, PATCH, strict=True)), region.box
    assert region.area_pct == pytest.approx(100 * 80 * 60 / (320 * 180), rel=0.1)
    assert found.heatmap is not None
    grid = found.heatmap.grid
    assert grid.shape == ((128, 160) if resize == "stretch" else (90, 160))
    rows, columns = grid.shape
    assert grid[rows // 2, int(140 / 320 * columns)] > 0.9
    assert grid[3, 3] < 0.1
    quiet = said(graphs.segmenter(form), dark(320, 180), **CARD)
    assert (quiet.verdict, quiet.regions) == (Verdict.NORMAL, ())


def test_what_a_crop_does_not_see_is_normal() -> None:
    beside = dark(600, 128, (5, 20, 60, 60))
    found = said(graphs.segmenter(), beside, **CARD, input={"resize": "center_crop"})
    assert found.verdict is Verdict.NORMAL
    assert found.heatmap is not None
    assert found.heatmap.grid.shape == (128, 600)


def test_one_channel_is_the_probability_of_its_label() -> None:
    photo = dark(320, 180, PATCH)
    found = said(graphs.segmenter("one"), photo, task="segmentation", labels="bright")
    assert found.labels == ("bright",)
    assert found.raw_score == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("share", [0.5, 4.0])
def test_places_that_are_too_small_do_not_count(share: float) -> None:
    photo = dark(320, 256, (100, 100, 40, 40), (10, 10, 20, 20))  # 2 % and 0.5 % of it
    found = said(graphs.segmenter(), photo, **CARD, min_area_pct=share)
    assert len(found.regions) == (2 if share < 0.5 else 1 if share < 2 else 0)
    assert found.score is not None
    assert (found.score >= 0.5) == (found.verdict is Verdict.ANOMALY) == (share < 2)


def test_small_places_together_are_not_a_large_one() -> None:
    """Their sum passes the smallest area, none of them does: just below the threshold."""
    spots = [(x, y, 10, 10) for x in range(10, 300, 40) for y in range(10, 240, 40)]
    photo = dark(320, 256, *spots)
    found = said(graphs.segmenter(), photo, **CARD, min_area_pct=1.0)
    assert (found.verdict, found.regions) == (Verdict.NORMAL, ())
    assert 0.49 < (found.score or 0) < 0.5
    assert (found.raw_score or 1) < 0.5


def test_each_class_has_places_of_its_own() -> None:
    made = graphs.Making()
    columns = np.zeros((1, 1, 1, 160), np.float32)
    columns[..., 80:] = 1.0
    right = made.do("Mul", made.brightness, made.constant(columns))
    left = made.do("Sub", made.brightness, right)
    background = made.plus(made.times(made.brightness, -1.0), 1.0)
    graph = made.bytes({"out": made.do("Concat", background, left, right, axis=1)})
    photo = dark(320, 256, (60, 60, 200, 60))
    card = {"task": "segmentation", "labels": ["none", "rust", "crack"], "normal": "none"}
    found = said(graph, photo, **card)
    boxes = {region.label: region.box for region in found.regions}
    assert set(boxes) == {"rust", "crack"}
    assert boxes["rust"][0] + boxes["rust"][2] == pytest.approx(160, abs=4)
    assert boxes["crack"][0] == pytest.approx(160, abs=4)


def test_the_threshold_is_where_a_score_is_a_half() -> None:
    graph = graphs.segmenter(steep=1.0)
    level = said(graph, dark(320, 256, PATCH), **CARD).raw_score
    assert level is not None
    above = said(graph, dark(320, 256, PATCH), **CARD, threshold=level - 0.01)
    below = said(graph, dark(320, 256, PATCH), **CARD, threshold=level + 0.01)
    assert (above.verdict, below.verdict) == (Verdict.ANOMALY, Verdict.NORMAL)
    for found in (above, below):
        assert found.score == pytest.approx(0.5, abs=0.03)
        assert found.heatmap is not None
        assert float(found.heatmap.grid.max()) == pytest.approx(found.score, abs=1e-3)


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({**CARD, "labels": ["dark", "bright", "x"]}, "as many labels as channels"),
        ({**CARD, "anomalies": []}, "which labels are 'anomalies'"),
        ({**CARD, "min_area_pct": 100}, "min_area_pct"),
        ({**CARD, "output": "logits"}, "no output 'logits'"),
    ],
)
def test_what_does_not_fit_is_said_when_it_is_opened(card: dict[str, Any], words: str) -> None:
    with pytest.raises(ArtefactError) as raised:
        opened(graphs.segmenter(), **card)
    assert words in str(raised.value)
