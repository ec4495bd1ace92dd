"""What services answer, as predictions: scores, classes, detections, masks, and nonsense."""

from __future__ import annotations

import base64
import io
import json
import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from walkdown.errors import ModelError
from walkdown.models.mapping import OutputCard, mapped, parsed
from walkdown.models.mapping.answers import write
from walkdown.models.mapping.places import _put
from walkdown.types import HeatMap, Prediction, Region, Verdict


def said(card: Any, answer: object, **sizes: Any) -> Prediction:
    return mapped(OutputCard.model_validate(card), answer, **{"width_px": 200, "height_px": 100}
                  | sizes)  # fmt: skip


SCORE = {"score": {"at": "predictions.0.score", "threshold": 0.7}}


def scored(value: float, **more: Any) -> Prediction:
    card = {"score": {"at": ".", "threshold": 4.0, **more}}
    return said(card, value)


def test_a_score_is_read_at_its_path() -> None:
    found = said(SCORE, {"predictions": [{"score": 0.9}]})
    assert (found.verdict, found.raw_score) == (Verdict.ANOMALY, 0.9)
    assert found.score is not None
    assert found.score > 0.5
    assert said(SCORE, {"predictions": [{"score": 0.69}]}).verdict is Verdict.NORMAL


def test_a_score_is_half_at_its_threshold_and_rises() -> None:
    values = [-100.0, 0.0, 3.9, 4.0, 4.1, 8.0, 400.0]
    scores = [scored(value).score for value in values]
    assert scores[3] == 0.5
    assert scores == sorted(set(scores))  # type: ignore[type-var]
    assert scored(8.0).score == 0.75


def test_a_score_with_a_range_fills_it() -> None:
    scores = [scored(value, range=[0, 10]).score for value in (0, 2, 4, 7, 10)]
    assert scores == [0.0, 0.25, 0.5, 0.75, 1.0]
    with pytest.raises(ModelError, match=r"11.0 at '.'; by the card's 'range' it lies in 0 to 10"):
        scored(11.0, range=[0, 10])


def test_small_scores_may_be_the_odd_ones() -> None:
    found = [scored(value, odd="low", range=[0, 10]) for value in (0, 4, 7, 10)]
    assert [each.score for each in found] == [1.0, 0.5, 0.25, 0.0]
    assert [each.raw_score for each in found] == [0, -4, -7, -10]
    assert OutputCard.model_validate(
        {"score": {"at": ".", "threshold": 4, "odd": "low"}}
    ).threshold == -4.0  # fmt: skip


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.sampled_from(["high", "low"]))
def test_score_and_verdict_always_agree(value: float, threshold: float, odd: str) -> None:
    found = said({"score": {"at": ".", "threshold": threshold, "odd": odd}}, value)
    assert found.score is not None
    assert 0.0 <= found.score <= 1.0
    assert (found.score >= 0.5) == (found.verdict is Verdict.ANOMALY)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({}, "no 'predictions.0.score': at the top it has an empty mapping"),
        ({"predictions": []}, "at predictions it has a list of 0"),
        ({"predictions": [{"odd": 1}]}, "at predictions.0 it has a mapping with odd"),
        ({"predictions": [{"score": "high"}]}, "has \"high\" at 'predictions.0.score'"),
        ({"predictions": [{"score": True}]}, "it must be a number"),
        ({"predictions": [{"score": math.nan}]}, "it must be a number"),
        ({"predictions": [{"score": None}]}, "has null"),
        ("busy", 'at the top it has "busy"'),
        ([1, 2], "at the top it has a list of 2"),
    ],
)
def test_an_answer_without_the_score_is_told(answer: object, why: str) -> None:
    with pytest.raises(ModelError) as told:
        said(SCORE, answer)
    assert why in str(told.value)


def test_what_is_no_json_is_told() -> None:
    assert parsed(b'{"a": [1]}') == {"a": [1]}
    for data in (b"<html>Bad Gateway</html>", b"\xff\xd8\xff", b"", b"[" * 100_000):
        with pytest.raises(ModelError, match="the answer is no JSON"):
            parsed(data)


