"""How an image is looked at: at which size, and in one piece or in overlapping tiles.

A tile sees a margin around the part that it answers for, its core. Cores lie side by side and
cover the image, so that their cells put together are one grid without seams, as if the network had
run over the whole image, in the memory of one tile.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from walkdown.imaging.resize import resize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from walkdown.types import Photo

CELL_PX = 16
"""Side of a cell: of the patches' grid, in px of the scaled image."""

MARGIN_PX = 96
"""What a tile sees beyond its core; farther away hardly anything changes a patch."""


@dataclass(frozen=True, slots=True)
class InputSize:
    """How an image is scaled: longest side to ``long_side_px``, both sides to multiples.

    Where it is larger than ``tile_px`` then, it is looked at in tiles of that side. Raises
    ValueError for sizes that are not whole numbers above 0, or no multiples.
    """

    long_side_px: int
    multiple_px: int
    tile_px: int | None = None

    def __post_init__(self) -> None:
        """A card may have been written by hand."""
        sides = [self.long_side_px, self.multiple_px]
        sides += [] if self.tile_px is None else [self.tile_px]
        for side in sides:
            if type(side) is not int or side < 1:
                raise ValueError(f"an input size in px: {side!r}")
        for side in sides[:1] + sides[2:]:
            if side % self.multiple_px:
                raise ValueError(f"an input size in px: {side}")
        if self.tile_px is not None and self.tile_px < 4 * MARGIN_PX:
            raise ValueError(f"a tile's size in px: {self.tile_px}")

    def of(self, width_px: int, height_px: int) -> tuple[int, int]:
        """(width, height) in px for an image; no side is ever under two multiples.

        >>> InputSize(320, 32).of(640, 480)
        (320, 256)
        """
        scale = self.long_side_px / max(width_px, height_px)
        low, high = 2 * self.multiple_px, self.long_side_px
        return (
            min(max(self._round(width_px * scale), low), max(low, high)),
            min(max(self._round(height_px * scale), low), max(low, high)),
        )

    def _round(self, side_px: float) -> int:
        return int(side_px / self.multiple_px + 0.5) * self.multiple_px

    def windows(self, width_px: int, height_px: int) -> tuple[Window, ...]:
        """The windows of a scaled image, row by row; one where it needs no tiles."""
        tile = self.tile_px or max(width_px, height_px)
        return tuple(
            Window(top, left, height, width, (first, last), (start, end))
            for top, height, first, last in _along(height_px, tile, self.multiple_px)
            for left, width, start, end in _along(width_px, tile, self.multiple_px)
        )


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a scaled image, in px, and its core, as cells of the whole grid from..to."""

    top: int
    left: int
    height: int
    width: int
    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def of_grid(self) -> tuple[slice, slice]:
        """The core within the whole grid."""
        return slice(*self.rows), slice(*self.columns)

    @property
    def core(self) -> tuple[slice, slice]:
        """The core within the window's own grid."""
        row, column = self.top // CELL_PX, self.left // CELL_PX
        return (
            slice(self.rows[0] - row, self.rows[1] - row),
            slice(self.columns[0] - column, self.columns[1] - column),
        )

    def of_image(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The window's pixels, of a (1, h, w, 3) image."""
        return image[:, self.top : self.top + self.height, self.left : self.left + self.width]


def _along(side: int, tile: int, multiple: int) -> list[tuple[int, int, int, int]]:
    """(start px, length px, first cell, last cell) of the windows along one side.

    Starts are spread evenly; a core ends half way through the overlap with the next window.
    """
    if side <= tile:
        return [(0, side, 0, side // CELL_PX)]
    count = -(-(side - 2 * MARGIN_PX) // (tile - 2 * MARGIN_PX))
    last = side - tile
    starts = [round(last * i / (count - 1) / multiple) * multiple for i in range(count)]
    ends = [(start + tile + following) // 2 for start, following in itertools.pairwise(starts)]
    cuts = [0, *(end // CELL_PX for end in ends), side // CELL_PX]
    return [(start, tile, cuts[i], cuts[i + 1]) for i, start in enumerate(starts)]


def scaled(photo: Photo, size: InputSize) -> NDArray[np.uint8]:
    """A photo as a graph takes it: (1, h, w, 3) uint8 RGB."""
    width, height = size.of(photo.width_px, photo.height_px)
    return resize(photo.pixels, width_px=width, height_px=height)[None]


def counting(photo: Photo, size_px: tuple[int, int]) -> NDArray[np.float32] | None:
    """The share of each cell of a scaled image of that (height, width) that counts, if not all."""
    if photo.keep is None:
        return None
    grid = (size_px[1] // CELL_PX, size_px[0] // CELL_PX)
    drawn = Image.fromarray(photo.keep).resize(grid, Image.Resampling.BOX)
    return np.asarray(drawn, dtype=np.float32)
