"""Two photographs of one view, laid over each other: where does what they show differ?

Compared is local structure and not light: logarithms of the grey levels, so that twice the light is
the same everywhere, each little window without its mean, and its contrast and pattern by the second
term of Wang et al., "Image quality assessment: from error visibility to structural similarity",
IEEE Transactions on Image Processing 13(4), 2004. What lies a pixel or two aside is no difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageFilter

from walkdown.imaging.registration import LONGEST_PX, apply, estimate, grey, seen
from walkdown.imaging.resize import resize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from walkdown.imaging.alignments import Alignment

    Grey = NDArray[np.float32]

CELL_PX: Final = 8
"""Cells of the grid on which differences are told; a window has two by two of them."""

SAME_SHAPE: Final = 0.01
"""By how much the ratio of the sides may differ."""

_ASIDE_PX: Final = (-2, 0, 2)
_SMOOTH_PX: Final = 1.0
# Grey levels are counted from here, so that noise in the dark is not made large by the logarithm.
_DARK: Final = 24.0
# The variance of log grey that is no structure: that of a few grey levels.
_FAINT: Final = 0.05**2
_CERTAIN: Final = 0.99


class Unlike(Exception):
    """Two photographs can't be laid over each other: why, in words."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A photograph as it is compared: ``small`` to be aligned, ``light`` to be looked at.

    ``light`` is (H, W) uint8 grey whose sides are multiples of `CELL_PX`; ``ratio`` is that of the
    photograph's sides.
    """

    small: Grey
    light: NDArray[np.uint8]
    ratio: float


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What came of it, in the frame of the first.

    ``grid`` is (rows, columns) float32, 0 where the same is shown to 1 where something else is;
    ``counts`` is true for the cells that both show. ``first`` and ``second`` are the structures,
    (H, W) float32, the second as the first would show it.
    """

    alignment: Alignment
    grid: Grey
    counts: NDArray[np.bool_]
    first: Grey
    second: Grey


def view(pixels: NDArray[np.uint8], *, longest_px: int, like: View | None = None) -> View:
    """A photograph's (H, W, 3) uint8 RGB to be compared, of the size of another view if given.

    Raises `Unlike` where it is of another shape than that.
    """
    height, width = pixels.shape[:2]
    if like is None:
        scale = min(1.0, longest_px / max(height, width))
        rows, columns = (max(2, round(side * scale / CELL_PX)) for side in (height, width))
        size = rows * CELL_PX, columns * CELL_PX
        small = grey(pixels, longest_px=LONGEST_PX)
    else:
        if abs(width / height / like.ratio - 1.0) > SAME_SHAPE:
            raise Unlike(
                f"its sides are as {width / height:.2f} to 1, those of the other "
                f"{like.ratio:.2f} to 1"
            )
        size = like.light.shape[0], like.light.shape[1]
        down, across = like.small.shape
        small = grey(resize(pixels, width_px=across, height_px=down))
    scaled = Image.fromarray(resize(pixels, width_px=size[1], height_px=size[0]))
    return View(small, np.asarray(scaled.convert("L")), width / height)


def can_be_aligned(one: View) -> bool:
    """Whether others can be laid over this one at all: it is large enough, and shows something."""
    return estimate(one.small, one.small) is not None


def compared(first: View, second: View, *, keep: Grey | None = None) -> Compared:
    """Lay the second over the first and compare. Raises `Unlike`.

    ``keep`` is (rows, columns), the share of each part of the second that counts.
    """
    alignment = estimate(first.small, second.small)
    if alignment is None:
        raise Unlike("too little of what they show agrees")
    height, width = first.light.shape
    rows, columns = height // CELL_PX, width // CELL_PX
    laid = apply(alignment, second.light)
    counts = seen(alignment, rows=rows, columns=columns) >= _CERTAIN
    if keep is not None:
        shares = Image.fromarray(np.rint(keep * 255).astype(np.uint8)).resize((columns, rows))
        counts &= apply(alignment, np.asarray(shares)) >= 128
    one, other = structure(first.light), structure(laid)
    return Compared(alignment, _difference(one, other), counts, one, other)


def structure(light: NDArray[np.uint8]) -> Grey:
    """Grey levels as logarithms, smoothed a little: (H, W) float32."""
    smooth = Image.fromarray(light).filter(ImageFilter.GaussianBlur(_SMOOTH_PX))
    logs: Grey = np.log(np.asarray(smooth, np.float32) + np.float32(_DARK))
    return logs


def _difference(one: Grey, other: Grey) -> Grey:
    """Of each cell, how much its windows differ in the nearest place in which they differ least."""
    ours = _Windows.of(one)
    least: Grey | None = None
    for down in _ASIDE_PX:
        for across in _ASIDE_PX:
            moved = _moved(other, down, across)
            found = _unlike(ours, _Windows.of(moved), _sums(one * moved) / _COUNT)
            least = found if least is None else np.minimum(least, found)
    assert least is not None  # noqa: S101 - there are places
    return _cells(least)


_COUNT: Final = np.float32(4 * CELL_PX * CELL_PX)


@dataclass(frozen=True, slots=True, eq=False)
class _Windows:
    """Means and variances of the windows of an image."""

    mean: Grey
    variance: Grey

    @classmethod
    def of(cls, image: Grey) -> _Windows:
        mean = _sums(image) / _COUNT
        return cls(mean, np.maximum(_sums(image * image) / _COUNT - mean * mean, 0.0))


def _unlike(one: _Windows, other: _Windows, product: Grey) -> Grey:
    together = product - one.mean * other.mean
    alike = (2.0 * together + _FAINT) / (one.variance + other.variance + _FAINT)
    unlike: Grey = np.clip(1.0 - alike, 0.0, 1.0).astype(np.float32)
    return unlike


def _sums(image: Grey) -> Grey:
    """Sums over windows of two by two cells, one for each inner corner of the cells."""
    height, width = image.shape
    cells = image.reshape(height // CELL_PX, CELL_PX, width // CELL_PX, CELL_PX)
    each = cells.sum(axis=(1, 3), dtype=np.float64)
    whole = each[:-1, :-1] + each[:-1, 1:] + each[1:, :-1] + each[1:, 1:]
    return whole.astype(np.float32)


def _cells(windows: Grey) -> Grey:
    """The mean of the windows that a cell lies in."""
    rows, columns = windows.shape
    total = np.zeros((rows + 1, columns + 1), np.float32)
    times = np.zeros_like(total)
    for down in (0, 1):
        for across in (0, 1):
            part = (slice(down, down + rows), slice(across, across + columns))
            total[part] += windows
            times[part] += 1
    return total / times


def _moved(image: Grey, down: int, across: int) -> Grey:
    """The image moved by so many pixels, its edge repeated."""
    height, width = image.shape
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - across, 0, width - 1)
    return image[rows][:, columns]
