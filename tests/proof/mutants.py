"""Broken image files: seeded changes to small whole ones, of every format.

Run as a program, it decodes them in a process of its own, so that a crash, a long time or a lot of
memory is seen from outside. Time is that of the processor: other programs do not count.
"""

from __future__ import annotations

import io
import json
import random
import struct
import sys
import time
import traceback
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from walkdown.errors import ImageError
from walkdown.imaging.decode import decode
from walkdown.memory import peak_mib
from walkdown.types import Photo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "AVIF", "HEIC")
WAYS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "JPEG": (("RGB", {}), ("RGB", {"progressive": True}), ("L", {}), ("CMYK", {})),
    "PNG": (("RGB", {}), ("P", {}), ("RGBA", {}), ("I;16", {}), ("1", {})),
    "TIFF": (("RGB", {}), ("L", {"compression": "tiff_lzw"}), ("RGB", {"compression": "jpeg"}),
             ("RGB", {"compression": "tiff_adobe_deflate"}), ("1", {"compression": "group4"})),
    "WEBP": (("RGB", {}), ("RGBA", {"lossless": True})),
    "BMP": (("RGB", {}), ("P", {}), ("1", {})),
    "AVIF": (("RGB", {"speed": 10}),),
}  # fmt: skip
WIDTH_PX, HEIGHT_PX = 33, 24
SAMPLE_BYTES = 40_000
PNG = b"\x89PNG\r\n\x1a\n"
BYTES = (0, 1, 0x7F, 0x80, 0xFF)
SIDES = (0, 1, 3, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 12_000, 40_000)


def originals(format_name: str) -> list[bytes]:
    """Small whole files of a format, with EXIF: its colours and its ways to compress.

    No library here writes HEIC: an AVIF file under its name has the boxes, but no pixels of HEIC.
    """
    if format_name == "HEIC":
        return [data[:40].replace(b"avif", b"heic") + data[40:] for data in originals("AVIF")]
    exif = Image.Exif()
    exif[0x0112], exif[0x0132] = 6, "2026:05:01 10:11:12"
    return [_saved(_drawn(mode), format_name, how, exif) for mode, how in WAYS[format_name]]


def _drawn(mode: str) -> Image.Image:
    pixels = np.random.default_rng(3).integers(0, 255, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    if mode == "I;16":
        return Image.fromarray(pixels[..., 0].astype(np.uint16) * 200)
    return Image.fromarray(pixels).convert(mode)


def _saved(image: Image.Image, format_name: str, how: dict[str, Any], exif: Image.Exif) -> bytes:
    out = io.BytesIO()
    with_exif = {} if format_name == "BMP" else {"exif": exif.tobytes()}
    image.save(out, format_name, **with_exif, **how)
    return out.getvalue()


def samples(folder: Path) -> list[bytes]:
    """The files below a folder that are small enough to be decoded again and again."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path.read_bytes() for path in files if path.stat().st_size < SAMPLE_BYTES]


def mutants(whole: Sequence[bytes], *, seed: int, count: int) -> Iterator[bytes]:
    """So many broken files made of whole ones; the same ones for the same seed."""
    chance = random.Random(seed)
    others = [data for name in FORMATS for data in originals(name)[:1]]
    changes: tuple[Callable[[random.Random, bytearray, list[bytes]], None], ...] = (
        _flip, _flip, _set_bytes, _cut, _splice, _header, _size, _size, _repeat,
    )  # fmt: skip
    for _ in range(count):
        data = bytearray(chance.choice(whole))
        for change in chance.choices(changes, k=chance.choice((1, 1, 2, 5))):
            change(chance, data, others)
        if data.startswith(PNG) and chance.random() < 0.7:
            _mend_checks(data)
        yield bytes(data)


def _flip(chance: random.Random, data: bytearray, _: list[bytes]) -> None:
    for at in chance.choices(range(len(data)), k=chance.choice((1, 3, 10)) if data else 0):
        data[at] ^= 1 << chance.randrange(8)


def _set_bytes(chance: random.Random, data: bytearray, _: list[bytes]) -> None:
    at = chance.randrange(len(data) + 1)
    data[at : at + chance.randrange(8)] = bytes(chance.choices(BYTES, k=chance.randrange(8)))


def _cut(chance: random.Random, data: bytearray, _: list[bytes]) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _splice(chance: random.Random, data: bytearray, others: list[bytes]) -> None:
    other = chance.choice(others)
    data[chance.randrange(len(data) + 1) :] = other[chance.randrange(len(other)) :]


def _header(chance: random.Random, data: bytearray, _: list[bytes]) -> None:
    """A number near the beginning becomes one that a size or an offset should not be."""
    at = chance.randrange(2, 120)
    form = chance.choice((">I", "<I", ">H", "<H"))
    side = chance.choice(SIDES) & (0xFFFF if form[1] == "H" else 0xFFFFFFFF)
    data[at : at + struct.calcsize(form)] = struct.pack(form, side)


def _size(chance: random.Random, data: bytearray, _: list[bytes]) -> None:
    """A side that is written near the beginning becomes another one."""
    form = chance.choice((">I", "<I", ">H", "<H"))
    at = data.find(struct.pack(form, chance.choice((WIDTH_PX, HEIGHT_PX))), 2, 600)
    if at > 0:
        side = chance.choice(SIDES) & (0xFFFF if form[1] == "H" else 0xFFFFFFFF)
        data[at : at + struct.calcsize(form)] = struct.pack(form, side)


def _repeat(chance: random.Random, data: bytearray, _: list[bytes]) -> None:
    at = chance.randrange(len(data) + 1)
    data[at:at] = data[at : at + chance.randrange(64)] * chance.choice((1, 2, 50))


def _mend_checks(data: bytearray) -> None:
    """Right check sums on a PNG's chunks, so that its header is believed."""
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            return
        struct.pack_into(">I", data, end, zlib.crc32(data[at + 4 : end]))
        at = end + 4


def survey(whole: Sequence[bytes], seed: int, count: int, at: Path) -> dict[str, Any]:
    """Decode mutants one by one; the number of the one in hand is written to ``at``."""
    found: dict[str, Any] = {"photos": 0, "refused": 0, "wrong": [], "slowest_s": 0.0}
    for number, data in enumerate(mutants(whole, seed=seed, count=count)):
        at.write_text(str(number))
        began = time.process_time()
        try:
            kind = "photos" if isinstance(decode(data, name="x"), Photo) else "wrong"
            found[kind] += 1
        except ImageError:
            found["refused"] += 1
        except BaseException:
            found["wrong"].append(f"mutant {number}: {traceback.format_exc()[-600:]}")
        took_s = time.process_time() - began
        if took_s > found["slowest_s"]:
            found["slowest_s"], found["slowest"] = took_s, number
        held_mib = peak_mib()
        if held_mib > found.get("peak_mib", 0):
            found["peak_mib"], found["largest"] = held_mib, number
    return found


if __name__ == "__main__":
    of = sys.argv[1]
    whole = originals(of) if of in FORMATS else samples(Path(of))
    answer = survey(whole, int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
    sys.stdout.write(json.dumps(answer))
