"""How much say a photograph as a whole gets, and that the graph says what numpy says."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from walkdown.models.graphs.session import open_graph
from walkdown.models.looking import InputSize
from walkdown.models.whole import Components, Whole, quarters
from walkdown.training import graph, memory_bank, wholes
from walkdown.training.choosing import FINE, WIDE, Candidate
from walkdown.training.crossfit import Judged

RNG = np.random.default_rng(7)


class Made:
    """A graph of no bank, with and without a whole, and what it says of one image."""

    def __init__(self, features: graph.Features, size: tuple[int, int]) -> None:
        candidate = Candidate(InputSize(160, 32), features)
        self.features, self.grid = features, (size[0] // 16, size[1] // 16)
        self.trunk, self.depth = memory_bank.trunk(candidate), memory_bank.depth(candidate)
        self.image = RNG.integers(0, 255, (1, *size, 3)).astype(np.uint8)

    def __call__(self, whole: Whole | None) -> list[NDArray[np.float32]]:
        """The raw score, the cells and the patches."""
        ones = np.ones(self.depth, np.float32)
        scaling = graph.Scaling(0 * ones, ones, ones)
        judge = graph.Judge(scaling, np.zeros((1, self.depth), np.float32), whole=whole)
        made = graph.detector(self.trunk, self.features, judge, worst_cells=5)
        names = ["raw_score", "cells", "patches"]
        return open_graph(made, threads=1).run(names, {"image": self.image})

    def vector(self, channels: tuple[int, int]) -> NDArray[np.float32]:
        patches = self(None)[2].reshape(self.depth, *self.grid)
        place = slice(0, self.grid[0]), slice(0, self.grid[1])
        return quarters([(place, patches)], self.grid, channels=channels)


@pytest.mark.parametrize("features", [FINE, WIDE])
@pytest.mark.parametrize("size", [(96, 160), (128, 96)])
def test_the_graph_adds_what_numpy_adds(features: graph.Features, size: tuple[int, int]) -> None:
    """96 px are six cells: quarters of three; 160 px are ten."""
    made, channels = Made(features, size), wholes.channels_of(features)
    assert channels is not None
    assert channels[1] - channels[0] == 120
    learned = wholes.components(RNG.normal(size=(6, 480)).astype(np.float32))
    assert learned is not None
    whole = Whole(learned, 0.25, 1.5, channels)
    bare, added = made(None), made(whole)
    expected = float(bare[0][0]) + whole(made.vector(channels))
    assert float(added[0][0]) == pytest.approx(expected, rel=1e-5)
    assert (added[1] == bare[1]).all(), "a cell knows nothing of the whole"


def test_of_a_photograph_that_is_explained_whole_nothing_is_left_over() -> None:
    """By the difference of squares it would be 3e-4 of its length, another on each runtime."""
    made, channels = Made(FINE, (96, 160)), wholes.channels_of(FINE)
    assert channels is not None
    vector = made.vector(channels)
    length = float(np.linalg.norm(vector))
    learned = Components(np.zeros_like(vector), (vector / length)[None])
    whole = Whole(learned, 1.0, 0.0, channels)
    added = float(made(whole)[0][0]) - float(made(None)[0][0])
    assert added == pytest.approx(0.0, abs=2e-6 * length)
    assert learned.left_over(vector) == pytest.approx(0.0, abs=2e-6 * length)


def test_a_raw_score_is_never_negative() -> None:
    nothing = Components(np.zeros(2, np.float32), np.zeros((1, 2), np.float32))
    whole = Whole(nothing, 1.0, 100.0, (0, 1))
    assert wholes.judged(whole, [Judged("a", (3.0, 5.0), 0.0)])[0].raw == (0.0, 0.0)


def test_its_say_is_half_of_the_banks() -> None:
    """Both in units of their spread over normal photographs, the odd ones left out."""
    raw = RNG.normal(10, 2, 200)
    left = RNG.normal(50, 8, 200)
    raw[0], left[1] = 500.0, 5000.0
    found = [
        Judged(str(i), (float(a),), float(b))
        for i, (a, b) in enumerate(zip(raw, left, strict=True))
    ]
    nothing = Components(np.zeros(2, np.float32), np.zeros((1, 2), np.float32))
    whole = wholes.weighed(nothing, found, (0, 1))
    assert whole is not None
    assert whole.factor == pytest.approx(0.5 * 2 / 8, rel=0.15)
    assert whole.usual == pytest.approx(50, rel=0.05)
    judged = np.array([one.raw[0] for one in wholes.judged(whole, found)])
    np.testing.assert_allclose(judged, raw + whole.factor * (left - whole.usual))


def test_nothing_is_said_where_nothing_was_learned() -> None:
    found = [Judged("a", (1.0,)), Judged("b", (2.0,))]
    assert wholes.weighed(None, found, (0, 1)) is None
    assert wholes.judged(None, found) == found
    assert wholes.components(np.zeros((1, 4), np.float32)) is None
    assert wholes.channels_of(graph.Features((2, 3), 1)) is None


def test_components_hold_nine_tenths_of_the_variance() -> None:
    spread = np.diag([10.0, 5.0, 1.0, 0.1])
    vectors = (RNG.normal(size=(400, 4)) @ spread).astype(np.float32)
    vectors[3, 2] = np.nan
    learned = wholes.components(vectors)
    assert learned is not None
    assert len(learned.axes) == 2
    np.testing.assert_allclose(learned.axes @ learned.axes.T, np.eye(2), atol=1e-5)


def test_of_many_vectors_some_are_kept() -> None:
    kept = wholes.kept([np.full((2, 3), i, np.float32) for i in range(700)])
    assert kept.shape == (wholes.KEPT, 3)
    assert (kept[0, 0], kept[-1, 0]) == (0, 699)


def test_held_out_photographs_are_left_over_as_much_as_new_ones() -> None:
    """By components of 19 in 20 of the others; what they learned from would be left over less."""
    rng = np.random.default_rng(7)
    spread = rng.normal(size=(12, 40))
    normal = (rng.normal(size=(200, 12)) @ spread + rng.normal(size=(200, 40))).astype(np.float32)
    new = (rng.normal(size=(1000, 12)) @ spread + rng.normal(size=(1000, 40))).astype(np.float32)
    learned = wholes.components(normal)
    assert learned is not None
    of_new = np.mean([learned.left_over(one) for one in new])
    held_out = wholes.held_out([one[None] for one in normal])
    assert np.mean([left for left in held_out if left is not None]) == pytest.approx(
        of_new, rel=0.03
    )
    known = np.mean([learned.left_over(one) for one in normal])
    assert known < 0.97 * of_new
