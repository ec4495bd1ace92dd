"""Rules over detections: what is odd, by how much, where; and that a verdict keeps to its score."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from walkdown.models.rules import JUST_NORMAL, Detected, Rule, judged, oddity, pixels
from walkdown.types import Prediction, Verdict

LABELS = ("bolt", "crack", "Nut", "person")
confidences = st.floats(0, 1)
thresholds = st.floats(0.01, 0.99)
shares = st.tuples(*[st.floats(-0.5, 1.5)] * 4)
detections = st.lists(
    st.builds(Detected, st.sampled_from(LABELS), confidences, st.none() | shares), max_size=8
)


@st.composite
def clauses(draw: st.DrawFn) -> dict[str, object]:
    inside = draw(st.none() | st.tuples(*[st.floats(0, 1)] * 4))
    return {
        "label": draw(st.sampled_from(LABELS)),
        "at_least": draw(st.integers(1, 3)),
        "confidence": draw(st.none() | thresholds),
        "inside": inside,
    }


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    some = st.lists(clauses(), max_size=3)
    only = draw(st.lists(st.sampled_from(LABELS), max_size=2))
    required, forbidden = draw(some), draw(some)
    if not (required or forbidden or only):
        only = ["bolt"]
    return Rule.model_validate(
        {"required": required, "forbidden": forbidden, "only": only,
         "confidence": draw(thresholds)}
    )  # fmt: skip


def says(
    rule: Mapping[str, object], *seen: Detected, size: tuple[int, int] = (200, 100)
) -> Prediction:
    return judged(Rule.model_validate(rule), seen, width_px=size[0], height_px=size[1])


@given(rules(), detections, st.integers(1, 5000), st.integers(1, 5000))
def test_score_verdict_labels_and_places_agree(
    rule: Rule, seen: list[Detected], width: int, height: int
) -> None:
    said = judged(rule, seen, width_px=width, height_px=height)
    assert said.score is not None
    assert said.raw_score is not None
    assert 0.0 <= said.score <= 1.0
    assert said.score == round(said.raw_score, 4)
    assert (said.verdict is Verdict.ANOMALY) == (said.score >= 0.5) == bool(said.labels)
    assert len(set(said.labels)) == len(said.labels)
    for region in said.regions:
        x, y, w, h = region.box
        assert 0 <= x < x + w <= width
        assert 0 <= y < y + h <= height
        assert region.label in said.labels
        assert 0.5 <= region.score <= 1.0
        assert region.area_pct == pytest.approx(100 * w * h / (width * height))


@given(rules(), detections, st.randoms(use_true_random=False))
def test_the_order_of_detections_says_nothing(
    rule: Rule, seen: list[Detected], rng: object
) -> None:
    shuffled = seen.copy()
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = (judged(rule, each, width_px=90, height_px=60) for each in (seen, shuffled))
    assert (one.verdict, one.score, set(one.labels)) == (
        other.verdict,
        other.score,
        set(other.labels),
    )


@given(thresholds, confidences, confidences)
def test_what_is_forbidden_is_odder_the_surer_it_is(
    threshold: float, one: float, other: float
) -> None:
    less, more = sorted((one, other))
    rule = {"forbidden": ["crack"], "confidence": threshold}
    scores = [says(rule, Detected("crack", c)).score or 0.0 for c in (less, more)]
    assert scores == sorted(scores)
    verdict = says(rule, Detected("crack", more)).verdict
    assert (verdict is Verdict.ANOMALY) == (more >= threshold)


@given(thresholds, confidences)
def test_what_is_required_is_odd_as_far_as_it_is_not_seen(threshold: float, seen: float) -> None:
    rule = {"required": "bolt", "confidence": threshold}
    said = says(rule, Detected("bolt", seen))
    assert (said.verdict is Verdict.ANOMALY) == (seen < threshold)
    assert says(rule).score == 1.0
    assert says(rule).labels == ("missing bolt",)


@given(thresholds, confidences, confidences)
def test_an_oddity_rises_and_has_its_middle_at_the_threshold(
    threshold: float, one: float, other: float
) -> None:
    less, more = sorted((one, other))
    assert oddity(less, threshold) <= oddity(more, threshold)
    assert oddity(threshold, threshold) == 0.5
    assert (oddity(0.0, threshold), oddity(1.0, threshold)) == (0.0, 1.0)
    assert 0.0 <= oddity(one * 4 - 2, threshold) <= 1.0


def test_rounding_never_crosses_the_threshold() -> None:
    """0.49999 would round to 0.5, which is an anomaly."""
    said = says({"forbidden": "crack", "confidence": 0.5}, Detected("crack", 0.49999))
    assert (said.verdict, said.score) == (Verdict.NORMAL, JUST_NORMAL)
    said = says({"required": "bolt"}, Detected("bolt", 0.500001))
    assert (said.verdict, said.score) == (Verdict.NORMAL, JUST_NORMAL)
    said = says({"required": "bolt"}, Detected("bolt", 0.499999))
    assert (said.verdict, said.score) == (Verdict.ANOMALY, 0.5)


def test_the_worst_clause_decides_and_the_worst_label_comes_first() -> None:
    rule = {"required": ["bolt"], "forbidden": ["crack", "person"]}
    said = says(rule, Detected("crack", 0.6), Detected("person", 0.9), Detected("bolt", 0.95))
    assert said.labels == ("person", "crack")
    assert said.score == said.raw_score == 0.9


def test_names_are_compared_without_regard_to_case() -> None:
    assert says({"forbidden": "CRACK"}, Detected("Crack", 0.9)).labels == ("CRACK",)
    assert says({"required": " Bolt "}, Detected("bolt", 0.9)).verdict is Verdict.NORMAL


def test_so_many_are_counted_by_the_least_sure_of_them() -> None:
    rule = {"required": [{"label": "bolt", "at_least": 3}]}
    sure = [Detected("bolt", c) for c in (0.9, 0.8)]
    assert says(rule, *sure).score == 1.0, "the third is not there at all"
    assert says(rule, *sure, Detected("bolt", 0.3)).score == 0.7
    assert says(rule, *sure, Detected("bolt", 0.6)).verdict is Verdict.NORMAL
    many = {"forbidden": [{"label": "person", "at_least": 2}]}
    assert says(many, Detected("person", 0.9)).verdict is Verdict.NORMAL
    assert says(many, Detected("person", 0.9), Detected("person", 0.6)).score == 0.6


def test_only_what_is_named_is_allowed() -> None:
    rule = {"only": "bolt", "required": "nut", "forbidden": {"label": "person", "at_least": 2}}
    there = [Detected(each, 0.9) for each in ("Bolt", "nut", "person")]
    assert says(rule, *there).verdict is Verdict.NORMAL, "what clauses name is their business"
    said = says(rule, *there, Detected("rust", 0.7, (0.5, 0.5, 0.25, 0.5)))
    assert (said.labels, said.score) == (("rust",), 0.7)
    assert [region.box for region in said.regions] == [(100, 50, 50, 50)]


def test_a_place_counts_by_the_centre_of_the_box() -> None:
    rule = {"required": [{"label": "bolt", "inside": (0.0, 0.0, 0.5, 1.0)}]}
    left, right = (0.1, 0.1, 0.2, 0.2), (0.45, 0.1, 0.2, 0.2)
    assert says(rule, Detected("bolt", 0.9, left)).verdict is Verdict.NORMAL
    said = says(rule, Detected("bolt", 0.9, right))
    assert said.labels == ("missing bolt",)
    assert [(r.box, r.score, r.label) for r in said.regions] == [
        ((0, 0, 100, 100), 1.0, "missing bolt")
    ]
    assert says(rule, Detected("bolt", 0.9)).verdict is Verdict.ANOMALY, "nowhere is not there"


def test_a_region_has_a_score_on_the_scale_of_scores() -> None:
    """A confidence of 0.35 is above a threshold of 0.3, and so must its score be above 0.5."""
    said = says(
        {"forbidden": [{"label": "crack", "confidence": 0.3}]},
        Detected("crack", 0.65, (0.0, 0.0, 0.5, 0.5)),
        Detected("crack", 0.35, (0.5, 0.5, 0.5, 0.5)),
        Detected("crack", 0.2, (0.5, 0.0, 0.5, 0.5)),
    )
    assert [round(region.score, 3) for region in said.regions] == [0.75, 0.536]
    assert [region.area_pct for region in said.regions] == [25.0, 25.0]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0.25, 0.5, 0.5, 0.25), (50, 50, 100, 25)),
        ((-0.1, -0.1, 0.2, 0.2), (0, 0, 20, 10)),
        ((0.9, 0.9, 0.5, 0.5), (180, 90, 20, 10)),
        ((0.5, 0.5, 0.0, 0.0), (100, 50, 1, 1)),
        ((-0.5, 0.1, 0.2, 0.2), None),
        ((0.1, -0.5, 0.2, 0.2), None),
        ((1.0, 0.1, 0.2, 0.2), None),
        ((0.1, 1.2, 0.2, 0.2), None),
        ((0.5, 0.5, -0.2, 0.2), None),
        ((float("nan"), 0.1, 0.2, 0.2), None),
        ((0.1, 0.1, float("inf"), 0.2), None),
        ((-1.7e308, 0.1, 1.7e308, 0.2), (0, 10, 1, 20)),
        ((0.5, 0.1, 1.7e308, 0.2), (100, 10, 100, 20)),
    ],
)
def test_boxes_are_cut_at_the_edges(
    box: tuple[float, float, float, float], expected: tuple[int, int, int, int] | None
) -> None:
    assert pixels(box, width_px=200, height_px=100) == expected


@given(shares, st.integers(1, 3000), st.integers(1, 3000))
def test_a_box_lies_on_the_image_or_is_none(
    box: tuple[float, float, float, float], width: int, height: int
) -> None:
    found = pixels(box, width_px=width, height_px=height)
    if found is None:
        outside = box[0] >= 1 or box[0] + box[2] < 0 or box[1] >= 1 or box[1] + box[3] < 0
        assert outside or box[2] < 0 or box[3] < 0
    else:
        x, y, w, h = found
        assert 0 <= x < x + w <= width
        assert 0 <= y < y + h <= height


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({}, "needs at least one of"),
        ({"confidence": 0.4}, "needs at least one of"),
        ({"required": [""]}, "at least 1 character"),
        ({"required": ["bolt"], "confidence": 0}, "greater than 0"),
        ({"required": ["bolt"], "confidence": 1}, "less than 1"),
        ({"forbidden": [{"label": "a", "at_least": 0}]}, "greater than or equal to 1"),
        ({"forbidden": [{"label": "a", "inside": [0, 0, 2, 1]}]}, "less than or equal to 1"),
        ({"forbidden": [{"label": "a", "more": 1}]}, "Extra inputs"),
    ],
)
def test_a_rule_that_says_nothing_or_nonsense_is_refused(
    rule: dict[str, object], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        Rule.model_validate(rule)


def test_a_note_is_handed_on() -> None:
    rule = Rule.model_validate({"only": "bolt"})
    assert judged(rule, [], width_px=1, height_px=1, note="a bolt").note == "a bolt"
