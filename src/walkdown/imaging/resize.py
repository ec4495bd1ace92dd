"""Changes the size of pixel arrays, smoothed when shrinking so that fine patterns don't alias."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray


def resize(pixels: NDArray[np.uint8], *, width_px: int, height_px: int) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 to (height_px, width_px, 3) uint8, read-only.

    Bilinear, widened by the factor of reduction when shrinking. The same array comes back where
    the size is right already.
    """
    if pixels.shape[:2] == (height_px, width_px):
        return pixels
    image = Image.fromarray(pixels)
    small = image.resize((width_px, height_px), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(small)
