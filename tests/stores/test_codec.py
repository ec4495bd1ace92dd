"""Whatever is recorded comes back as it was, through JSON text."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walkdown.errors import StoreError
from walkdown.stores import codec
from walkdown.stores.fields import Json, dumps, loads, time_from_json, time_to_json
from walkdown.types import (
    Alert,
    Exif,
    Finding,
    HeatMap,
    Inspection,
    ModelVersion,
    Nearest,
    Prediction,
    Region,
    Result,
    ResultKey,
    Severity,
    StageResult,
    Status,
    Verdict,
)

# Unicode, and the surrogates that stand for bytes of file names that are not.
texts = st.text(
    st.sampled_from(["a", "é", "漢", "😀", "\0", "\n", '"', "\\", "\udce9", "\udcff"]), max_size=4
)
numbers = st.floats(allow_nan=False)
times = st.datetimes().map(lambda time: time.replace(tzinfo=UTC, fold=0))
small = st.integers(0, 10**6)
counts = st.integers(0, 2**40)

boxes = st.tuples(small, small, small, small)
nearests = st.builds(Nearest, texts, boxes, boxes, texts, boxes)
regions = st.builds(Region, boxes, numbers, numbers, texts, st.none() | nearests)
predictions = st.builds(
    Prediction,
    st.none() | st.sampled_from(Verdict),
    st.none() | numbers,
    st.none() | numbers,
    st.lists(texts, max_size=2).map(tuple),
    st.lists(regions, max_size=2).map(tuple),
    st.none(),
    st.none() | numbers,
    st.none() | texts,
)
stages = st.builds(StageResult, texts, texts, texts, predictions, st.none() | texts)
exifs = st.builds(
    Exif,
    st.none() | times,
    st.none() | texts,
    st.none() | numbers,
    st.none() | numbers,
    st.none() | numbers,
)
results = st.builds(
    Result,
    st.builds(ResultKey, texts, texts, texts, counts),
    texts,
    texts,
    st.sampled_from(Status),
    texts,
    times,
    content=st.none() | texts,
    verdict=st.none() | st.sampled_from(Verdict),
    score=st.none() | numbers,
    raw_score=st.none() | numbers,
    model=st.none() | texts,
    severity=st.none() | st.sampled_from(Severity),
    asset=st.none() | texts,
    viewpoint=st.none() | texts,
    stages=st.lists(stages, max_size=2).map(tuple),
    error=st.none() | texts,
    width_px=st.none() | counts,
    height_px=st.none() | counts,
    exif=exifs,
)
findings = st.builds(
    Finding,
    *(texts, texts, texts, texts),
    st.sampled_from(Severity),
    *(numbers, numbers, texts, texts, times, times, texts, counts),
)
alerts = st.builds(Alert, texts, st.sampled_from(["opened", "raised"]), findings, texts, texts)
inspections = st.builds(
    Inspection,
    *(texts, texts, texts, texts),
    st.lists(texts, max_size=2).map(tuple),
    *(texts, times, counts),
    st.none() | times,
    texts,
    st.none() | numbers,
)
versions = st.builds(
    ModelVersion,
    *(texts, counts, texts, times, texts),
    facts=st.dictionaries(texts, texts, max_size=2),
)

RESULT = Result(
    key=ResultKey("w", "c", "p"),
    uri="file:///a.jpg",
    image="a.jpg",
    status=Status.DONE,
    actor="ada",
    recorded_at=datetime(2026, 5, 1, tzinfo=UTC),
)


def through_text(value: Json) -> Json:
    text = dumps(value)
    assert text.isascii()
    return loads(text)


@given(results)
def test_results(result: Result) -> None:
    back = codec.result_from_json(through_text(codec.result_to_json(result)))
    assert back == result
    # Equality alone would take 1 for 1.0 and 0.0 for -0.0.
    assert repr(back) == repr(result)


@given(predictions)
def test_predictions(prediction: Prediction) -> None:
    back = codec.prediction_from_json(through_text(codec.prediction_to_json(prediction)))
    assert repr(back) == repr(prediction)


@given(findings)
def test_findings(finding: Finding) -> None:
    back = codec.finding_from_json(through_text(codec.finding_to_json(finding)))
    assert repr(back) == repr(finding)


@given(alerts)
def test_alerts(alert: Alert) -> None:
    back = codec.alert_from_json(through_text(codec.alert_to_json(alert)))
    assert repr(back) == repr(alert)


@given(inspections)
def test_inspections(inspection: Inspection) -> None:
    back = codec.inspection_from_json(through_text(codec.inspection_to_json(inspection)))
    assert repr(back) == repr(inspection)


@given(versions, st.lists(texts, max_size=2).map(tuple))
def test_model_versions(version: ModelVersion, aliases: tuple[str, ...]) -> None:
    stored = through_text(codec.version_to_json(version))
    back = codec.version_from_json(stored, aliases=aliases)
    assert repr(back) == repr(replace(version, aliases=aliases))


def test_the_grid_of_a_heat_map_is_not_recorded() -> None:
    grid = HeatMap(np.ones((2, 2), np.float32), 2, 2)
    prediction = Prediction(Verdict.NORMAL, 0.25, 1.0, heatmap=grid)
    stored = through_text(codec.prediction_to_json(prediction))
    assert codec.prediction_from_json(stored).heatmap is None


def test_numbers_of_numpy_are_written_as_numbers() -> None:
    region = Region((np.int64(1), 2, 3, 4), np.float32(0.5), np.float64(0.25))  # type: ignore[arg-type]
    prediction = Prediction(Verdict.ANOMALY, np.float32(0.75), 1.0, regions=(region,))  # type: ignore[arg-type]
    back = codec.prediction_from_json(through_text(codec.prediction_to_json(prediction)))
    assert (back.score, back.regions[0].box) == (0.75, (1, 2, 3, 4))


def test_times_are_utc_and_sort_as_text() -> None:
    zone = timezone(timedelta(hours=2))
    moments = [datetime(2026, 5, 1, 14, 0, 0, micro, zone) for micro in (0, 1, 10)]
    stored = [time_to_json(moment) for moment in moments]
    assert stored[0] == "2026-05-01T12:00:00.000000Z"
    assert stored == sorted(stored)
    assert [time_from_json(text) for text in stored] == moments
    assert time_from_json(stored[0]).tzinfo is UTC


def test_a_time_without_a_zone_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        time_to_json(datetime(2026, 5, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image", 3),
        ("status", "finished"),
        ("recorded_at", "yesterday"),
        ("recorded_at", "2026-05-01T12:00:00"),
        ("run", True),
        ("score", "0.5"),
        ("stages", {}),
        ("exif", []),
        ("uri", None),
    ],
)
def test_a_damaged_field_is_named(field: str, value: object) -> None:
    stored = codec.result_to_json(RESULT) | {field: value}
    with pytest.raises(StoreError, match=f"a stored result is damaged: its '{field}' is"):
        codec.result_from_json(stored)


@pytest.mark.parametrize("box", [[1, 2, 3], [1, 2, 3, 0.5], "1234", None])
def test_a_damaged_box_is_named(box: object) -> None:
    stored = codec.region_to_json(Region((1, 2, 3, 4), 0.5, 0.5)) | {"box": box}
    with pytest.raises(StoreError, match="a stored region is damaged: its 'box' is"):
        codec.region_from_json(stored)


def test_a_region_without_a_nearest_patch_is_stored_as_before_it_could_have_one() -> None:
    bare = Region((1, 2, 3, 4), 0.5, 0.75, "crack")
    stored = {"box": [1, 2, 3, 4], "area_pct": 0.5, "score": 0.75, "label": "crack"}
    assert codec.region_to_json(bare) == stored
    assert codec.region_from_json(stored) == bare


@pytest.mark.parametrize(
    ("field", "value"), [("image", None), ("box", [1, 2]), ("place", "x"), ("at", [1, 2, 3, 4.5])]
)
def test_a_damaged_nearest_patch_is_named(field: str, value: object) -> None:
    box = (-4, 2, 8, 8)
    nearest = Nearest("n.png", box, box, "models/d/patches.jpg", box)
    stored = codec.region_to_json(Region(box, 0.5, 0.5, nearest=nearest))
    assert codec.region_from_json(stored).nearest == nearest
    stored["nearest"] = {**stored["nearest"], field: value}  # type: ignore[dict-item]
    with pytest.raises(StoreError, match=f"nearest normal patch is damaged: its '{field}' is"):
        codec.region_from_json(stored)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null"])
def test_what_is_no_json_object_is_damaged(text: str) -> None:
    with pytest.raises(StoreError, match="damaged"):
        loads(text)


def test_fields_of_a_later_version_are_ignored() -> None:
    assert codec.result_from_json(codec.result_to_json(RESULT) | {"weather": "fog"}) == RESULT


def test_empty_fields_take_no_room() -> None:
    assert json.loads(dumps(codec.result_to_json(RESULT))).keys() == {
        *("workspace", "capture_id", "plan_digest", "run"),
        *("uri", "image", "status", "actor", "recorded_at"),
    }
