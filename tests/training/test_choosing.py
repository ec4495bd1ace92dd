from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from walkdown.models.looking import InputSize
from walkdown.training import choosing, graph, planting
from walkdown.training.choosing import Candidate, Choice

if TYPE_CHECKING:
    from tests.training.conftest import Shelf

Draw = Callable[..., NDArray[np.uint8]]


@given(st.floats(1, 30_000))
def test_candidates_begin_with_the_first_sensible_one(typical_px: float) -> None:
    found = choosing.candidates(typical_px)
    assert found[0] == choosing.first_sensible(typical_px)
    assert len(found) == len(set(found)) >= 4
    for candidate in found:
        size = candidate.size
        assert size.long_side_px % graph.MULTIPLE_PX == 0
        assert 256 <= size.long_side_px <= choosing.MAX_TILED_PX
        assert size.tile_px or size.long_side_px <= choosing.MAX_SIDE_PX


def test_large_photographs_may_be_looked_at_in_tiles() -> None:
    tiled = {c.size.long_side_px for c in choosing.candidates(4000.0) if c.size.tile_px}
    assert 4000 in tiled
    assert not any(c.size.tile_px for c in choosing.candidates(1000.0))


@pytest.fixture
def of_weaves(shelf: Shelf, weave: Draw) -> Callable[..., Choice]:
    """Chooses, with the real network, between one way and another for tiny weaves."""

    def choose(distinct: int, copies: int = 0, broken: int = 0) -> Choice:
        refs = [shelf.add(f"{i}", weave(i % distinct, 96, 96)) for i in range(distinct + copies)]
        refs += [shelf.add(f"broken{i}", None) for i in range(broken)]
        work = shelf.network(Candidate(InputSize(96, 32), choosing.WIDE))
        return choosing.choose(refs, lambda c: shelf.network(c).extractor, work, typical_px=96.0)

    return choose


@pytest.fixture
def two_ways(monkeypatch: pytest.MonkeyPatch) -> list[Candidate]:
    both = [
        Candidate(InputSize(side, 32), features)
        for side, features in ((96, choosing.WIDE), (64, choosing.FINE))
    ]
    monkeypatch.setattr(choosing, "candidates", lambda _: both)
    return both


def test_the_same_photographs_are_chosen_alike_each_time(
    of_weaves: Callable[..., Choice], two_ways: list[Candidate]
) -> None:
    one, again = of_weaves(21), of_weaves(21)
    assert replace(one, figures=()) == replace(again, figures=())
    assert [f.auroc for f in one.figures] == [f.auroc for f in again.figures]
    assert [f.candidate for f in one.figures[:2]] == [c.name for c in two_ways]
    assert [f.chosen for f in one.figures[:2]].count(True) == 1
    assert all(0.0 <= f.auroc <= 1.0 for f in one.figures)


@pytest.mark.parametrize("given", [(9, 0, 0), (1, 24, 0), (8, 14, 0), (9, 0, 15), (1, 0, 22)])
def test_too_few_that_differ_are_not_compared(
    of_weaves: Callable[..., Choice], given: tuple[int, int, int]
) -> None:
    assert of_weaves(*given) == Choice(choosing.first_sensible(96.0))


def test_a_bank_holds_nothing_of_the_samples_that_it_judges() -> None:
    """Each sample has patches of its own: a bank that holds them is at no distance from them."""
    rng = np.random.default_rng(0)
    candidate = Candidate(InputSize(96, 32), choosing.WIDE)
    patches = [
        rng.normal(10.0 * i, 1.0, (6, 48 + 88 + 120 + 352)).astype(np.float32) for i in range(7)
    ]
    samples = [planting.Sample(str(i), (2, 3), own, ()) for i, own in enumerate(patches)]

    def farthest(copies: list[NDArray[np.float32]]) -> list[float]:
        found = choosing._held_out(samples, candidate, 0, copies)
        return [float(values.max()) for values, _ in found]

    for copies in ([], patches):
        assert min(farthest(copies)) > 0.1
    of_the_next = farthest([*patches[1:], patches[0]])
    assert max(of_the_next[1:]) < 0.01, "the copies of a sample of another fold are known"
    assert of_the_next[0] > 0.1, "the last sample is of the fold of the first"


def test_all_candidates_begin_with_the_same_photographs(shelf: Shelf, weave: Draw) -> None:
    refs = [shelf.add(f"{i}", weave(i, 64, 64)) for i in range(40)]
    distinct = choosing.distinct(refs, shelf.means())
    small, large = (
        choosing.some(distinct, Candidate(InputSize(side, 32), choosing.FINE))
        for side in (384, 1024)
    )
    assert len(small) == choosing.MAX_SAMPLES > len(large) >= choosing.MIN_SAMPLES
    assert [ref.name for ref in small[: len(large)]] == [ref.name for ref in large]
    assert {int(ref.name) // 20 for ref in large} == {0, 1}
