import numpy as np
import pytest

from walkdown.training.evidence import Scores, ahead


def scores(shift: float, *, samples: int = 20, seed: int = 0) -> Scores:
    rng = np.random.default_rng(seed)
    return Scores(rng.normal(size=samples), shift + rng.normal(size=(samples, 4)))


def test_auroc_is_of_all_defects_against_the_samples_chosen() -> None:
    found = Scores(np.array([0.0, 1.0, 1.0]), np.array([[2.0], [2.0], [-9.0]]))
    assert found.auroc() == pytest.approx(2 / 3)
    assert found.auroc(np.array([0, 1, 1])) == 1.0


def test_better_is_ahead_and_not_the_other_way_round() -> None:
    better, worse = scores(3.0, seed=1), scores(0.5)
    assert ahead(better, worse, by=0.05, seed=0)
    assert not ahead(worse, better, by=0.05, seed=0)
    assert not ahead(better, better, by=0.0, seed=0)


def test_a_gain_below_what_was_asked_for_is_none() -> None:
    better, worse = scores(3.0, seed=1), scores(0.5)
    gain = better.auroc() - worse.auroc()
    assert not ahead(better, worse, by=gain + 0.01, seed=0)


def test_chance_is_rarely_ahead() -> None:
    """Two ways that are equally good, on few samples: what differs is luck."""
    lucky = [
        ahead(
            scores(1.0, samples=10, seed=2 * s),
            scores(1.0, samples=10, seed=2 * s + 1),
            by=0.02,
            seed=s,
        )
        for s in range(40)
    ]
    assert sum(lucky) <= 3


def test_only_samples_that_both_have_are_compared() -> None:
    """One way was tried on fewer samples; those beyond must not turn the outcome."""
    few = Scores(np.zeros(10), np.full((10, 2), 0.0))
    easy_rest = Scores(
        np.concatenate([np.zeros(10), np.zeros(30)]),
        np.concatenate([np.zeros((10, 2)), np.full((30, 2), 9.0)]),
    )
    assert not ahead(easy_rest, few, by=0.05, seed=0)


def test_one_seed_one_answer() -> None:
    better, worse = scores(1.2, seed=1), scores(0.8)
    answers = {ahead(better, worse, by=0.02, seed=7) for _ in range(3)}
    assert len(answers) == 1
