"""What happens to a decoded photo before any model sees it, and the way back afterwards.

A photo is first laid over a reference of the same view, then it is marked which part of it counts:
areas are those of the reference's frame where there is one. Models look at the prepared photo, in
inspections and in training alike; what they say is carried back to the photo as it was taken.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from walkdown.errors import ImageError, SpecError
from walkdown.imaging.areas import Areas, coverage
from walkdown.imaging.decode import decode
from walkdown.imaging.own_steps import OwnStep, after, before
from walkdown.imaging.registration import (
    LONGEST_PX,
    apply,
    back_box,
    back_grid,
    estimate,
    grey,
    seen,
)
from walkdown.imaging.resize import resize
from walkdown.types import digest_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from walkdown.imaging.alignments import Alignment
    from walkdown.types import Box, Photo, Prediction, Region

    Shares = NDArray[np.float32]

_RULES_VERSION: Final = 1
"""Part of every preparation's digest: raise it when the same photos come to be prepared otherwise.
"""

_FEWEST, _MOST = 128, 1024
_CELL_PX: Final = 8
"""Cells of `Photo.keep` along the longer side, and their size in between: two for each cell of a
model that looks at the photo in 16 px."""

_CACHED: Final = 32
_SAME_SHAPE: Final = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A photograph of a view, over which others of that view are laid. Made by `read_reference`.

    ``small`` is (h, w) float32, of the upright image of ``width_px`` x ``height_px``; ``sha256``
    is the file's.
    """

    name: str
    sha256: str
    width_px: int
    height_px: int
    small: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Preparation:
    """What is done to every photo; nothing, without areas and without a reference."""

    areas: Areas = field(default_factory=Areas)
    reference: Reference | None = None
    steps: tuple[OwnStep, ...] = ()
    _shares: dict[tuple[int, ...], Shares] = field(default_factory=dict, init=False, repr=False)

    def __bool__(self) -> bool:
        return bool(self.areas) or self.reference is not None or bool(self.steps)

    @property
    def digest(self) -> str:
        """Sha256 of all that decides what models see; empty where they see the photo as it is."""
        if not self:
            return ""
        reference = self.reference.sha256 if self.reference else None
        parts = ("preparation", _RULES_VERSION, self.areas.digest, reference)
        steps = [(own.name, own.digest) for own in self.steps]
        return digest_of(*parts, steps) if steps else digest_of(*parts)

    def at_least_px(self, wanted: int | None) -> int | None:
        """The longer side that the decoder must leave, where a model wants ``wanted``."""
        if wanted is None or self.reference is None:
            return wanted
        return max(wanted, LONGEST_PX)

    def shares(self, rows: int, columns: int, width_px: int, height_px: int) -> Shares:
        """`coverage`, kept for the next image of that size: cameras have few."""
        key = (rows, columns, width_px, height_px)
        found = self._shares.get(key)
        if found is None:
            found = coverage(
                self.areas, rows=rows, columns=columns, width_px=width_px, height_px=height_px
            )
            found.setflags(write=False)
            if len(self._shares) >= _CACHED:
                self._shares.clear()
            self._shares[key] = found
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A photo as models see it, how it was laid over the reference, and whose steps changed it."""

    photo: Photo
    alignment: Alignment | None = None
    steps: tuple[OwnStep, ...] = ()


def read_reference(data: bytes, *, name: str, max_pixels: int = 150_000_000) -> Reference:
    """A reference from the bytes of an image file.

    Raises `SpecError`, which starts with ``name``, for a file that can't be read, and for an image
    on which a shift would not show.
    """
    try:
        photo = decode(data, name=name, at_least_px=LONGEST_PX, max_pixels=max_pixels)
    except ImageError as e:
        raise SpecError(f"{e}; give a photograph of the view") from e
    small = grey(photo.pixels)
    if estimate(small, small) is None:
        raise SpecError(
            f"{name}: nothing can be aligned with this image ({photo.width_px} x "
            f"{photo.height_px} px): it is too small or too even, or it repeats itself; choose "
            "another photograph of the view, or leave out 'align'"
        )
    sha256 = hashlib.sha256(data).hexdigest()
    return Reference(name, sha256, photo.width_px, photo.height_px, small)


def check(preparation: Preparation) -> None:
    """Raises `SpecError` where it is plain before any photo is seen that the areas can't be used.

    Polygons in pixels say nothing without an image; with a reference, they must lie on it.
    """
    reference, areas = preparation.reference, preparation.areas
    if reference is None and any(polygon.unit == "px" for polygon in areas.polygons):
        return
    width, height = (reference.width_px, reference.height_px) if reference else (_FEWEST, _FEWEST)
    try:
        preparation.shares(_FEWEST, _FEWEST, width, height)
    except ImageError as e:
        on = f" (on {reference.name})" if reference else ""
        raise SpecError(f"the areas can't be used{on}: {e}") from e


def prepared(photo: Photo, preparation: Preparation) -> Prepared:
    """The photo as models are to see it, of the same size.

    One that can't be aligned is taken as it lies, where no areas are given. Raises `ImageError`
    where they are, since nobody could say where they lie on it, and where nothing that counts is
    on the photo.
    """
    if not preparation:
        return Prepared(photo)
    laid = _laid(photo, preparation)
    if not preparation.steps:
        return laid
    return replace(laid, photo=before(preparation.steps, laid.photo), steps=preparation.steps)


def _laid(photo: Photo, preparation: Preparation) -> Prepared:
    """The photo over the reference, with what counts of it."""
    if not preparation.areas and preparation.reference is None:
        return Prepared(photo)
    reference = preparation.reference
    rows, columns = _grid(photo)
    if reference is None:
        shares = preparation.shares(rows, columns, photo.width_px, photo.height_px)
        return Prepared(replace(photo, keep=_if_less(shares)))
    alignment = _alignment(photo, reference)
    if isinstance(alignment, str):
        if preparation.areas:
            raise ImageError(
                f"it can't be aligned with {reference.name}: {alignment}; so nobody can say where "
                "the areas lie on it. Take it from the same place, or inspect it without areas"
            )
        return Prepared(photo)
    shares = preparation.shares(rows, columns, reference.width_px, reference.height_px)
    keep = shares * _shown(alignment, rows, columns)
    if not keep.any():
        raise ImageError(f"nothing of {reference.name} that counts is on this image")
    pixels = apply(alignment, photo.pixels)
    laid = replace(photo, pixels=pixels, data=b"", format="array", keep=_if_less(keep))
    return Prepared(laid, alignment)


def restored(prediction: Prediction, by: Prepared) -> Prediction:
    """What a model said of a prepared photo, in the frame of the photo as it was taken.

    Heat map, boxes of regions, and the places that were compared; areas are those on the photo.
    """
    alignment, photo = by.alignment, by.photo
    prediction = after(by.steps, prediction, photo)
    if alignment is None or prediction.error is not None:
        return prediction

    def back(box: Box) -> Box:
        return back_box(alignment, box, width_px=photo.width_px, height_px=photo.height_px)

    def moved(region: Region) -> Region:
        nearest = region.nearest
        if nearest is not None:
            nearest = replace(nearest, place=back(nearest.place))
        area_pct = min(100.0, region.area_pct * alignment.scale**2)
        return replace(region, box=back(region.box), area_pct=area_pct, nearest=nearest)

    heatmap = prediction.heatmap
    if heatmap is not None:
        heatmap = replace(heatmap, grid=back_grid(alignment, heatmap.grid))
    return replace(prediction, regions=tuple(map(moved, prediction.regions)), heatmap=heatmap)


def _alignment(photo: Photo, reference: Reference) -> Alignment | str:
    """How the photo lies against the reference, or why that can't be told."""
    ours, theirs = photo.width_px / photo.height_px, reference.width_px / reference.height_px
    if abs(ours / theirs - 1) > _SAME_SHAPE:
        return (
            f"its {photo.width_px} x {photo.height_px} px are of another shape than "
            f"{reference.width_px} x {reference.height_px} px"
        )
    rows, columns = reference.small.shape
    found = estimate(reference.small, grey(resize(photo.pixels, width_px=columns, height_px=rows)))
    return found or "too little of what they show agrees"


def _grid(photo: Photo) -> tuple[int, int]:
    """Rows and columns of ``keep``."""
    height, width = photo.pixels.shape[:2]
    longest = max(height, width)
    cells = min(max(-(-longest // _CELL_PX), _FEWEST), _MOST)
    return max(1, round(height * cells / longest)), max(1, round(width * cells / longest))


def _shown(alignment: Alignment, rows: int, columns: int) -> Shares:
    """`seen` at a moderate grid, drawn finer where need be: it asks at 64 points a cell."""
    times = max(1.0, max(rows, columns) / _FEWEST)
    down, across = (max(1, round(side / times)) for side in (rows, columns))
    coarse = seen(alignment, rows=down, columns=across)
    drawn = Image.fromarray(coarse).resize((columns, rows), Image.Resampling.BILINEAR)
    return np.asarray(drawn)


def _if_less(keep: Shares) -> Shares | None:
    """None where all of the image counts."""
    return None if bool((keep >= 1).all()) else keep
