from pathlib import Path

import numpy as np
import pytest

from walkdown.errors import ImageError
from walkdown.imaging.decode import decode
from walkdown.types import Photo

# What must come out of each file: its upright size, or words of the reason why it can't.
REAL: dict[str, tuple[int, int] | str] = {
    **{f"Landscape_{i}.jpg": (1800, 1200) for i in range(1, 9)},
    **{f"DSCN00{i}.jpg": (640, 480) for i in (10, 12, 21, 25, 27, 29, 38, 40, 42)},
    "IMG_5195.HEIC": (2566, 3313),
    "samplefilehub.heif": (640, 426),
    "image00971.jpg": (636, 227),
    "image01088.jpg": (425, 120),
    "image01137.jpg": (88, 64),
    "image01551.jpg": (61, 58),
    "image01713.jpg": (49, 500),
    "image01980.jpg": (284, 25),
    "image02206.jpg": (65, 65),
    "test-anomaly_10.jpg": (2000, 1334),
    "test-anomaly_13.jpg": (2000, 1334),
    "test-anomaly_14.jpg": (2000, 1334),
    "16bit.MM.deflate.tif": (64, 64),
    "16bit.cropped.tif": (64, 64),
    "i_trns.png": (64, 64),
    "ifd_tag_type.tiff": (640, 512),
    "pil_sample_cmyk.jpg": (100, 100),
    "tiff_strip_cmyk_jpeg.tif": (100, 100),
    "png_decompression_dos.png": (1, 1),
    "broken.png": "the beginning of the PNG file is damaged",
    "truncated_image.png": "cut off after about 400 of the image's 480 rows",
    "truncated_jpeg.jpg": "the file is cut off before the first row",
    "SOURCE.md": "not an image: it starts like a text file",
}


@pytest.fixture(scope="module")
def robust(test_data: Path) -> Path:
    return test_data / "robustness"


def opened(folder: Path, name: str) -> Photo:
    return decode(next(folder.rglob(name)).read_bytes(), name=name)


def test_every_awkward_file_is_an_image_or_a_reason(robust: Path) -> None:
    files = [path for path in robust.rglob("*") if path.is_file()]
    assert {path.name for path in files} <= set(REAL)
    for path in files:
        expected = REAL[path.name]
        if isinstance(expected, str):
            with pytest.raises(ImageError, match=expected):
                decode(path.read_bytes(), name=path.name)
        else:
            photo = decode(path.read_bytes(), name=path.name, at_least_px=300)
            assert (photo.width_px, photo.height_px) == expected, path.name
            assert max(photo.pixels.shape) >= min(300, max(expected)), path.name


def test_the_same_scene_held_in_eight_ways_looks_the_same(robust: Path) -> None:
    first = opened(robust, "Landscape_1.jpg").pixels.astype(int)
    for i in range(2, 9):
        other = opened(robust, f"Landscape_{i}.jpg").pixels
        assert np.abs(first - other).mean() < 6, i


def test_a_radiometric_tiff_is_visible_and_placed(robust: Path) -> None:
    photo = opened(robust, "ifd_tag_type.tiff")
    assert photo.pixels.std() > 30
    assert photo.exif.camera == "FLIR Duo Pro R"
    assert photo.exif.latitude_deg == pytest.approx(35.6, abs=1e-3)
    assert photo.exif.altitude_m == pytest.approx(1845.656)


def test_cmyk_of_a_real_file_shows_red_on_black(robust: Path) -> None:
    for name in ("pil_sample_cmyk.jpg", "tiff_strip_cmyk_jpeg.tif"):
        pixels = opened(robust, name).pixels
        assert pixels[0, 0, 0] > 200, name
        assert pixels[90, 90].max() < 20, name


def test_a_damaged_item_type_in_a_heic_does_not_end_the_process(robust: Path) -> None:
    good = next(robust.rglob("samplefilehub.heif")).read_bytes()
    for word in (b"Exif\0", b"mime\0", b"application/rdf"):
        data = good.replace(word, b"\xf2" + word[1:], 1)
        assert data != good
        assert decode(data, name="a").width_px == 640
