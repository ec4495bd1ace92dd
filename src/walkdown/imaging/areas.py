"""Which part of an image counts: regions of interest and regions to ignore, as shares of cells.

Polygons and mask are asked at sample points, several a cell, so that a grid of any fineness gets
smooth shares; what is only kept is joined first, then what is ignored is taken away. A polygon that
crosses itself is filled by the even-odd rule.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from PIL import Image

from walkdown.errors import ImageError, SpecError
from walkdown.imaging.decode import decode
from walkdown.types import digest_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from walkdown.types import Box

Use = Literal["only", "ignore"]
Unit = Literal["share", "px"]
Point = tuple[float, float]

_MOST_POINTS: Final = 10_000
_FINEST: Final = 8
_SAMPLES: Final = 1024
_BOX_SAMPLES: Final = 64


@dataclass(frozen=True, slots=True)
class Polygon:
    """The inside of a closed line through 3 or more points, the last joined to the first.

    Points are (x, y) from the upper left corner of the upright original image: shares of its width
    and height, 0..1, or pixels. Raises `SpecError` for points that no image can have.
    """

    points: tuple[Point, ...]
    use: Use
    unit: Unit = "share"

    def __post_init__(self) -> None:
        if not 3 <= len(self.points) <= _MOST_POINTS:
            raise SpecError(
                f"the polygon to {_words(self.use)} has {len(self.points)} points; "
                f"give 3 to {_MOST_POINTS}"
            )
        points = tuple((float(x), float(y)) for x, y in self.points)
        object.__setattr__(self, "points", points)
        most = 1.0 if self.unit == "share" else math.inf
        for number, point in enumerate(points, start=1):
            if not all(math.isfinite(at) and 0 <= at <= most for at in point):
                raise SpecError(_misplaced(self, number))


@dataclass(frozen=True, slots=True)
class Mask:
    """An image whose white counts and whose black is ignored; grey counts in part.

    It is laid over every image, whatever the size of either. ``data`` is the file as it came,
    ``white`` its brightness as (H, W) uint8. Made by `read_mask`.
    """

    sha256: str
    data: bytes = field(repr=False)
    white: NDArray[np.uint8] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Areas:
    """What counts: inside of any polygon to look at only, and white, and in none to ignore.

    Without a polygon to look at only, and without a mask, everything counts at first.
    """

    polygons: tuple[Polygon, ...] = ()
    mask: Mask | None = None

    def __bool__(self) -> bool:
        return bool(self.polygons) or self.mask is not None

    @property
    def digest(self) -> str:
        """Sha256 of what decides which part counts; the mask enters by its file's sha256.

        >>> corner = Polygon(((0, 0), (0.5, 0), (0, 0.5)), "ignore")
        >>> Areas().digest == Areas().digest != Areas((corner,)).digest
        True
        """
        return digest_of(json.loads(to_json(self)))


def to_json(areas: Areas) -> str:
    """The areas as canonical JSON text; of the mask only its sha256."""
    polygons = [
        {"use": p.use, "unit": p.unit, "points": [list(point) for point in p.points]}
        for p in areas.polygons
    ]
    mask = areas.mask.sha256 if areas.mask else None
    return json.dumps({"polygons": polygons, "mask": mask}, sort_keys=True, separators=(",", ":"))


def from_json(text: str, *, mask: bytes | None = None) -> Areas:
    """The areas that `to_json` wrote, with the file of their mask.

    Raises `SpecError` where text or mask is not what was written.
    """
    try:
        values = json.loads(text)
        sha256 = values["mask"]
        polygons = tuple(
            Polygon(tuple((x, y) for x, y in p["points"]), _use(p["use"]), _unit(p["unit"]))
            for p in values["polygons"]
        )
    except (ValueError, KeyError, TypeError) as e:
        raise SpecError("the stored areas of the image are damaged; train the model again") from e
    if sha256 is None:
        return Areas(polygons)
    if mask is None or hashlib.sha256(mask).hexdigest() != sha256:
        raise SpecError("the mask of the stored areas is missing or was changed since; restore it")
    return Areas(polygons, read_mask(mask, name="the stored mask"))


def read_mask(data: bytes, *, name: str, max_pixels: int = 150_000_000) -> Mask:
    """A mask from the bytes of an image file of any format, colour and size.

    Raises `SpecError`, which starts with ``name``, for a file that can't be read and for a mask
    without anything that counts.
    """
    try:
        pixels = decode(data, name=name, max_pixels=max_pixels).pixels
    except ImageError as e:
        raise SpecError(f"{e}; a mask must be an image such as a PNG") from e
    white = np.asarray(Image.fromarray(pixels).convert("L"))
    brightest = int(white.max())
    if brightest < 128:
        raise SpecError(
            f"{name}: nothing in this mask is white (its brightest value is {brightest} of 255); "
            "paint what counts in white and what is ignored in black"
        )
    return Mask(hashlib.sha256(data).hexdigest(), data, white)


def coverage(
    areas: Areas, *, rows: int, columns: int, width_px: int, height_px: int
) -> NDArray[np.float32]:
    """The share of each cell that counts, (rows, columns) float32 of 0..1.

    The grid covers the whole upright image of ``width_px`` x ``height_px``: cell i of n lies from
    i/n to (i+1)/n; rows and columns of the image itself give it at image resolution. Raises
    `ImageError` where a polygon in pixels does not fit the image, or where nothing is left.
    """
    _check_fit(areas, width_px, height_px)
    finer = max(1, min(_FINEST, _SAMPLES // max(rows, columns)))
    whole = (0.0, 0.0, float(width_px), float(height_px))
    fine = _samples(areas, (rows * finer, columns * finer), whole, (width_px, height_px))
    cells = fine.reshape(rows, finer, columns, finer)
    shares: NDArray[np.float32] = cells.mean(axis=(1, 3), dtype=np.float32)
    if not shares.any():
        raise ImageError(
            "nothing of the image is left to look at: the areas to ignore, the mask and the areas "
            "to look at only leave no part of it; make them smaller or larger"
        )
    return shares


def share_of_box(areas: Areas, box: Box, *, width_px: int, height_px: int) -> float:
    """The share of a box on the upright image that counts, 0..1.

    >>> half = Polygon(((0, 0), (0.5, 0), (0.5, 1), (0, 1)), "ignore")
    >>> share_of_box(Areas((half,)), (40, 0, 20, 10), width_px=100, height_px=50)
    0.5
    """
    _check_fit(areas, width_px, height_px)
    x, y, width, height = box
    window = (float(x), float(y), float(x + width), float(y + height))
    size = (_BOX_SAMPLES, _BOX_SAMPLES)
    return float(_samples(areas, size, window, (width_px, height_px)).mean())


def holds(areas: Areas, box: Box, *, width_px: int, height_px: int) -> bool:
    """Whether at least half of a box counts."""
    return share_of_box(areas, box, width_px=width_px, height_px=height_px) >= 0.5


def _samples(
    areas: Areas,
    size: tuple[int, int],
    window: tuple[float, float, float, float],
    image: tuple[int, int],
) -> NDArray[np.float32]:
    """How much counts at (rows, columns) evenly spaced points of a window in pixels, 0..1."""
    wanted = [p for p in areas.polygons if p.use == "only"]
    counts = np.full(size, not wanted)
    for polygon in wanted:
        counts |= _inside(polygon, size, window, image)
    for polygon in areas.polygons:
        if polygon.use == "ignore":
            counts &= ~_inside(polygon, size, window, image)
    if areas.mask is None:
        return counts.astype(np.float32)
    return counts * _white(areas.mask, size, window, image)


def _inside(
    polygon: Polygon,
    size: tuple[int, int],
    window: tuple[float, float, float, float],
    image: tuple[int, int],
) -> NDArray[np.bool_]:
    """Whether each sample point lies inside, by the even-odd rule."""
    rows, columns = size
    left, top, right, bottom = window
    stretch = np.array(image if polygon.unit == "share" else (1, 1), np.float64)
    points = np.array(polygon.points) * stretch - (left, top)
    points *= (columns / (right - left), rows / (bottom - top))
    # A 1 where a row of samples meets the line: right of it, inside and outside change places.
    changes = np.zeros((rows, columns + 1), np.uint8)
    for (x1, y1), (x2, y2) in zip(points, np.roll(points, -1, axis=0), strict=True):
        first, end = (min(max(math.ceil(y - 0.5), 0), rows) for y in sorted((y1, y2)))
        if first < end:
            met = np.arange(first, end)
            x = x1 + (met + 0.5 - y1) * ((x2 - x1) / (y2 - y1))
            changes[met, np.ceil(x - 0.5).clip(0, columns).astype(np.intp)] ^= 1
    return np.bitwise_xor.accumulate(changes, axis=1)[:, :columns].view(np.bool_)


def _white(
    mask: Mask,
    size: tuple[int, int],
    window: tuple[float, float, float, float],
    image: tuple[int, int],
) -> NDArray[np.float32]:
    height, width = mask.white.shape
    across, down = width / image[0], height / image[1]
    left, top, right, bottom = window
    box = (
        max(0.0, left * across),
        max(0.0, top * down),
        min(float(width), right * across),
        min(float(height), bottom * down),
    )
    picture = Image.fromarray(mask.white)
    shown = picture.resize((size[1], size[0]), Image.Resampling.BOX, box)
    return np.asarray(shown, np.float32) / np.float32(255)


def _check_fit(areas: Areas, width_px: int, height_px: int) -> None:
    for polygon in areas.polygons:
        if polygon.unit == "share":
            continue
        for number, (x, y) in enumerate(polygon.points, start=1):
            if x > width_px or y > height_px:
                raise ImageError(
                    f"point {number} of the polygon to {_words(polygon.use)}, x = {x:g} and "
                    f"y = {y:g} px, lies outside of this image of {width_px} x {height_px} px; "
                    "give the points as shares of width and height if the images' sizes differ"
                )


def _misplaced(polygon: Polygon, number: int) -> str:
    x, y = polygon.points[number - 1]
    where = f"point {number} of the polygon to {_words(polygon.use)}, x = {x:g} and y = {y:g}"
    if polygon.unit == "px":
        return f"{where} px, lies outside of any image; pixels count from 0 at the upper left"
    return (
        f"{where}, lies outside of the image; shares of width and height go from 0 to 1 "
        "(say that the points are pixels if they are)"
    )


def _words(use: Use) -> str:
    return "ignore" if use == "ignore" else "look at only"


def _use(text: object) -> Use:
    if text == "only":
        return "only"
    if text == "ignore":
        return "ignore"
    raise ValueError(text)


def _unit(text: object) -> Unit:
    if text == "share":
        return "share"
    if text == "px":
        return "px"
    raise ValueError(text)
