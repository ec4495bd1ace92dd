"""A greedy coreset: the few patches that leave no patch of the training images far away.

Farthest-point selection (Gonzalez, Clustering to minimize the maximum intercluster distance, 1985)
in blocks: steps are taken among the farthest candidates for as long as no other patch can be
farther, then all distances are brought up to date in one matrix product. The outcome is that of
one step at a time. Time is that of the products, memory that of the pool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 64
CANDIDATES = 4 * BLOCK
SAME = 2e-6
"""Squared distance, as a share of the squared length, below which float32 can't tell two apart."""

ROWS = 16384
"""Rows of one product: bounds the memory of the update to ROWS x BLOCK floats."""


def select(patches: NDArray[np.float32], count: int, *, seed: int = 0) -> NDArray[np.intp]:
    """Indices of ``count`` of the (n, d) patches, in the order in which they were chosen.

    All of them where there are no more than ``count``; fewer where the rest are duplicates of
    chosen ones, since a second copy tells the bank nothing.
    """
    n = len(patches)
    if n <= count:
        return np.arange(n)
    squares = np.einsum("ij,ij->i", patches, patches)
    chosen = [int(np.random.default_rng(seed).integers(n))]
    nearest = _distances(patches, squares, np.array(chosen))
    while len(chosen) < count:
        block = _farthest(patches, squares, nearest, min(BLOCK, count - len(chosen)))
        if not block:
            break
        chosen += block
        np.minimum(nearest, _distances(patches, squares, np.array(block)), out=nearest)
    return np.array(chosen)


def _farthest(
    patches: NDArray[np.float32],
    squares: NDArray[np.float32],
    nearest: NDArray[np.float32],
    count: int,
) -> list[int]:
    """Farthest-point steps for as long as the farthest of all is sure to be a candidate."""
    among = np.argpartition(-nearest, min(CANDIDATES, len(nearest) - 1))[:CANDIDATES]
    near, own = patches[among], squares[among]
    gap = nearest[among].copy()
    chosen: list[int] = []
    outside = gap.min() if len(among) < len(nearest) else 0.0
    for _ in range(count):
        far = int(gap.argmax())
        if gap[far] <= SAME * own[far] or (chosen and gap[far] < outside):
            break
        chosen.append(int(among[far]))
        np.minimum(gap, own - 2.0 * (near @ near[far]) + own[far], out=gap)
        gap[far] = 0.0
    return chosen


def _distances(
    patches: NDArray[np.float32], squares: NDArray[np.float32], block: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Squared distance of every patch to the nearest of a block; (n,) float32, never negative."""
    result = np.empty(len(patches), dtype=np.float32)
    centres = patches[block].T
    for at in range(0, len(patches), ROWS):
        rows = slice(at, at + ROWS)
        product = patches[rows] @ centres
        result[rows] = squares[rows] + (squares[block] - 2.0 * product).min(axis=1)
    np.maximum(result, 0.0, out=result)
    result[block] = 0.0
    return result
