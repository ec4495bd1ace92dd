import io

import numpy as np
import pytest
from PIL import Image

from walkdown.errors import ImageError
from walkdown.imaging.thumbnails import thumbnail


def jpeg(width: int, height: int, orientation: int = 1) -> bytes:
    image = Image.new("RGB", (width, height), (20, 160, 60))
    image.paste((240, 240, 240), (0, 0, width, height // 2))
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif)
    return out.getvalue()


def test_a_thumbnail_is_a_small_upright_webp() -> None:
    data, width, height = thumbnail(jpeg(1200, 800, 6), name="a", max_px=300)
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.size) == ("WEBP", (200, 300))
    assert (width, height) == (200, 300)
    pixels = np.asarray(image.convert("RGB"))
    # Orientation 6: what is stored at the top belongs to the right.
    assert pixels[150, 190].min() > 220
    assert pixels[150, 10, 0] < 60
    assert len(data) < 3000


@pytest.mark.parametrize(
    ("size", "expected"), [((60, 40), (60, 40)), ((2000, 2), (300, 1)), ((1, 1), (1, 1))]
)
def test_small_images_keep_their_size_and_thin_ones_a_pixel(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    data, *found = thumbnail(jpeg(*size), name="a", max_px=300)
    assert tuple(found) == expected == Image.open(io.BytesIO(data)).size


def test_what_is_no_image_says_so() -> None:
    with pytest.raises(ImageError, match=r"notes\.txt: not an image"):
        thumbnail(b"notes", name="notes.txt", max_px=300)
