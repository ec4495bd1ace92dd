"""Makes the small images that lists and reports show: whole photographs, and places on them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from walkdown.imaging.resize import resize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from walkdown.types import Box, Photo

_QUALITY: Final = 70
# A cutout is looked at for its details.
_CUTOUT_QUALITY: Final = 82
# WebP's effort, 0 to 6.
_EFFORT: Final = 2


def thumbnail(photo: Photo, *, max_px: int) -> tuple[bytes, int, int]:
    """WebP of the image with its width and height, longer side at most ``max_px``.

    A smaller image keeps its size.
    """
    width, height = _fitting(photo.width_px, photo.height_px, max_px)
    pixels = resize(photo.pixels, width_px=width, height_px=height)
    return _webp(pixels, _QUALITY), width, height


def cutout(photo: Photo, box: Box, *, max_px: int) -> bytes | None:
    """WebP of a place on the image, longer side at most ``max_px``; None where it shows nothing.

    The box is in pixels of the upright original. What lies outside the image is transparent.
    """
    left, top, right, bottom = _inside(photo, box)
    if left >= right or top >= bottom:
        return None
    x, y, width, height = box
    wide, high = _fitting(width, height, max_px)
    x0, x1 = _span(left - x, right - x, width, wide)
    y0, y1 = _span(top - y, bottom - y, height, high)
    found = _pixels(photo, (left, top, right, bottom))
    drawn = resize(found, width_px=x1 - x0, height_px=y1 - y0)
    if drawn.shape[:2] != (high, wide):
        canvas = np.zeros((high, wide, 4), np.uint8)
        canvas[y0:y1, x0:x1, :3] = drawn
        canvas[y0:y1, x0:x1, 3] = 255
        drawn = canvas
    return _webp(drawn, _CUTOUT_QUALITY)


def _span(start: int, end: int, length: int, drawn: int) -> tuple[int, int]:
    """A stretch of a side that is drawn at another length; at least one pixel of it shows."""
    first = min(start * drawn // length, drawn - 1)
    return first, min(max(first + 1, -(-end * drawn // length)), drawn)


def _inside(photo: Photo, box: Box) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the part of a box that lies on the image."""
    x, y, width, height = box
    right, bottom = min(x + width, photo.width_px), min(y + height, photo.height_px)
    return max(x, 0), max(y, 0), right, bottom


def _pixels(photo: Photo, part: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """The pixels of a part of the original, from the photo as large as it was decoded."""
    high, wide = photo.pixels.shape[:2]
    left, top, right, bottom = part
    x0, x1 = left * wide // photo.width_px, -(-right * wide // photo.width_px)
    y0, y1 = top * high // photo.height_px, -(-bottom * high // photo.height_px)
    return np.ascontiguousarray(photo.pixels[y0:y1, x0:x1])


def _fitting(width: int, height: int, max_px: int) -> tuple[int, int]:
    scale = min(1.0, max_px / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _webp(pixels: NDArray[np.uint8], quality: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", quality=quality, method=_EFFORT)
    return out.getvalue()
