from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import beta  # type: ignore[import-untyped]

from walkdown.errors import TrainingError
from walkdown.evaluate import threshold as told
from walkdown.evaluate import thresholds
from walkdown.evaluate.intervals import (
    binomial_tail,
    predictive_interval,
    share_interval,
    upper_bound,
)
from walkdown.evaluate.thresholds import Threshold, from_false_alarms, odd_ones, with_recall

Scores = NDArray[np.float64]

samples = st.lists(st.floats(0, 1e6), min_size=2, max_size=150)
budgets = st.floats(0.001, 0.499)


DRAWS: dict[str, Callable[[np.random.Generator, int], Scores]] = {
    "lognormal": lambda rng, size: rng.lognormal(0.0, 0.5, size),
    "normal": lambda rng, size: np.abs(rng.normal(10.0, 1.0, size)),
    "exponential": lambda rng, size: rng.exponential(1.0, size),
    "ties": lambda rng, size: rng.integers(0, 30, size).astype(np.float64),
}


@pytest.fixture(autouse=True)
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same few counts come up in thousands of simulated sets: each is worked out once."""
    for function in (binomial_tail, share_interval, upper_bound):
        monkeypatch.setattr(thresholds, function.__name__, cache(function))
    monkeypatch.setattr(told, "predictive_interval", cache(predictive_interval))


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


@pytest.mark.parametrize(("n", "budget"), [(100, 0.05), (200, 0.05), (300, 0.01)])
def test_the_upper_bound_is_that_of_the_rank(n: int, budget: float) -> None:
    """The share above the k-th of n is Beta(n - k + 1, k): its 97.5 % point is the bound."""
    threshold = from_false_alarms(range(1, n + 1), budget)
    rank = int(np.ceil((n + 1) * (1 - budget) - 1e-9))
    assert threshold.high == pytest.approx(beta.ppf(0.975, n - rank + 1, rank))
    exact = beta.ppf(0.975, n - rank + 1, rank) - beta.ppf(0.025, n - rank + 1, rank)
    assert exact <= threshold.high - threshold.low <= 1.1 * exact


@pytest.mark.parametrize(("n", "budget"), [(20, 0.05), (99, 0.01), (20, 0.01), (50, 0.001)])
def test_above_all_scores_the_bound_is_one_sided(n: int, budget: float) -> None:
    """The share above the largest of n is Beta(1, n), and one cut higher still has no floor."""
    threshold = from_false_alarms(range(1, n + 1), budget)
    assert threshold.low == 0.0
    assert threshold.high == pytest.approx(beta.ppf(0.95, 1, n))


@pytest.mark.parametrize(("n", "budget"), [(20, 0.05), (20, 0.01), (60, 0.05), (200, 0.05)])
@pytest.mark.parametrize("kind", sorted(DRAWS))
def test_the_bounds_hold_what_they_promise(n: int, budget: float, kind: str) -> None:
    """Over 2,000 simulated sets: of the rate itself, and of the share among 80 new images."""
    rng = np.random.default_rng(11)
    truth = DRAWS[kind](rng, 100_000)
    inside, seen = 0, 0
    for _ in range(2000):
        raw = DRAWS[kind](rng, n + 80)
        threshold = from_false_alarms(raw[:n].tolist(), budget)
        rate = alarms(threshold, truth)
        inside += threshold.low <= rate <= threshold.high
        low, high = threshold.expected(80)
        seen += low <= alarms(threshold, raw[n:]) <= high
    assert inside / 2000 >= 0.94
    assert seen / 2000 >= 0.94


def test_the_bounds_count_those_that_were_set_aside() -> None:
    """One normal image in fifty is of a kind of its own, in calibration and among the new ones."""
    rng = np.random.default_rng(12)

    def draw(size: int) -> Scores:
        usual = np.exp(rng.normal(0.0, 0.1, size))
        return np.asarray(np.where(rng.random(size) < 0.02, usual * 3.0, usual))

    truth, inside, aside = draw(100_000), 0, 0
    for _ in range(2000):
        raw = draw(100)
        odd = odd_ones(raw.tolist())
        threshold = from_false_alarms(
            np.delete(raw, odd).tolist(), 0.05, set_aside=raw[odd].tolist()
        )
        rate = alarms(threshold, truth)
        inside += threshold.low <= rate <= threshold.high
        aside += len(odd)
    assert aside > 2000
    assert inside / 2000 >= 0.94


def test_a_certain_budget_is_kept_by_nineteen_in_twenty() -> None:
    rng = np.random.default_rng(13)
    kept = 0
    for _ in range(2000):
        threshold = from_false_alarms(rng.random(100).tolist(), 0.05, strict=True)
        kept += 1.0 - threshold.value <= 0.05
    assert 0.94 <= kept / 2000 <= 0.99, "certain, and no more cautious than it must be"


@given(st.integers(2, 400), budgets)
def test_what_is_strictly_demanded_is_claimed_or_refused_with_a_number(
    n: int, budget: float
) -> None:
    try:
        threshold = from_false_alarms(range(1, n + 1), budget, strict=True)
    except TrainingError as refusal:
        needed = int(str(refusal).split("images: ")[1].split()[0])
        assert n < needed
        assert from_false_alarms(range(1, needed + 1), budget, strict=True).certain
        with pytest.raises(TrainingError):
            from_false_alarms(range(1, needed), budget, strict=True)
        possible = float(str(refusal).split("can make ")[1].split()[0]) / 100.0
        if possible < 1.0:
            assert from_false_alarms(range(1, n + 1), possible, strict=True).certain
    else:
        assert (threshold.low, threshold.certain, threshold.supported) == (0.0, True, True)
        assert threshold.high <= budget
        assert beta.cdf(budget, threshold.alarms + 2, n - threshold.alarms - 1) < 0.95 or (
            threshold.alarms == n - 1
        ), "one rank lower can't be claimed"


def test_a_strict_refusal_says_what_would_do() -> None:
    with pytest.raises(TrainingError) as refusal:
        from_false_alarms(range(1, 101), 0.01, strict=True)
    assert str(refusal.value) == (
        "a false-alarm budget of 1 % can't be made certain with 100 normal images: 299 would do; "
        "these can make 3 % certain; 99 or more would keep it on average"
    )
    with pytest.raises(TrainingError, match=r"473 would do if no more than 1 of them are unlike"):
        from_false_alarms(range(1, 100), 0.01, set_aside=[1e6], strict=True)


@pytest.mark.parametrize("budget", [0.0, 1.0, -0.1, float("nan")])
def test_what_is_no_budget_is_refused(budget: float) -> None:
    with pytest.raises(TrainingError, match="lies above 0 % and below 100 %"):
        from_false_alarms([1.0, 2.0], budget)


def test_equal_scores_stay_on_one_side() -> None:
    threshold = from_false_alarms([1.0] * 90 + [2.0] * 10, 0.05)
    assert threshold.value > 2.0
    assert (threshold.low, alarms(threshold, np.array([2.0]))) == (0.0, 0.0)


def test_the_threshold_lies_half_way_to_the_next_score() -> None:
    assert from_false_alarms(range(1, 101), 0.1).value == 91.5


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
    assert "from 40 normal images, 1 of them unlike all others" in threshold.sentence


def test_never_more_than_one_in_twenty_is_set_aside() -> None:
    usual = np.exp(np.random.default_rng(2).normal(0.0, 0.05, 18)).tolist()
    assert odd_ones([*usual, 3.0]) == []
    assert len(odd_ones([*usual * 2, 3.0, 4.0, 5.0])) == 1
    assert odd_ones([1.0] * 40) == []
    assert odd_ones([]) == []


def test_recall_of_anomalies_that_had_no_part_in_the_choice() -> None:
    threshold = from_false_alarms(range(1, 101), 0.05)
    judged = with_recall(threshold, [50.0] + [200.0] * 9)
    assert judged.recall is not None
    assert (judged.recall.found, judged.recall.anomalies, judged.recall.wanted) == (9, 10, None)
    assert judged.recall.low == pytest.approx(beta.ppf(0.025, 9, 2))
    assert judged.recall.high == pytest.approx(beta.ppf(0.975, 10, 1))
    assert (judged.value, judged.high) == (threshold.value, threshold.high)
    with pytest.raises(TrainingError, match="1 or more raw scores of labelled anomalies"):
        with_recall(threshold, [])
