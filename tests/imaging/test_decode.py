import contextlib
import hashlib
import io
import random
import struct
import sys
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from walkdown.errors import ImageError
from walkdown.imaging.decode import decode, from_array, sniff

AVIF = pytest.param(
    "AVIF",
    marks=pytest.mark.skipif(not features.check("avif"), reason="this Pillow can't write AVIF"),
)
RED, WHITE = (255, 0, 0), (255, 255, 255)


def saved(image: Image.Image, format_name: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format_name, **options)
    return out.getvalue()


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def scene(width: int = 48, height: int = 32) -> Image.Image:
    """Four quarters of different colours: shows every wrong turn, survives JPEG."""
    image = Image.new("RGB", (width, height), (200, 30, 30))
    for colour, at in (((30, 200, 30), (1, 0)), ((30, 30, 200), (0, 1)), ((220, 220, 40), (1, 1))):
        image.paste(Image.new("RGB", (width // 2, height // 2), colour), _corner(at, image))
    return image


def _corner(at: tuple[int, int], image: Image.Image) -> tuple[int, int]:
    return at[0] * image.width // 2, at[1] * image.height // 2


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(png: bytes, kind: bytes, body: bytes) -> bytes:
    """The PNG with one more chunk after its header."""
    return png[:33] + png_chunk(kind, body) + png[33:]


def reason(data: bytes, **options: int) -> str:
    with pytest.raises(ImageError) as caught:
        decode(data, name="site/pole.jpg", **options)
    text = str(caught.value)
    assert text.startswith("site/pole.jpg: ")
    return text


# -- formats ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("saved_as", "name"),
    [
        ("JPEG", "JPEG"),
        ("PNG", "PNG"),
        ("TIFF", "TIFF"),
        ("BMP", "BMP"),
        ("GIF", "GIF"),
        ("WEBP", "WebP"),
        pytest.param("AVIF", "AVIF", marks=AVIF.marks),
    ],
)
def test_reads_every_common_format(saved_as: str, name: str) -> None:
    data = saved(scene(), saved_as)
    photo = decode(data, name="a")
    assert sniff(data[:64]) == name == photo.format
    assert photo.pixels.shape == (32, 48, 3)
    assert photo.pixels.dtype == np.uint8
    assert (photo.width_px, photo.height_px) == (48, 32)
    assert photo.content == hashlib.sha256(data).hexdigest()
    assert photo.data == data
    assert np.abs(photo.pixels.astype(int) - np.asarray(scene())).mean() < 12


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP"])
def test_one_pixel_is_an_image(format_name: str) -> None:
    photo = decode(saved(Image.new("RGB", (1, 1), WHITE), format_name), name="a", at_least_px=256)
    assert photo.pixels.shape == (1, 1, 3)
    assert photo.pixels.min() > 250


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "AVIF"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "camera raw"),
        (b"\0\0\0\x18ftypisom\0\0\0\1isomavc1", None),
        (b"MM\0*\0\0\0\x08", "TIFF"),
        (b"II*\0\x10\0\0\0CR\2\0", "camera raw"),
        (b"8BPS\0\1", "Photoshop"),
        (b"BMW keys are in the office", None),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"", None),
        (b"\xff", None),
    ],
)
def test_sniffs_by_magic_bytes(head: bytes, name: str | None) -> None:
    assert sniff(head) == name


def test_first_image_of_many() -> None:
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), (0, 0, 255))
    for format_name in ("TIFF", "GIF", "WEBP", "PNG", "MPO"):
        photo = decode(
            saved(first, format_name, save_all=True, append_images=[second]), name="many"
        )
        assert photo.pixels[4, 4, 0] > 240, format_name
        assert photo.pixels[4, 4, 2] < 15, format_name


# -- orientation and size --------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "TIFF", "WEBP", AVIF])
def test_every_orientation_comes_out_upright(orientation: int, format_name: str) -> None:
    turns: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }
    stored = np.ascontiguousarray(turns[orientation](np.asarray(scene())))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(stored), format_name, exif=exif, quality=95)
    photo = decode(data, name="a")
    assert (photo.width_px, photo.height_px) == (48, 32)
    difference = np.abs(photo.pixels.astype(int) - np.asarray(scene()))
    assert difference.mean() < 12


