from functools import cache
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta  # type: ignore[import-untyped]

from walkdown.errors import TrainingError
from walkdown.evaluate import labelled_thresholds
from walkdown.evaluate.intervals import binomial_tail, lower_bound, share_interval
from walkdown.evaluate.labelled_thresholds import from_costs, from_recall

NORMAL = tuple(float(v) for v in range(1, 101))
targets = st.floats(0.3, 0.995)


@pytest.fixture(autouse=True)
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same few counts come up in thousands of simulated sets: each is worked out once."""
    for function in (binomial_tail, lower_bound, share_interval):
        monkeypatch.setattr(labelled_thresholds, function.__name__, cache(function))


def spread(n: int, *, start: float = 50.0) -> list[float]:
    return [start + 1.5 * i for i in range(n)]


@given(st.integers(1, 400), targets)
def test_a_recall_is_claimed_or_refused_with_a_number(n: int, wanted: float) -> None:
    try:
        threshold = from_recall(NORMAL, spread(n), recall=wanted)
    except TrainingError as refusal:
        needed = int(str(refusal).split("it takes ")[1].split(";")[0])
        assert n < needed
        assert from_recall(NORMAL, spread(needed), recall=wanted).recall is not None
        with pytest.raises(TrainingError):
            from_recall(NORMAL, spread(needed - 1), recall=wanted)
        possible = float(str(refusal).split("at most ")[1].split()[0]) / 100.0
        assert possible < wanted
        assert from_recall(NORMAL, spread(n), recall=possible).recall is not None
    else:
        recall = threshold.recall
        assert recall is not None
        assert recall.low >= wanted - 1e-12
        assert recall.low == pytest.approx(beta.ppf(0.05, recall.found, n - recall.found + 1))
        assert (recall.high, recall.wanted) == (1.0, wanted)
        lower = beta.ppf(0.05, recall.found - 1, n - recall.found + 2) if recall.found > 1 else 0
        assert lower < wanted, "the next higher threshold could not be claimed"


def test_the_refusal_names_299() -> None:
    with pytest.raises(TrainingError) as refusal:
        from_recall(NORMAL, spread(20), recall=0.99)
    assert str(refusal.value) == (
        "a recall of 99 % can't be claimed from 20 labelled anomalies: with 95 % confidence it "
        "takes 299; these support at most 86 %"
    )


@pytest.mark.parametrize(("n", "wanted"), [(30, 0.9), (100, 0.9), (100, 0.7)])
def test_a_claimed_recall_is_reached_by_nineteen_in_twenty(n: int, wanted: float) -> None:
    rng = np.random.default_rng(21)
    reached = inside = 0
    for _ in range(2000):
        anomalies = (rng.random(n) + 0.5).tolist()
        threshold = from_recall(rng.random(50).tolist(), anomalies, recall=wanted)
        reached += 1.5 - threshold.value >= wanted
        rate = min(1.0, max(0.0, 1.0 - threshold.value))
        inside += threshold.low <= rate <= threshold.high
    assert 0.94 <= reached / 2000 <= 0.995, "claimed, and no more cautious than it must be"
    assert inside / 2000 >= 0.94


def test_false_alarms_at_a_recall_are_those_of_a_fixed_threshold() -> None:
    threshold = from_recall(NORMAL, spread(30, start=90.5), recall=0.9)
    assert threshold.value == pytest.approx(90.5)
    assert threshold.value < 90.5, "the last anomaly that counts is found"
    assert (threshold.alarms, threshold.images) == (10, 100)
    assert (threshold.low, threshold.high) == share_interval(10, 100)


def test_equal_scores_of_anomalies_are_found_together() -> None:
    threshold = from_recall(NORMAL, [60.0] * 20 + [70.0] * 80, recall=0.85)
    assert threshold.recall is not None
    assert threshold.recall.found == 100
    assert threshold.recall.low < 0.9, "the claim is that of the rank, not of lucky ties"


@pytest.mark.parametrize("recall", [0.0, 1.0, float("nan")])
def test_what_is_no_recall_is_refused(recall: float) -> None:
    with pytest.raises(TrainingError, match="a recall lies above 0 % and below 100 %"):
        from_recall(NORMAL, spread(100), recall=recall)


def test_anomalies_that_score_nothing_are_named() -> None:
    with pytest.raises(TrainingError, match="score nothing at all"):
        from_recall(NORMAL, [0.0] * 50, recall=0.9)


@pytest.mark.parametrize("bad", [[], [float("nan")], [-1.0]])
def test_what_is_no_set_of_anomalies_is_refused(bad: list[float]) -> None:
    with pytest.raises(TrainingError, match="raw scores of labelled anomalies"):
        from_recall(NORMAL, bad, recall=0.5)
    with pytest.raises(TrainingError, match="raw scores of labelled anomalies"):
        from_costs(NORMAL, bad, miss=1, false_alarm=1)


def test_between_what_is_told_apart_the_threshold_is_half_way() -> None:
    threshold = from_costs(NORMAL, [200.0] * 30, miss=50, false_alarm=1)
    assert threshold.value == 150.0
    assert threshold.recall is not None
    assert (threshold.alarms, threshold.recall.found) == (0, 30)
    assert threshold.costs is not None
    assert threshold.costs.expected == pytest.approx(0.5 * 0.5 / 31 + 0.99 * 0.5 / 101)


@given(st.floats(10.0, 1000.0), st.integers(0, 2**16))
def test_no_other_threshold_is_cheaper_on_the_given_images(miss: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    normal, anomalies = rng.normal(10, 1, 40).tolist(), rng.normal(14, 1, 30).tolist()
    try:
        threshold = from_costs(normal, anomalies, miss=miss, false_alarm=1, anomaly_share=0.05)
    except TrainingError:
        return

    def cost(cut: float) -> float:
        missed, alarms = sum(v < cut for v in anomalies), sum(v >= cut for v in normal)
        return float(0.05 * miss * (missed + 0.5) / 31 + 0.95 * (alarms + 0.5) / 41)

    assert threshold.costs is not None
    assert threshold.costs.expected >= cost(threshold.value) - 1e-12
    cuts = np.linspace(5, 20, 100)
    assert min(cost(float(cut)) for cut in cuts) >= cost(threshold.value) - 1e-12


def test_a_dearer_miss_lowers_the_threshold() -> None:
    rng = np.random.default_rng(22)
    normal, anomalies = rng.normal(10, 1, 300).tolist(), rng.normal(13, 1, 200).tolist()
    values = [
        from_costs(normal, anomalies, miss=miss, false_alarm=1, anomaly_share=0.05).value
        for miss in (5, 20, 100)
    ]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1]


def test_bounds_hold_and_the_cost_is_right_though_the_same_images_chose() -> None:
    rng = np.random.default_rng(23)
    bell = NormalDist()
    alarms_inside = recall_inside = 0
    expected, real = [], []
    for _ in range(300):
        threshold = from_costs(
            rng.normal(10, 1, 60).tolist(),
            rng.normal(12.5, 1, 30).tolist(),
            miss=20,
            false_alarm=1,
            anomaly_share=0.05,
        )
        assert threshold.recall is not None
        assert threshold.costs is not None
        rate, recall = 1 - bell.cdf(threshold.value - 10), 1 - bell.cdf(threshold.value - 12.5)
        alarms_inside += threshold.low <= rate <= threshold.high
        recall_inside += threshold.recall.low <= recall <= threshold.recall.high
        expected.append(threshold.costs.expected)
        real.append(0.05 * 20 * (1 - recall) + 0.95 * rate)
    assert alarms_inside / 300 >= 0.93
    assert recall_inside / 300 >= 0.93
    assert np.mean(expected) == pytest.approx(np.mean(real), rel=0.1)


def test_too_few_anomalies_to_choose_by_costs_are_refused_with_the_number() -> None:
    with pytest.raises(TrainingError) as refusal:
        from_costs(NORMAL, [200.0], miss=100, false_alarm=1)
    text = str(refusal.value)
    assert "1 labelled anomalies and 100 normal images can't show" in text
    needed = int(text.split("anomaly: ")[1].split()[0])
    assert from_costs(NORMAL, [200.0] * needed, miss=100, false_alarm=1).supported
    with pytest.raises(TrainingError):
        from_costs(NORMAL, [200.0] * (needed - 1), miss=100, false_alarm=1)


def test_where_false_alarms_alone_cost_too_much_both_numbers_are_named() -> None:
    with pytest.raises(TrainingError) as refusal:
        from_costs(NORMAL[:20], [200.0] * 50, miss=10, false_alarm=1)
    anomalies, normal = map(
        int, str(refusal.value).split("normal: ")[1].split(" could")[0].split(" and ")
    )
    enough = from_costs(range(1, normal + 1), [1e4] * anomalies, miss=10, false_alarm=1)
    assert enough.supported


def test_anomalies_like_normal_images_are_refused() -> None:
    with pytest.raises(TrainingError, match="can't show that any threshold costs less"):
        from_costs(NORMAL, NORMAL, miss=100, false_alarm=1)


@pytest.mark.parametrize(
    ("miss", "false_alarm", "share"), [(0, 1, 0.1), (1, -1, 0.1), (float("inf"), 1, 0.1), (1, 1, 0)]
)
def test_what_costs_nothing_or_never_happens_is_refused(
    miss: float, false_alarm: float, share: float
) -> None:
    with pytest.raises(TrainingError):
        from_costs(NORMAL, [200.0], miss=miss, false_alarm=false_alarm, anomaly_share=share)
