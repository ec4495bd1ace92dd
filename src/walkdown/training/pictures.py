"""The picture of a bank: for each of its rows a tile that shows the patch and what surrounds it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pictures

from walkdown.errors import ImageError
from walkdown.imaging.resize import resize
from walkdown.models.bank import TILE_COLUMNS, TILE_PX
from walkdown.parallel import ordered_map

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from walkdown.types import ImageRef, Photo

QUALITY = 80


def tile_boxes(cells: NDArray[np.int32], cell_px: int) -> NDArray[np.int32]:
    """(n, 4) boxes of tiles around (n, 4) boxes of cells, which may stick out of their image."""
    x, y, width, height = cells.T.astype(np.float64)
    times = TILE_PX / cell_px
    wide, high = width * times, height * times
    left, top = x + (width - wide) / 2, y + (height - high) / 2
    boxes: NDArray[np.int32] = np.rint(np.stack([left, top, wide, high], axis=1)).astype(np.int32)
    return boxes


def draw(
    origin: NDArray[np.int32],
    refs: Sequence[ImageRef],
    photo: Callable[[ImageRef], Photo],
    *,
    workers: int,
) -> bytes:
    """A JPEG of the tiles of (m, 5) origins, in their order: number of the image, box in its px."""
    rows = -(-len(origin) // TILE_COLUMNS)
    atlas = np.zeros((rows * TILE_PX, TILE_COLUMNS * TILE_PX, 3), dtype=np.uint8)

    def fill(image: int) -> None:
        try:
            shown = photo(refs[image])
        except ImageError:
            return
        for row in np.flatnonzero(origin[:, 0] == image):
            down, right = divmod(int(row), TILE_COLUMNS)
            tile = _tile(shown, origin[row, 1:])
            atlas[down * TILE_PX :, right * TILE_PX :][:TILE_PX, :TILE_PX] = tile

    for _ in ordered_map(fill, sorted({int(i) for i in origin[:, 0]}), workers=workers):
        pass
    buffer = io.BytesIO()
    Pictures.fromarray(atlas).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


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
