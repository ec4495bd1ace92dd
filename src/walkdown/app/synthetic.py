"""A made-up photograph, to measure with where there is none: a rough surface, seen by a camera."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

WIDTH_PX, HEIGHT_PX = 4000, 3000
QUALITY = 82

_GRAINS = ((256, 40.0), (32, 24.0), (4, 13.0))
"""Sizes of what is seen, in px, and how much it varies in brightness, of 255."""

_NOISE = 3.0


def photograph(width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX, *, seed: int = 0) -> bytes:
    """A JPEG, at 12 megapixels of about 2 MB: as hard to decode as what a camera writes."""
    rng = np.random.default_rng(seed)
    grey = np.full((height_px, width_px), 128.0, np.float32)
    for grain, contrast in _GRAINS:
        cells = (max(2, height_px // grain), max(2, width_px // grain))
        drawn = Image.fromarray(rng.normal(0.0, contrast, cells).astype(np.float32))
        grey += np.asarray(drawn.resize((width_px, height_px), Image.Resampling.BICUBIC))
    grey += rng.normal(0.0, _NOISE, (height_px, width_px)).astype(np.float32)
    tint = np.array([1.0, 0.96, 0.9], np.float32)
    out = io.BytesIO()
    pixels = (grey[..., None] * tint).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
