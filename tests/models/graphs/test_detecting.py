"""Boxes, in every layout, carried back to the photograph and judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.models.graphs.opening import dark, opened, said
from tests.services import graphs

from walkdown.errors import ArtefactError
from walkdown.models.graphs.card import DetectionCard
from walkdown.models.graphs.layouts import candidates, layout_of
from walkdown.types import Photo, Verdict

LAYOUTS = ["v5", "v8", "end_to_end", "detr"]
PATCH = (90, 60, 120, 80)


def near(box: tuple[int, ...], expected: tuple[int, ...], px: float) -> bool:
    return all(abs(a - b) <= px for a, b in zip(box, expected, strict=True))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("resize", ["letterbox", "stretch", "center_crop"])
@pytest.mark.parametrize("size", [(300, 240), (200, 300), (640, 230)])
def test_a_box_is_where_the_patch_is(layout: str, resize: str, size: tuple[int, int]) -> None:
    """Once, whatever the layout: what lies over each other is one thing."""
    middle = (size[0] // 2 - 40, size[1] // 2 - 30, 80, 60)
    found = said(
        graphs.detector(layout), dark(*size, middle), task="detection", input={"resize": resize}
    )
    assert found.verdict is Verdict.ANOMALY
    assert found.labels == ("crack",)
    (region,) = found.regions
    # The graph sees 160 x 128 px: one of its own is so many of the photograph.
    px = 1.5 * max(size[0] / 160, size[1] / 128)
    assert near(region.box, middle, px), region.box
    assert region.area_pct == pytest.approx(
        100 * region.box[2] * region.box[3] / (size[0] * size[1])
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_bright_is_normal(layout: str) -> None:
    found = said(graphs.detector(layout), dark(), task="detection")
    assert (found.verdict, found.regions, found.labels) == (Verdict.NORMAL, (), ())


def test_boxes_are_in_px_of_the_original() -> None:
    small = dark(300, 240, PATCH)
    large = Photo(small.pixels, 3000, 2400, small.content)
    (region,) = said(graphs.detector("v8"), large, task="detection").regions
    assert near(region.box, tuple(10 * side for side in PATCH), 30)


def test_other_classes_are_things_of_their_own() -> None:
    found = said(graphs.detector("v8", other=True), dark(300, 240, PATCH), task="detection")
    assert sorted(region.label for region in found.regions) == ["bolt", "crack"]


def test_the_confidence_decides() -> None:
    photo = dark(300, 240, PATCH)  # the graph is sure of it by 0.95, times 0.9 in v5
    for layout, sure in (("v8", 0.95), ("v5", 0.855)):
        graph = graphs.detector(layout)
        below = said(graph, photo, task="detection", confidence=sure + 0.01)
        above = said(graph, photo, task="detection", confidence=sure - 0.01)
        assert (below.verdict, above.verdict) == (Verdict.NORMAL, Verdict.ANOMALY)
        assert below.score == pytest.approx(0.5, abs=0.01)


def test_a_rule_says_what_must_be_there() -> None:
    rule = {"required": [{"label": "crack", "inside": [0.0, 0.0, 0.5, 1.0]}]}
    graph = graphs.detector("v8")
    left, right = dark(300, 240, (20, 60, 60, 60)), dark(300, 240, (200, 60, 60, 60))
    assert said(graph, left, task="detection", rule=rule).verdict is Verdict.NORMAL
    missing = said(graph, right, task="detection", rule=rule)
    assert missing.labels == ("missing crack",)
    assert missing.regions[0].box == (0, 0, 150, 240)


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({"labels": ["a", "b", "c", "d"]}, "not of any known layout with 4 labels"),
        ({"layout": "detr"}, "of layout 'detr' with 2 labels"),
        ({"layout": "end_to_end"}, "not of layout 'end_to_end'"),
        ({"rule": {"forbidden": ["dent"]}}, "asks for 'dent', which is none of its labels"),
        ({"rule": {"forbidden": ["bolt"]}, "confidence": 0.4}, "confidence into the rule"),
        ({"output": "boxes"}, "no output 'boxes'"),
        ({"layout": "yolov8"}, "layout"),
    ],
)
def test_what_does_not_fit_is_said_when_it_is_opened(card: dict[str, Any], words: str) -> None:
    with pytest.raises(ArtefactError) as raised:
        opened(graphs.detector("v8"), task="detection", **card)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("shape", "count", "expected"),
    [
        ((25200, 85), 80, "v5"),
        ((84, 8400), 80, "v8"),
        ((8400, 84), 80, "v8"),
        ((5, 8400), 1, "v8"),
        ((25200, 6), 1, "v5"),
        ((300, 6), 80, "end_to_end"),
        ((300, 6), 1, "end_to_end"),
        ((300, 6), 2, "end_to_end"),
        ((0, 6), 80, "end_to_end"),
    ],
)
def test_layouts_are_known_by_their_shapes(
    shape: tuple[int, int], count: int, expected: str
) -> None:
    value = np.zeros((1, *shape), np.float32)
    card = DetectionCard(task="detection")
    assert layout_of(card, {"out": value}, count=count, size=(320, 320)) == (expected, "out")


def test_yolox_is_known_by_centres_that_stay_within_their_cells() -> None:
    size = (64, 32)
    value = np.zeros((1, 8 * 4 + 4 * 2 + 2, 7), np.float32)
    # The cell in the second row and third column of stride 16: 8 x 8 px around (40, 20).
    value[0, 32 + 4 + 2] = [0.5, 0.25, np.log(0.5), np.log(0.5), 0.9, 0.2, 0.8]
    card = DetectionCard(task="detection")
    assert layout_of(card, {"out": value}, count=2, size=size)[0] == "yolox"
    seen = candidates("yolox", "out", {"out": value}, count=2, size=size, activation=None)
    surest = int(seen.confidences.argmax())
    assert seen.boxes[surest].tolist() == pytest.approx([36, 16, 44, 24])
    assert seen.confidences[surest] == pytest.approx(0.72)
    assert seen.classes[surest] == 1
    value[0, :, :2] = np.linspace(0, 60, 42)[:, None]
    assert layout_of(card, {"out": value}, count=2, size=size)[0] == "v5"


def test_a_class_too_many_of_a_detr_is_that_of_nothing() -> None:
    boxes = np.array([[[0.5, 0.5, 0.2, 0.4], [0.1, 0.1, 0.1, 0.1]]], np.float32)
    logits = np.array([[[0.0, 5.0, 0.0], [0.0, 0.0, 9.0]]], np.float32)
    given = {"logits": logits, "pred_boxes": boxes}
    card = DetectionCard(task="detection")
    assert layout_of(card, given, count=2, size=(100, 50)) == ("detr", "logits")
    seen = candidates("detr", "logits", given, count=2, size=(100, 50), activation=None)
    assert seen.boxes[0].tolist() == pytest.approx([40, 15, 60, 35])
    assert seen.confidences.tolist() == pytest.approx(
        [np.exp(5) / (np.exp(5) + 2), 1 / (2 + np.exp(9))]
    )
    each = candidates("detr", "logits", given, count=3, size=(100, 50), activation=None)
    assert each.confidences.tolist() == pytest.approx([1 / (1 + np.exp(-5)), 1 / (1 + np.exp(-9))])


def test_numbers_that_are_no_confidences_are_an_error_of_the_image() -> None:
    made = graphs.Making(size=(120, 128))
    flat = made.shaped(made.times(made.brightness, 90.0), 1, -1, 6)
    short = made.do("Slice", flat, *(made.constant(np.array([i], np.int64)) for i in (0, 50, 1)))
    model = opened(made.bytes({"out": short}), task="detection", labels=["a", "b"])
    (found,) = model.predict([dark()])
    assert "confidence of 40.2: it is not of layout 'end_to_end'" in str(found.error)
