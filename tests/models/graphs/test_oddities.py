"""Maps and scores of oddity, and what anomalib exports."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from tests.models.graphs.opening import dark, grey, opened, said
from tests.services import graphs

from walkdown.errors import ArtefactError
from walkdown.models.graphs.oddities import Reading
from walkdown.types import Verdict

CARD: dict[str, Any] = {"task": "anomaly", "threshold": 0.6, "range": [0, 1]}
PATCH = (100, 60, 80, 60)


def test_a_map_is_a_heat_map_with_places() -> None:
    found = said(graphs.anomaly(), dark(320, 256, PATCH), **CARD)
    assert found.verdict is Verdict.ANOMALY
    assert found.raw_score == pytest.approx(1.0, abs=1e-4)
    (region,) = found.regions
    assert all(abs(a - b) <= 4 for a, b in zip(region.box, PATCH, strict=True)), region.box
    assert found.heatmap is not None
    assert found.heatmap.grid.shape == (128, 160)


def test_a_map_alone_has_its_highest_value_as_score_and_a_score_alone_no_map() -> None:
    card = {k: v for k, v in CARD.items() if k != "range"}
    only_map = said(graphs.anomaly(score=False), grey(204), **card)
    only_score = said(graphs.anomaly(heat=False), grey(204), **card)
    assert only_map.raw_score == pytest.approx(0.8, abs=1e-4)
    assert only_score.raw_score == pytest.approx(only_map.raw_score)
    assert only_score.score == only_map.score
    assert (only_score.heatmap, only_score.regions) == (None, ())
    capabilities = opened(graphs.anomaly(heat=False), **card).info.capabilities
    assert capabilities == {"verdict"}


def test_bars_of_a_letterbox_are_no_anomaly() -> None:
    """They are lighter than the photograph, and a map of brightness shows them."""
    card = {**CARD, "threshold": 0.3, "input": {"resize": "letterbox"}}
    found = said(graphs.anomaly(score=False), dark(320, 100), **card)
    assert found.verdict is Verdict.NORMAL
    assert found.raw_score == pytest.approx(40 / 255, abs=1e-3)


@pytest.mark.parametrize("bounds", [None, (0.0, 1.0), (-3.0, 9.0)])
def test_scores_rise_with_raw_ones_and_are_a_half_at_the_threshold(
    bounds: tuple[float, float] | None,
) -> None:
    reading = Reading(0.4, bounds)
    raw = np.linspace(0.01, 0.99, 99, dtype=np.float32)
    scores = reading.scores(raw)
    assert (np.diff(scores) > 0).all()
    assert reading.score(0.4) == 0.5
    assert scores == pytest.approx([reading.score(float(r)) for r in raw], abs=1e-4)
    assert ((scores >= 0.5) == (raw >= np.float32(0.4))).all()


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({"task": "anomaly"}, "'threshold' is missing"),
        ({"task": "anomaly", "threshold": 0}, "say within which 'range'"),
        ({"task": "anomaly", "threshold": 2, "range": [0, 1]}, "thresholds within its 'range'"),
        ({**CARD, "map": "heat"}, "no output 'heat'"),
        ({**CARD, "score": "map"}, "'map' is not of a form"),
    ],
)
def test_what_does_not_fit_is_said_when_it_is_opened(card: dict[str, Any], words: str) -> None:
    with pytest.raises(ArtefactError) as raised:
        opened(graphs.anomaly(), **card)
    assert words in str(raised.value)


@pytest.mark.parametrize("size", [(160, 128), None])
def test_what_anomalib_2_exports_needs_no_more_than_its_kind(size: tuple[int, int] | None) -> None:
    model = opened(graphs.anomalib(size=size))
    for value in (60, 120, 135, 250):
        (found,) = model.predict([grey(value)])
        assert found.error is None
        assert found.raw_score == pytest.approx(value / 255, abs=1e-4)
        assert found.score == pytest.approx(value / 255, abs=1e-4)
        assert found.verdict is (Verdict.ANOMALY if value > 127 else Verdict.NORMAL)
    assert model.info.capabilities == {"verdict", "boxes", "heat map"}
    assert model.info.input_px == 2 * (160 if size else 256)


def test_another_sensitivity_than_the_cards_is_noticed() -> None:
    graph = graphs.anomalib(sensitivity=0.7)
    (found,) = opened(graph).predict([grey(100)])
    assert "calls a score of 0.392 an anomaly, while the threshold is 0.5" in str(found.error)
    (right,) = opened(graph, threshold=0.3).predict([grey(100)])
    assert right.verdict is Verdict.ANOMALY
    assert right.score == pytest.approx(0.5 + 0.5 * (100 / 255 - 0.3) / 0.7, abs=1e-3)


def test_scores_that_were_not_scaled_are_noticed() -> None:
    (found,) = opened(graphs.anomalib(scaled=False)).predict([grey(200)])
    assert "exported without normalisation" in str(found.error)


def metadata(**more: Any) -> dict[str, bytes]:
    known = {"image_threshold": 0.4, "pixel_threshold": 0.5, "min": 0.1, "max": 0.9, **more}
    return {"metadata.json": json.dumps(known).encode()}


def older() -> bytes:
    made = graphs.Making(name="input")
    return made.bytes({"output": made.brightness})


def test_older_exports_are_read_by_their_metadata() -> None:
    model = opened(older(), files=metadata())
    for value, verdict in ((90, Verdict.NORMAL), (110, Verdict.ANOMALY)):
        (found,) = model.predict([grey(value)])
        assert found.verdict is verdict
        assert found.raw_score == pytest.approx(value / 255, abs=1e-4)
        assert found.heatmap is not None
        assert found.heatmap.grid.max() < 0.5  # pixel_threshold is that of places
    assert model.info.threshold == 0.4


def test_later_ones_say_it_of_scores_and_of_maps() -> None:
    """With the score that some models give beside the map, by a name that nobody chose."""
    made = graphs.Making(name="input")
    score = made.do("ReduceMax", made.brightness, axes=[1, 2, 3], keepdims=0)
    graph = made.bytes({"output": made.times(made.brightness, 9.0), "1423": score})
    ranges = {"pred_scores.min": 0.2, "pred_scores.max": 0.8, "anomaly_maps.min": 0.0,
              "anomaly_maps.max": 9.0}  # fmt: skip
    known = {"image_threshold": 0.5, "pixel_threshold": 4.5, **ranges}
    found = said(graph, grey(178), files={"metadata.json": json.dumps(known).encode()})
    assert found.raw_score == pytest.approx(178 / 255, abs=1e-4)
    assert found.score == pytest.approx(0.5 + 0.5 * (178 / 255 - 0.5) / 0.3, abs=1e-3)
    assert found.heatmap is not None
    assert found.heatmap.grid.max() == pytest.approx(178 / 255, abs=1e-3)


def test_metadata_without_a_range_has_a_threshold_still() -> None:
    files = {"metadata.json": b'{"image_threshold": 0.4}'}
    assert said(older(), grey(90), files=files).verdict is Verdict.NORMAL
    assert said(older(), grey(110), files=files).verdict is Verdict.ANOMALY


def test_a_threshold_is_said_once() -> None:
    with pytest.raises(ArtefactError, match=r"its card gives a threshold, and its metadata\.json"):
        opened(older(), files=metadata(), threshold=0.3)


def test_the_oldest_name_their_normalisation() -> None:
    steps = [
        {"__class_fullname__": "Resize", "height": 128},
        {"__class_fullname__": "Normalize", "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25],
         "max_pixel_value": 255.0},
    ]  # fmt: skip
    files = metadata(transform={"transform": {"transforms": steps}}, min=-2.0, max=2.0)
    found = said(older(), grey(204), files=files)
    assert found.raw_score == pytest.approx((0.8 - 0.5) / 0.25, abs=1e-3)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "Say task: classification, detection, segmentation or anomaly"),
        ({"metadata.json": b"{}"}, "has no image_threshold"),
        ({"metadata.json": b"[1"}, "has no image_threshold"),
        (metadata(max=float("nan")), "numbers that make no sense"),
        (metadata(image_threshold=-1, min=None), "numbers that make no sense"),
    ],
)
def test_a_card_without_a_task_is_for_anomalib_alone(files: dict[str, bytes], words: str) -> None:
    with pytest.raises(ArtefactError) as raised:
        opened(older(), files=files)
    assert words in str(raised.value)
