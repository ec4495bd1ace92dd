"""Makes the small images that lists and reports show."""

from __future__ import annotations

import io
import sys
from typing import Final

from PIL import Image

from walkdown.imaging.decode import decode
from walkdown.imaging.resize import resize

_QUALITY: Final = 70
# WebP's effort, 0 to 6.
_EFFORT: Final = 2


def thumbnail(data: bytes, *, name: str, max_px: int) -> tuple[bytes, int, int]:
    """WebP of the upright image with its width and height, longer side at most ``max_px``.

    A smaller image keeps its size. Raises `ImageError` as `decode` does.
    """
    # The pixel limit was applied when the image came in, and may have been raised for it.
    photo = decode(data, name=name, at_least_px=max_px, max_pixels=sys.maxsize)
    scale = min(1.0, max_px / max(photo.width_px, photo.height_px))
    width = max(1, round(photo.width_px * scale))
    height = max(1, round(photo.height_px * scale))
    image = Image.fromarray(resize(photo.pixels, width_px=width, height_px=height))
    out = io.BytesIO()
    image.save(out, "WEBP", quality=_QUALITY, method=_EFFORT)
    return out.getvalue(), width, height
