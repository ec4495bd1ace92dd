"""What can be measured of a photograph before anybody looks for defects: sharpness, light.

Sharpness compares how much neighbouring pixels differ with how much pixels far apart do, where
there is anything to see: a scene of little contrast is not blurred for that. Noise is measured in
the plainest parts (after Immerkaer, "Fast noise variance estimation", CVIU 64(2), 1996) and taken
off first. An ideal step between two surfaces comes to 10, finer texture to more, blur to less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from walkdown.imaging.resize import resize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from walkdown.types import Photo

    Grid = NDArray[np.float32]

LEAST_PX: Final = 32
"""The shorter side of the smallest image that can be measured, at the size that is looked at."""

_FAR_PX: Final = 16
_STEP: Final = 10.0
_SMALLEST_BLOCK, _LARGEST_BLOCK, _BLOCKS = 16, 48, 4
# Differences below this many grey levels are no structure, whatever the noise.
_FAINT: Final = 4.0
_BARE: Final = 2.0
# So much of the image must have structure, or nobody can say how sharp it is.
_LEAST_SHOWN: Final = 0.05
# The sharper part decides: behind and before what is in focus, things may be blurred.
_SHARPER: Final = 75
_CLIPPED_FROM, _BLACK_TO = 252, 4


@dataclass(frozen=True, slots=True)
class Quality:
    """What was measured. Levels are 0..255 grey, ``pct`` are shares of what counts in per cent.

    ``sharpness`` is None where the image shows too little to tell; ``steadiness`` is that of the
    worse of the two directions, and ``smear`` how many times sharper things are across than down.
    ``brightest`` and ``darkest`` are the levels of which 2 % are brighter or darker;
    ``contrast`` is between 5 % and 95 %. ``plain_pct`` shows nothing at all. ``red_cast`` and
    ``blue_cast`` are by how much red and blue are above green, ``light_right`` and ``light_down``
    by how much that half is brighter than the other, in per cent of the mean.
    """

    sharpness: float | None
    steadiness: float | None
    smear: float
    brightness: float
    brightest: float
    darkest: float
    highlights_pct: float
    shadows_pct: float
    contrast: float
    plain_pct: float
    red_cast: float
    blue_cast: float
    light_right: float
    light_down: float


def measured(photo: Photo, *, longest_px: int) -> Quality | None:
    """The quality of what counts of a photograph, seen at ``longest_px`` or less.

    None where it is too small, or too little of it counts, to say anything.
    """
    pixels = _looked_at(photo.pixels, longest_px)
    height, width = pixels.shape[:2]
    if min(height, width) < LEAST_PX:
        return None
    counts = _counting(photo.keep, height, width)
    if counts is not None and counts.mean() < _LEAST_SHOWN:
        return None
    grey = np.asarray(Image.fromarray(pixels).convert("L"))
    sharp, plain = _structure(grey.astype(np.float32), counts)
    levels = grey.ravel() if counts is None else grey[counts]
    low, dark, bright, high = np.percentile(levels, (2, 5, 95, 98)).tolist()
    red, green, blue = _mean_colour(pixels, counts)
    right, down = _slant(grey, counts)
    return Quality(
        sharpness=sharp.whole,
        steadiness=sharp.worse,
        smear=sharp.smear,
        brightness=float(levels.mean()),
        brightest=high,
        darkest=low,
        highlights_pct=100.0 * float((levels >= _CLIPPED_FROM).mean()),
        shadows_pct=100.0 * float((levels <= _BLACK_TO).mean()),
        contrast=bright - dark,
        plain_pct=plain,
        red_cast=red - green,
        blue_cast=blue - green,
        light_right=right,
        light_down=down,
    )


def _looked_at(pixels: NDArray[np.uint8], longest_px: int) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    scale = min(1.0, longest_px / max(height, width))
    across, down = (max(1, round(side * scale)) for side in (width, height))
    return resize(pixels, width_px=across, height_px=down)


def _counting(keep: Grid | None, height: int, width: int) -> NDArray[np.bool_] | None:
    if keep is None:
        return None
    shares = Image.fromarray(keep).resize((width, height), Image.Resampling.NEAREST)
    return np.asarray(shares) >= 0.5


@dataclass(frozen=True, slots=True)
class _Sharp:
    """How sharp things are: together, across and down."""

    whole: float | None = None
    across: float | None = None
    down: float | None = None

    @property
    def worse(self) -> float | None:
        known = [value for value in (self.across, self.down) if value is not None]
        return min(known, default=None)

    @property
    def smear(self) -> float:
        if self.across is None or self.down is None:
            return 1.0
        return self.across / max(self.down, 1e-3)


def _structure(grey: Grid, counts: NDArray[np.bool_] | None) -> tuple[_Sharp, float]:
    """How sharp what there is to see is, and the share that shows nothing, in per cent."""
    side = int(min(max(min(grey.shape) // _BLOCKS, _SMALLEST_BLOCK), _LARGEST_BLOCK))
    counted = np.ones_like(grey) if counts is None else counts.astype(np.float32)
    whole = _block_means(counted, side) > 0.9
    if not whole.any():
        return _Sharp(), 0.0
    noise = float(np.percentile(_block_means(_residual(grey), side, of=grey.shape)[whole], 10))
    near = [_energy(grey, 1, axis, side, noise)[whole] for axis in (1, 0)]
    far = [_energy(grey, _FAR_PX, axis, side, noise)[whole] for axis in (1, 0)]
    sharp = _Sharp(
        _sharpness(near[0] + near[1], far[0] + far[1], 2.0 * noise),
        _sharpness(near[0], far[0], noise),
        _sharpness(near[1], far[1], noise),
    )
    return sharp, 100.0 * float((far[0] + far[1] < max(_BARE**2, noise)).mean())


def _sharpness(near: Grid, far: Grid, noise: float) -> float | None:
    shown = far > max(_FAINT**2, 2.0 * noise)
    if shown.mean() < _LEAST_SHOWN:
        return None
    each = _STEP * _FAR_PX * np.maximum(near[shown], 0.0) / far[shown]
    return float(np.percentile(each, _SHARPER))


def _energy(grey: Grid, apart: int, axis: int, side: int, noise: float) -> Grid:
    """The mean square of differences between pixels so far apart, by block, without the noise."""
    ahead = grey[:, apart:] - grey[:, :-apart] if axis else grey[apart:] - grey[:-apart]
    return _block_means(ahead * ahead, side, of=grey.shape) - np.float32(2.0 * noise)


def _residual(grey: Grid) -> Grid:
    """Squares of what neither edges nor slopes leave: the variance of the noise, and texture."""
    rows = grey[:-2] - 2.0 * grey[1:-1] + grey[2:]
    both = rows[:, :-2] - 2.0 * rows[:, 1:-1] + rows[:, 2:]
    squares: Grid = both * both / np.float32(36.0)
    return squares


def _block_means(values: Grid, side: int, of: tuple[int, ...] | None = None) -> Grid:
    """Means over the squares of an image of the shape ``of``; at its end, of what there is."""
    height, width = of or values.shape
    rows, columns = height // side, width // side
    ends = [np.arange(0, count * side, side) for count in (rows, columns)]
    part = values[: rows * side, : columns * side]
    filled = np.zeros((rows * side, columns * side), np.float32)
    filled[: part.shape[0], : part.shape[1]] = part
    sums = np.add.reduceat(np.add.reduceat(filled, ends[0], axis=0), ends[1], axis=1)
    there = [
        np.clip(np.array(part.shape[axis]) - ends[axis], 1, side).astype(np.float32)
        for axis in (0, 1)
    ]
    means: Grid = sums / np.outer(*there)
    return means


def _mean_colour(
    pixels: NDArray[np.uint8], counts: NDArray[np.bool_] | None
) -> tuple[float, float, float]:
    of = pixels.reshape(-1, 3) if counts is None else pixels[counts]
    red, green, blue = of.mean(axis=0, dtype=np.float64).tolist()
    return red, green, blue


def _slant(grey: NDArray[np.uint8], counts: NDArray[np.bool_] | None) -> tuple[float, float]:
    """By how much the right half is brighter than the left, and the lower than the upper."""
    weights = np.ones(grey.shape, np.float32) if counts is None else counts.astype(np.float32)
    light = grey * weights
    height, width = grey.shape

    def mean(part: tuple[slice, slice]) -> float:
        return float(light[part].sum() / max(1.0, weights[part].sum()))

    every = slice(None)
    middle = max(1.0, mean((every, every)))
    right = mean((every, slice(width // 2, None))) - mean((every, slice(0, width // 2)))
    down = mean((slice(height // 2, None), every)) - mean((slice(0, height // 2), every))
    return 100.0 * right / middle, 100.0 * down / middle
