"""Where a photograph lies within a graph's input, and how what is seen there is carried back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from walkdown.models.graphs.card import Resize

_LONGEST: Final = 4096
"""Cells that a side of a map has at most, where it is but a part of a very long photograph."""


@dataclass(frozen=True, slots=True)
class Placement:
    """``seen`` is the part of the photograph that the graph sees, in shares of its sides.

    ``at`` is where that part lies within the input of ``size``, in px: left, top, width, height.
    """

    seen: tuple[float, float, float, float]
    at: tuple[int, int, int, int]
    size: tuple[int, int]

    def shares(self, corners: NDArray[np.float32]) -> NDArray[np.float64]:
        """Boxes as shares of the photograph: (n, 4) of left, top, width, height.

        Given are (n, 4) corners in px of the input: left, top, right, bottom. What reaches beyond
        the photograph does so still.
        """
        sides = np.array([self.at[2:], self.seen[2:]], np.float64)
        scale = np.tile(sides[1] / sides[0], 2)
        start = np.tile(np.array(self.at[:2], np.float64), 2)
        found: NDArray[np.float64] = (corners - start) * scale + np.tile(np.array(self.seen[:2]), 2)
        found[:, 2:] -= found[:, :2]
        return found

    def inside(self, grid: NDArray[np.float32]) -> NDArray[np.float32]:
        """The cells of a (rows, columns) map of the input that lie on the photograph."""
        rows, columns = grid.shape
        across, down = columns / self.size[0], rows / self.size[1]
        left, top, width, height = self.at
        return grid[
            int(top * down) : math.ceil((top + height) * down),
            int(left * across) : math.ceil((left + width) * across),
        ]

    def over(self, grid: NDArray[np.float32]) -> NDArray[np.float32]:
        """A (rows, columns) map of the input as one of the whole photograph.

        What was only padding is cut off; what the graph did not see is 0.
        """
        if self.at == (0, 0, *self.size) and self.seen == (0.0, 0.0, 1.0, 1.0):
            return grid
        if self.seen == (0.0, 0.0, 1.0, 1.0):
            return self._cut(grid)
        return self._widened(grid)

    def _cut(self, grid: NDArray[np.float32]) -> NDArray[np.float32]:
        rows, columns = grid.shape
        across, down = columns / self.size[0], rows / self.size[1]
        left, top, width, height = self.at
        box = (left * across, top * down, (left + width) * across, (top + height) * down)
        cells = max(1, round(width * across)), max(1, round(height * down))
        return _drawn(grid, cells, box)

    def _widened(self, grid: NDArray[np.float32]) -> NDArray[np.float32]:
        rows, columns = grid.shape
        left, top, width, height = self.seen
        whole = [min(_LONGEST, round(columns / width)), min(_LONGEST, round(rows / height))]
        cells = max(1, round(whole[0] * width)), max(1, round(whole[1] * height))
        at = round(whole[0] * left), round(whole[1] * top)
        wide = np.zeros((max(whole[1], at[1] + cells[1]), max(whole[0], at[0] + cells[0])))
        part = wide[at[1] : at[1] + cells[1], at[0] : at[0] + cells[0]]
        part[...] = grid if grid.shape == part.shape else _drawn(grid, cells, None)
        return wide.astype(np.float32)


def placed(resize: Resize, photo: tuple[int, int], size: tuple[int, int]) -> Placement:
    """How a photograph of that (width, height) is laid into an input of that size.

    ``stretch`` to both sides; ``letterbox`` whole and in the middle, with bars; ``center_crop`` as
    small as fills it, less what reaches beyond.

    >>> placed("letterbox", (200, 100), (640, 640)).at
    (0, 160, 640, 320)
    >>> placed("center_crop", (200, 100), (640, 640)).seen
    (0.25, 0.0, 0.5, 1.0)
    """
    whole = (0.0, 0.0, 1.0, 1.0)
    across, down = size[0] / photo[0], size[1] / photo[1]
    if resize == "letterbox":
        scale = min(across, down)
        width, height = (
            min(side, max(1, round(given * scale))) for side, given in zip(size, photo, strict=True)
        )
        at = ((size[0] - width) // 2, (size[1] - height) // 2, width, height)
        return Placement(whole, at, size)
    if resize == "center_crop":
        scale = max(across, down)
        width_share, height_share = across / scale, down / scale
        seen = ((1.0 - width_share) / 2, (1.0 - height_share) / 2, width_share, height_share)
        return Placement(seen, (0, 0, *size), size)
    return Placement(whole, (0, 0, *size), size)


def _drawn(
    grid: NDArray[np.float32],
    cells: tuple[int, int],
    box: tuple[float, float, float, float] | None,
) -> NDArray[np.float32]:
    image = Image.fromarray(np.ascontiguousarray(grid, np.float32))
    return np.asarray(image.resize(cells, Image.Resampling.BILINEAR, box=box))
