"""A view against its reference: what is missing, misplaced or different."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.models.views import PART, board, jpeg, photo, taken

from walkdown.errors import ArtefactError
from walkdown.models.artefact import Artefact, pack
from walkdown.registry import open_model
from walkdown.types import Prediction, Verdict

VALVE = {"name": "valve", "box": [PART[0] / 800, PART[1] / 600, 60 / 800, 60 / 600]}


def artefact(**card: Any) -> Artefact:
    return pack("template", card, {"reference.jpg": jpeg(board())})


def said(image: Image.Image, **card: Any) -> Prediction:
    return open_model(artefact(**card), label="t@1").predict([photo(image)])[0]


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"turn_deg": 3.0, "shift": (25.0, -18.0)},
        {"gain": 0.6},
        {"gain": 0.25, "noise": 1.0},
        {"gain": 1.15, "slope": 0.35, "noise": 5.0},
    ],
    ids=["as it is", "moved", "darker", "much darker", "light from one side"],
)
@pytest.mark.parametrize("parts", [[], [VALVE]])
def test_the_same_view_in_another_light_and_place_is_normal(
    how: dict[str, Any], parts: list[Any]
) -> None:
    found = said(taken(board(), seed=1, **how), parts=parts)
    assert (found.verdict, found.regions, found.note) == (Verdict.NORMAL, (), None)
    assert found.score is not None
    assert found.score < 0.4


@pytest.mark.parametrize("how", [{}, {"turn_deg": -4.0, "shift": (30.0, 20.0), "gain": 0.7}])
def test_something_missing_is_marked_where_it_should_be(how: dict[str, Any]) -> None:
    found = said(taken(board(valve=None), seed=2, **how))
    assert found.verdict is Verdict.ANOMALY
    assert found.labels == ("different",)
    angle, middle = np.radians(how.get("turn_deg", 0.0)), complex(400, 300)
    there = complex(510, 330) - middle
    there = there * complex(np.cos(angle), np.sin(angle)) + middle + complex(*how.get("shift", ()))
    (region,) = found.regions
    x, y, width, height = region.box
    assert abs(x + width / 2 - there.real) < 12
    assert abs(y + height / 2 - there.imag) < 12
    assert found.heatmap is not None
    assert (found.heatmap.width_px, found.heatmap.height_px) == (800, 600)


def test_a_missing_part_is_named_and_is_one_place() -> None:
    found = said(taken(board(valve=None)), parts=[VALVE])
    assert found.labels == ("missing valve",)
    assert found.note == "missing valve"
    assert [region.label for region in found.regions] == ["missing valve"]
    box = found.regions[0].box
    assert [abs(a - b) <= 3 for a, b in zip(box, PART, strict=True)] == [True] * 4


def test_a_misplaced_part_is_named_with_how_far() -> None:
    moved = taken(board(valve=(PART[0] + 40, PART[1] - 24)), gain=0.8)
    found = said(moved, parts=[VALVE], only_parts=True)
    assert found.labels == ("misplaced valve",)
    assert "px to the right and" in str(found.note)
    right, up = (int(word) for word in str(found.note).replace("(", "").split() if word.isdigit())
    assert abs(right - 40) <= 2
    assert abs(up - 24) <= 2
    x, y, _, _ = found.regions[0].box
    assert abs(x - (PART[0] + 40)) <= 4
    assert abs(y - (PART[1] - 24)) <= 4


def test_a_twin_beside_it_is_not_taken_for_a_missing_part() -> None:
    both = board()
    both.paste(both.crop((480, 300, 540, 360)), (560, 300))
    card = {"parts": [VALVE], "only_parts": True}
    model = open_model(pack("template", card, {"r.png": jpeg(both)}), label="t@1")
    one = both.copy()
    one.paste(board(valve=None).crop((480, 300, 540, 360)), (480, 300))
    (found,) = model.predict([photo(taken(one))])
    assert found.labels == ("missing valve",)
    (found,) = model.predict([photo(taken(both))])
    assert found.verdict is Verdict.NORMAL


def test_with_only_parts_the_rest_may_differ() -> None:
    other = board()
    other.paste((250, 250, 250), (60, 60, 160, 140))
    assert said(other, parts=[VALVE]).labels == ("different",)
    assert said(other, parts=[VALVE], only_parts=True).verdict is Verdict.NORMAL


def test_what_is_ignored_does_not_count() -> None:
    missing = photo(taken(board(valve=None)))
    keep = np.ones((60, 80), np.float32)
    keep[25:42, 42:60] = 0
    model = open_model(artefact(), label="t@1")
    assert model.predict([missing])[0].verdict is Verdict.ANOMALY
    assert model.predict([replace(missing, keep=keep)])[0].verdict is Verdict.NORMAL


def test_a_photograph_of_something_else_is_unusable_with_advice() -> None:
    found = said(board(seed=8, valve=None))
    assert (found.verdict, found.score, found.error) == (Verdict.UNUSABLE, None, None)
    assert "can't be laid over reference.jpg" in str(found.note)
    assert "take it from the same place" in str(found.note)
    tall = board().resize((600, 800))
    assert "its sides are as 0.75 to 1" in str(said(tall).note)


def test_a_part_that_is_out_of_sight_is_not_judged() -> None:
    edge = {"name": "edge", "box": [0.0, 0.3, 0.1, 0.3]}
    found = said(taken(board(), shift=(-75.0, 0.0)), parts=[edge])
    assert found.verdict is Verdict.UNUSABLE
    assert "edge can't be seen on it" in str(found.note)


def test_scores_rise_with_the_size_of_the_difference() -> None:
    scores = []
    for size in (0, 10, 20, 40, 80):
        image = board()
        if size:
            image.paste((250, 250, 250), (500, 320, 500 + size, 320 + size))
        scores.append(said(image).score or 0.0)
    assert scores == sorted(scores)
    assert scores[0] < 0.2
    assert scores[-1] > 0.9


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({"threshold": 2}, "threshold"),
        ({"part": []}, "did you mean 'parts'"),
        ({"parts": [{"name": "a", "box": [0.9, 0.9, 0.2, 0.05]}]}, "inside of the image"),
        ({"parts": [{"name": "a", "box": [0, 0, 0.001, 0.001]}]}, "give it a larger box"),
        ({"parts": [{"name": "a", "box": [0, 0, 1, 1]}]}, "nearly as large as the image"),
        ({"parts": [{"name": "a", "box": [0.7, 0.45, 0.05, 0.05]}]}, "shows nothing to know it by"),
    ],
)
def test_a_wrong_card_says_what_is_wrong(card: dict[str, Any], words: str) -> None:
    with pytest.raises(ArtefactError) as told:
        open_model(artefact(**card), label="t@1")
    assert words in str(told.value)


def test_a_wrong_reference_says_what_is_wrong() -> None:
    even = jpeg(Image.new("RGB", (640, 480), (90, 90, 90)))
    for files, words in (
        ({}, "needs one reference photograph, not 0"),
        ({"a.jpg": even, "b.jpg": even}, "not 2"),
        ({"a.jpg": even}, "nothing can be aligned with a.jpg"),
        ({"a.jpg": b"text"}, "give a photograph of the view"),
    ):
        with pytest.raises(ArtefactError) as told:
            open_model(pack("template", {}, files), label="t@1")
        assert words in str(told.value)
