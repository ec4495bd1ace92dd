"""The picture of a bank: for each of its rows a tile that shows the patch and what surrounds it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pictures

from walkdown.errors import ArtefactError, ImageError
from walkdown.imaging.resize import resize
from walkdown.models.bank import TILE_COLUMNS, TILE_PX
from walkdown.parallel import ordered_map

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from walkdown.types import ImageRef, Photo

QUALITY = 80

NONE = -1
"""In place of a tile's number: it is still to be drawn."""

_DAMAGED = "the model's picture of normal patches is missing or damaged: train the model anew"


def tile_boxes(cells: NDArray[np.int32], cell_px: int) -> NDArray[np.int32]:
    """(n, 4) boxes of tiles around (n, 4) boxes of cells, which may stick out of their image."""
    x, y, width, height = cells.T.astype(np.float64)
    times = TILE_PX / cell_px
    wide, high = width * times, height * times
    left, top = x + (width - wide) / 2, y + (height - high) / 2
    boxes: NDArray[np.int32] = np.rint(np.stack([left, top, wide, high], axis=1)).astype(np.int32)
    return boxes


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A picture from before, as its bytes, and for each row the number of its tile, or `NONE`."""

    picture: bytes
    tiles: NDArray[np.intp]


def draw(
    origin: NDArray[np.int32],
    refs: Sequence[ImageRef] | Mapping[int, ImageRef],
    photo: Callable[[ImageRef], Photo],
    *,
    workers: int,
    drawn: Drawn | None = None,
) -> bytes:
    """A JPEG of the tiles of (m, 5) origins, in their order: number of the image, box in its px.

    What was ``drawn`` before is taken from there, and its photographs need no ref. Raises
    `ArtefactError` where that picture is damaged.
    """
    atlas = _atlas(len(origin))
    wanted = np.ones(len(origin), dtype=bool)
    if drawn is not None:
        wanted = drawn.tiles == NONE
        _copy(drawn, atlas)

    def fill(image: int) -> None:
        try:
            shown = photo(refs[image])
        except ImageError:
            return
        for row in np.flatnonzero((origin[:, 0] == image) & wanted):
            _place(atlas, int(row))[:] = _tile(shown, origin[row, 1:])

    for _ in ordered_map(fill, sorted({int(i) for i in origin[wanted, 0]}), workers=workers):
        pass
    buffer = io.BytesIO()
    Pictures.fromarray(atlas).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _atlas(count: int) -> NDArray[np.uint8]:
    """An empty picture with room for so many tiles."""
    rows = -(-count // TILE_COLUMNS)
    return np.zeros((rows * TILE_PX, TILE_COLUMNS * TILE_PX, 3), dtype=np.uint8)


def _place(atlas: NDArray[np.uint8], row: int) -> NDArray[np.uint8]:
    """The part of a picture that shows a row's tile."""
    down, right = divmod(row, TILE_COLUMNS)
    return atlas[down * TILE_PX :, right * TILE_PX :][:TILE_PX, :TILE_PX]


def _copy(drawn: Drawn, atlas: NDArray[np.uint8]) -> None:
    """Put the tiles of an older picture where their rows are now."""
    kept = np.flatnonzero(drawn.tiles != NONE)
    if not len(kept):
        return
    try:
        with Pictures.open(io.BytesIO(drawn.picture), formats=["JPEG"]) as file:
            old = np.asarray(file.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Pictures.DecompressionBombError) as e:
        raise ArtefactError(f"{_DAMAGED} ({e})") from e
    if old.shape[1] != atlas.shape[1] or old.shape[0] < _atlas(int(drawn.tiles.max()) + 1).shape[0]:
        raise ArtefactError(f"{_DAMAGED} (it is {old.shape[1]} x {old.shape[0]} px)")
    for row in kept:
        _place(atlas, int(row))[:] = _place(old, int(drawn.tiles[row]))


def _tile(photo: Photo, box: NDArray[np.int32]) -> NDArray[np.uint8]:
    """A box of a photograph as a tile; beyond the border its last pixels go on."""
    height, width = photo.pixels.shape[:2]
    across, down = width / photo.width_px, height / photo.height_px
    left, top = round(int(box[0]) * across), round(int(box[1]) * down)
    wide, high = max(1, round(int(box[2]) * across)), max(1, round(int(box[3]) * down))
    rows = np.clip(np.arange(top, top + high), 0, height - 1)
    columns = np.clip(np.arange(left, left + wide), 0, width - 1)
    crop = np.ascontiguousarray(photo.pixels[rows[:, None], columns])
    return resize(crop, width_px=TILE_PX, height_px=TILE_PX)
