"""Normal photographs with synthetic defects planted in them: what candidates are compared on.

A defect changes the patches around it and no others. So only a window around it is extracted, and
its cells take the place of the same cells of the untouched photograph.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pictures

from walkdown.errors import ImageError
from walkdown.imaging.resize import resize
from walkdown.models.looking import CELL_PX
from walkdown.models.memory_bank import raw_score
from walkdown.parallel import ordered_map
from walkdown.training import synthetic, variants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from walkdown.training.extraction import Extractor, Work
    from walkdown.types import ImageRef, Photo

PART_PX = 1_500_000
"""Pixels above which a part of a photograph stands for it: what is compared is how large things
are looked at, and that needs no whole drone photograph."""

REACH_CELLS, SEEN_CELLS = 3, 8
"""How far around a defect patches change enough to matter, and how far the network must see."""

DEFECTIVE = 0.3
"""Share of a cell under a defect from which on it counts as defective."""


_IN_TURN = tuple(itertools.chain(*zip(synthetic.GROUP_A, synthetic.GROUP_B, strict=True)))


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """A defect: its family, its window in the grid, the window's (n, d) patches, and the share
    of each of them that is defective.
    """

    family: str
    rows: slice
    columns: slice
    patches: NDArray[np.float32]
    share: NDArray[np.float32]

    @property
    def defective(self) -> NDArray[np.float32]:
        """Patches that show the defect; none where it is small beside them."""
        return self.patches[np.flatnonzero(self.share >= DEFECTIVE)]

    @property
    def around(self) -> NDArray[np.float32]:
        """Patches near the defect that show nothing of it."""
        return self.patches[np.flatnonzero(self.share == 0.0)]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A normal photograph, or part of one: its (n, d) patches and the defects planted in it."""

    name: str
    grid: tuple[int, int]
    patches: NDArray[np.float32]
    planted: tuple[Planted, ...]

    def raw(self, values: NDArray[np.float32], worst_pct: float) -> float:
        """The raw score, of the values of its patches."""
        return raw_score(values, worst_count(len(values), worst_pct))

    def raw_with(
        self,
        values: NDArray[np.float32],
        planted: Planted,
        changed: NDArray[np.float32],
        worst_pct: float,
    ) -> float:
        """The raw score where a defect's window has other values."""
        whole = values.reshape(self.grid).copy()
        window = whole[planted.rows, planted.columns]
        whole[planted.rows, planted.columns] = changed.reshape(window.shape)
        return raw_score(whole, worst_count(len(values), worst_pct))


def worst_count(cells: float, worst_pct: float) -> int:
    """How many of the cells make the raw score."""
    return max(1, round(cells * worst_pct / 100.0))


def plant(refs: Sequence[ImageRef], work: Work, *, each: int) -> list[Sample]:
    """Samples of photographs, each with ``each`` defects, of all families in turn.

    The same seed plants the same defects, whatever the scale.
    """

    def one(numbered: tuple[int, ImageRef]) -> Sample | None:
        number, ref = numbered
        try:
            photo = work.extractor.load(ref, None)
        except ImageError:
            return None
        rng = np.random.default_rng((work.seed, number))
        return _sample(ref, photo, number * each, each, rng, work.extractor)

    found = ordered_map(one, enumerate(refs), workers=work.workers)
    return [sample for sample in found if sample is not None]


def copies(refs: Sequence[ImageRef], work: Work) -> list[NDArray[np.float32]]:
    """The (n, d) patches of the copies of each photograph, of the part that its sample shows."""

    def one(numbered: tuple[int, ImageRef]) -> NDArray[np.float32] | None:
        number, ref = numbered
        try:
            photo = work.extractor.load(ref, None)
        except ImageError:
            return None
        image = _scaled(photo, np.random.default_rng((work.seed, number)), work.extractor)[1]
        looks = [variants.changed(image, copy) for copy in work.copies]
        return np.concatenate([_columns(work.extractor.of(look)) for look in looks])

    found = ordered_map(one, enumerate(refs), workers=work.workers)
    return [patches for patches in found if patches is not None]


