"""A photograph as bytes that a service takes: within its formats, its sides and its size."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PIL import Image

from walkdown.errors import ImageError
from walkdown.imaging import exif
from walkdown.imaging.formats import open_image
from walkdown.imaging.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walkdown.types import Photo

QUALITIES: Final = (92, 85, 75)
_PLAIN: Final = frozenset({"RGB", "L"})
"""Pixels that everybody reads alike: four inks, transparency and 16 bits are read differently."""
_SMALLER: Final = 0.8


@dataclass(frozen=True, slots=True)
class Limits:
    """What a service takes: bytes at most, px of the longer and the shorter side, formats."""

    max_bytes: int
    max_side_px: int = 100_000
    min_side_px: int = 1
    formats: tuple[str, ...] = ("JPEG", "PNG")


@dataclass(frozen=True, slots=True)
class Encoded:
    """An encoded upright image: its bytes, its size in px, and its format (``JPEG``, ``PNG``)."""

    data: bytes
    width_px: int
    height_px: int
    format: str

    @property
    def content_type(self) -> str:
        """``image/jpeg`` or ``image/png``."""
        return f"image/{self.format.lower()}"


def encoded(photo: Photo, limits: Limits) -> Encoded:
    """The photo within the limits: its own bytes where they fit, else anew, smaller if it must.

    What is made anew is a JPEG, or a PNG for a service that takes no JPEG.

    Shares of the sent image are shares of the photo. Raises `ImageError` for one that is too small
    for the service, or too elongated to fit at all.
    """
    height, width = photo.pixels.shape[:2]
    if _fits_as_it_is(photo, limits):
        return Encoded(photo.data, photo.width_px, photo.height_px, photo.format)
    scale = min(1.0, limits.max_side_px / max(width, height))
    while True:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        if min(size) < limits.min_side_px:
            raise ImageError(
                f"{photo.width_px} x {photo.height_px} px can't be sent: the service takes sides "
                f"of {limits.min_side_px} to {limits.max_side_px} px and {limits.max_bytes:,} bytes"
            )
        image = Image.fromarray(photo.pixels)
        if size != (width, height):
            image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        for data, made in _files(image, limits):
            if len(data) <= limits.max_bytes:
                return Encoded(data, *size, made)
        if max(size) == 1:
            raise ImageError(f"no image fits into the service's {limits.max_bytes:,} bytes")
        scale *= _SMALLER


def _fits_as_it_is(photo: Photo, limits: Limits) -> bool:
    """Whether the file itself may be sent: what a service makes of EXIF's turns differs."""
    sides = photo.width_px, photo.height_px
    return (
        bool(photo.data)
        and photo.format in limits.formats
        and len(photo.data) <= limits.max_bytes
        and max(sides) <= limits.max_side_px
        and min(sides) >= limits.min_side_px
        and _is_plain(photo)
    )


def _is_plain(photo: Photo) -> bool:
    try:
        with quiet():
            image = open_image(photo.data, photo.format)
            is_upright = exif.orientation(Image.Image.getexif(image)) == 1
            return is_upright and image.mode in _PLAIN and "transparency" not in image.info
    except Exception:  # broken EXIF: then it is encoded anew
        return False


def _files(image: Image.Image, limits: Limits) -> Iterator[tuple[bytes, str]]:
    """The image as (bytes, format), the best first."""
    if "JPEG" not in limits.formats:
        yield _saved(image, "PNG"), "PNG"
        return
    for quality in QUALITIES:
        yield _saved(image, "JPEG", quality=quality), "JPEG"


def _saved(image: Image.Image, made: str, **options: int) -> bytes:
    out = io.BytesIO()
    image.save(out, made, **options)
    return out.getvalue()
