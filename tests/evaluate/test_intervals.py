import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, betabinom, binom  # type: ignore[import-untyped]

from walkdown.evaluate.intervals import (
    binomial_tail,
    lower_bound,
    predictive_interval,
    share_interval,
    trials_needed,
    upper_bound,
)


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


def test_more_hits_than_trials_never_happen() -> None:
    assert binomial_tail(3, 2, 0.9) == 0.0
    assert binomial_tail(3, 2, 1.0) == 0.0
    assert binomial_tail(2, 2, 1.0) == 1.0


@given(counts(), st.floats(0.5, 0.999))
def test_one_sided_bounds_put_all_of_the_error_on_one_side(
    count: tuple[int, int], confidence: float
) -> None:
    hits, trials = count
    assert lower_bound(hits, trials, confidence) == pytest.approx(
        beta.ppf(1.0 - confidence, hits, trials - hits + 1) if hits else 0.0, abs=1e-9
    )
    assert upper_bound(hits, trials, confidence) == pytest.approx(
        beta.ppf(confidence, hits + 1, trials - hits) if hits < trials else 1.0, abs=1e-9
    )


@given(st.floats(0.002, 0.9), st.integers(0, 5), st.floats(0.5, 0.99))
def test_so_many_trials_are_enough_and_one_fewer_is_not(
    share: float, failures: int, confidence: float
) -> None:
    needed = trials_needed(share, failures=failures, confidence=confidence)
    assert upper_bound(failures, needed, confidence) <= share + 1e-9
    if needed > failures + 1:
        assert upper_bound(failures, needed - 1, confidence) > share - 1e-9


@given(counts(), st.integers(1, 300))
def test_what_is_to_be_seen_is_beta_binomial(count: tuple[int, int], new: int) -> None:
    hits, trials = count
    low, high = predictive_interval(hits, trials, new)
    assert 0 <= low <= high <= new
    if hits:
        least = betabinom(new, hits, trials - hits + 1)
        assert least.cdf(low - 1) <= 0.025 + 1e-9
        assert low == new or least.cdf(low) >= 0.025 - 1e-9
    if hits < trials:
        most = betabinom(new, hits + 1, trials - hits)
        assert most.cdf(high) >= 0.975 - 1e-9
        assert high == 0 or most.cdf(high - 1) <= 0.975 + 1e-9


@given(counts())
def test_among_very_many_new_ones_the_share_itself_shows(count: tuple[int, int]) -> None:
    low, high = predictive_interval(*count, 100_000)
    assert (low / 100_000, high / 100_000) == pytest.approx(share_interval(*count), abs=1e-3)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_new_trials_show_what_was_predicted(share: float) -> None:
    """For a share that is fixed, over 2,000 draws of old and new trials."""
    rng = np.random.default_rng(5)
    inside = 0
    old, new = rng.binomial(60, share, 2000), rng.binomial(40, share, 2000)
    for hits, seen in zip(old.tolist(), new.tolist(), strict=True):
        low, high = predictive_interval(hits, 60, 40)
        inside += low <= seen <= high
    assert inside / 2000 >= 0.945