LABELS = ["good", "crack", "rust"]


@pytest.mark.parametrize(
    "answer",
    [[0.2, 0.7, 0.1], {"good": 0.2, "crack": 0.7, "rust": 0.1},
     [{"label": "crack", "score": 0.7}, {"label": "good", "score": 0.2},
      {"label": "rust", "score": 0.1}]],
)  # fmt: skip
def test_classes_come_in_three_ways(answer: object) -> None:
    for sides in ({"anomalies": ["crack", "rust"]}, {"normal": ["good"]}):
        found = said({"classes": {"at": ".", "labels": LABELS, **sides}}, answer)
        assert found.raw_score == pytest.approx(0.8)
        assert (found.verdict, found.score) == (Verdict.ANOMALY, 0.8)
        assert found.labels == ("crack",)


def test_a_normal_class_names_nothing() -> None:
    found = said({"classes": {"at": "p.0", "labels": LABELS, "normal": ["good"]}},
                 {"p": [[0.9, 0.06, 0.04]]})  # fmt: skip
    assert (found.verdict, found.labels) == (Verdict.NORMAL, ())
    assert found.score == 0.1


def test_only_the_likeliest_classes_are_enough() -> None:
    card = {"classes": {"at": ".", "normal": ["good"]}}
    found = said(card, [{"label": "good", "score": 0.3}])
    assert found.raw_score == pytest.approx(0.7)
    assert found.verdict is Verdict.ANOMALY


def test_classes_are_compared_without_regard_to_case() -> None:
    for sides in ({"anomalies": ["CRACK"]}, {"normal": ["Good"]}):
        found = said({"classes": {"at": ".", **sides}}, {"good": 0.1, "Crack": 0.9})
        assert (found.verdict, found.labels) == (Verdict.ANOMALY, ("Crack",))
    found = said({"classes": {"at": ".", "labels": LABELS, "anomalies": ["Rust"]}}, [0.1, 0.1, 0.8])
    assert found.labels == ("rust",)


def test_an_answer_without_the_anomalies_of_the_card_is_no_normal_one() -> None:
    card: dict[str, Any] = {"at": ".", "anomalies": ["defekt"]}
    with pytest.raises(ModelError, match=r"none of the classes 'defekt'.* it has 'good', 'defect'"):
        said({"classes": card}, {"good": 0.3, "defect": 0.7})
    with pytest.raises(ModelError, match="none of the classes 'defekt'"):
        said({"classes": {**card, "values": "logits"}}, {"good": 0.3, "defect": 4.0})
    with pytest.raises(ModelError, match="list all of the service's classes under 'labels'"):
        said({"classes": {**card, "labels": ["good", "defekt"]}}, {"good": 0.3, "defect": 0.3})
    top = said({"classes": card}, {"good": 0.8})
    assert top.verdict is Verdict.NORMAL, "only the likeliest is told"
    sure = said({"classes": {**card, "labels": ["good", "defekt"]}}, {"good": 1.0})
    assert sure.verdict is Verdict.NORMAL


def test_many_classes_take_no_time() -> None:
    labels = [str(i) for i in range(10_000)]
    card = {"at": ".", "labels": labels, "anomalies": ["7"], "values": "logits"}
    output, began = OutputCard.model_validate({"classes": card}), time.perf_counter()
    mapped(output, [0.0] * 10_000, width_px=1, height_px=1)
    assert time.perf_counter() - began < 2.0


def test_classes_that_do_not_exclude_each_other_are_not_added_up() -> None:
    card = {"classes": {"at": ".", "anomalies": ["crack", "rust", "dent"], "exclusive": False,
                        "threshold": 0.4}}  # fmt: skip
    low = said(card, {"crack": 0.3, "rust": 0.3, "good": 0.9})
    assert (low.verdict, low.raw_score) == (Verdict.NORMAL, 0.3)
    two = said(card, {"crack": 0.5, "rust": 0.8, "dent": 0.1})
    assert (two.raw_score, two.labels) == (0.8, ("rust", "crack"))


