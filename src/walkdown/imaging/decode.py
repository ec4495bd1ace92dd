"""From the bytes of a file to an upright RGB image, or to a reason that a person understands.

The pixel limit is checked on the header, before memory is taken for pixels. Pillow's settings are
process-wide, so none is changed: see `formats` for its own limit and `quiet` for its warnings.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from walkdown.errors import ImageError
from walkdown.imaging import exif as exif_reader
from walkdown.imaging.colours import to_rgb
from walkdown.imaging.formats import HEAD_BYTES, claimed_size, describe, open_image, sniff
from walkdown.imaging.quiet import quiet
from walkdown.types import Exif, Photo

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

__all__ = ["decode", "from_array", "reduction", "sniff"]

_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_CHANNELS: Final = frozenset((1, 3, 4))
# Pillow needs some 20 bytes a row besides the pixels: a column of 50 million rows takes 1.3 GiB.
_MAX_SIDE_PX: Final = 1_000_000


def decode(
    data: bytes, *, name: str, at_least_px: int | None = None, max_pixels: int = 150_000_000
) -> Photo:
    """The image in a file's bytes; ``pixels`` is read-only.

    A JPEG is decoded at 1/2, 1/4 or 1/8 of its size where its longer side stays at or above
    ``at_least_px``. Raises only `ImageError`, which starts with ``name``.
    """
    try:
        return _decode(data, at_least_px=at_least_px, max_pixels=max_pixels)
    except ImageError as err:
        raise ImageError(f"{name}: {err}") from err.__cause__


def reduction(longest_px: int, at_least_px: int | None) -> int:
    """1, 2, 4 or 8: by how much `decode` makes a JPEG of that longer side smaller.

    >>> reduction(4000, 1024)
    2
    """
    if at_least_px is None:
        return 1
    return next((by for by in (8, 4, 2) if longest_px // by >= at_least_px), 1)


def from_array(array: NDArray[np.generic]) -> Photo:
    """An image that is in memory: (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA, uint8.

    The values are copied; ``content`` is the sha256 of shape and values.
    """
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
        kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        message = f"an array of {kind} is no image: give a numpy array of uint8, 0 to 255"
        raise ImageError(message)
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in _CHANNELS or 0 in array.shape:
        message = (
            f"an array of shape {array.shape} is no image: "
            "give (height, width), or (height, width, channels) with 1, 3 or 4 channels"
        )
        raise ImageError(message)
    values = array.astype(np.uint8, copy=False)
    content = hashlib.sha256(str(values.shape).encode() + values.tobytes()).hexdigest()
    height, width = values.shape[:2]
    return Photo(_rgb_copy(values, channels), width, height, content, format="array")


def _rgb_copy(values: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    height, width = values.shape[:2]
    if channels == 4:
        return np.asarray(to_rgb(Image.fromarray(values)))
    pixels = np.broadcast_to(values.reshape(height, width, channels), (height, width, 3)).copy()
    pixels.setflags(write=False)
    return pixels


def _decode(data: bytes, *, at_least_px: int | None, max_pixels: int) -> Photo:
    if not data:
        raise ImageError("the file is empty")
    format_name = sniff(data[:HEAD_BYTES])
    if format_name is None:
        raise ImageError(f"not an image: it {describe(data)}")
    with quiet():
        image = _open(data, format_name, max_pixels)
        orientation, facts = _read_exif(image)
        if format_name == "TIFF":
            orientation = 1  # Pillow turns a TIFF upright itself while it loads it
        full = image.size
        if at_least_px is not None and format_name == "JPEG":
            _shrink(image, at_least_px)
        shrunk = image.size != full
        rgb = _load(image)
        if orientation in _UPRIGHT:
            rgb = rgb.transpose(_UPRIGHT[orientation])
    width, height = rgb.size
    if shrunk:
        width, height = full if orientation < 5 else full[::-1]
    content = hashlib.sha256(data).hexdigest()
    return Photo(np.asarray(rgb), width, height, content, data, format_name, facts)


def _open(data: bytes, format_name: str, max_pixels: int) -> ImageFile:
    claimed = claimed_size(data, format_name)
    if claimed is not None:
        _check_size(claimed, max_pixels)
    try:
        image = open_image(data, format_name)
    except ImageError:
        raise
    except Exception as err:  # a driver of Pillow may raise anything on a broken header
        message = (
            f"the beginning of the {format_name} file is damaged, or the file is cut off there"
        )
        raise ImageError(message) from err
    _check_size(image.size, max_pixels)
    return image


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if max(size) > _MAX_SIDE_PX:
        message = f"{width} x {height} px is no photograph: the file is damaged, or made to do harm"
        raise ImageError(message)
    if width * height > max_pixels:
        message = (
            f"{width} x {height} px is over the limit of {max_pixels / 1e6:g} million pixels: if "
            "you trust the file, raise it with max_pixels in the pipeline file's prepare section "
            "or with --max-pixels"
        )
        raise ImageError(message)


def _read_exif(image: ImageFile) -> tuple[int, Exif]:
    # The method of the base class: PNG's own one decodes the pixels to look for late EXIF.
    try:
        found = Image.Image.getexif(image)
    except Exception:  # broken EXIF is no reason to lose the image
        return 1, Exif()
    return exif_reader.orientation(found), exif_reader.read(found)


def _shrink(image: ImageFile, at_least_px: int) -> None:
    width, height = image.size
    scale = reduction(max(width, height), at_least_px)
    if scale > 1:
        image.draft(None, (max(1, width // scale), max(1, height // scale)))


def _load(image: ImageFile) -> Image.Image:
    try:
        return to_rgb(image)
    except MemoryError as err:
        width, height = image.size
        raise ImageError(f"{width} x {height} px is too large for this machine's memory") from err
    except Exception as err:  # whatever a driver raises on broken pixels
        raise ImageError(_damage(image, err)) from err


def _damage(image: ImageFile, err: Exception) -> str:
    if "truncated" not in str(err).lower():
        return "the file is damaged: its pixels can't be decoded"
    rows, height = _rows_read(image), image.size[1]
    if rows == 0:
        return "the file is cut off before the first row of the image"
    if rows == height:
        return "the file is cut off: a part of the image is missing"
    return f"the file is cut off after about {rows} of the image's {height} rows"


def _rows_read(image: ImageFile) -> int:
    # What was not reached is still zero: below, or above where rows are stored from the bottom up.
    # Black rows at the edge make the number a little too small.
    try:
        box = image.im.getbbox()
    except Exception:
        return 0
    return box[3] - box[1] if box else 0
