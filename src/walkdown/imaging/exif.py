"""Reads what the camera wrote down, one field at a time: a malformed value loses only its field.

Time zones: a capture time with an offset is exact. Without one, the time of the GPS satellites is
taken, which is UTC. With neither, the camera's clock is taken as if it showed UTC: it can be off by
the hours of the zone, but keeps the order of one camera's images.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from PIL.ExifTags import GPS, IFD, Base

from walkdown.imaging.quiet import quiet
from walkdown.types import Exif

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL import Image

_TIME: Final = re.compile(
    r"([0-9]{4})[:/-]([0-9]{2})[:/-]([0-9]{2})[ T]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]*)?"
)
_DATE: Final = re.compile(r"([0-9]{4})[:/-]([0-9]{2})[:/-]([0-9]{2})")
_OFFSET: Final = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})")
_LONGEST_NAME: Final = 100


def read(exif: Image.Exif) -> Exif:
    """All fields of one image; None where a value is absent, malformed or out of range.

    Latitude is positive to the north, longitude to the east (WGS 84, degrees), altitude in metres
    above sea level; a coordinate without its hemisphere is None rather than a guess.
    """
    with quiet():
        base = {tag: _get(exif, tag) for tag in (Base.Make, Base.Model)}
        camera, gps = _ifd(exif, IFD.Exif), _ifd(exif, IFD.GPSInfo)
    return Exif(
        taken_at=_taken_at(camera, gps),
        camera=_camera(_text(base[Base.Make]), _text(base[Base.Model])),
        latitude_deg=_degrees(gps, GPS.GPSLatitude, GPS.GPSLatitudeRef, "NS", 90),
        longitude_deg=_degrees(gps, GPS.GPSLongitude, GPS.GPSLongitudeRef, "EW", 180),
        altitude_m=_altitude(gps),
    )


def orientation(exif: Image.Exif) -> int:
    """How the camera was held: 1 (upright) to 8, as in the EXIF standard; 1 where unknown."""
    with quiet():
        value = _get(exif, Base.Orientation)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _get(exif: Image.Exif, tag: int) -> object:
    # Pillow decodes a value when it is first asked for, and fails in many ways on garbage.
    try:
        value: object = exif.get(tag)
    except Exception:
        return None
    return value


def _ifd(exif: Image.Exif, tag: int) -> Mapping[int, object]:
    try:
        return dict(exif.get_ifd(tag))
    except Exception:
        return {}


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str):
        return None
    text = value.split("\0", 1)[0].strip()
    return text if text.isprintable() and text else None


def _number(value: object) -> float | None:
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, (str, bytes)):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ArithmeticError):
        return None
    return number if math.isfinite(number) else None


def _numbers(value: object) -> list[float] | None:
    if not isinstance(value, (tuple, list)) or not 1 <= len(value) <= 3:
        return None
    found = [number for part in value if (number := _number(part)) is not None]
    return found if len(found) == len(value) else None


def _camera(make: str | None, model: str | None) -> str | None:
    if make is None or model is None:
        name = make or model
    elif model.casefold().startswith(make.split()[0].casefold()):
        name = model
    else:
        name = f"{make} {model}"
    return name[:_LONGEST_NAME] if name else None


def _taken_at(camera: Mapping[int, object], gps: Mapping[int, object]) -> datetime | None:
    clock = _clock(_text(camera.get(Base.DateTimeOriginal)))
    offset = _zone(_text(camera.get(Base.OffsetTimeOriginal)))
    if clock is not None and offset is not None:
        try:
            return clock.replace(tzinfo=offset).astimezone(UTC)
        except OverflowError:
            return None
    return _satellite_time(gps) or (clock and clock.replace(tzinfo=UTC))


def _clock(text: str | None) -> datetime | None:
    match = _TIME.fullmatch(text or "")
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups())
    try:
        # The zone is not known yet; the caller sets it.
        return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001
    except ValueError:
        return None


def _zone(text: str | None) -> timezone | None:
    if text == "Z":
        return UTC
    match = _OFFSET.fullmatch(text or "")
    if match is None:
        return None
    sign, hours, minutes = match[1], int(match[2]), int(match[3])
    if hours > 15 or minutes > 59:
        return None
    ahead = timedelta(hours=hours, minutes=minutes)
    return timezone(-ahead if sign == "-" else ahead)


def _satellite_time(gps: Mapping[int, object]) -> datetime | None:
    match = _DATE.fullmatch(_text(gps.get(GPS.GPSDateStamp)) or "")
    parts = _numbers(gps.get(GPS.GPSTimeStamp))
    if match is None or parts is None or len(parts) != 3:
        return None
    limits = (24, 60, 61)
    if not all(0 <= part < limit for part, limit in zip(parts, limits, strict=True)):
        return None
    hours, minutes, seconds = parts
    try:
        day = datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=UTC)
        return day + timedelta(hours=hours, minutes=minutes, seconds=int(seconds))
    except (ValueError, OverflowError):
        return None


def _degrees(
    gps: Mapping[int, object], tag: int, ref_tag: int, hemispheres: str, limit: float
) -> float | None:
    parts = _numbers(gps.get(tag))
    ref = (_text(gps.get(ref_tag)) or "").upper()
    if parts is None or len(ref) != 1 or ref not in hemispheres:
        return None
    if min(parts) < 0 or max(parts[1:], default=0) > 60:
        return None
    degrees = sum(part / 60.0**power for power, part in enumerate(parts))
    if degrees > limit:
        return None
    return -degrees if ref == hemispheres[1] else degrees


def _altitude(gps: Mapping[int, object]) -> float | None:
    metres = _number(gps.get(GPS.GPSAltitude))
    if metres is None:
        return None
    ref = gps.get(GPS.GPSAltitudeRef)
    below = isinstance(ref, (int, bytes)) and ref in (1, b"\x01")
    return -math.fabs(metres) if below else metres
