"""Which format some bytes are in, by their first bytes alone, and how each format is opened.

Pillow's own classes are called directly instead of ``Image.open``: no guessing by other drivers,
and no look at the process-wide ``Image.MAX_IMAGE_PIXELS``, whose place `decode`'s limit takes.
"""

from __future__ import annotations

import codecs
import importlib
import io
import struct
from typing import TYPE_CHECKING, Final, cast

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from walkdown.errors import ImageError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from PIL.ImageFile import ImageFile

HEAD_BYTES: Final = 64
"""As many first bytes as `sniff` looks at."""

_MAGIC: Final = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"8BPS", "Photoshop"),
    (b"FUJIFILMCCD-RAW", "camera raw"),
    (b"IIRO", "camera raw"),
    (b"IIU\0", "camera raw"),
)
_NOT_IMAGES: Final = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"SQLite format 3", "a database"),
    (b"RIFF", "a sound or video file"),
    (b"\x1aE\xdf\xa3", "a video"),
)
_HEIC_BRANDS: Final = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)
_BMP_HEADER_SIZES: Final = frozenset((12, 40, 52, 56, 64, 108, 124))
# The chunks that say how a PNG's pixels look. Text, colour profiles and animation are left out:
# they are not needed, and a small text or profile can inflate to gigabytes.
_PNG_FIRST: Final = (b"IHDR", b"PLTE", b"tRNS", b"eXIf")
_TIFF_DNG_VERSION: Final = 50706
_TIFF_SUBFILE_TYPE: Final = 254
_TIFF_SUB_IFDS: Final = 330


def sniff(head: bytes) -> str | None:
    """The format that the first `HEAD_BYTES` bytes of a file show, or None: not an image.

    Some formats that are recognised can't be decoded (camera raw, Photoshop): the name then helps
    to say so.

    >>> sniff(b"GIF89a..."), sniff(b"Dear all,")
    ('GIF', None)
    """
    if head[:2] == b"II" and head[8:10] == b"CR":
        return "camera raw"
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    return _sniff_boxes(head) if head[4:8] == b"ftyp" else None


def _sniff_boxes(head: bytes) -> str | None:
    size = int.from_bytes(head[:4], "big")
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(size, len(head)), 4))]
    if b"avif" in brands or b"avis" in brands:
        return "AVIF"
    if brands[0] == b"crx ":
        return "camera raw"
    return "HEIC" if not _HEIC_BRANDS.isdisjoint(brands) else None


def describe(data: bytes) -> str:
    """What a file that is no image seems to be, to end the sentence "not an image: it ..."."""
    head = data[:HEAD_BYTES]
    for magic, name in _NOT_IMAGES:
        if head.startswith(magic):
            return f"starts like {name}"
    if head[4:8] == b"ftyp":
        return "starts like a video"
    if data.count(0) == len(data):
        return "holds nothing but zero bytes (copy it again from the camera or the memory card)"
    if _is_text(head):
        return "starts like a text file"
    return "starts like no image format that is known here"


def _is_text(head: bytes) -> bool:
    try:
        # Incremental, because the head may end in the middle of a letter.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(char.isprintable() or char in "\r\n\t\ufeff" for char in text)


def open_image(data: bytes, format_name: str) -> ImageFile:
    """The image behind its header, no pixel decoded. Raises `ImageError`, or what Pillow raises.

    Of a multi-picture JPEG, an animation or a multi-page file it is the first image.
    """
    opener = _OPENERS.get(format_name)
    if opener is None:
        message = f"{format_name} images can't be read here: save it as JPEG, PNG or TIFF"
        raise ImageError(message)
    return opener(data)


def claimed_size(data: bytes, format_name: str) -> tuple[int, int] | None:
    """Width and height that must be checked before the file is even opened, or None.

    WebP's driver makes its canvas on opening; the largest canvas is claimed in a VP8X header.
    """
    if format_name != "WebP" or data[12:16] != b"VP8X" or len(data) < 30:
        return None
    return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1


def _jpeg(data: bytes) -> ImageFile:
    return JpegImagePlugin.JpegImageFile(io.BytesIO(data))


def _png(data: bytes) -> ImageFile:
    return PngImagePlugin.PngImageFile(io.BytesIO(_plain_png(data)))


def _tiff(data: bytes) -> ImageFile:
    image = TiffImagePlugin.TiffImageFile(io.BytesIO(data))
    tags = image.tag_v2
    reduced = tags.get(_TIFF_SUBFILE_TYPE) == 1 and _TIFF_SUB_IFDS in tags
    if reduced or _TIFF_DNG_VERSION in tags:
        message = "this is a camera raw file, which can't be read here: export it as JPEG or TIFF"
        raise ImageError(message)
    return image


def _bmp(data: bytes) -> ImageFile:
    return BmpImagePlugin.BmpImageFile(io.BytesIO(data))


def _gif(data: bytes) -> ImageFile:
    return GifImagePlugin.GifImageFile(io.BytesIO(data))


def _webp(data: bytes) -> ImageFile:
    return WebPImagePlugin.WebPImageFile(io.BytesIO(data))


def _avif(data: bytes) -> ImageFile:
    try:
        plugin = importlib.import_module("PIL.AvifImagePlugin")
    except ImportError as err:
        message = "AVIF needs a newer Pillow: pip install 'pillow>=11.3'"
        raise ImageError(message) from err
    return cast("ImageFile", plugin.AvifImageFile(io.BytesIO(data)))


def _heic(data: bytes) -> ImageFile:
    try:
        plugin = importlib.import_module("pi_heif")
    except ImportError as err:
        raise ImageError(str(MissingExtra("heic", "HEIC"))) from err
    return cast("ImageFile", plugin.HeifImageFile(io.BytesIO(_plain_heic(data))))


_OPENERS: Final[Mapping[str, Callable[[bytes], ImageFile]]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "TIFF": _tiff,
    "BMP": _bmp,
    "GIF": _gif,
    "WebP": _webp,
    "AVIF": _avif,
    "HEIC": _heic,
}


def _plain_png(data: bytes) -> bytes:
    """The PNG without the chunks that its pixels don't need, EXIF moved before the pixels."""
    first: list[bytes] = []
    rest: list[bytes] = []
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        chunk = data[at : at + 12 + length]
        at += 12 + length
        if kind in _PNG_FIRST:
            first.append(chunk)
        elif kind[:1].isupper():
            rest.append(chunk)
        if kind == b"IEND":
            break
    return b"".join((data[:8], *first, *rest))


def _plain_heic(data: bytes) -> bytes:
    """The HEIC with "?" for all that is not ASCII in the types and names of its items.

    pi-heif takes those as UTF-8 without a check and brings the whole process down where damage
    made them something else. Neither EXIF nor pixels need the letters that are lost.
    """
    safe = bytearray(data)
    start, end = _meta_box(data)
    at = data.find(b"infe", start, end)
    while at >= 0:
        # Behind the box's name: version, flags, item id (wider from version 3 on), protection.
        first = at + (14 if data[at + 4 : at + 5] == b"\x03" else 12)
        last = min(at - 4 + int.from_bytes(data[at - 4 : at], "big"), end)
        for i in range(first, last):
            if safe[i] > 127:
                safe[i] = ord("?")
        at = data.find(b"infe", at + 4, end)
    return bytes(safe)


def _meta_box(data: bytes) -> tuple[int, int]:
    at = 0
    while at + 16 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if data[at + 4 : at + 8] == b"meta":
            return at, min(at + size, len(data)) if size else len(data)
        if size < 8:
            break
        at += size
    return 0, len(data)
