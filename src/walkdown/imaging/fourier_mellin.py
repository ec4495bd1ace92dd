"""First guesses at how two images lie against each other, from their spectra.

The size of a spectrum does not change when an image is shifted, turns when it is turned, and
shrinks when it is stretched. Over log-polar axes turn and stretch are shifts, and a shift is found
by phase correlation: Reddy and Chatterji, "An FFT-based technique for translation, rotation, and
scale-invariant image registration", IEEE Transactions on Image Processing 5(8), 1996.
"""

from __future__ import annotations

import cmath
import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ANGLES: Final = 180
_RADII: Final = 128
_LEAST, _MOST = 0.03, 0.45  # cycles a pixel: coarser is light and shade, finer is noise
_STEP: Final = math.log(_MOST / _LEAST) / _RADII
# Whitened spectra are smoothed with a Gaussian of this width, in cycles a sample.
_SOFT: Final = 0.18


def turns(
    reference: NDArray[np.float32],
    image: NDArray[np.float32],
    *,
    count: int,
    most_deg: float,
    most_scale: float,
) -> list[complex]:
    """The most likely turns of two (h, w) float32 images of zero mean, best first.

    Each is a complex factor: its size the scale, its angle the rotation from reference to image.
    Scales lie within ``1 / most_scale`` and ``most_scale``.
    """
    side = 1 << (max(reference.shape) - 1).bit_length() + 1
    peaks = _correlate(_log_polar(reference, side), _log_polar(image, side), soft=_SOFT)
    angles = math.ceil(most_deg * _ANGLES / 180)
    radii = math.ceil(math.log(most_scale) / _STEP)
    found = _peaks(peaks, count=count, most=(angles, radii), apart=2)
    # A stretched image has a shrunken spectrum.
    return [
        cmath.rect(math.exp(-radius * _STEP), math.radians(angle * 180 / _ANGLES))
        for angle, radius in found
    ]


def shifts(
    reference: NDArray[np.float32],
    image: NDArray[np.float32],
    *,
    count: int,
    most_px: float,
    apart: int,
) -> list[complex]:
    """The most likely shifts from reference to image, (h, w) float32 of zero mean, best first.

    Each is ``right + down * 1j`` in pixels, at most ``most_px`` along an axis; two of them differ
    by more than ``apart`` pixels along one axis.
    """
    peaks = _correlate(reference, image, soft=_SOFT)
    most = math.ceil(most_px)
    return [
        complex(right, down)
        for down, right in _peaks(peaks, count=count, most=(most, most), apart=apart)
    ]


def _log_polar(image: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """(_ANGLES, _RADII): how strong each direction and wavelength is, even over all radii."""
    rows, columns = image.shape
    window = np.hanning(rows)[:, None] * np.hanning(columns)[None, :]
    size = np.abs(np.fft.rfft2(image * window.astype(np.float32), (side, side)))
    angle = np.arange(_ANGLES)[:, None] * (math.pi / _ANGLES)
    radius = side * _LEAST * np.exp(np.arange(_RADII) * _STEP)[None, :]
    x, y = radius * np.sin(angle), -radius * np.cos(angle)  # half a turn, so that x is never < 0
    polar = np.log1p(_bilinear(size, x, y))
    polar -= polar.mean(axis=0, keepdims=True)
    polar *= np.hanning(_RADII).astype(np.float32)
    return polar


def _bilinear(
    size: NDArray[np.floating], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float32]:
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    right, down = x - left, y - top
    rows, columns = size.shape
    across = np.minimum(left + 1, columns - 1)
    above, below = top % rows, (top + 1) % rows
    first = size[above, left] * (1 - right) + size[above, across] * right
    second = size[below, left] * (1 - right) + size[below, across] * right
    mixed: NDArray[np.float32] = (first * (1 - down) + second * down).astype(np.float32)
    return mixed


def _correlate(
    reference: NDArray[np.float32], image: NDArray[np.float32], *, soft: float
) -> NDArray[np.float32]:
    """Phase correlation; the peak's place (modulo the shape) is the shift from one to the other."""
    cross = np.fft.rfft2(image) * np.conj(np.fft.rfft2(reference))
    size = np.abs(cross)
    # A share of the mean keeps frequencies that are hardly there from speaking as loud as others.
    cross /= size + 0.1 * size.mean() + 1e-12
    rows, columns = reference.shape
    cross *= np.exp(-((np.fft.fftfreq(rows) / soft) ** 2) / 2)[:, None]
    cross *= np.exp(-((np.fft.rfftfreq(columns) / soft) ** 2) / 2)[None, :]
    return np.fft.irfft2(cross, reference.shape).astype(np.float32)


def _peaks(
    values: NDArray[np.float32], *, count: int, most: tuple[int, int], apart: int
) -> list[tuple[int, int]]:
    """Places of the highest values, (row, column) from -most to most, more than ``apart`` apart."""
    rows, columns = (min(m, (n - 1) // 2) for m, n in zip(most, values.shape, strict=True))
    near = np.roll(values, (rows, columns), (0, 1))[: 2 * rows + 1, : 2 * columns + 1].copy()
    found: list[tuple[int, int]] = []
    while len(found) < count and np.isfinite(near).any():
        row, column = divmod(int(near.argmax()), near.shape[1])
        found.append((row - rows, column - columns))
        near[
            max(0, row - apart) : row + apart + 1, max(0, column - apart) : column + apart + 1
        ] = -np.inf
    return found
