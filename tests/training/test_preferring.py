"""Labelled anomalies decide how photographs are looked at, where they can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from walkdown.models.looking import InputSize
from walkdown.training import choosing, memory_bank, preferring
from walkdown.training.choosing import Candidate, Choice, Figure
from walkdown.training.preferring import Told

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray
    from tests.training.conftest import Shelf

    Draw = Callable[..., NDArray[np.uint8]]

FIRST = Candidate(InputSize(96, 32), choosing.WIDE)
OTHER = Candidate(InputSize(64, 32), choosing.FINE)
CHOICE = Choice(FIRST, 0.2, ("mirrored",), (Figure("planted", 0.8, 1.0, chosen=True),))


def told(candidate: Candidate, *, ahead_by: float, count: int = 10) -> Told:
    normal = np.linspace(1.0, 2.0, 20)
    return Told(candidate, normal, np.linspace(1.0, 2.0, count) + ahead_by)


def test_a_way_that_is_clearly_better_takes_the_place_of_the_first() -> None:
    found = preferring.decide(CHOICE, [told(FIRST, ahead_by=0.1), told(OTHER, ahead_by=1.5)])
    assert found.candidate == OTHER
    assert (found.worst_pct, found.copies) == (OTHER.worst_pcts[0], ())
    assert [figure.chosen for figure in found.figures] == [False, False, True]
    assert found.figures[-1].auroc == 1.0
    assert "64 px" in found.figures[-1].candidate
    assert "10 anomalies" in found.figures[-1].candidate


@pytest.mark.parametrize("ahead_by", [0.1, 0.105, 0.05])
def test_a_way_that_is_as_good_does_not(ahead_by: float) -> None:
    ways = [told(FIRST, ahead_by=0.1, count=5), told(OTHER, ahead_by=ahead_by, count=5)]
    found = preferring.decide(CHOICE, ways)
    assert (found.candidate, found.worst_pct, found.copies) == (FIRST, 0.2, ("mirrored",))
    assert [figure.chosen for figure in found.figures] == [True, True, False]


@pytest.mark.parametrize("typical_px", [300.0, 768.0, 1000.0, 4000.0])
def test_more_is_compared_than_by_planted_defects(typical_px: float) -> None:
    usual = choosing.candidates(typical_px)
    found = preferring.ways(usual[-1], typical_px)
    assert found[0] == usual[-1]
    assert set(usual) <= set(found)
    assert len(found) == len(set(found))
    smaller = min(c.size.long_side_px for c in found)
    if typical_px < 4000.0:
        assert choosing.LEAST_PX <= smaller < min(c.size.long_side_px for c in usual)


@pytest.fixture
def prefer(shelf: Shelf, weave: Draw, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Choice]:
    """Prefers, with the real network, between two ways for weaves and holes in them."""
    monkeypatch.setattr(preferring, "ways", lambda *_: [FIRST, OTHER])

    def run(normal: int, holes: int, broken: int = 0, copies: int = 0) -> Choice:
        refs = [shelf.add(f"{i}", weave(i, 96, 96)) for i in range(normal)]
        refs += [shelf.add(f"broken {i}", None) for i in range(broken)]
        bad = []
        for i in range(holes + copies):
            pixels = weave(100 + i % max(1, holes), 96, 96).copy()
            pixels[20:70, 20:70] = 0
            bad.append(shelf.add(f"hole {i}", pixels))
        work, options = shelf.network(FIRST), memory_bank.Options()

        def way(candidate: Candidate) -> Any:
            return options.work(candidate, refs, shelf.load, work), options.banks(candidate)

        return preferring.prefer(CHOICE, refs, bad, way, work, typical_px=96.0)

    return run


def test_each_is_judged_by_banks_without_it(prefer: Callable[..., Choice]) -> None:
    figures = prefer(12, 6, broken=2).figures[1:]
    assert [figure.auroc for figure in figures] == [1.0, 1.0]
    assert [figure.chosen for figure in figures] == [True, False]


@pytest.mark.parametrize("given", [(12, 4, 0, 0), (9, 6, 0, 0), (9, 6, 9, 0), (12, 4, 0, 5)])
def test_too_few_decide_nothing(prefer: Callable[..., Choice], given: tuple[int, ...]) -> None:
    assert prefer(*given) == CHOICE
