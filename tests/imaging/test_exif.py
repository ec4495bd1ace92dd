import io
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from walkdown.imaging.exif import orientation, read
from walkdown.types import Exif

CAMERA, GPS = 0x8769, 0x8825
MAKE, MODEL, ORIENTATION = 0x010F, 0x0110, 0x0112
TAKEN, OFFSET = 0x9003, 0x9011
WHOLE_GPS: dict[int, object] = {
    1: "S",
    2: (33.0, 51.0, 30.0),
    3: "W",
    4: (70.0, 30.0, 0.0),
    5: b"\x01",
    6: 12.5,
    7: (22.0, 30.0, 15.0),
    29: "2024:05:06",
}


def exif_of(
    *,
    base: dict[int, object] | None = None,
    camera: dict[int, object] | None = None,
    gps: dict[int, object] | None = None,
) -> Image.Exif:
    exif = Image.Exif()
    exif.update(base or {})
    exif.get_ifd(CAMERA).update(camera or {})
    exif.get_ifd(GPS).update(gps or {})
    return exif


def stored(exif: Image.Exif) -> Image.Exif:
    """The same after a way through the bytes of a JPEG."""
    out = io.BytesIO()
    Image.new("L", (8, 8)).save(out, "JPEG", exif=exif)
    return Image.open(out).getexif()


def test_reads_all_fields_from_a_file() -> None:
    exif = exif_of(
        base={MAKE: "DJI", MODEL: "M30T"},
        camera={TAKEN: "2024:05:06 17:30:15", OFFSET: "-05:00"},
        gps=WHOLE_GPS,
    )
    for one in (exif, stored(exif)):
        found = read(one)
        assert found.taken_at == datetime(2024, 5, 6, 22, 30, 15, tzinfo=UTC)
        assert found.camera == "DJI M30T"
        assert found.latitude_deg == pytest.approx(-33.858333, abs=1e-6)
        assert found.longitude_deg == -70.5
        assert found.altitude_m == -12.5


def test_nothing_gives_nothing() -> None:
    assert read(Image.Exif()) == Exif()
    assert orientation(Image.Exif()) == 1


@pytest.mark.parametrize(
    ("camera", "gps", "expected"),
    [
        ({TAKEN: "2024:05:06 17:30:15", OFFSET: "+05:30"}, {}, (12, 0, 15)),
        ({TAKEN: "2024:05:06 17:30:15", OFFSET: "Z"}, WHOLE_GPS, (17, 30, 15)),
        ({TAKEN: "2024:05:06 17:30:15"}, WHOLE_GPS, (22, 30, 15)),
        ({}, WHOLE_GPS, (22, 30, 15)),
        ({TAKEN: "2024:05:06 17:30:15"}, {}, (17, 30, 15)),
        ({TAKEN: "2024:05:06 17:30:15\0\0"}, {29: "2024:05:06"}, (17, 30, 15)),
        ({TAKEN: "2024-05-06T17:30:15.25", OFFSET: "+99:00"}, {}, (17, 30, 15)),
        ({TAKEN: b"2024:05:06 17:30:15\0"}, {7: (25.0, 0.0, 0.0), 29: "2024:05:06"}, (17, 30, 15)),
    ],
)
def test_time_of_offset_then_satellites_then_clock(
    camera: dict[int, object], gps: dict[int, object], expected: tuple[int, int, int]
) -> None:
    taken_at = read(exif_of(camera=camera, gps=gps)).taken_at
    assert taken_at == datetime(2024, 5, 6, *expected, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["0000:00:00 00:00:00", "2024:13:01 00:00:00", "    :  :     :  :  ", "", b"\xff\xfe", 7],
)
def test_an_impossible_time_is_none(text: object) -> None:
    assert read(exif_of(camera={TAKEN: text})).taken_at is None


def test_a_time_at_the_edge_of_the_calendar_is_none() -> None:
    exif = exif_of(camera={TAKEN: "0001:01:01 00:00:00", OFFSET: "+10:00"})
    assert read(exif).taken_at is None


@pytest.mark.parametrize(
    ("make", "model", "expected"),
    [
        ("Canon", "Canon EOS 80D", "Canon EOS 80D"),
        ("NIKON CORPORATION", "NIKON D70", "NIKON D70"),
        ("Apple\0junk", " iPhone 11 ", "Apple iPhone 11"),
        (None, "X100", "X100"),
        ("FLIR", None, "FLIR"),
        ("  ", b"X\0", "X"),
        ("bad\x07", None, None),
        (5, (1, 2), None),
    ],
)
def test_camera_has_no_repetition(make: object, model: object, expected: str | None) -> None:
    given_tags = {MAKE: make, MODEL: model}
    exif = exif_of(base={tag: value for tag, value in given_tags.items() if value is not None})
    assert read(exif).camera == expected


