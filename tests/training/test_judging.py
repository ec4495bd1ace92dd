from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from walkdown.models.bank import Head
from walkdown.training import graph, judging
from walkdown.training.judging import Banks

Patches = NDArray[np.float32]
DEPTH = (8, 4)


def normal(count: int, seed: int = 0) -> Patches:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, 12)) * np.arange(1, 13) + 20).astype(np.float32)


def odd(count: int, seed: int = 1) -> Patches:
    cells = normal(count, seed)
    cells[:, 2] += 15.0
    return cells


@pytest.fixture
def judge() -> graph.Judge:
    return Banks(DEPTH, 50, 0).choose(normal(600))[0]


@pytest.fixture
def lesson(judge: graph.Judge) -> Head:
    return judging.lesson(judge, normal(600), odd(50), seed=0)


def test_a_head_says_the_same_in_the_graph(judge: graph.Judge, lesson: Head) -> None:
    far = np.concatenate([normal(200, 5), odd(100, 6), 100.0 * normal(20, 7)])
    bank = judging.values(judging.open_judge(judge), far)
    for weight in (0.5, 2.0):
        taught = replace(judge, head=lesson.times(weight))
        found = judging.values(judging.open_judge(taught), far)
        said = weight * lesson(judge.scaling.standardise(far))
        expected = np.maximum(bank + said, 0.0)
        assert np.abs(found - expected).max() < 1e-4 * max(1.0, float(bank.max()))


def test_a_head_has_the_spread_of_distances_and_no_mean_on_normal_cells(
    judge: graph.Judge, lesson: Head
) -> None:
    said = lesson(judge.scaling.standardise(normal(600)))
    distances = judging.values(judging.open_judge(judge), normal(600))
    assert abs(float(said.mean())) < 1e-3
    assert float(said.std()) == pytest.approx(float(distances.std()), rel=1e-3)


def test_a_head_knows_defects_that_it_did_not_see(judge: graph.Judge, lesson: Head) -> None:
    bad, good = (
        lesson(judge.scaling.standardise(cells)) for cells in (odd(200, 8), normal(200, 9))
    )
    assert (bad > np.quantile(good, 0.9)).mean() > 0.9


def test_learning_leaves_the_given_patches_as_they_are(judge: graph.Judge) -> None:
    cells, defective = normal(600), odd(50)
    judging.lesson(judge, cells, defective, seed=0)
    assert np.array_equal(cells, normal(600))
    assert np.array_equal(defective, odd(50))


def test_a_bank_knows_its_own_rows() -> None:
    patches = normal(300)
    judge, chosen = Banks(DEPTH, 40, 3).choose(patches)
    assert len(judge.rows) == len(chosen) == 40
    values = judging.values(judging.open_judge(judge), patches[chosen])
    assert float(values.max()) < 2e-3
    assert float(judging.values(judging.open_judge(judge), patches).max()) > 0.1


def test_one_seed_gives_one_bank_and_one_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more normal cells than are learned from, others with another seed."""
    banks = [Banks(DEPTH, 40, seed).choose(normal(300)) for seed in (1, 1, 2)]
    assert np.array_equal(banks[0][1], banks[1][1])
    assert not np.array_equal(banks[0][1], banks[2][1])
    monkeypatch.setattr(judging, "NORMAL_CELLS", 200)
    heads = [judging.lesson(banks[0][0], normal(300), odd(30), seed=seed) for seed in (1, 1, 2)]
    assert np.array_equal(heads[0].weights, heads[1].weights)
    assert not np.array_equal(heads[0].weights, heads[2].weights)
