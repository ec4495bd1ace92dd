"""Normal photographs with synthetic defects planted in them: what candidates are compared on.

A defect changes the patches around it and no others. So only a window around it is extracted, and
its cells take the place of the same cells of the untouched photograph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pictures

from walkdown.errors import ImageError, TrainingError
from walkdown.imaging.resize import resize
from walkdown.models.looking import CELL_PX, InputSize
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

MOST_CELLS = 3072
"""Cells of which a share makes the score, at most: a larger grid is there so that small defects
have cells of their own, not so that more cells have a say."""

REACH_CELLS, SEEN_CELLS = 3, 8
"""How far around a defect patches change enough to matter, and how far the network must see."""

ATTEMPTS, COUNTS = 5, 0.5
"""How often a defect is drawn at most, for such a share of it to lie on what counts."""


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """A defect: its family, its window in the grid, and the window's (n, d) patches."""

    family: str
    rows: slice
    columns: slice
    patches: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A normal photograph, or part of one: its (n, d) patches and the defects planted in it.

    ``keep`` (n,) is the share of each cell that counts, where not all of them do.
    """

    name: str
    grid: tuple[int, int]
    patches: NDArray[np.float32]
    planted: tuple[Planted, ...]
    keep: NDArray[np.float32] | None = None

    def raw(self, values: NDArray[np.float32], worst_pct: float) -> float:
        """The raw score, of the values of its patches."""
        counting = values if self.keep is None else values * self.keep
        return raw_score(counting, worst_count(len(values), worst_pct))

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
        return self.raw(whole.ravel(), worst_pct)


def worst_count(cells: float, worst_pct: float) -> int:
    """How many of the cells make the raw score."""
    return max(1, round(min(cells, MOST_CELLS) * worst_pct / 100.0))


def plant(refs: Sequence[ImageRef], work: Work, *, each: int) -> list[Sample]:
    """Samples of photographs, each with ``each`` defects, of all families in turn.

    None of what can't be decoded, or is too small for a defect to be drawn on it. The same seed
    plants the same defects, whatever the scale.
    """

    def one(numbered: tuple[int, ImageRef]) -> Sample | None:
        number, ref = numbered
        try:
            photo = work.extractor.load(ref, None)
            rng = np.random.default_rng((work.seed, number))
            return _sample(ref, photo, number * each, each, rng, work.extractor)
        except (ImageError, TrainingError):
            return None

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
        pixels, _ = _part(photo, np.random.default_rng((work.seed, number)))
        image = _scaled(photo, pixels, work.extractor)
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
    pixels, keep = _part(photo, rng)
    image = _scaled(photo, pixels, extractor)
    height, width = image.shape[1:3]
    planted = []
    for at in range(each):
        family = synthetic.FAMILIES[(first + at) % len(synthetic.FAMILIES)]
        damaged, mask = _defect(pixels, keep, family, rng)
        planted.append(_planted(family.name, damaged, mask, (width, height), extractor))
    patches = _columns(extractor.of(image))
    shares = None if keep is None else _drawn(keep, (width // CELL_PX, height // CELL_PX)).ravel()
    grid = (height // CELL_PX, width // CELL_PX)
    return Sample(ref.name, grid, patches, tuple(planted), shares)


def _defect(
    pixels: NDArray[np.uint8],
    keep: NDArray[np.float32] | None,
    family: synthetic.Family,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A defect on what counts of the (h, w) pixels: within the box around it, mostly on it."""
    if keep is None:
        return synthetic.defect(pixels, family, rng)
    rows, columns = (np.flatnonzero(keep.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        raise ImageError("all of it is ignored")
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    for _ in range(ATTEMPTS):
        part, changed = synthetic.defect(np.ascontiguousarray(pixels[box]), family, rng)
        if keep[box][changed].mean() >= COUNTS:
            break
    damaged, mask = pixels.copy(), np.zeros(pixels.shape[:2], dtype=np.bool_)
    damaged[box], mask[box] = part, changed
    return damaged, mask


def _scaled(photo: Photo, pixels: NDArray[np.uint8], extractor: Extractor) -> NDArray[np.uint8]:
    """Pixels of a photograph, or of a part of it, as (1, h, w, 3), at the scale of the whole."""
    size = extractor.size
    width, height = photo.width_px, photo.height_px
    if pixels.shape != photo.pixels.shape:
        height, width = pixels.shape[:2]
        share = max(height, width) / max(photo.pixels.shape[:2])
        times = max(1, round(size.long_side_px * share / size.multiple_px))
        size = InputSize(times * size.multiple_px, size.multiple_px)
    width, height = size.of(width, height)
    return resize(pixels, width_px=width, height_px=height)[None]


def _part(
    photo: Photo, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
    """The photograph, or a random part of it of the same shape where it is very large.

    With it the share of each of its pixels that counts, if not all do.
    """
    pixels = photo.pixels
    height, width = pixels.shape[:2]
    keep = None if photo.keep is None else _drawn(photo.keep, (width, height))
    scale = (PART_PX / (height * width)) ** 0.5
    if scale >= 1.0:
        return pixels, keep
    tall, wide = round(height * scale), round(width * scale)
    top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
    place = slice(top, top + tall), slice(left, left + wide)
    return pixels[place], None if keep is None else keep[place]


def _drawn(shares: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Shares on another grid, of that (width, height)."""
    drawn = Pictures.fromarray(shares).resize(size, Pictures.Resampling.BOX)
    return np.asarray(drawn, dtype=np.float32)


def _planted(
    family: str,
    damaged: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    size_px: tuple[int, int],
    extractor: Extractor,
) -> Planted:
    image = resize(damaged, width_px=size_px[0], height_px=size_px[1])
    hit = _hit(mask, size_px)
    rows, seen_rows = _around(np.asarray(hit.any(axis=1)))
    columns, seen_columns = _around(np.asarray(hit.any(axis=0)))
    look = image[None, _px(seen_rows), _px(seen_columns)]
    patches = extractor.of(np.ascontiguousarray(look))
    inner = (
        slice(rows.start - seen_rows.start, rows.stop - seen_rows.start),
        slice(columns.start - seen_columns.start, columns.stop - seen_columns.start),
    )
    return Planted(family, rows, columns, _columns(patches[:, *inner]))


def _hit(mask: NDArray[np.bool_], size_px: tuple[int, int]) -> NDArray[np.bool_]:
    """Which cells are under a mask, one of them at least."""
    grid = (size_px[0] // CELL_PX, size_px[1] // CELL_PX)
    hit: NDArray[np.bool_] = _drawn(mask.astype(np.float32), grid) > 0.0
    if not hit.any():
        row, column = (int(v.mean()) for v in np.nonzero(mask))
        hit[row * grid[1] // mask.shape[0], column * grid[0] // mask.shape[1]] = True
    return hit


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
