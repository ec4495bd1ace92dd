"""From patches to a judge: scaling, the bank's rows, and heads that add what they know of defects.

A head's output is brought to the units of the bank's distance on normal cells (same spread, mean
0), so that a weight of 1 means as much say as the bank has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from walkdown.models import memory_bank
from walkdown.training import coreset, graph, head

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from walkdown.models.bank import Layers
    from walkdown.models.memory_bank import Session

    Patches = NDArray[np.float32]

NORMAL_CELLS = 40_000
"""Normal cells that a head learns from, at most: what they say has settled long before."""

SPREAD_CELLS = 5_000
"""Cells on which the spread of distances and of a head's outputs is taken."""


@dataclass(frozen=True, slots=True)
class Banks:
    """Chooses banks of so many rows from patches of the given maps."""

    channels: tuple[int, ...]
    rows: int
    seed: int

    def choose(self, patches: Patches) -> tuple[graph.Judge, NDArray[np.intp]]:
        """A judge without heads of (n, d) raw patches, and which of them became its rows."""
        scaling = graph.scaling_of(patches, self.channels)
        scaled = scaling.apply(patches)
        chosen = coreset.select(scaled, self.rows, seed=self.seed)
        return graph.Judge(scaling, scaled[chosen]), chosen


def open_judge(judge: graph.Judge) -> Session:
    """A session that gives the values of patches."""
    return memory_bank.open_graph(graph.judge(judge), threads=1)


def values(session: Session, patches: Patches) -> NDArray[np.float32]:
    """The values (n,) of (n, d) patches."""
    return session.run(["values"], {"patches": np.ascontiguousarray(patches.T)})[0]


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """A head in units of the distance, before it is given its weight."""

    layers: Layers

    def __call__(self, standardised: Patches) -> NDArray[np.float32]:
        """What it adds, at a weight of 1, to (n, d) standardised cells; (n,) float32."""
        cells = standardised
        for i, (weights, bias) in enumerate(self.layers):
            cells = (np.maximum(cells, 0.0) if i else cells) @ weights.T + bias
        return np.asarray(cells[:, 0], dtype=np.float32)

    def head(self, weight: float) -> graph.Head:
        """For the graph, with that weight."""
        return graph.Head((*self.layers[:-1], _times(self.layers[-1], weight)))


def synthetic_lesson(judge: graph.Judge, normal: Patches, planted: Patches, *, seed: int) -> Lesson:
    """What cells with synthetic defects, (m, d) raw, have that normal ones have not.

    Of no such cell nothing is learned: the head adds nothing.
    """
    if not len(planted):
        return Lesson(((np.zeros((1, normal.shape[1]), np.float32), np.zeros(1, np.float32)),))
    rng = np.random.default_rng(seed)
    chosen = normal[rng.permutation(len(normal))[:NORMAL_CELLS]]
    scaling, spread = judge.scaling, chosen[:SPREAD_CELLS].copy()
    cells, defective = _standardised(chosen, scaling), scaling.standardise(planted)
    # Its products are too small to be shared out: threads would mostly wait for each other.
    with threadpool_limits(1, user_api="blas"):
        mlp = head.fit_mlp(cells, defective, rng=rng)
    layers = ((mlp.inner.T, mlp.inner_bias), (mlp.outer.T, mlp.outer_bias))
    return _in_units(judge, layers, spread)


def labelled_lesson(
    judge: graph.Judge, normal: Patches, defective: Patches, *, seed: int
) -> Lesson:
    """What the worst cells of labelled anomalies, (m, d) raw, have that normal ones have not."""
    rng = np.random.default_rng(seed)
    chosen = normal[rng.permutation(len(normal))[:NORMAL_CELLS]]
    scaling, spread = judge.scaling, chosen[:SPREAD_CELLS].copy()
    linear = head.fit_linear(_standardised(chosen, scaling), scaling.standardise(defective))
    return _in_units(judge, ((linear.weights.T, linear.bias),), spread)


def _standardised(patches: Patches, scaling: graph.Scaling) -> Patches:
    """The same array, with what heads see in place of raw patches: there is no room for both."""
    for at in range(0, len(patches), SPREAD_CELLS):
        part = slice(at, at + SPREAD_CELLS)
        patches[part] = scaling.standardise(patches[part])
    return patches


def _in_units(
    judge: graph.Judge,
    layers: Layers,
    normal: Patches,
) -> Lesson:
    distances = values(open_judge(judge), normal)
    said = Lesson(layers)(judge.scaling.standardise(normal))
    factor = float(distances.std()) / max(float(said.std()), 1e-6)
    weights, bias = _times(layers[-1], factor)
    shifted = (bias - factor * float(said.mean())).astype(np.float32)
    return Lesson((*layers[:-1], (weights, shifted)))


def _times(
    layer: tuple[NDArray[np.float32], NDArray[np.float32]], factor: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    weights, bias = layer
    return (weights * factor).astype(np.float32), (bias * factor).astype(np.float32)
