"""What a photo's `keep` means to a model that knows nothing of it.

What does not count is painted over before the model looks, so that its verdict is about the rest;
what it then marks there all the same is dropped.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from walkdown.imaging.heatmaps import upsample
from walkdown.types import HeatMap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from walkdown.types import Box, Photo, Prediction

_LEAST: Final = 0.5


def painted(photo: Photo) -> Photo:
    """The photo with what does not count in the mean colour of what does; then all of it counts.

    The mean colour is that at which the edge stands out least, whatever the light. The photo has
    no ``data`` then, since the file shows what must not be seen. One without ``keep`` comes back
    as it is.
    """
    if photo.keep is None:
        return photo
    height, width = photo.pixels.shape[:2]
    shares = Image.fromarray(np.rint(photo.keep * 255).astype(np.uint8))
    counts = shares.resize((width, height), Image.Resampling.BOX)
    image = Image.fromarray(photo.pixels)
    paint = Image.new("RGB", image.size, _mean_colour(image, photo.keep))
    pixels = np.asarray(Image.composite(image, paint, counts))
    return replace(photo, pixels=pixels, data=b"", format="array", keep=None)


def without_rest(prediction: Prediction, photo: Photo) -> Prediction:
    """What a model said of the painted photo, without what it marks where nothing counts.

    Regions of which less than half counts are dropped, and the heat map is multiplied by ``keep``.
    Verdict and scores stay: the model saw nothing but what counts.
    """
    keep, heatmap = photo.keep, prediction.heatmap
    if keep is None or prediction.error is not None:
        return prediction
    size = {"width_px": photo.width_px, "height_px": photo.height_px}
    regions = tuple(r for r in prediction.regions if share_of(keep, r.box, **size) >= _LEAST)
    if heatmap is not None:
        heatmap = replace(heatmap, grid=_product(heatmap.grid, keep))
    return replace(prediction, regions=regions, heatmap=heatmap)


def share_of(keep: NDArray[np.float32], box: Box, *, width_px: int, height_px: int) -> float:
    """The share of a box that counts, 0..1; 0 for one outside of the image.

    >>> share_of(np.array([[1, 0]], np.float32), (40, 0, 20, 10), width_px=100, height_px=50)
    0.5
    """
    x, y, width, height = box
    rows, columns = keep.shape
    down = _overlaps(y, y + height, rows, rows / height_px)
    across = _overlaps(x, x + width, columns, columns / width_px)
    area = float(down.sum() * across.sum())
    return float(down @ keep @ across) / area if area > 0 else 0.0


def _overlaps(start: float, end: float, cells: int, scale: float) -> NDArray[np.float64]:
    """How much of each cell along one side lies between two places in pixels."""
    left = np.arange(cells, dtype=np.float64)
    inside = np.minimum(left + 1, end * scale) - np.maximum(left, start * scale)
    return inside.clip(0, 1)


def _product(grid: NDArray[np.float32], keep: NDArray[np.float32]) -> NDArray[np.float32]:
    """A grid as fine as the finer of both, so that the edge of what counts stays where it is."""
    rows, columns = np.maximum(grid.shape, keep.shape).tolist()
    scores, shares = (upsample(HeatMap(each, columns, rows)) for each in (grid, keep))
    return scores * shares


def _mean_colour(image: Image.Image, keep: NDArray[np.float32]) -> tuple[int, int, int]:
    """Of what counts, measured on a reduced image."""
    size = min(image.width, keep.shape[1]), min(image.height, keep.shape[0])
    box = Image.Resampling.BOX
    shares = np.asarray(Image.fromarray(keep).resize(size, box), np.float64)
    colours = np.asarray(image.resize(size, box, reducing_gap=2.0), np.float64)
    red, green, blue = np.rint((colours * shares[..., None]).sum(axis=(0, 1)) / shares.sum())
    return int(red), int(green), int(blue)
