import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom  # type: ignore[import-untyped]

from walkdown.evaluate.intervals import binomial_tail, share_interval


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    trials = draw(st.integers(1, 400))
    return draw(st.integers(0, trials)), trials


@given(counts(), st.floats(0.5, 0.999))
def test_the_interval_is_that_of_clopper_and_pearson(
    count: tuple[int, int], confidence: float
) -> None:
    hits, trials = count
    side = (1.0 - confidence) / 2.0
    low = beta.ppf(side, hits, trials - hits + 1) if hits else 0.0
    high = beta.ppf(1.0 - side, hits + 1, trials - hits) if hits < trials else 1.0
    assert share_interval(hits, trials, confidence) == pytest.approx((low, high), abs=1e-9)


@given(counts())
def test_the_share_lies_in_its_interval(count: tuple[int, int]) -> None:
    hits, trials = count
    low, high = share_interval(hits, trials)
    assert 0.0 <= low <= hits / trials <= high <= 1.0


@given(counts())
def test_hits_and_misses_mirror_each_other(count: tuple[int, int]) -> None:
    hits, trials = count
    low, high = share_interval(hits, trials)
    assert share_interval(trials - hits, trials) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_of_nothing_nothing_is_known() -> None:
    assert share_interval(0, 0) == (0.0, 1.0)


@given(counts(), st.floats(0.0, 1.0))
def test_the_tail_is_that_of_the_binomial(count: tuple[int, int], share: float) -> None:
    hits, trials = count
    expected = binom.sf(hits - 1, trials, share)
    assert binomial_tail(hits, trials, share) == pytest.approx(expected, abs=1e-11)
