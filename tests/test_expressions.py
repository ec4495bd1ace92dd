import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from walkdown.errors import SpecError
from walkdown.expressions import MAX_DEPTH, Value, holds, parse

NAMES = {"score": (), "label": (), "asset": (), "screen": ("score", "labels", "failed")}
SCREEN: dict[str, Value] = {"score": 0.7, "labels": ("crack", "rust"), "failed": False}
VALUES: dict[str, Value | dict[str, Value]] = {
    "score": 0.7,
    "label": "crack",
    "asset": None,
    "screen": dict(SCREEN),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("score > 0.5", True),
        ("score >= 0.7", True),
        ("score < 0.7", False),
        ("score <= 0.7", True),
        ("0.5 < score < 0.8", True),
        ("0.8 < score < 0.9", False),
        ("score == 0.7", True),
        ("score != 0.7", False),
        ("score > -1", True),
        ("not score > 0.5", False),
        ("score > 0.9 or label == 'crack'", True),
        ("score > 0.9 and label == 'crack'", False),
        ("score > 0.9 or (score > 0.6 and not screen.failed)", True),
        ("'crack' in screen.labels", True),
        ("'dirt' in screen.labels", False),
        ("'dirt' not in screen.labels", True),
        ("label in ['crack', 'hole']", True),
        ("label in ('hole', 'dirt')", False),
        ("'rac' in label", True),
        ("screen.failed", False),
        ("screen.labels", True),
        ("True", True),
        # What does not exist is None: neither larger nor smaller than anything.
        ("asset == None", True),
        ("asset is None", True),
        ("asset is not None", False),
        ("score is not None", True),
        ("asset != 'a'", True),
        ("asset in ['a']", False),
        ("asset not in ['a']", True),
        ("'a' in asset", False),
        ("'a' not in asset", True),
        # Values of two kinds are neither larger nor smaller than one another.
        ("score == 'a'", False),
        ("label > 1", False),
        ("screen.labels > 1", False),
        ("score in 5", False),
        ("1 in label", False),
        ("-label == None", True),
        ("score > 0.5\n  and label == 'crack'  # both\n", True),
        ("score > 0.5 # or False\n and False", False),
        ("  score > 0.5", True),
    ],
)
def test_what_a_condition_means(text: str, expected: bool) -> None:
    assert holds(parse(text, NAMES), VALUES) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("screen.score > 0.5", False),
        ("screen.score <= 0.5", False),
        ("screen.score is None", True),
        ("not screen.score > 0.5", True),
        ("'crack' in screen.labels", False),
        ("'crack' not in screen.labels", True),
        ("screen.failed", False),
    ],
)
def test_a_stage_that_did_not_run_has_no_values(text: str, expected: bool) -> None:
    assert holds(parse(text, NAMES), {}) is expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not a condition: '' (example: score > 0.8)"),
        ("   ", "not a condition"),
        ("score >", "not a condition: 'score >' (example: score > 0.8)"),
        ("score = 1", "not a condition"),
        ("score > 1, True", "not a condition"),
        ("[score]", "not a condition"),
        ("score) > (1", "not a condition"),
        ("score > 1) or (score < 2", "not a condition"),
        (r"label == '\d'", "not a condition"),
        ("score\x00", "not a condition"),
        ("score > 'a'", "text such as 'a' is neither more nor less"),
        ("1 > score >= 'a'", "text such as 'a' is neither more nor less"),
        ("'a' < asset", "text such as 'a' is neither more nor less"),
        ("scor > 1", "unknown name 'scor'; known here: screen.score, screen.labels, "),
        ("screen > 1", "unknown name 'screen'; known here: screen.score, screen.labels, "),
        ("screen.scroe > 1", "unknown name 'screen.scroe'; known here: screen.score, "),
        ("score.real > 1", "unknown name 'score.real'; known here: score"),
        ("screen.score.real > 1", "'screen.score.real' is not allowed in a condition: only names"),
        ("screen.__class__", "unknown name 'screen.__class__'"),
        ("label.upper()", "'label.upper()' is not allowed"),
        ("print(1)", "'print(1)' is not allowed"),
        ("label[0] == 'c'", "'label[0]' is not allowed"),
        ("score + 1 > 1", "'score + 1' is not allowed"),
        ("9 ** 9 ** 9 > 1", "is not allowed"),
        ("(x := 1)", "is not allowed"),
        ("lambda: 1", "is not allowed"),
        ("[x for x in label]", "is not allowed"),
        ("f'{score}' == 'a'", "is not allowed"),
        ("b'a' == label", "is not allowed"),
        ("1j == score", "is not allowed"),
        ("... == score", "is not allowed"),
        ("+score > 1", "is not allowed"),
        ("~1 == score", "is not allowed"),
        ("*label", "not a condition"),
        ("(yield)", "is not allowed"),
        ("score > 1; score", "not a condition"),
        ("import os", "not a condition"),
        ("x" * 2001, "a condition may have 2000 characters; this has 2001"),
        ("not " * MAX_DEPTH + "score", "nested 40 levels deep"),
        ("(" * 300 + "score" + ")" * 300, "not a condition"),
    ],
)
def test_what_is_no_condition_is_refused_with_a_reason(text: str, complaint: str) -> None:
    with pytest.raises(SpecError) as e:
        parse(text, NAMES)
    assert complaint in str(e.value)
    assert len(str(e.value)) < 300


def test_conditions_of_the_same_text_are_equal() -> None:
    assert parse("score > 1", NAMES) == parse("score > 1", NAMES) != parse("score > 2", NAMES)


WORDS = (
    "score label asset screen .score .labels .failed .x None True 0.5 -1 1e999 'a' [ ] ( ) , < > "
    "<= == != is in not and or if else lambda : = + * f'' () # \\ __class__ 9 0or"
)
words = st.sampled_from(WORDS.split())
anything: st.SearchStrategy[Value] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=4,
)


@given(st.text(max_size=40) | st.lists(words, max_size=12).map(" ".join), anything, anything)
@example("not " * (MAX_DEPTH - 1) + "score", None, None)
@example("(" * 35 + "score or " * 35 + "True" + ")" * 35, None, None)
def test_any_text_is_a_harmless_condition_or_refused(text: str, one: Value, other: Value) -> None:
    try:
        condition = parse(text, NAMES)
    except SpecError:
        return
    drawn: dict[str, Value | dict[str, Value]] = {"score": one, "screen": {"score": other}}
    for values in (VALUES, drawn):
        assert holds(condition, {}) in (True, False)
        assert holds(condition, values) in (True, False)


def test_looking_at_a_value_never_runs_its_code() -> None:
    class Trap:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"{name} was looked up")

    trap: dict[str, Value | dict[str, Value]] = {"screen": {"score": Trap()}}  # type: ignore[dict-item]
    assert holds(parse("screen.score", NAMES), trap)
    assert not holds(parse("screen.failed", NAMES), trap)
