"""Limits for a finite population, against scipy and against trying every number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom  # type: ignore[import-untyped]

from walkdown.evaluate.draws import drawn_tail, marked_interval
from walkdown.evaluate.intervals import share_interval


@st.composite
def draws(draw: st.DrawFn, most: int = 150) -> tuple[int, int, int]:
    """(found, drawn, population)."""
    population = draw(st.integers(1, most))
    drawn = draw(st.integers(1, population))
    return draw(st.integers(0, drawn)), drawn, population


@given(draws(2000), st.floats(0.0, 1.0))
def test_the_tail_is_that_of_the_hypergeometric(draw: tuple[int, int, int], share: float) -> None:
    found, drawn, population = draw
    marked = round(share * population)
    expected = hypergeom.sf(found - 1, population, marked, drawn)
    assert drawn_tail(found, drawn, marked, population) == pytest.approx(expected, abs=1e-9)


@given(draws())
def test_the_limits_are_the_ends_of_all_that_the_draw_does_not_speak_against(
    draw: tuple[int, int, int],
) -> None:
    found, drawn, population = draw
    able = range(found, population - (drawn - found) + 1)
    left = [
        marked
        for marked in able
        if hypergeom.sf(found - 1, population, marked, drawn) >= 0.025 - 1e-9
        and hypergeom.cdf(found, population, marked, drawn) >= 0.025 - 1e-9
    ]
    assert marked_interval(found, drawn, population) == (left[0], left[-1])


@given(draws(2000))
def test_they_lie_inside_clopper_and_pearsons(draw: tuple[int, int, int]) -> None:
    found, drawn, population = draw
    low, high = (limit / population for limit in marked_interval(found, drawn, population))
    widest = share_interval(found, drawn)
    assert widest[0] - 1e-9 <= low <= found / drawn <= high <= widest[1] + 1e-9


@given(draws())
def test_marked_and_unmarked_ones_mirror_each_other(draw: tuple[int, int, int]) -> None:
    found, drawn, population = draw
    low, high = marked_interval(found, drawn, population)
    assert marked_interval(drawn - found, drawn, population) == (
        population - high,
        population - low,
    )


def test_of_very_many_the_limits_are_those_of_a_share() -> None:
    low, high = marked_interval(7, 200, 10_000_000)
    assert (low / 1e7, high / 1e7) == pytest.approx(share_interval(7, 200), rel=1e-4)


@pytest.mark.parametrize("wrong", [(3, 2, 9), (1, 5, 4), (-1, 2, 4)])
def test_what_can_not_be_is_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="drawn of"):
        marked_interval(*wrong)


@pytest.mark.parametrize("marked", [0, 1, 3, 17, 30])
def test_no_number_is_left_out_more_often_than_told(marked: int) -> None:
    """Exactly, over all that can be drawn: 12 of 60."""
    chance = hypergeom(60, marked, 12)
    inside = 0.0
    for found in range(min(12, marked) + 1):
        low, high = marked_interval(found, 12, 60)
        inside += chance.pmf(found) * (low <= marked <= high)
    assert inside >= 0.95
