from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from walkdown.training import judging
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


@pytest.mark.parametrize("learn", [judging.synthetic_lesson, judging.labelled_lesson])
def test_a_head_says_the_same_in_the_graph(learn: object) -> None:
    assert callable(learn)
    judge, _ = Banks(DEPTH, 50, 0).choose(normal(600))
    lesson = learn(judge, normal(600), odd(50), seed=0)
    far = np.concatenate([normal(200, 5), odd(100, 6), 100.0 * normal(20, 7)])
    bank = judging.values(judging.open_judge(judge), far)
    for weight in (0.5, 2.0):
        taught = replace(judge, heads=(lesson.head(weight),))
        found = judging.values(judging.open_judge(taught), far)
        said = weight * lesson(judge.scaling.standardise(far))
        expected = np.maximum(bank + said, 0.0)
        assert np.abs(found - expected).max() < 1e-4 * max(1.0, float(bank.max()))


@pytest.mark.parametrize("learn", [judging.synthetic_lesson, judging.labelled_lesson])
def test_a_head_has_the_spread_of_distances_and_no_mean_on_normal_cells(learn: object) -> None:
    assert callable(learn)
    judge, _ = Banks(DEPTH, 50, 0).choose(normal(600))
    lesson = learn(judge, normal(600), odd(50), seed=0)
    said = lesson(judge.scaling.standardise(normal(600)))
    distances = judging.values(judging.open_judge(judge), normal(600))
    assert abs(float(said.mean())) < 1e-3
    assert float(said.std()) == pytest.approx(float(distances.std()), rel=1e-3)


@pytest.mark.parametrize("learn", [judging.synthetic_lesson, judging.labelled_lesson])
def test_a_head_knows_defects_that_it_did_not_see(learn: object) -> None:
    assert callable(learn)
    judge, _ = Banks(DEPTH, 50, 0).choose(normal(600))
    lesson = learn(judge, normal(600), odd(50), seed=0)
    bad, good = (
        lesson(judge.scaling.standardise(cells)) for cells in (odd(200, 8), normal(200, 9))
    )
    assert (bad > np.quantile(good, 0.9)).mean() > 0.9


def test_two_heads_add_up() -> None:
    judge, _ = Banks(DEPTH, 50, 0).choose(normal(600))
    lessons = [
        judging.synthetic_lesson(judge, normal(600), odd(50), seed=0),
        judging.labelled_lesson(judge, normal(600), odd(50), seed=0),
    ]
    both = replace(judge, heads=(lessons[0].head(0.25), lessons[1].head(1.0)))
    far = odd(100, 6)
    said = [lesson(judge.scaling.standardise(far)) for lesson in lessons]
    bank = judging.values(judging.open_judge(judge), far)
    found = judging.values(judging.open_judge(both), far)
    assert np.allclose(found, np.maximum(bank + 0.25 * said[0] + said[1], 0.0), atol=1e-4)


def test_a_bank_knows_its_own_rows() -> None:
    patches = normal(300)
    judge, chosen = Banks(DEPTH, 40, 3).choose(patches)
    assert len(judge.rows) == len(chosen) == 40
    values = judging.values(judging.open_judge(judge), patches[chosen])
    assert float(values.max()) < 2e-3
    assert float(judging.values(judging.open_judge(judge), patches).max()) > 0.1


def test_one_seed_gives_one_bank_and_one_head() -> None:
    banks = [Banks(DEPTH, 40, seed).choose(normal(300)) for seed in (1, 1, 2)]
    assert np.array_equal(banks[0][1], banks[1][1])
    assert not np.array_equal(banks[0][1], banks[2][1])
    lessons = [
        judging.synthetic_lesson(banks[0][0], normal(300), odd(30), seed=seed) for seed in (1, 1, 2)
    ]
    assert np.array_equal(lessons[0].layers[0][0], lessons[1].layers[0][0])
    assert not np.array_equal(lessons[0].layers[0][0], lessons[2].layers[0][0])


def test_of_no_defects_nothing_is_learned() -> None:
    """All of them may be small beside a cell, in small photographs."""
    judge, _ = Banks(DEPTH, 50, 0).choose(normal(600))
    lesson = judging.synthetic_lesson(judge, normal(600), odd(0), seed=0)
    assert not lesson(judge.scaling.standardise(odd(10))).any()
    taught = replace(judge, heads=(lesson.head(0.25),))
    plain, same = (judging.values(judging.open_judge(j), odd(10)) for j in (judge, taught))
    assert np.array_equal(plain, same)
