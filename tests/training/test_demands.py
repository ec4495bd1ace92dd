import numpy as np
import pytest

from walkdown.errors import TrainingError
from walkdown.training.demands import Demand

NORMAL = [float(v) for v in np.linspace(1.0, 2.0, 99)]
ANOMALIES = [1.5, 2.5, 3.0, 3.5]


def test_a_budget_lets_so_many_pass() -> None:
    found = Demand(false_alarms=0.1).threshold(NORMAL, [], [])
    assert sum(score >= found.value for score in NORMAL) in (9, 10)
    assert found.recall is None


def test_odd_ones_do_not_move_the_threshold_but_count_as_alarms() -> None:
    without = Demand(false_alarms=0.1).threshold(NORMAL, [], [])
    with_odd = Demand(false_alarms=0.1).threshold([*NORMAL, 90.0], [], [99])
    assert with_odd.value == without.value
    assert with_odd.alarms == without.alarms + 1
    moved = Demand(false_alarms=0.1).threshold([*NORMAL, 90.0], [], [])
    assert moved.value > without.value


def test_known_anomalies_tell_how_many_are_found() -> None:
    found = Demand(false_alarms=0.05).threshold(NORMAL, ANOMALIES, [])
    assert found.recall is not None
    assert (found.recall.found, found.recall.anomalies) == (3, 4)


def test_strict_refuses_what_so_few_cannot_make_certain() -> None:
    with pytest.raises(TrainingError, match="normal images"):
        Demand(false_alarms=0.01, strict=True).threshold(NORMAL[:20], [], [])
    loose = Demand(false_alarms=0.1).threshold(NORMAL, [], [])
    strict = Demand(false_alarms=0.1, strict=True).threshold(NORMAL, [], [])
    assert strict.value > loose.value


@pytest.mark.parametrize("demand", [Demand(recall=0.9), Demand(costs=(100.0, 1.0))])
def test_recall_and_costs_need_anomalies(demand: Demand) -> None:
    with pytest.raises(TrainingError, match="--anomaly"):
        demand.threshold(NORMAL, [], [])


def test_a_recall_is_kept_whatever_the_budget() -> None:
    many = [float(v) for v in np.linspace(1.2, 4.0, 60)]
    found = Demand(recall=0.9).threshold(NORMAL, many, [])
    assert sum(score >= found.value for score in many) >= 54


def test_dear_misses_lower_the_threshold() -> None:
    rng = np.random.default_rng(0)
    normal, many = rng.normal(5.0, 1.0, 400).tolist(), rng.normal(8.0, 1.0, 400).tolist()
    dear = Demand(costs=(20.0, 1.0), anomaly_share=0.1).threshold(normal, many, [])
    cheap = Demand(costs=(3.0, 1.0), anomaly_share=0.1).threshold(normal, many, [])
    often = Demand(costs=(3.0, 1.0), anomaly_share=0.5).threshold(normal, many, [])
    assert dear.value < cheap.value
    assert often.value < cheap.value
