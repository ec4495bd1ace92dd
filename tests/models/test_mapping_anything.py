"""Whatever a service answers becomes a whole prediction, or a `ModelError`; and nothing else."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from walkdown.errors import ModelError
from walkdown.models.conformance import _check_whole
from walkdown.models.mapping import OutputCard, mapped
from walkdown.models.mapping.answers import write
from walkdown.types import HeatMap, Photo, Prediction, Verdict

CARDS: dict[str, Any] = {
    "walkdown": "walkdown",
    "score": {"score": {"at": "a", "threshold": 0.5}, "note": "b"},
    "classes": {"classes": {"at": "a", "labels": ["x", "y"], "normal": ["x"]}},
    "logits": {"classes": {"at": "a", "anomalies": ["x"], "values": "logits", "label": "0",
                           "value": "1"}},
    "mappings": {"detections": {"at": "a", "rule": {"forbidden": ["x"], "confidence": 0.1}}},
    "rows": {"detections": {"at": "a", "label": "0", "confidence": "1", "labels": ["x"],
                            "box": ["2", "3", "4", "5"], "unit": "share",
                            "rule": {"forbidden": ["x"], "required": ["y"]}}},
    "mask": {"mask": {"at": "a"}},
}  # fmt: skip

PHOTO = Photo(np.zeros((30, 40, 3), np.uint8), 40, 30, "c")

numbers = st.one_of(st.integers(), st.floats(), st.floats(0, 1), st.sampled_from([10**400, -1]))
leaves = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=5), st.just("x"))
entries = st.fixed_dictionaries(
    {"label": leaves, "score": st.one_of(leaves, st.floats(0, 1))},
    optional={"box": st.one_of(st.lists(numbers, min_size=4, max_size=4), leaves)},
)
rows = st.tuples(st.integers(-2, 3), st.floats(0, 1), *[st.floats(-1, 2)] * 4).map(list)
values = st.recursive(
    st.one_of(leaves, entries, rows),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["a", "b", "x", "y", "label", "score", "box"]), inner),
    ),
    max_leaves=12,
)
likely = st.fixed_dictionaries({"a": st.one_of(values, st.lists(entries), st.lists(rows))})


def never_breaks(card: str, answer: object) -> None:
    output = OutputCard.model_validate(CARDS[card])
    try:
        said = mapped(output, answer, width_px=40, height_px=30, sent_px=(20, 20))
    except ModelError:
        return
    _check_whole(said, PHOTO)


@pytest.mark.parametrize("card", CARDS)
@given(answer=st.one_of(values, likely))
@example(answer={"a": 10**400})
@example(answer={"a": -1.7e308})
@example(answer={"a": [10**400, 1]})
@example(answer={"a": {"x": 1e308, "y": -1e308}})
@example(answer={"a": [["x", 1e308], ["x", -1e308]]})
@example(answer={"a": [{"label": "x", "score": 1, "box": [-1e308, -1e308, 1e308, 1e308]}]})
@example(answer={"a": [["1e999", 0.5, 0, 0, 1, 1]]})
@example(answer={"a": [[1e999, 0.5, 0, 0, 1, 1]]})
def test_any_json_is_a_whole_prediction_or_an_error(card: str, answer: object) -> None:
    never_breaks(card, answer)


WHOLE = write(
    Prediction(Verdict.ANOMALY, 0.75, 3.0, heatmap=HeatMap(np.ones((2, 2), np.float32), 20, 20)),
    width_px=20,
    height_px=20,
)


@given(key=st.sampled_from(list(WHOLE)), value=values)
@example(key="regions", value=[{"box": [0, 0, 10**400, 1], "area_pct": 1, "score": 1}])
@example(key="width_px", value=10**400)
@example(key="heatmap", value={"rows": 10**9, "columns": 10**9, "float32": ""})
def test_a_changed_answer_of_ours_is_as_safe(key: str, value: object) -> None:
    never_breaks("walkdown", {**WHOLE, key: value})


def test_verdict_and_score_of_an_answer_have_to_agree() -> None:
    for change in ({"verdict": "normal"}, {"score": 0.1}):
        with pytest.raises(ModelError, match="contradicts"):
            mapped(OutputCard.model_validate("walkdown"), WHOLE | change,
                   width_px=20, height_px=20)  # fmt: skip


def test_a_mask_that_claims_to_be_huge_is_refused() -> None:
    import struct
    import zlib

    head = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    answer = {"a": base64.b64encode(png).decode()}
    assert len(json.dumps(answer)) < 200
    with pytest.raises(ModelError, match="the mask in the answer"):
        mapped(OutputCard.model_validate(CARDS["mask"]), answer, width_px=40, height_px=30)
