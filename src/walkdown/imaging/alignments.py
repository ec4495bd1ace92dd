"""How a photo lies against a reference of the same view, and the way there and back.

An alignment is a similarity (shift, rotation, scale) about the middle of the frame. It is kept in
the pixels of the small images from which it was estimated and serves arrays of any size, since
every side is taken as a share of that frame's.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from walkdown.types import Box

Affine = tuple[float, float, float, float, float, float]
"""``(a, b, c, d, e, f)``: (x, y) goes to (a x + b y + c, d x + e y + f); pixel centres at .5."""

_FINER: Final = 8


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where the points of a reference lie on the photo.

    About the middle of a frame of ``width_px`` x ``height_px``, a point of the reference is turned
    by ``rotation_deg`` (clockwise on the screen), stretched by ``scale``, then moved by
    ``right_px`` and ``down_px``; there the photo shows it. ``correlation`` (-1..1) is that of fine
    structure after the alignment, ``before`` without one. ``error_px`` is the expected error of
    the worst corner (one standard deviation).
    """

    width_px: int
    height_px: int
    rotation_deg: float = 0.0
    scale: float = 1.0
    right_px: float = 0.0
    down_px: float = 0.0
    correlation: float = 1.0
    before: float = 1.0
    error_px: float = 0.0


def apply(alignment: Alignment, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A photo's pixels, (H, W, 3) or (H, W) uint8, as the reference would show them; same shape.

    What the photo does not show is filled with the nearest pixel of its edge (see `seen`).
    """
    height, width = pixels.shape[:2]
    affine = _affine(alignment, width, height)
    margin = _margin(affine, width, height)
    sides = ((margin, margin), (margin, margin), (0, 0))[: pixels.ndim]
    image = Image.fromarray(np.pad(pixels, sides, mode="edge") if margin else pixels)
    a, b, c, d, e, f = affine
    padded = (a, b, c + margin, d, e, f + margin)
    size, kind = (width, height), Image.Transform.AFFINE
    return np.asarray(image.transform(size, kind, padded, Image.Resampling.BICUBIC))


def seen(alignment: Alignment, *, rows: int, columns: int) -> NDArray[np.float32]:
    """The share of each cell of a grid over the reference's frame that the photo shows, 0..1.

    (rows, columns) float32. Cells with less than 1 are partly made of edge filling.
    """
    height, width = rows * _FINER, columns * _FINER
    x, y = _map(_affine(alignment, width, height), *_centres(height, width))
    inside = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
    cells = inside.reshape(rows, _FINER, columns, _FINER)
    shares: NDArray[np.float32] = cells.mean(axis=(1, 3), dtype=np.float32)
    return shares


def back_grid(
    alignment: Alignment, grid: NDArray[np.float32], *, fill: float = 0.0
) -> NDArray[np.float32]:
    """A heat map's grid over the reference's frame as a grid of the same shape over the photo.

    Bilinear, but no peak is lowered by it: the cell in which a cell's centre lands holds at least
    that value. What the reference does not show gets ``fill``.
    """
    rows, columns = grid.shape
    there = _affine(alignment, columns, rows)
    x, y = _map(_inverse(there), *_centres(rows, columns))
    turned = _sample(grid, x, y)
    turned[(x < 0) | (x > columns) | (y < 0) | (y > rows)] = fill
    x, y = _map(there, *_centres(rows, columns))
    inside = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    at = (y[inside].astype(np.intp), x[inside].astype(np.intp))
    np.maximum.at(turned, at, grid[inside])
    return turned


def back_box(alignment: Alignment, box: Box, *, width_px: int, height_px: int) -> Box:
    """A box of the reference's frame, as the upright box on the photo that holds all of it.

    Both frames have ``width_px`` x ``height_px``. The box is cut at the photo's edges and keeps at
    least one pixel.
    """
    x, y, width, height = box
    affine = _affine(alignment, width_px, height_px)
    across = np.array((x, x + width, x, x + width), np.float64)
    down = np.array((y, y, y + height, y + height), np.float64)
    across, down = _map(affine, across, down)
    left, wide = _span(across, width_px)
    top, tall = _span(down, height_px)
    return left, top, wide, tall


def _span(ends: NDArray[np.float64], side: int) -> tuple[int, int]:
    # A thousandth of a pixel is rounding, not part of the box.
    first = min(max(math.floor(float(ends.min()) + 1e-3), 0), side - 1)
    last = min(max(math.ceil(float(ends.max()) - 1e-3), first + 1), side)
    return first, last - first


def _affine(alignment: Alignment, width: int, height: int) -> Affine:
    """From a reference of ``width`` x ``height`` to the photo at the same size."""
    turn = cmath.rect(alignment.scale, math.radians(alignment.rotation_deg))
    across, down = width / alignment.width_px, height / alignment.height_px
    a, b = turn.real, -turn.imag * across / down
    d, e = turn.imag * down / across, turn.real
    middle_x, middle_y = width / 2, height / 2
    c = middle_x + alignment.right_px * across - a * middle_x - b * middle_y
    f = middle_y + alignment.down_px * down - d * middle_x - e * middle_y
    return a, b, c, d, e, f


def _inverse(affine: Affine) -> Affine:
    a, b, c, d, e, f = affine
    size = a * e - b * d
    a, b, d, e = e / size, -b / size, -d / size, a / size
    return a, b, -(a * c + b * f), d, e, -(d * c + e * f)


def _map(
    affine: Affine, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b, c, d, e, f = affine
    return a * x + b * y + c, d * x + e * y + f


def _centres(rows: int, columns: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x as (1, columns) and y as (rows, 1)."""
    x, y = (np.arange(0.5, count, dtype=np.float64) for count in (columns, rows))
    return x[None, :], y[:, None]


def _margin(affine: Affine, width: int, height: int) -> int:
    """How far the reference's corners lie outside of the photo, and room for the interpolation."""
    x, y = _map(affine, np.array((0.0, width, 0, width)), np.array((0.0, 0, height, height)))
    beyond = max(-x.min(), x.max() - width, -y.min(), y.max() - height)
    return math.ceil(beyond) + 2 if beyond > 0 else 0


def _sample(
    grid: NDArray[np.float32], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float32]:
    rows, columns = grid.shape
    x, y = (x - 0.5).clip(0, columns - 1), (y - 0.5).clip(0, rows - 1)
    left, top = x.astype(np.intp), y.astype(np.intp)
    right, bottom = np.minimum(left + 1, columns - 1), np.minimum(top + 1, rows - 1)
    x, y = x - left, y - top
    above = grid[top, left] * (1 - x) + grid[top, right] * x
    below = grid[bottom, left] * (1 - x) + grid[bottom, right] * x
    mixed: NDArray[np.float32] = (above * (1 - y) + below * y).astype(np.float32)
    return mixed
