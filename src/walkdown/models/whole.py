"""How unlike normal photographs one is as a whole: what a bank of patches can't see.

A photograph's deep map is averaged over each quarter; of that vector counts what the principal
components of normal photographs leave over. A part that is missing, or a stain over half of the
view, is made of patches that all look normal, and still no normal photograph is like it.
After DFM: Ahuja et al., Probabilistic Modeling of Deep Features for Out-of-Distribution and
Adversarial Detection, 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Part = tuple[tuple[slice, slice], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """The mean (v,) of normal vectors and their principal components (k, v), of length 1 each."""

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]

    def left_over(self, vector: NDArray[np.float32]) -> float:
        """Length of what they do not explain of a (v,) vector; numbers that are not known count 0.

        What is explained is taken off the vector and not its square off the vector's: of a vector
        that is explained nearly whole, the difference of two large squares is mostly rounding.
        """
        off = np.where(np.isfinite(vector), vector - self.mean, 0.0)
        return float(np.linalg.norm(off - (self.axes @ off) @ self.axes))


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """What is added to a raw score: ``factor`` times what is left over beyond the ``usual``.

    ``channels`` are those of a patch that the vector is made of, from..to.
    """

    components: Components
    factor: float
    usual: float
    channels: tuple[int, int]

    def __call__(self, vector: NDArray[np.float32]) -> float:
        """What a photograph's (v,) vector adds, in units of the raw score; it may be negative."""
        return self.factor * (self.components.left_over(vector) - self.usual)


def quarters(
    parts: Iterable[Part],
    grid: tuple[int, int],
    *,
    channels: tuple[int, int],
    keep: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """The (4 * channels,) means over upper left, upper right, lower left and lower right.

    ``parts`` are (place in the grid, (d, rows, columns) patches) that cover a grid of (rows,
    columns); ``keep`` says how much each cell counts. A quarter of which nothing counts is NaN.
    """
    first, last = channels
    sums, weights = np.zeros((2, 2, last - first)), np.zeros((2, 2))
    half = grid[0] // 2, grid[1] // 2
    for place, patches in parts:
        weight = np.ones(patches.shape[1:]) if keep is None else keep[place]
        lower = np.arange(place[0].start, place[0].stop) >= half[0]
        right = np.arange(place[1].start, place[1].stop) >= half[1]
        for i, j in np.ndindex(2, 2):
            counts = weight * np.outer(lower == bool(i), right == bool(j))
            sums[i, j] += np.einsum("crk,rk->c", patches[first:last], counts, optimize=True)
            weights[i, j] += counts.sum()
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float32] = (sums / weights[:, :, None]).astype(np.float32)
    return means.ravel()
