"""From patches to a judge: scaling, the bank's rows, and a head that adds what it knows of defects.

A head's output is brought to the units of the bank's distance on normal cells (same spread, mean
0), so that a weight of 1 means as much say as the bank has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from walkdown.models.graphs.session import open_graph
from walkdown.training import coreset, graph
from walkdown.training.head import fit_linear

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from walkdown.models.bank import Head
    from walkdown.models.graphs.session import Session

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
        """A judge without a head of (n, d) raw patches, and which of them became its rows."""
        scaling = graph.scaling_of(patches, self.channels)
        scaled = scaling.apply(patches)
        chosen = coreset.select(scaled, self.rows, seed=self.seed)
        return graph.Judge(scaling, scaled[chosen]), chosen


def open_judge(judge: graph.Judge) -> Session:
    """A session that gives the values of patches."""
    return open_graph(graph.judge(judge), threads=1)


def values(session: Session, patches: Patches) -> NDArray[np.float32]:
    """The values (n,) of (n, d) patches."""
    return session.run(["values"], {"patches": np.ascontiguousarray(patches.T)})[0]


def lesson(judge: graph.Judge, normal: Patches, defective: Patches, *, seed: int) -> Head:
    """What the worst cells of labelled anomalies, (m, d) raw, have that normal ones have not.

    In units of the distance: the head of a weight of 1.
    """
    rng = np.random.default_rng(seed)
    chosen = normal[rng.permutation(len(normal))[:NORMAL_CELLS]]
    scaling, spread = judge.scaling, chosen[:SPREAD_CELLS].copy()
    head = fit_linear(_standardised(chosen, scaling), scaling.standardise(defective))
    distances = values(open_judge(judge), spread)
    said = head(scaling.standardise(spread))
    centred = replace(head, bias=head.bias - float(said.mean()))
    return centred.times(float(distances.std()) / max(float(said.std()), 1e-6))


def _standardised(patches: Patches, scaling: graph.Scaling) -> Patches:
    """The same array, with what heads see in place of raw patches: there is no room for both."""
    for at in range(0, len(patches), SPREAD_CELLS):
        part = slice(at, at + SPREAD_CELLS)
        patches[part] = scaling.standardise(patches[part])
    return patches
