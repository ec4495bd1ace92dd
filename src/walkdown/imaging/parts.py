"""Is a part where the reference has it, somewhere near, or gone?

The part's structure is compared with the photograph's at its place and around it by normalised
correlation (Lewis, "Fast normalized cross-correlation", Vision Interface 1995). Where the reference
itself shows something like it, as beside a row of equal bolts, nothing is taken for the part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Grey = NDArray[np.float32]

LEAST_STRUCTURE: Final = 0.06
"""The spread of log grey levels below which a part shows nothing to know it by."""

_AT_HOME_PX: Final = 3
_FLAT: Final = 0.02
_MORE: Final = 0.25


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part was found best: how alike (-1..1) it is there, and at home.

    ``right_px`` and ``down_px`` are from where it should be, in pixels of what was compared.
    """

    likeness: float
    at_home: float
    right_px: int
    down_px: int


Rect = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""


def spread(structure: Grey, part: Rect) -> float:
    """How much the structure (log grey) of a part varies: its standard deviation."""
    return float(_cut(structure, part).std())


def find(reference: Grey, photo: Grey, part: Rect, *, reach_px: int) -> Place:
    """Look for a part of the reference on a photograph that was laid over it.

    Both are structures of one shape, (H, W) float32; no farther than ``reach_px`` is searched.
    Elsewhere, the photograph must be clearly more like the part than the reference is there.
    """
    x, y, width, height = part
    rows, columns = reference.shape
    left, top = min(reach_px, x), min(reach_px, y)
    right, bottom = min(reach_px, columns - x - width), min(reach_px, rows - y - height)
    window = (x - left, y - top, width + left + right, height + top + bottom)
    pattern = _cut(reference, part)
    there = _correlation(_cut(photo, window), pattern)
    before = _correlation(_cut(reference, window), pattern)
    home = (
        slice(max(0, top - _AT_HOME_PX), top + _AT_HOME_PX + 1),
        slice(max(0, left - _AT_HOME_PX), left + _AT_HOME_PX + 1),
    )
    at_home = float(there[home].max())
    # Around its own place the reference is like the part, of course.
    near = _around(there.shape, top, left, max(height, width) // 2 + _AT_HOME_PX)
    likely = np.where(near | (there > before + _MORE), there, np.float32(-1.0))
    down, across = np.unravel_index(int(likely.argmax()), likely.shape)
    return Place(float(likely.max()), at_home, int(across) - left, int(down) - top)


def _around(shape: tuple[int, ...], top: int, left: int, reach: int) -> NDArray[np.bool_]:
    down = np.abs(np.arange(shape[0]) - top)[:, None]
    across = np.abs(np.arange(shape[1]) - left)[None, :]
    return np.maximum(down, across) <= reach


def _cut(image: Grey, part: Rect) -> Grey:
    x, y, width, height = part
    return image[y : y + height, x : x + width]


def _correlation(window: Grey, pattern: Grey) -> Grey:
    """Of the pattern with each place of a window that holds it, -1..1."""
    rows, columns = pattern.shape
    count = rows * columns
    own = pattern.astype(np.float64) - float(pattern.mean())
    values = window.astype(np.float64) - float(window.mean())
    size = window.shape
    spectrum = np.fft.rfft2(values) * np.conj(np.fft.rfft2(own, size))
    product = np.fft.irfft2(spectrum, size)[: size[0] - rows + 1, : size[1] - columns + 1]
    sums, squares = (_box_sums(each, rows, columns) for each in (values, values * values))
    variance = np.maximum(squares / count - (sums / count) ** 2, 0.0)
    # What is flat is like nothing, however well its noise may fit.
    bottom = count * np.maximum(np.sqrt(variance), _FLAT) * max(float(own.std()), _FLAT)
    alike: Grey = np.clip(product / bottom, -1.0, 1.0).astype(np.float32)
    return alike


def _box_sums(values: NDArray[np.float64], rows: int, columns: int) -> NDArray[np.float64]:
    total = np.pad(values.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    sums: NDArray[np.float64] = (
        total[rows:, columns:]
        - total[:-rows, columns:]
        - total[rows:, :-columns]
        + total[:-rows, :-columns]
    )
    return sums