def _sample(
    ref: ImageRef,
    photo: Photo,
    first: int,
    each: int,
    rng: np.random.Generator,
    extractor: Extractor,
) -> Sample:
    pixels, image = _scaled(photo, rng, extractor)
    height, width = image.shape[1:3]
    planted = []
    for at in range(each):
        family = _IN_TURN[(first + at) % len(_IN_TURN)]
        damaged, mask = synthetic.defect(pixels, family, rng)
        planted.append(_planted(family.name, damaged, mask, (width, height), extractor))
    patches = _columns(extractor.of(image))
    return Sample(ref.name, (height // CELL_PX, width // CELL_PX), patches, tuple(planted))


def _scaled(
    photo: Photo, rng: np.random.Generator, extractor: Extractor
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The part of a photograph that stands for it, and the same as (1, h, w, 3), scaled."""
    pixels = part(photo.pixels, rng)
    share = max(pixels.shape[:2]) / max(photo.pixels.shape[:2])
    side, step = extractor.size.long_side_px * share, 2 * CELL_PX
    scale = side / max(pixels.shape[:2])
    height, width = (max(2, round(s * scale / step)) * step for s in pixels.shape[:2])
    return pixels, resize(pixels, width_px=width, height_px=height)[None]


def part(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The photograph, or a random part of it of the same shape where it is very large."""
    height, width = pixels.shape[:2]
    scale = (PART_PX / (height * width)) ** 0.5
    if scale >= 1.0:
        return pixels
    tall, wide = round(height * scale), round(width * scale)
    top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
    return pixels[top : top + tall, left : left + wide]


def _planted(
    family: str,
    damaged: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    size_px: tuple[int, int],
    extractor: Extractor,
) -> Planted:
    image = resize(damaged, width_px=size_px[0], height_px=size_px[1])
    shares = _shares(mask, size_px)
    rows, seen_rows = _around(np.asarray(shares.any(axis=1)))
    columns, seen_columns = _around(np.asarray(shares.any(axis=0)))
    look = image[None, _px(seen_rows), _px(seen_columns)]
    patches = extractor.of(np.ascontiguousarray(look))
    inner = (
        slice(rows.start - seen_rows.start, rows.stop - seen_rows.start),
        slice(columns.start - seen_columns.start, columns.stop - seen_columns.start),
    )
    return Planted(
        family, rows, columns, _columns(patches[:, *inner]), shares[rows, columns].ravel()
    )


def _shares(mask: NDArray[np.bool_], size_px: tuple[int, int]) -> NDArray[np.float32]:
    """The share of each cell that is under a mask, never nothing at all."""
    grid = (size_px[0] // CELL_PX, size_px[1] // CELL_PX)
    drawn = Pictures.fromarray(mask.astype(np.float32)).resize(grid, Pictures.Resampling.BOX)
    shares = np.asarray(drawn, dtype=np.float32)
    if not shares.any():
        row, column = (int(v.mean()) for v in np.nonzero(mask))
        shares = np.zeros((grid[1], grid[0]), np.float32)
        shares[row * grid[1] // mask.shape[0], column * grid[0] // mask.shape[1]] = DEFECTIVE
    return shares


def _around(hit: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The cells that change around those hit, and those to be looked at, an even number of them."""
    cells = np.flatnonzero(hit)
    first, last = int(cells[0]), int(cells[-1]) + 1
    changed = slice(max(0, first - REACH_CELLS), min(len(hit), last + REACH_CELLS))
    start = max(0, first - SEEN_CELLS) // 2 * 2
    end = min(len(hit), -(-(last + SEEN_CELLS) // 2) * 2)
    return changed, slice(start, end)


def _px(cells: slice) -> slice:
    return slice(cells.start * CELL_PX, cells.stop * CELL_PX)


def _columns(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """(d, rows, columns) as (n, d)."""
    return np.ascontiguousarray(patches.reshape(len(patches), -1).T)