@pytest.mark.parametrize(
    ("tag", "value", "field"),
    [
        (2, (91.0, 0.0, 0.0), "latitude_deg"),
        (2, (90.0, 0.0, 1.0), "latitude_deg"),
        (2, (10.0, 61.0, 0.0), "latitude_deg"),
        (2, (-10.0, 0.0, 0.0), "latitude_deg"),
        (2, (float("nan"), 0.0, 0.0), "latitude_deg"),
        (2, (IFDRational(0, 0), IFDRational(0, 0), IFDRational(0, 0)), "latitude_deg"),
        (2, "33", "latitude_deg"),
        (1, "X", "latitude_deg"),
        (1, "", "latitude_deg"),
        (4, (181.0, 0.0, 0.0), "longitude_deg"),
        (4, (), "longitude_deg"),
        (3, b"\0\0", "longitude_deg"),
        (6, IFDRational(5, 0), "altitude_m"),
        (6, float("inf"), "altitude_m"),
        (6, "high", "altitude_m"),
    ],
)
def test_a_malformed_value_loses_only_its_own_field(tag: int, value: object, field: str) -> None:
    whole = read(exif_of(gps=WHOLE_GPS))
    found = read(exif_of(gps={**WHOLE_GPS, tag: value}))
    for name in ("taken_at", "latitude_deg", "longitude_deg", "altitude_m"):
        assert getattr(found, name) == (None if name == field else getattr(whole, name))


@pytest.mark.parametrize(("value", "expected"), [(6, 6), (0, 1), (9, 1), ("x", 1), ((3, 4), 1)])
def test_orientation_is_one_to_eight(value: object, expected: int) -> None:
    assert orientation(exif_of(base={ORIENTATION: value})) == expected


JUNK = st.one_of(
    st.none(),
    st.binary(max_size=20),
    st.text(max_size=20),
    st.integers(),
    st.floats(),
    st.builds(IFDRational, st.integers(-99, 99), st.integers(-1, 9)),
    st.tuples(st.floats(), st.floats(), st.floats()),
    st.lists(st.integers(), max_size=4).map(tuple),
)


def check(found: Exif) -> None:
    assert found.taken_at is None or found.taken_at.tzinfo is UTC
    assert found.camera is None or (found.camera.isprintable() and 0 < len(found.camera) <= 100)
    assert found.latitude_deg is None or abs(found.latitude_deg) <= 90
    assert found.longitude_deg is None or abs(found.longitude_deg) <= 180
    assert found.altitude_m is None or abs(found.altitude_m) < float("inf")


@given(
    base=st.dictionaries(st.sampled_from([MAKE, MODEL, ORIENTATION]), JUNK),
    camera=st.dictionaries(st.sampled_from([TAKEN, OFFSET]), JUNK),
    gps=st.dictionaries(st.sampled_from([*WHOLE_GPS]), JUNK),
)
@settings(max_examples=150, deadline=None)
def test_any_values_are_read_or_left_out(
    base: dict[int, object], camera: dict[int, object], gps: dict[int, object]
) -> None:
    exif = exif_of(base=base, camera=camera, gps={**WHOLE_GPS, **gps})
    check(read(exif))
    assert 1 <= orientation(exif) <= 8


@given(seed=st.integers(0, 10**9), hits=st.integers(1, 30))
@settings(max_examples=150, deadline=None)
def test_damaged_bytes_are_read_or_left_out(seed: int, hits: int) -> None:
    exif = exif_of(base={MAKE: "DJI"}, camera={TAKEN: "2024:05:06 17:30:15"}, gps=WHOLE_GPS)
    body = bytearray(exif.tobytes())
    chance = random.Random(seed)
    for _ in range(hits):
        body[chance.randrange(6, len(body))] = chance.randrange(256)
    damaged = Image.Exif()
    try:
        damaged.load(bytes(body))
    except Exception:
        return
    check(read(damaged))


@given(degrees=st.floats(-90, 90))
def test_degrees_minutes_seconds_and_sign(degrees: float) -> None:
    size = abs(degrees)
    whole, rest = int(size), (size - int(size)) * 60
    parts = (float(whole), float(int(rest)), min(60.0, (rest - int(rest)) * 60))
    exif = exif_of(gps={1: "S" if degrees < 0 else "N", 2: parts})
    assert read(exif).latitude_deg == pytest.approx(degrees, abs=1e-9)
