from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import beta  # type: ignore[import-untyped]

from walkdown.errors import TrainingError
from walkdown.evaluate.thresholds import Threshold, from_false_alarms, odd_ones

Scores = NDArray[np.float64]

samples = st.lists(st.floats(0, 1e6), min_size=2, max_size=150)
budgets = st.floats(0.001, 0.499)


DRAWS: dict[str, Callable[[np.random.Generator, int], Scores]] = {
    "lognormal": lambda rng, size: rng.lognormal(0.0, 0.5, size),
    "normal": lambda rng, size: np.abs(rng.normal(10.0, 1.0, size)),
    "exponential": lambda rng, size: rng.exponential(1.0, size),
    "ties": lambda rng, size: rng.integers(0, 30, size).astype(np.float64),
}


def alarms(threshold: Threshold, raw: Scores) -> float:
    return float(np.mean(raw >= threshold.value))


@given(samples, budgets)
def test_on_its_own_images_a_threshold_keeps_the_budget(normal: list[float], budget: float) -> None:
    threshold = from_false_alarms(normal, budget)
    assert alarms(threshold, np.array(normal)) <= budget


@given(samples, budgets)
def test_a_larger_budget_never_has_a_higher_threshold(normal: list[float], budget: float) -> None:
    strict, loose = from_false_alarms(normal, budget / 2), from_false_alarms(normal, budget)
    if strict.supported == loose.supported:
        assert loose.value <= strict.value


@given(samples, budgets)
def test_the_bounds_enclose_what_its_own_images_show(normal: list[float], budget: float) -> None:
    threshold = from_false_alarms(normal, budget)
    assert threshold.low <= alarms(threshold, np.array(normal)) <= threshold.high


@given(st.integers(2, 400), budgets)
def test_the_sentence_asks_for_just_enough_images(n: int, budget: float) -> None:
    threshold = from_false_alarms(range(1, n + 1), budget)
    if not threshold.supported:
        needed = int(threshold.sentence.split("; ")[1].split()[0])
        assert n < needed
        assert from_false_alarms(range(1, needed + 1), budget).supported
        assert not from_false_alarms(range(1, needed), budget).supported


@pytest.mark.parametrize(("n", "budget"), [(20, 0.05), (20, 0.2), (100, 0.01), (300, 0.01)])
@pytest.mark.parametrize("kind", sorted(DRAWS))
def test_new_normal_images_keep_the_budget_on_average(n: int, budget: float, kind: str) -> None:
    """The promise of split conformal prediction, whatever the distribution of the scores."""
    rng = np.random.default_rng(7)
    rates = []
    for _ in range(150):
        raw = DRAWS[kind](rng, n + 1000)
        threshold = from_false_alarms(raw[:n].tolist(), budget)
        rates.append(alarms(threshold, raw[n:]))
    margin = 4.0 * float(np.std(rates)) / len(rates) ** 0.5
    assert np.mean(rates) <= budget + margin
    if kind != "ties":
        # Nor is it far too cautious: a threshold that never fires would keep any budget.
        assert np.mean(rates) >= budget * 0.5 - margin


def test_with_too_few_images_the_tail_of_their_spread_is_taken() -> None:
    rng = np.random.default_rng(3)
    rates, spans = [], []
    for _ in range(200):
        threshold = from_false_alarms(rng.lognormal(0.0, 0.3, 20).tolist(), 0.01)
        assert not threshold.supported
        rates.append(alarms(threshold, rng.lognormal(0.0, 0.3, 1000)))
        spans.append(threshold.low <= rates[-1] <= threshold.high)
    assert np.mean(rates) <= 0.025
    assert np.mean(spans) >= 0.95


@pytest.mark.parametrize(("n", "budget"), [(99, 0.01), (200, 0.05), (300, 0.01)])
def test_the_upper_bound_is_that_of_the_rank(n: int, budget: float) -> None:
    """The share above the k-th of n is Beta(n - k + 1, k): its 97.5 % point is the bound."""
    threshold = from_false_alarms(range(1, n + 1), budget)
    rank = int(np.ceil((n + 1) * (1 - budget) - 1e-9))
    assert threshold.high == pytest.approx(beta.ppf(0.975, n - rank + 1, rank))


def test_equal_scores_stay_on_one_side() -> None:
    threshold = from_false_alarms([1.0] * 90 + [2.0] * 10, 0.05)
    assert threshold.value > 2.0
    assert (threshold.low, alarms(threshold, np.array([2.0]))) == (0.0, 0.0)


def test_the_threshold_lies_half_way_to_the_next_score() -> None:
    assert from_false_alarms(range(1, 101), 0.1).value == 91.5


def test_what_twenty_images_say() -> None:
    threshold = from_false_alarms(range(1, 21), 0.01)
    assert threshold.sentence == (
        "with 20 normal images the 1 % budget is a guess: between 0 and 17 % false alarms; "
        "99 or more normal images would support it"
    )


def test_what_enough_images_say() -> None:
    threshold = from_false_alarms(range(1, 301), 0.01)
    assert threshold.sentence == (
        "with 300 normal images the 1 % budget means between 0.081 and 2.4 % false alarms"
    )


def test_normal_images_that_all_score_nothing_still_give_a_threshold() -> None:
    threshold = from_false_alarms([0.0] * 10, 0.01)
    assert threshold.value > 0.0


@pytest.mark.parametrize(
    "normal", [[], [1.0], [1.0, float("nan")], [1.0, float("inf")], [-1.0, 1.0]]
)
def test_what_is_no_set_of_scores_is_refused(normal: list[float]) -> None:
    with pytest.raises(TrainingError, match="needs 2 or more raw scores"):
        from_false_alarms(normal, 0.01)


def test_a_photograph_unlike_all_others_does_not_move_the_threshold() -> None:
    rng = np.random.default_rng(1)
    usual = np.exp(rng.normal(0.0, 0.05, 39)).tolist()
    assert odd_ones(usual) == []
    assert odd_ones([*usual, 3.0]) == [39]
    threshold = from_false_alarms(usual, 0.05, set_aside=[3.0])
    assert threshold.value == from_false_alarms(usual, 0.05).value
    assert (threshold.images, threshold.set_aside) == (40, 1)
    assert threshold.high > from_false_alarms(usual, 0.05).high, "it counts as an alarm"
    assert "1 of them set aside" in threshold.sentence


def test_never_more_than_one_in_twenty_is_set_aside() -> None:
    usual = np.exp(np.random.default_rng(2).normal(0.0, 0.05, 18)).tolist()
    assert odd_ones([*usual, 3.0]) == []
    assert len(odd_ones([*usual * 2, 3.0, 4.0, 5.0])) == 1
    assert odd_ones([1.0] * 40) == []
    assert odd_ones([]) == []