def test_raw_outputs_become_probabilities() -> None:
    keys: dict[str, Any] = {"at": ".", "labels": ["good", "bad"], "normal": ["good"]}
    card = {"classes": {**keys, "values": "logits"}}
    assert said(card, [0.0, math.log(3)]).raw_score == pytest.approx(0.75)
    assert said(card, [-2000.0, 2000.0]).score == 1.0
    card["classes"]["exclusive"] = False
    assert said(card, [0.0, math.log(3)]).raw_score == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ([0.1, 0.9], "2 numbers at '.' for 3 labels"),
        ([0.1, 0.2, 7.0], "7 at '.', which is no probability"),
        ([], "0 numbers"),
        ({}, "no classes"),
        ("good", "must be a list"),
        ([{"label": "good"}], "no 'score'"),
        ({"good": "much"}, "must be a number"),
        ({"good": 0.5, "Good": 0.5}, "the class 'Good' twice"),
        ([{"label": "a", "score": 0.5}, {"label": "a", "score": 0.1}], "the class 'a' twice"),
        ([0.0] * 10_001, "10,001 classes at '.'; 10,000 at most"),
    ],
)
def test_classes_that_make_no_sense_are_told(answer: object, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        said({"classes": {"at": ".", "labels": LABELS, "normal": ["good"]}}, answer)


def seen(answer: object, sent_px: tuple[int, int] | None = None, **more: Any) -> Prediction:
    card = {"at": "found", "rule": {"forbidden": ["crack"]}, **more}
    return said({"detections": card}, {"found": answer}, sent_px=sent_px)


ENTRY = {"label": "crack", "score": 0.9}


@pytest.mark.parametrize(
    ("box", "order"),
    [([20, 10, 60, 50], "xyxy"), ([20, 10, 40, 40], "xywh"), ([40, 30, 40, 40], "cxcywh"),
     ([10, 20, 50, 60], "yxyx")],
)  # fmt: skip
def test_boxes_come_in_four_orders_and_in_px_or_shares(box: list[float], order: str) -> None:
    found = seen([{**ENTRY, "box": box}], order=order)
    assert found.verdict is Verdict.ANOMALY
    assert [region.box for region in found.regions] == [(20, 10, 40, 40)]
    assert found.regions[0].area_pct == pytest.approx(8.0)
    flip = order == "yxyx"
    shares = [value / (200 if (i % 2 == 0) != flip else 100) for i, value in enumerate(box)]
    again = seen([{**ENTRY, "box": shares}], order=order, unit="share")
    assert np.abs(np.subtract(again.regions[0].box, (20, 10, 40, 40))).max() <= 1


def test_boxes_in_px_are_of_the_image_that_was_sent() -> None:
    entry = {**ENTRY, "box": [10, 10, 30, 50]}
    assert seen([entry], (100, 100)).regions[0].box == (20, 10, 40, 40)
    assert seen([entry], (7, 7), of=[100, 100]).regions[0].box == (20, 10, 40, 40)


def test_rows_of_numbers_and_columns_are_read() -> None:
    labels = ["bolt", "crack"]
    rows = seen([[1.0, 0.9, 0.1, 0.1, 0.3, 0.5], [0.0, 0.8, 0, 0, 1, 1], [-1, 0, 0, 0, 0, 0]],
                label="0", confidence="1", box=["2", "3", "4", "5"], unit="share",
                labels=labels)  # fmt: skip
    columns = seen({"boxes": [[10, 20, 50, 60]], "classes": [2.0], "scores": [0.9]},
                   label="classes", confidence="scores", box="boxes", order="yxyx",
                   labels=labels, first_label=1)  # fmt: skip
    assert rows.regions == columns.regions
    assert rows.regions[0].box == (20, 10, 40, 40)
    assert rows.labels == ("crack",)


def test_columns_below_names_are_read() -> None:
    found = seen({"d": {"c": ["crack"]}, "s": [0.9]}, label="d.c", confidence="s", box=None)
    assert (found.labels, found.regions) == (("crack",), ())


@pytest.mark.parametrize("names", [("c", "c.d"), ("d.c.e", "d.c"), ("c", "c.d.e")])
def test_columns_within_each_other_are_told(names: tuple[str, str]) -> None:
    inner: Any = {"d": [0.9], "e": [0.9]}
    with pytest.raises(ModelError):
        seen({"c": inner, "d": {"c": inner}}, label=names[0], confidence=names[1], box=None)
    entry: dict[str, Any] = {}
    _put(entry, names[0], 1)
    with pytest.raises(ModelError, match="lies within another"):
        _put(entry, names[1], 1)


def test_nothing_detected_is_normal() -> None:
    assert seen([]).verdict is Verdict.NORMAL
    assert seen([{**ENTRY, "score": 0.2, "box": [0, 0, 9, 9]}]).verdict is Verdict.NORMAL


@pytest.mark.parametrize(
    ("answer", "more", "why"),
    [
        ([{"label": "crack"}], {}, "no 'score'"),
        ([{**ENTRY, "box": [1, 2, 3]}], {}, "a box of 3 numbers"),
        ([{**ENTRY, "box": [9, 9, 1, 1]}], {}, "ends before it begins as xyxy"),
        ([{**ENTRY, "box": [9, 9, 1, 1]}], {}, "'order' in .* card: xyxy, xywh, cxcywh, yxyx"),
        ([{**ENTRY, "box": [9, 9, 20, 20]}], {"unit": "share"}, "no shares"),
        ([{**ENTRY, "score": 87, "box": [0, 0, 1, 1]}], {}, "confidence of 87"),
        ([{**ENTRY, "label": 5, "box": [0, 0, 1, 1]}], {"labels": ["a"]}, "the label 5"),
        ({"label": ["a"], "score": [], "box": []}, {}, "columns of 0 and of 1"),
        (7, {}, "must be a list"),
    ],
)
def test_detections_that_make_no_sense_are_told(answer: Any, more: Any, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        seen(answer, **more)


def png(values: Any) -> str:
    out = io.BytesIO()
    Image.fromarray(np.asarray(values, np.uint8)).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def square() -> Any:
    values = np.zeros((50, 100), np.uint8)
    values[10:20, 40:60] = 255
    return values


def test_a_mask_says_where() -> None:
    card = {"score": {"at": "s", "threshold": 0.5}, "mask": {"at": "m"}}
    found = said(card, {"s": 0.9, "m": png(square())})
    assert found.verdict is Verdict.ANOMALY
    assert found.heatmap is not None
    assert found.heatmap.width_px == 200
    assert found.heatmap.grid.dtype == np.float32
    x, y, width, height = found.regions[0].box
    assert abs(x - 80) <= 2
    assert abs(y - 20) <= 2
    assert abs(width - 40) <= 4
    assert abs(height - 20) <= 4
    assert said(card, {"s": 0.1, "m": "data:image/png;base64," + png(square())}).regions == ()


def test_a_mask_alone_decides_by_its_area() -> None:
    found = said({"mask": {"at": "m", "area_pct": 4}}, {"m": png(square())})
    assert found.raw_score == pytest.approx(4.0)
    assert (found.verdict, found.score) == (Verdict.ANOMALY, 0.5)
    assert said({"mask": {"at": "m", "area_pct": 5}}, {"m": png(square())}).score == 0.4


@pytest.mark.parametrize(
    ("mask", "why"),
    [([[0, 1]], "must be a PNG"), ("%%%", "no base64"),
     (base64.b64encode(b"hello").decode(), "the mask in the answer")],
)  # fmt: skip
def test_a_mask_that_is_none_is_told(mask: object, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        said({"mask": {"at": "m"}}, {"m": mask})


WHOLE = Prediction(
    verdict=Verdict.ANOMALY,
    score=0.75,
    raw_score=3.25,
    labels=("crack",),
    regions=(Region((20, 10, 40, 40), 8.0, 0.75, "crack"),),
    heatmap=HeatMap(np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4), 200, 100),
    p_normal=0.01,
    note="a crack",
)


def test_what_our_container_writes_is_read_again_to_the_last_bit() -> None:
    answer = json.loads(json.dumps(write(WHOLE, width_px=200, height_px=100), allow_nan=False))
    found = said("walkdown", answer)
    assert found == WHOLE
    assert found.heatmap is not None
    assert WHOLE.heatmap is not None
    assert np.array_equal(found.heatmap.grid, WHOLE.heatmap.grid)


def test_boxes_of_a_smaller_image_are_carried_to_the_original() -> None:
    answer = write(WHOLE, width_px=200, height_px=100)
    found = said("walkdown", [answer], width_px=400, height_px=300)
    assert found.regions[0].box == (40, 30, 80, 120)
    assert found.heatmap is not None
    assert (found.heatmap.width_px, found.heatmap.height_px) == (400, 300)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"walkdown": 2}, "walkdown: Input should be 1"),
        ({"score": 1.5}, "score"),
        ({"verdict": "fine"}, "verdict"),
        ({"verdict": None}, "neither a verdict nor an error"),
        ({"error": "it is too dark"}, "the model says: it is too dark"),
        ({"regions": [{"box": [190, 0, 20, 9], "area_pct": 1, "score": 1}]}, "not on the image"),
        ({"heatmap": {"rows": 2, "columns": 2, "float32": "AAAA"}}, "heat map is damaged"),
    ],
)
def test_an_answer_that_is_no_walkdown_model_s_is_told(change: Any, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        said("walkdown", write(WHOLE, width_px=200, height_px=100) | change)
    with pytest.raises(ModelError, match="none of a walkdown model"):
        said("walkdown", {"score": 0.3})


def test_a_note_is_carried() -> None:
    card = {**SCORE, "note": "predictions.0.why"}
    assert said(card, {"predictions": [{"score": 0.9, "why": "a  gap"}]}).note == "a gap"


@pytest.mark.parametrize(
    ("card", "why"),
    [
        ({}, "needs one of"),
        ({"note": "x"}, "needs one of"),
        ({**SCORE, "classes": {"at": ".", "normal": ["a"]}}, "takes one of"),
        ({"classes": {"at": "."}}, "either 'anomalies' or 'normal'"),
        ({"classes": {"at": ".", "labels": ["a"], "normal": ["b"]}}, "'b' is none of"),
        ({"score": {"at": ".", "threshold": 2, "range": [0, 1]}}, "must lie between"),
        ({"score": {"at": ".", "treshold": 2}}, "Extra inputs"),
        ({"detections": {"at": "."}}, "rule"),
        ("walkdwn", "valid dictionary"),
    ],
)
def test_a_card_that_makes_no_sense_is_told(card: Any, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        OutputCard.model_validate(card)


def test_a_card_says_what_its_predictions_can_show() -> None:
    rule = {"forbidden": ["a"]}
    cards = {
        "walkdown": "verdict, labels, boxes, heat map",
        "score": "verdict",
        "classes": "verdict, labels",
        "detections": "verdict, labels, boxes",
        "mask": "verdict, boxes, heat map, mask",
    }
    values: dict[str, Any] = {
        "score": {"at": ".", "threshold": 1},
        "classes": {"at": ".", "normal": ["a"]},
        "detections": {"at": ".", "rule": rule},
        "mask": {"at": "."},
    }
    for name, wanted in cards.items():
        card = OutputCard.model_validate({name: values[name]} if name in values else name)
        assert card.capabilities == set(wanted.split(", ")), name
