"""What a memory bank knows of its rows: where each comes from, and names of defects.

From it comes the answer to "why": the row nearest to the worst place of a region, the normal
photograph that it was taken from, and a picture of it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from walkdown.models.looking import CELL_PX
from walkdown.models.whole import Components, Whole
from walkdown.types import Nearest, Region

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from walkdown.types import Box

TILE_PX, TILE_COLUMNS = 96, 32
"""Side of a tile of the picture, in px of the scaled image (its patch in the middle), and how
many of them lie side by side."""

LIMIT = 8.0
"""Standard deviations at which a channel is cut off: no cell may outshout what was learned."""

NAMED_BY = 20
"""Worst cells that a defect is named by, at most."""

OTHER = "other"
"""The name of a defect that is like none of those known."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What cells get added to their distance: standardised cells times (d,) weights, and a bias."""

    weights: NDArray[np.float32]
    bias: float

    def __call__(self, cells: NDArray[np.float32]) -> NDArray[np.float32]:
        """What it adds to (n, d) cells, standardised and cut off at `LIMIT`; (n,)."""
        return cells @ self.weights + self.bias

    def times(self, factor: float) -> Head:
        """One that says so many times as much."""
        return Head((self.weights * factor).astype(np.float32), self.bias * factor)


@dataclass(frozen=True, slots=True, eq=False)
class Types:
    """Names of defects by their nearest mean: after linear discriminant analysis.

    ``project`` (d, k) takes a standardised patch to where distances count; ``means`` (types, k) are
    the centres there and ``reach`` (types,) how far from one a defect may lie and still bear its
    name.
    """

    names: tuple[str, ...]
    project: NDArray[np.float32]
    means: NDArray[np.float32]
    reach: NDArray[np.float32]

    def name(self, patch: NDArray[np.float32]) -> str:
        """The name of the nearest type, `OTHER` where none is within reach."""
        off = np.linalg.norm(patch @ self.project - self.means, axis=1)
        return self.names[int(off.argmin())] if (off <= self.reach).any() else OTHER


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """Rows (m, d) in the scaled space, their origins, and what labels taught, where there are any.

    ``origin`` is (m, 5) int: number of the image, and the tile's box (x, y, w, h) in its px.
    ``wholes`` are (n, v) vectors that ``whole`` was learned from.
    """

    shift: NDArray[np.float32]
    scale: NDArray[np.float32]
    weight: NDArray[np.float32]
    rows: NDArray[np.float32]
    origin: NDArray[np.int32]
    images: tuple[str, ...]
    picture: str = ""
    types: Types | None = None
    head: Head | None = None
    whole: Whole | None = None
    wholes: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, data: bytes, card: Mapping[str, Any], picture: str) -> Bank:
        """Read `packed` bytes. Raises KeyError, TypeError or ValueError for what is none."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        names = tuple(str(name) for name in card.get("types", ()))
        types = None
        if names:
            types = Types(names, found["project"], found["means"], found["reach"])
        head = None
        if card["head"]:
            head = Head(found["head_weights"], float(found["head_bias"]))
        whole = None
        if card["whole"]:
            said = card["whole"]
            learned = Components(found["whole_mean"], found["whole_axes"])
            first, last = (int(at) for at in said["channels"])
            whole = Whole(learned, float(said["factor"]), float(said["usual"]), (first, last))
        return cls(
            shift=found["shift"],
            scale=found["scale"],
            weight=found["weight"],
            rows=found["rows"],
            origin=found["origin"],
            images=tuple(str(name) for name in card["images"]),
            picture=picture,
            types=types,
            head=head,
            whole=whole,
            wholes=found["wholes"] if whole else None,
        )

    def packed(self) -> bytes:
        """The arrays as an npz file: the same bytes for the same arrays."""
        arrays: dict[str, NDArray[Any]] = {
            name: getattr(self, name) for name in ("shift", "scale", "weight", "rows", "origin")
        }
        if self.types:
            arrays |= {name: getattr(self.types, name) for name in ("project", "means", "reach")}
        if self.head:
            arrays |= {"head_weights": self.head.weights, "head_bias": np.array(self.head.bias)}
        if self.whole and self.wholes is not None:
            learned = self.whole.components
            arrays |= {"whole_mean": learned.mean, "whole_axes": learned.axes}
            arrays |= {"wholes": self.wholes}
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    def facts(self) -> dict[str, Any]:
        """What the card says of it: names, whether it has a head, the say of the whole."""
        whole = None
        if self.whole:
            say = {"factor": self.whole.factor, "usual": self.whole.usual}
            whole = say | {"channels": list(self.whole.channels)}
        return {
            "whole": whole,
            "images": list(self.images),
            "types": list(self.types.names) if self.types else [],
            "head": self.head is not None,
        }

    def explain(
        self,
        region: Region,
        cells: NDArray[np.float32],
        patches: Mapping[tuple[int, int], NDArray[np.float32]],
        size_px: tuple[int, int],
    ) -> Region:
        """The region with its nearest normal patch and its type, where the patch was kept."""
        at = _worst(region.box, cells, size_px)
        if at not in patches:
            return region
        scaled = (patches[at] - self.shift) * self.scale
        squares = np.einsum("ij,ij->i", self.rows, self.rows)
        row = int((squares - 2.0 * (self.rows @ scaled)).argmin())
        label = region.label
        if self.types:
            shown = _within(region.box, cells, patches, size_px)
            label = self.types.name(self._standardised(shown).mean(axis=0))
        return replace(region, nearest=self._nearest(row, at, cells.shape, size_px), label=label)

    def _standardised(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, d) raw patches as the types' vectors were made of them."""
        cells: NDArray[np.float32] = (patches - self.shift) * self.scale / self.weight
        return np.clip(cells, -LIMIT, LIMIT)

    def _nearest(
        self, row: int, at: tuple[int, int], grid: tuple[int, ...], size_px: tuple[int, int]
    ) -> Nearest:
        image, *box = (int(v) for v in self.origin[row])
        down, right = divmod(row, TILE_COLUMNS)
        return Nearest(
            image=self.images[image],
            box=(box[0], box[1], box[2], box[3]),
            place=around(at, (grid[0], grid[1]), size_px),
            picture=self.picture,
            at=(right * TILE_PX, down * TILE_PX, TILE_PX, TILE_PX),
        )


