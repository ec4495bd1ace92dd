"""What was read against what should stand there."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from walkdown.models.patterns import BadPattern, Pattern, Search
from walkdown.models.rules import Detected
from walkdown.models.texts import TextRule, distance, judged_text
from walkdown.types import Prediction, Verdict


def said(rule: TextRule, *lines: str | Detected) -> Prediction:
    read = [
        line if isinstance(line, Detected) else Detected(line, 0.9, (0.1, 0.1 + 0.1 * i, 0.5, 0.05))
        for i, line in enumerate(lines)
    ]
    return judged_text(rule, read, width_px=1000, height_px=500)


def test_the_expected_text_is_found_among_others_whatever_its_case_and_spaces() -> None:
    rule = TextRule(expected=("Pump 17",))
    for lines in (["PUMP 17"], ["danger", "pump17 on"], ["PUMP", "17"]):
        found = said(rule, *lines)
        assert (found.verdict, found.score, found.regions) == (Verdict.NORMAL, 0.0, ())
    assert said(rule, "danger", "pump 17").note == 'read "danger / pump 17"'


def test_a_text_of_which_it_is_only_the_beginning_is_another() -> None:
    found = said(TextRule(expected=("PUMP 17",)), "PUMP 170")
    assert found.verdict is Verdict.ANOMALY
    assert found.labels == ("wrong text",)


def test_a_misspelled_text_is_marked_where_it_stands() -> None:
    found = said(TextRule(expected=("HIGH VOLTAGE",)), "caution", "HIGH VOLTAEG")
    assert found.verdict is Verdict.ANOMALY
    assert found.labels == ("wrong text",)
    assert [r.box for r in found.regions] == [(100, 100, 500, 25)]
    assert found.note == 'read "caution / HIGH VOLTAEG"; expected "HIGH VOLTAGE", 2 off'
    assert found.score is not None
    assert 0.5 <= found.score < 0.7


def test_a_missing_text_is_marked_in_the_region_where_it_should_be() -> None:
    rule = TextRule(expected=("HIGH VOLTAGE",), region=(0.5, 0.0, 0.5, 1.0))
    found = said(rule, "HIGH VOLTAGE")  # its middle lies to the left
    assert found.verdict is Verdict.ANOMALY
    assert (found.labels, found.score) == (("missing text",), 1.0)
    assert [(r.box, r.area_pct) for r in found.regions] == [((500, 0, 500, 500), 50.0)]
    assert str(found.note).startswith("no text was read")


def test_letters_may_be_forgiven() -> None:
    rule = TextRule(expected=("HIGH VOLTAGE",), max_distance=2)
    scores = [said(rule, text).score or 0.0 for text in ("HIGH VOLTAGE", "HIGH VOLTAEG", "VOLTAGE")]
    assert scores[0] == 0.0
    assert 0.0 < scores[1] < 0.5 <= scores[2]


def test_all_expected_texts_must_be_there() -> None:
    found = said(TextRule(expected=("OPEN", "CLOSED")), "OPEN")
    assert found.labels == ("missing text",)
    assert 'expected "CLOSED"' in str(found.note)
    assert '"OPEN";' in str(found.note)


def test_what_is_read_unsurely_does_not_count() -> None:
    unsure = Detected("OPEN", 0.4, (0, 0, 1, 1))
    assert said(TextRule(expected=("OPEN",)), unsure).verdict is Verdict.ANOMALY
    assert said(TextRule(expected=("OPEN",), min_confidence=0.4), unsure).verdict is Verdict.NORMAL


def test_a_pattern_fits_whole_words() -> None:
    rule = TextRule(pattern="p-[0-9]{4}")
    assert said(rule, "serial P-0174 ok").verdict is Verdict.NORMAL
    assert said(rule, "P- 0174").verdict is Verdict.NORMAL
    for other in ("P-01745", "XP-0174", "0174"):
        found = said(rule, other)
        assert (found.verdict, found.labels) == (Verdict.ANOMALY, ("wrong text",))
    assert said(rule).labels == ("missing text",)
    assert said(TextRule(pattern="p-[0-9]{4}", match_case=True), "P-0174").score == 1.0


def test_without_a_demand_text_is_read() -> None:
    found = said(TextRule(), "17", "bar")
    assert (found.verdict, found.score, found.note) == (Verdict.NORMAL, None, 'read "17 / bar"')


@given(st.text(max_size=12), st.text(max_size=12))
def test_distance_is_one(a: str, b: str) -> None:
    assert distance(a, b) == distance(b, a)
    assert (distance(a, b) == 0) == (a == b)
    assert abs(len(a) - len(b)) <= distance(a, b) <= max(len(a), len(b))


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (expression, text)
        for expression in (
            r"a*b", r"(ab|c)+d?", r"[A-F0-9]{2,3}", r"[^x-z]+\.", r"\d{2}[-/]\d+", r"(a{2}b){2}",
            r"x{2,}", r"a{0,2}b", r"\w+\s\S*", r".", r"", r"(|a)b", r"[]", r"(a|b)*abb",
        )
        if expression != "[]"
        for text in ("", "b", "aab", "ababd", "cd", "d", "AF", "A09", "AF09", "abc.", "xa.",
                     "12-3", "12/", "aabaab", "xx", "xxxx", "aaab", "ab c", "x", "abababb")
    ],
)  # fmt: skip
def test_patterns_mean_what_they_mean_elsewhere(expression: str, text: str) -> None:
    assert Pattern(expression).fits(text) == bool(re.fullmatch(expression, text))


@settings(max_examples=200)
@given(
    st.recursive(
        st.sampled_from(["a", "b", "[ab]", ".", r"\d"]),
        lambda inner: st.one_of(
            st.tuples(inner, inner).map("".join),
            st.tuples(inner, inner).map(lambda p: f"({p[0]}|{p[1]})"),
            st.tuples(inner, st.sampled_from("*+?")).map(lambda p: f"({p[0]}){p[1]}"),
        ),
        max_leaves=6,
    ),
    st.text("ab1", max_size=6),
)
def test_made_up_patterns_mean_what_they_mean_elsewhere(expression: str, text: str) -> None:
    assert Pattern(expression).fits(text) == bool(re.fullmatch(expression, text))


@settings(max_examples=200)
@given(
    st.sampled_from(["a", "ab", "a+b", "[ab]{2}", r"\d+", "b.", "(a|bb)b", "é", "[^a]b", "a*"]),
    st.sampled_from(["", "^", r"\b"]),
    st.sampled_from(["", "$", r"\b"]),
    st.text("abAB1 é", max_size=12),
    st.booleans(),
)
def test_what_is_searched_for_is_found_where_others_find_it(
    inner: str, begin: str, end: str, text: str, ignore_case: bool
) -> None:
    flags = re.IGNORECASE if ignore_case else re.NOFLAG
    hits = re.finditer(begin + inner + end, text, flags)
    expected = [hit.span() for hit in hits if hit.group()]
    assert Search(begin + inner + end).spans(text, ignore_case=ignore_case) == expected


def test_what_is_searched_for_takes_time_in_proportion_to_the_text() -> None:
    began = time.perf_counter()
    assert Search(r"(a+)+b").spans("a" * 3000) == []
    assert len(Search(r"a|a*b").spans("a" * 3000)) == 3000
    assert time.perf_counter() - began < 5.0
    with pytest.raises(BadPattern, match="must stand in"):
        Search(r"^a|b$")
    assert Search(r"a\$").spans("a$") == [(0, 2)]


def test_a_pattern_that_would_backtrack_for_years_takes_no_time() -> None:
    began = time.perf_counter()
    assert not Pattern("(a*)*(a|aa)+b").fits("a" * 3000)
    assert time.perf_counter() - began < 5.0


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("(ab", "')' is missing"), ("ab)", "closes nothing"), ("[ab", "ends too early"),
        ("*a", "repeats nothing"), ("a{2", "written as"), ("a{3,2}", "no number of times"),
        (r"(a)\1", "is not known"), ("(?=a)", "not known"), ("^a$", "leave it"),
        ("((a{99}){99}){9}", "too much"), ("(" * 100 + "a" + ")" * 100, "within each other"),
        ("[z-a]", "no range"), ("a\\", "ends too early"),
    ],
)  # fmt: skip
def test_what_is_no_pattern_is_said(expression: str, why: str) -> None:
    with pytest.raises(BadPattern, match=re.escape(why)):
        Pattern(expression)
    with pytest.raises(ValidationError, match=re.escape(why)):
        TextRule(pattern=expression)


def test_numbers_that_are_expected_are_texts() -> None:
    assert TextRule.model_validate({"expected": [110, "PUMP", 1.5]}).expected == (
        "110",
        "PUMP",
        "1.5",
    )
    assert said(TextRule.model_validate({"expected": 110}), "110").verdict is Verdict.NORMAL
    with pytest.raises(ValidationError):
        TextRule.model_validate({"expected": [True]})
