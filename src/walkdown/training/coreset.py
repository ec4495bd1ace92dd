"""A greedy coreset: the few patches that leave no patch of the training images far away.

Farthest-point selection (Gonzalez, Clustering to minimize the maximum intercluster distance, 1985)
in blocks: the farthest candidates are chosen among themselves exactly, then all distances are
brought up to date in one matrix product. Time is that of the products, memory that of the pool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 64
CANDIDATES = 4 * BLOCK
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
    """Exact farthest-point steps among the candidates that are farthest from what is chosen."""
    among = np.argpartition(-nearest, min(CANDIDATES, len(nearest) - 1))[:CANDIDATES]
    inner = patches[among] @ patches[among].T
    gap, chosen = nearest[among].copy(), []
    for _ in range(count):
        far = int(gap.argmax())
        if gap[far] <= 1e-9 * squares[among[far]]:
            break
        chosen.append(int(among[far]))
        step = squares[among] - 2.0 * inner[far] + squares[among[far]]
        np.minimum(gap, step, out=gap)
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
