"""Wanted texts against words that were read, whatever they are."""

from __future__ import annotations

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from walkdown.models.rekognition.reading import Wanted, Word, distance, match

letters = st.text("abcd", max_size=7)
words = st.text("abcAB", min_size=1, max_size=5)
places = st.tuples(*[st.floats(0, 0.5)] * 4)


def line(*texts: str, confidence: float = 0.9) -> tuple[Word, ...]:
    return tuple(Word(text, confidence, (0.1 * i, 0.2, 0.1, 0.1)) for i, text in enumerate(texts))


def slowly(one: str, other: str) -> int:
    """The same by its definition."""

    @cache
    def far(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        least = min(
            far(i - 1, j) + 1, far(i, j - 1) + 1, far(i - 1, j - 1) + (one[i - 1] != other[j - 1])
        )
        if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
            least = min(least, far(i - 2, j - 2) + 1)
        return least

    return far(len(one), len(other))


@given(letters, letters, st.integers(0, 8))
def test_the_distance_is_what_it_is_by_definition(one: str, other: str, at_most: int) -> None:
    assert distance(one, other, at_most=at_most) == min(slowly(one, other), at_most + 1)
    assert distance(one, other, at_most=at_most) == distance(other, one, at_most=at_most)


@given(st.lists(words, min_size=1, max_size=5), st.data())
def test_a_run_of_words_is_always_found(texts: list[str], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(texts) - 1))
    last = data.draw(st.integers(first, len(texts) - 1))
    wanted = Wanted(text=" ".join(texts[first : last + 1]))
    found = match(wanted, [line(*texts)], edits=data.draw(st.integers(0, 5)))
    assert found is not None
    assert found.kind == "found"
    assert found.text.replace(" ", "").lower() == (wanted.text or "").replace(" ", "").lower()
    assert found.words in [line(*texts)[a:b] for a in range(6) for b in range(7)]


@given(words, st.lists(st.tuples(words, st.floats(0, 1), places), max_size=5))
def test_a_match_is_as_sure_as_its_least_sure_word_and_around_all_of_them(
    wanted: str, found: list[tuple[str, float, tuple[float, float, float, float]]]
) -> None:
    row = tuple(Word(*each) for each in found)
    best = match(Wanted(text=wanted), [row], edits=2)
    if best is None:
        return
    assert all(best.confidence <= word.confidence for word in best.words)
    left, top, width, height = best.box
    for word in best.words:
        assert left <= word.box[0]
        assert word.box[0] + word.box[2] <= left + width + 1e-9
        assert top <= word.box[1]
        assert word.box[1] + word.box[3] <= top + height + 1e-9


def test_of_two_that_fit_the_surer_one_is_taken() -> None:
    rows = [line("STOP", confidence=0.6), line("STOP", confidence=0.95)]
    found = match(Wanted(text="stop"), rows)
    assert found is not None
    assert found.confidence == 0.95
    found = match(Wanted(pattern="st.p"), rows)
    assert found is not None
    assert found.confidence == 0.95


def test_a_pattern_touches_the_words_that_it_lies_on() -> None:
    found = match(Wanted(pattern=r"no \d+ x"), [line("with", "No", "12", "xyz", "end")])
    assert found is not None
    assert found.text == "No 12 xyz"


def test_a_pattern_that_matches_nothing_finds_nothing() -> None:
    assert match(Wanted(pattern="x*"), [line("abc")]) is None
    assert match(Wanted(pattern="x*"), []) is None
