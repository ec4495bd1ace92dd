"""Changes the size of pixel arrays, smoothed when shrinking so that fine patterns don't alias."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Part = tuple[float, float, float, float]


def resize(
    pixels: NDArray[np.uint8], *, width_px: int, height_px: int, part: Part | None = None
) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 to (height_px, width_px, 3) uint8, read-only.

    Bilinear, widened by the factor of reduction when shrinking. The same array comes back where
    the size is right already. ``part`` is what is taken of it: left, top, right and bottom, in px,
    which need not be whole; all of it where it is None.
    """
    height, width = pixels.shape[:2]
    part = _within(part or (0.0, 0.0, width, height), width, height)
    if part == (0.0, 0.0, width, height) and (height, width) == (height_px, width_px):
        return pixels
    if _is_grey(pixels):
        small = _resized(np.ascontiguousarray(pixels[..., 0]), width_px, height_px, part)
        return np.asarray(small.convert("RGB"))
    return np.asarray(_resized(pixels, width_px, height_px, part))


def _within(part: Part, width: int, height: int) -> Part:
    """Sums of floats may leave the image by the last bit."""
    left, top, right, bottom = part
    return (max(0.0, left), max(0.0, top), min(width, right), min(height, bottom))


def _resized(pixels: NDArray[np.uint8], width_px: int, height_px: int, part: Part) -> Image.Image:
    return Image.fromarray(pixels).resize(
        (width_px, height_px), Image.Resampling.BILINEAR, box=part, reducing_gap=2.0
    )


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Whether all channels are the same: one of them resized, and copied, is the same three times.

    A few rows of a colour photograph tell it from a grey one; only of grey ones all are compared.
    """
    return all(
        np.array_equal(rows[..., 0], rows[..., other])
        for rows in (pixels[:: max(1, len(pixels) // 8)], pixels)
        for other in (1, 2)
    )
