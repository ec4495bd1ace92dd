from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from walkdown.models.bank import Head
from walkdown.training import graph
from walkdown.training.crossfit import WEIGHTS, Judged, Learned, cross_fit
from walkdown.training.judging import Banks

if TYPE_CHECKING:
    from tests.training.conftest import Shelf

Patches = NDArray[np.float32]


def plain(level: int) -> NDArray[np.uint8]:
    return np.full((64, 64, 3), level, np.uint8)


def test_nobody_is_judged_by_what_it_taught(shelf: Shelf) -> None:
    """Each photograph has a grey of its own: a bank that holds it is at no distance from it."""
    refs = [shelf.add(f"n{i}", plain(10 * i)) for i in range(10)]
    odd = [shelf.add(f"a{i}", plain(150 + 10 * i)) for i in range(7)]
    seen: list[tuple[set[int], set[int]]] = []

    def learn(normal: list[int], anomalies: list[int]) -> Learned:
        seen.append((set(normal), set(anomalies)))
        rows = np.concatenate([np.full((2, 3), 10 * i, np.float32) for i in normal])
        rows = np.concatenate(
            [rows, *(np.full((1, 3), 150 + 10 * i, np.float32) for i in anomalies)]
        )
        ones = np.ones(3, np.float32)
        return Learned(graph.Judge(graph.Scaling(0 * ones, ones, ones), rows), None)

    normal, bad = cross_fit(refs, odd, learn, shelf.means(), worst_cells=3, folds=5, at_most=100)
    assert sorted(j.name for j in normal) == [ref.name for ref in refs]
    assert sorted(j.name for j in bad) == [ref.name for ref in odd]
    assert min(j.raw[0] for j in (*normal, *bad)) > 10.0
    assert all(len(n) == 8 for n, _ in seen)
    assert all(5 <= len(a) <= 6 for _, a in seen)


def learn_nothing(normal: list[int], anomalies: list[int]) -> Learned:
    ones = np.ones(3, np.float32)
    rows = np.zeros((2, 3), np.float32)
    return Learned(graph.Judge(graph.Scaling(0 * ones, ones, ones), rows), None)


def test_every_anomaly_is_judged_even_by_fewer_photographs_than_folds(shelf: Shelf) -> None:
    refs = [shelf.add(f"n{i}", plain(i)) for i in range(5)]
    odd = [shelf.add(f"a{i}", plain(100 + i)) for i in range(12)]
    normal, bad = cross_fit(
        refs, odd, learn_nothing, shelf.means(), worst_cells=3, folds=8, at_most=100
    )
    assert len(normal) == 5
    assert len(bad) == 12


def test_of_many_an_even_choice_is_judged(shelf: Shelf) -> None:
    refs = [shelf.add(f"n{i}", plain(i)) for i in range(20)]
    normal, _ = cross_fit(
        refs, [], learn_nothing, shelf.means(), worst_cells=3, folds=5, at_most=10
    )
    assert len({j.name for j in normal}) == 10


def test_what_does_not_count_has_no_say(shelf: Shelf) -> None:
    pixels = plain(0)
    pixels[:, 32:] = 250
    keep = np.ones((4, 4), np.float32)
    keep[:, 2:] = 0.0
    refs = [shelf.add(f"n{i}", plain(1 + i)) for i in range(4)]
    refs += [shelf.add("all", pixels), shelf.add("part", pixels, keep)]
    normal, _ = cross_fit(
        refs, [], learn_nothing, shelf.means(), worst_cells=3, folds=3, at_most=99
    )
    raw = {j.name: j.raw[0] for j in normal}
    assert raw["part"] == 0.0
    assert raw["all"] > 100.0


def test_a_lesson_is_given_each_of_the_weights(shelf: Shelf) -> None:
    refs = [shelf.add(f"n{i}", plain(i)) for i in range(4)]
    lesson = Head(np.zeros(3, np.float32), 1.0)

    def learn(normal: list[int], anomalies: list[int]) -> Learned:
        return replace(learn_nothing(normal, anomalies), lesson=lesson)

    normal, _ = cross_fit(refs, [], learn, shelf.means(), worst_cells=3, folds=2, at_most=99)
    for judged in normal:
        assert np.allclose(np.subtract(judged.raw, judged.raw[0]), WEIGHTS, atol=1e-4)


@pytest.mark.parametrize("workers", [1, 3])
def test_one_seed_one_outcome_whatever_the_threads(shelf: Shelf, workers: int) -> None:
    rng = np.random.default_rng(0)
    refs = [shelf.add(f"n{i}", rng.integers(0, 99, (64, 64, 3), dtype=np.uint8)) for i in range(6)]
    pool = rng.normal(50, 10, (400, 3)).astype(np.float32)

    def learn(normal: list[int], anomalies: list[int]) -> Learned:
        return Learned(Banks((3,), 10, sum(normal)).choose(pool)[0], None)

    def judged(workers: int) -> tuple[list[Judged], list[Judged]]:
        work = shelf.means(workers=workers)
        return cross_fit(refs, [], learn, work, worst_cells=3, folds=3, at_most=99)

    assert judged(1) == judged(workers)
