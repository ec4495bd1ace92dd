"""A rigid view for tests: boxes and discs on a soft ground, and photographs of it."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from walkdown.imaging.decode import from_array
from walkdown.types import Photo

Pixels = NDArray[np.uint8]

PART = (480, 300, 60, 60)
"""Left, top, width and height in px of the disc that is called the valve."""


def board(*, valve: tuple[int, int] | None = PART[:2], seed: int = 3) -> Image.Image:
    """800 x 600 px; ``valve`` is where the valve's box begins, None for a board without it."""
    rng = np.random.default_rng(seed)
    ground = Image.fromarray(rng.uniform(90, 130, (6, 8)).astype(np.uint8))
    image = ground.resize((800, 600), Image.Resampling.BICUBIC).convert("RGB")
    pen = ImageDraw.Draw(image)
    for _ in range(140):
        x, y, wide, tall = (int(v) for v in rng.uniform((0, 0, 8, 8), (800, 600, 40, 40)))
        if abs(x - 500) < 200 and abs(y - 320) < 140:
            continue  # around the valve there is room
        pen.rectangle((x, y, x + wide, y + tall), fill=(int(rng.integers(30, 220)),) * 3)
    if valve is not None:
        x, y = valve
        pen.ellipse((x + 4, y + 4, x + 56, y + 56), fill=(210, 200, 60))
        pen.rectangle((x + 14, y + 24, x + 46, y + 36), fill=(40, 40, 40))
    return image


def taken(
    image: Image.Image,
    *,
    turn_deg: float = 0.0,
    shift: tuple[float, float] = (0.0, 0.0),
    gain: float = 1.0,
    slope: float = 0.0,
    noise: float = 2.0,
    seed: int = 0,
) -> Image.Image:
    """A photograph of it: turned about the middle, shifted (px), in another light."""
    width, height = image.size
    angle = np.radians(turn_deg)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    middle = width / 2, height / 2
    affine = (
        cos, sin, middle[0] - cos * (middle[0] + shift[0]) - sin * (middle[1] + shift[1]),
        -sin, cos, middle[1] + sin * (middle[0] + shift[0]) - cos * (middle[1] + shift[1]),
    )  # fmt: skip
    moved = image.transform(image.size, Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC)
    light = gain * np.linspace(1 - slope, 1 + slope, width)[None, :, None]
    rng = np.random.default_rng(seed)
    pixels = np.asarray(moved, np.float64) * light + rng.normal(0, noise, (height, width, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def photo(image: Image.Image, *, asset: str | None = None, viewpoint: str | None = None) -> Photo:
    return replace(from_array(np.asarray(image)), asset=asset, viewpoint=viewpoint)


def jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()