@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    wanted=st.integers(1, 500),
    turned=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_shrinking_never_goes_below_what_is_wanted(
    width: int, height: int, wanted: int, turned: bool
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6 if turned else 1
    data = saved(Image.new("L", (width, height), 77), "JPEG", exif=exif)
    photo = decode(data, name="a", at_least_px=wanted)
    upright = (height, width) if turned else (width, height)
    assert (photo.width_px, photo.height_px) == upright
    longer = max(photo.pixels.shape[:2])
    assert longer >= min(wanted, max(width, height))
    assert longer < 2 * wanted + 2 or longer == max(width, height) or longer * 8 >= max(upright)
    scale = max(upright) / longer
    assert abs(photo.pixels.shape[1] - upright[0] / scale) <= 1.01


def test_a_large_jpeg_is_decoded_at_an_eighth() -> None:
    data = saved(noise(1600, 1200), "JPEG")
    assert decode(data, name="a", at_least_px=200).pixels.shape == (150, 200, 3)
    assert decode(data, name="a", at_least_px=201).pixels.shape == (300, 400, 3)
    assert decode(data, name="a").pixels.shape == (1200, 1600, 3)


def test_pixels_cannot_be_changed_by_accident() -> None:
    for photo in (decode(saved(scene(), "PNG"), name="a"), from_array(np.asarray(scene()))):
        with pytest.raises(ValueError, match="read-only"):
            photo.pixels[0, 0] = 0


# -- reasons ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"Dear all,\r\nplease find the photos \xc3\xa4", "starts like a text file"),
        ((b"x" * 63) + "ä".encode(), "starts like a text file"),
        (b"%PDF-1.7", "starts like a PDF"),
        (b"PK\x03\x04....", "ZIP archive"),
        (b"\0\0\0\x18ftypisom\0\0\0\1isomavc1", "starts like a video"),
        (b"\0" * 5000, "nothing but zero bytes"),
        (bytes(range(128, 200)), "no image format"),
        (b"8BPS\0\1", "Photoshop images can't be read here: save it as JPEG"),
        (b"\xff\xd8\xff", "cut off"),
        (b"\x89PNG\r\n\x1a\n", "cut off"),
    ],
)
def test_says_why_in_plain_words(data: bytes, words: str) -> None:
    assert words in reason(data)


