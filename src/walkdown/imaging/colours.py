"""Every colour mode of Pillow becomes 8-bit RGB, by fixed rules that need no other image.

* Transparency is laid over white.
* CMYK is converted by Pillow's plain formula; colour profiles are not applied.
* More than 8 bits of grey: see `eight_bits`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

BACKGROUND: Final = (255, 255, 255)
"""What shows through where an image is transparent."""

_DEEP: Final = frozenset(("I", "F", "I;16", "I;16L", "I;16B", "I;16N"))
_SAMPLE: Final = 1_000_000
_PERCENTILES: Final = (0.1, 99.9)


def to_rgb(image: Image.Image) -> Image.Image:
    """The image in mode RGB; decodes it where that has not happened yet."""
    if image.mode in _DEEP:
        return Image.fromarray(eight_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        return _over_background(image.convert("RGBA"))
    if image.mode != "RGB":
        return image.convert("RGB")
    image.load()
    return image


def _over_background(image: Image.Image) -> Image.Image:
    alpha = image.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return image.convert("RGB")
    under = Image.new("RGB", image.size, BACKGROUND)
    under.paste(image, mask=alpha)
    return under


def eight_bits(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Deep grey values of any real dtype as (H, W) uint8.

    Values that fill at least a quarter of the full scale (0..65535 for integers, 0..1 for floats)
    keep it: ``255 * value / full``, the same for every image. Others, such as the counts of a
    radiometric thermal camera, would come out black or flat: their 0.1 and 99.9 percentiles are
    stretched to 0 and 255 and what is beyond is clipped, so brightness is then relative to the
    image itself. The percentiles are taken from at most two million evenly spaced pixels. NaN and
    infinities count as the darkest value.
    """
    full = 1.0 if np.issubdtype(values.dtype, np.floating) else 65535.0
    kind = np.float64 if values.dtype.itemsize > 2 else np.float32
    numbers: NDArray[np.floating] = values.astype(kind)
    low, high = _range(numbers, full)
    numbers[~np.isfinite(numbers)] = low
    np.clip(numbers, low, high, out=numbers)
    numbers -= low
    numbers *= 255 / (high - low)
    numbers += 0.5
    return numbers.astype(np.uint8)


def _range(numbers: NDArray[np.floating], full: float) -> tuple[float, float]:
    sample = numbers.ravel()[:: max(1, numbers.size // _SAMPLE)]
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0, full
    low, high = (float(value) for value in np.percentile(sample, _PERCENTILES))
    least, most = float(sample.min()), float(sample.max())
    if least >= 0 and most <= full and high - low >= full / 4:
        return 0.0, full
    if high > low:
        return low, high
    return (least, most) if most > least else (min(0.0, least), max(full, most))
