"""Draws a model's coarse heat map at image resolution: as numbers, as a grey PNG, as an overlay."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, PngImagePlugin

from walkdown.errors import ImageError
from walkdown.imaging.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from walkdown.types import HeatMap

_TRANSPARENT_BELOW: Final = 0.4
# Steps of colour in an overlay: enough for no visible edges, few enough to compress well.
_STEPS: Final = 63
# From so many pixels per cell on, drawing band by band is faster.
_TALL_BAND: Final = 8
_COMPRESSION: Final = 6
# (score, red, green, blue, opacity) of the overlay, linear in between. From light yellow to dark
# red the lightness falls steadily, so the order also shows in grey and to the colour-blind.
_RAMP: Final = (
    (0.40, 255, 237, 140, 0),
    (0.50, 254, 204, 92, 110),
    (0.65, 253, 141, 60, 160),
    (0.80, 240, 59, 32, 195),
    (1.00, 165, 0, 38, 225),
)


def upsample(heatmap: HeatMap) -> NDArray[np.float32]:
    """Scores as (height_px, width_px) float32, clipped to 0..1; NaN counts as 0.

    Bilinear with cell centres in place: cell i of n covers pixels i*W/n to (i+1)*W/n. Averaged
    where the image has fewer pixels than the grid has cells.
    """
    scores = np.empty((heatmap.height_px, heatmap.width_px), np.float32)
    for at, band in _bands(heatmap, 1.0):
        scores[at : at + len(band)] = band
    return scores


def to_png(heatmap: HeatMap) -> bytes:
    """8-bit grey PNG of the size of the image: value = round(255 * score)."""
    pixels = np.empty((heatmap.height_px, heatmap.width_px), np.uint8)
    for at, band in _bands(heatmap, 255.0):
        np.add(band, 0.5, out=pixels[at : at + len(band)], casting="unsafe")
    return _grey_png(pixels)


def from_png(data: bytes) -> NDArray[np.float32]:
    """Scores 0..1 as (H, W) float32 from the bytes of `to_png`. Raises `ImageError`."""
    return np.asarray(_read_grey(data), dtype=np.float32) / np.float32(255)


def overlay(png: bytes, *, max_px: int) -> bytes:
    """A heat map's PNG as a small PNG to lay over a thumbnail, longer side at most ``max_px``.

    Transparent below a score of 0.4, then from yellow to dark red with growing opacity. The file
    has a palette with transparency: browsers show it as they show RGBA, at a quarter of the size.
    """
    grey = _read_grey(png)
    scale = min(1.0, max_px / max(grey.size))
    width, height = (max(1, round(side * scale)) for side in grey.size)
    if scale < 1:
        grey = grey.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    image = Image.frombytes("P", (width, height), grey.point(_colour_indices()).tobytes())
    colours = _palette()
    image.putpalette(colours[:, :3].tobytes())
    out = io.BytesIO()
    image.save(out, "PNG", transparency=colours[:, 3].tobytes(), compress_level=_COMPRESSION)
    return out.getvalue()


def _bands(heatmap: HeatMap, full: float) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Scores times ``full`` at image resolution, as (first row, (rows, width_px) float32).

    Drawn to a large image, the rows between two rows of cells are made together, while they are in
    the processor's cache: three to four times as fast as Pillow, which writes the same values.
    """
    width, height = heatmap.width_px, heatmap.height_px
    scores = np.clip(np.nan_to_num(heatmap.grid.astype(np.float32), nan=0.0), 0, 1)
    cells = Image.fromarray(scores * np.float32(full))
    if height < _TALL_BAND * cells.height:
        yield 0, np.asarray(cells.resize((width, height), Image.Resampling.BILINEAR))
        return
    lines = np.asarray(cells.resize((width, cells.height), Image.Resampling.BILINEAR))
    centre = (np.arange(height) + 0.5) * (cells.height / height) - 0.5
    centre = centre.clip(0, cells.height - 1)
    above = centre.astype(np.intp)
    share = (centre - above).astype(np.float32)[:, np.newaxis]
    edges = np.searchsorted(above, np.arange(cells.height + 1)).tolist()
    for i in range(cells.height):
        step = lines[min(i + 1, cells.height - 1)] - lines[i]
        yield edges[i], lines[i] + share[edges[i] : edges[i + 1]] * step


def _grey_png(pixels: NDArray[np.uint8]) -> bytes:
    # Heat maps are smooth: with the filter "sub" (each value minus its left neighbour) on every
    # row, they compress as well as with Pillow's choice of a filter per row, in half the time.
    height, width = pixels.shape
    rows = np.empty((height, width + 1), np.uint8)
    rows[:, 0] = 1
    rows[:, 1] = pixels[:, 0]
    np.subtract(pixels[:, 1:], pixels[:, :-1], out=rows[:, 2:])
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.data, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(body, zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(body)), kind, body, struct.pack(">I", check)))


def _read_grey(data: bytes) -> Image.Image:
    try:
        with quiet():
            return PngImagePlugin.PngImageFile(io.BytesIO(data)).convert("L")
    except Exception as err:  # whatever Pillow raises on a broken file
        message = "the stored heat map is damaged: inspect the image again to draw it anew"
        raise ImageError(message) from err


def _colour_indices() -> list[int]:
    """The palette's entry for each of the 256 values of the grey PNG; 0 is transparent."""
    above = (np.arange(256) / 255 - _TRANSPARENT_BELOW) / (1 - _TRANSPARENT_BELOW)
    indices: list[int] = np.ceil(above.clip(0) * _STEPS).astype(int).tolist()
    return indices


def _palette() -> NDArray[np.uint8]:
    """(_STEPS + 1, 4) uint8 RGBA."""
    stops = np.array(_RAMP)
    scores = np.linspace(_TRANSPARENT_BELOW, 1, _STEPS + 1)
    columns = [np.interp(scores, stops[:, 0], stops[:, column]) for column in range(1, 5)]
    return np.round(np.stack(columns, axis=1)).astype(np.uint8)