def around(cell: tuple[int, int], grid: tuple[int, int], size_px: tuple[int, int]) -> Box:
    """The box of a tile around a cell (row, column), in px of an image of that (width, height).

    It may stick out where the cell lies at the border.
    """
    high, wide = size_px[1] / grid[0], size_px[0] / grid[1]
    side = TILE_PX / CELL_PX
    x = (cell[1] + 0.5 - side / 2) * wide
    y = (cell[0] + 0.5 - side / 2) * high
    return round(x), round(y), max(1, round(side * wide)), max(1, round(side * high))


def _worst(box: Box, cells: NDArray[np.float32], size_px: tuple[int, int]) -> tuple[int, int]:
    """The (row, column) of the worst cell under a box in px."""
    rows, columns = _under(box, (cells.shape[0], cells.shape[1]), size_px)
    part = cells[rows, columns]
    row, column = np.unravel_index(int(part.argmax()), part.shape)
    return rows.start + int(row), columns.start + int(column)


def _within(
    box: Box,
    cells: NDArray[np.float32],
    patches: Mapping[tuple[int, int], NDArray[np.float32]],
    size_px: tuple[int, int],
) -> NDArray[np.float32]:
    """The (n, d) patches of the worst cells under a box in px, of those that were kept."""
    rows, columns = _under(box, (cells.shape[0], cells.shape[1]), size_px)
    kept = [
        at
        for at in patches
        if rows.start <= at[0] < rows.stop and columns.start <= at[1] < columns.stop
    ]
    worst = sorted(kept, key=lambda at: (-float(cells[at]), at))[:NAMED_BY]
    return np.array([patches[at] for at in worst])


def _under(box: Box, grid: tuple[int, int], size_px: tuple[int, int]) -> tuple[slice, slice]:
    """The rows and columns of cells under a box in px; at least one cell."""
    rows, columns = grid
    x, y, width, height = box
    left, right = x * columns // size_px[0], -(-(x + width) * columns // size_px[0])
    top, bottom = y * rows // size_px[1], -(-(y + height) * rows // size_px[1])
    return slice(top, max(bottom, top + 1)), slice(left, max(right, left + 1))