def test_says_after_how_many_rows_a_file_is_cut_off() -> None:
    for format_name in ("PNG", "JPEG", "BMP", "TIFF"):
        data = saved(noise(64, 200), format_name)
        text = reason(data[: len(data) // 2])
        rows = int(text.split("after about ")[1].split()[0])
        assert 70 <= rows <= 110, text
        assert text.endswith("of the image's 200 rows")


def test_a_damaged_file_is_called_damaged() -> None:
    data = bytearray(saved(noise(64, 64), "PNG"))
    data[2000:2100] = b"\0" * 100
    assert "damaged" in reason(bytes(data))


def test_camera_raw_is_not_mistaken_for_its_preview() -> None:
    tags = ImageFileDirectory_v2()
    tags[50706] = b"\1\4\0\0"
    tags.tagtype[50706] = 1
    assert "camera raw" in reason(saved(scene(), "TIFF", tiffinfo=tags))


def test_without_the_extra_heic_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    text = reason(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert "HEIC needs the extra 'heic': pip install 'walkdown[heic]'" in text


# -- bombs -----------------------------------------------------------------------------------


def peak_kb() -> int:
    """The most memory that this process held since the mark was last reset."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


@contextlib.contextmanager
def little_memory() -> Iterator[None]:
    """Fails where more than 20 MB are held in between."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        pytest.skip("the memory of a process can be measured on Linux only")
    before = peak_kb()
    yield
    assert peak_kb() - before < 20_000


def huge_png(side: int, body: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, part) for kind, part in chunks)


def huge_webp(side: int) -> bytes:
    extent = (side - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + extent + extent
    return b"RIFF" + struct.pack("<I", len(body)) + body


def huge_bmp(side: int) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header


@pytest.mark.parametrize("make", [lambda s: huge_png(s, b""), huge_webp, huge_bmp])
def test_a_huge_size_in_the_header_takes_no_memory(make: Callable[[int], bytes]) -> None:
    with little_memory():
        text = reason(make(30_000))
    assert "30000 x 30000 px is over the limit of 150 million pixels" in text
    assert "max_pixels" in text
    assert "--max-pixels" in text


def test_a_60_mb_bomb_is_refused_by_its_header() -> None:
    packer = zlib.compressobj(9)
    zeros = bytes(1_000_000)
    body = b"".join(packer.compress(zeros) for _ in range(60)) + packer.flush()
    bomb = huge_png(4_472, body)
    with little_memory():
        assert "over the limit of 5 million" in reason(bomb, max_pixels=5_000_000)


@pytest.mark.parametrize("size", [(1, 50_000_000), (50_000_000, 1)])
def test_a_line_of_fifty_million_pixels_takes_no_memory(size: tuple[int, int]) -> None:
    """Within the limit of pixels, but each row costs memory too: it took 1.3 GiB."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0))
    empty = png_chunk(b"IDAT", zlib.compress(b"")) + png_chunk(b"IEND", b"")
    with little_memory():
        text = reason(b"\x89PNG\r\n\x1a\n" + header + empty)
    assert f"{size[0]} x {size[1]} px is no photograph" in text


def test_the_limit_is_what_the_caller_says() -> None:
    data = saved(Image.new("L", (100, 50)), "PNG")
    assert decode(data, name="a", max_pixels=5_000).width_px == 100
    assert "limit of 0.004999 million" in reason(data, max_pixels=4_999)


def test_pillows_own_limit_is_neither_used_nor_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert decode(saved(noise(20, 20), "JPEG"), name="a").width_px == 20
    assert Image.MAX_IMAGE_PIXELS == 10


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP", b"iTXt"])
def test_a_png_with_a_text_bomb_still_shows_its_pixels(kind: bytes) -> None:
    packed = zlib.compress(bytes(60_000_000), 9)
    body = b"k\0\1\0\0\0" + packed if kind == b"iTXt" else b"k\0\0" + packed
    data = with_chunk(saved(scene(), "PNG"), kind, body)
    with little_memory():
        assert np.array_equal(decode(data, name="a").pixels, np.asarray(scene()))


# -- warnings and broken EXIF ----------------------------------------------------------------


def warning_tiff() -> bytes:
    """A TIFF whose software tag points behind the end of the file: Pillow warns of it."""
    data = bytearray(saved(scene(), "TIFF", software="a name longer than four letters"))
    at = data.index(struct.pack("<HH", 305, 2))
    struct.pack_into("<I", data, at + 8, len(data) - 3)
    return bytes(data)


def test_warnings_of_pillow_stay_inside() -> None:
    data = warning_tiff()
    with pytest.warns(UserWarning, match=r"(?i)truncated|corrupt|larger"):
        Image.open(io.BytesIO(data)).load()
    assert decode(data, name="a").width_px == 48
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        decode(data, name="a")
        decode(with_chunk(saved(scene(), "PNG"), b"acTL", b"\0" * 8), name="a")
    assert caught == []


def test_other_users_of_pillow_keep_their_warnings() -> None:
    data = warning_tiff()
    decode(data, name="a")
    with pytest.warns(UserWarning, match=r"(?i)truncated|corrupt|larger"):
        Image.open(io.BytesIO(data)).load()
    stop = threading.Event()
    busy = threading.Thread(
        target=lambda: [decode(data, name="a") for _ in iter(stop.is_set, True)]
    )
    busy.start()
    try:
        for _ in range(20):
            with pytest.raises(UserWarning, match=r"(?i)truncated|corrupt|larger"):
                Image.open(io.BytesIO(data)).load()
    finally:
        stop.set()
        busy.join()


def test_broken_exif_loses_only_exif() -> None:
    good = saved(scene(), "JPEG", quality=95)
    for body in (
        b"",
        b"garbage",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff" + b"\1" * 40,
    ):
        segment = b"Exif\0\0" + body
        data = good[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + good[2:]
        photo = decode(data, name="a")
        assert photo.width_px == 48
        assert photo.exif.camera is None


@given(seed=st.integers(0, 10**9), share=st.floats(0, 1))
@settings(max_examples=150, deadline=None)
def test_garbage_is_an_image_or_an_image_error(seed: int, share: float) -> None:
    chance = random.Random(seed)
    exif = Image.Exif()
    exif[0x010F] = "Make"
    exif.get_ifd(0x8825)[2] = (1.0, 2.0, 3.0)
    name = chance.choice(["JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP"])
    data = bytearray(saved(noise(24, 24), name, exif=exif))
    for _ in range(1 + int(share * 20)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    kept = bytes(data[: len(data) - chance.randrange(len(data)) * chance.randrange(2)])
    try:
        photo = decode(kept, name="a", max_pixels=1_000_000)
    except ImageError:
        return
    assert photo.pixels.shape == (photo.height_px, photo.width_px, 3)


# -- arrays ----------------------------------------------------------------------------------


def test_arrays_of_every_allowed_shape() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for array in (grey, grey[:, :, np.newaxis]):
        photo = from_array(array)
        assert photo.pixels.shape == (3, 4, 3)
        assert np.array_equal(photo.pixels[:, :, 2], grey)
    rgb = np.asarray(noise(5, 3))
    assert np.array_equal(from_array(rgb).pixels, rgb)
    assert np.array_equal(from_array(rgb[:, ::-1]).pixels, rgb[:, ::-1])
    clear = np.dstack((rgb, np.zeros((3, 5), np.uint8)))
    assert from_array(clear).pixels.min() == 255
    assert (from_array(rgb).width_px, from_array(rgb).height_px) == (5, 3)


def test_content_of_an_array_depends_on_shape_and_values() -> None:
    values = np.zeros((2, 3, 3), np.uint8)
    other = values.copy()
    other[0, 0, 0] = 1
    contents = {from_array(a).content for a in (values, values.reshape(3, 2, 3), other)}
    assert len(contents) == 3
    assert from_array(values.copy()).content in contents


def test_an_array_is_copied() -> None:
    values = np.zeros((2, 2, 3), np.uint8)
    photo = from_array(values)
    values[:] = 9
    assert photo.pixels.max() == 0


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 2)), "float64.*uint8"),
        (np.zeros((2, 2, 2), np.uint8), "1, 3 or 4 channels"),
        (np.zeros((0, 2), np.uint8), r"\(0, 2\)"),
        (np.zeros((1, 2, 2, 3), np.uint8), r"\(height, width"),
        ([[1]], "list.*numpy array"),
    ],
)
def test_other_arrays_are_refused_with_what_is_allowed(array: np.ndarray, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        from_array(array)
