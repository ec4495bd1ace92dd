"""Synthetic defects: small changes to a normal photograph, of known place and kind.

A family of defects draws a place (some pixels and how strongly each is changed) and the change;
`defect` applies it there and nowhere else, so that the time depends on the defect and hardly on the
photograph. The families lie in two groups that look unlike each other: a head that learned from one
group is judged on the other, as on a kind of defect that nobody has shown it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from walkdown.errors import TrainingError

if TYPE_CHECKING:
    from numpy.random import Generator

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Size = tuple[int, int]

SMALLEST_PX: Final = 4
"""No defect is shorter: what a camera resolves in fewer pixels can't be told from noise."""

SMALLEST_SHARE, LARGEST_SHARE = 0.02, 0.2
"""Sizes of defects as shares of the photograph's longer side; scratches and cracks are longer."""

_SIDE_PX: Final = 8
# Changes of fewer grey levels than the first are left out, from the second on they are whole.
# The fade in between gives the mask an edge where an eye would see one, and the pixels none.
_FADE: Final = (3.0, 9.0)
_VISIBLE: Final = 8.0
_VISIBLE_PX: Final = 6
_ATTEMPTS: Final = 10
_CONTRAST: Final = (30.0, 120.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """The pixels of a defect: ``rows`` and ``columns`` (n,), and how strongly it changes each."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    weight: Floats

    @property
    def middle(self) -> tuple[float, float]:
        """Row and column of the centre of the box around the place."""
        rows, columns = self.rows, self.columns
        return (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2

    def of(self, pixels: Pixels) -> Floats:
        """What is there: (n, 3) grey levels."""
        return pixels[self.rows, self.columns].astype(np.float32)


Draw = Callable[[Pixels, "Generator"], tuple[_Place, Floats]]


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of synthetic defect: its name, and what draws a place and the (n, 3) change there."""

    name: str
    draw: Draw


def defect(pixels: Pixels, family: Family, rng: Generator) -> tuple[Pixels, Mask]:
    """A copy of the (H, W, 3) uint8 ``pixels`` with one defect, and the (H, W) mask of its change.

    The mask is true exactly where pixels differ, and nowhere empty: a change that can't be seen is
    drawn anew, and as spots where the photograph is so plain that the family never shows on it.
    The longer side of the defect is drawn log-uniformly. Raises `TrainingError` below 8 px a side.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < _SIDE_PX:
        message = (
            f"a photograph of {width}x{height} px is too small to draw a synthetic defect on: "
            f"leave it out, or use photographs of at least {_SIDE_PX} px a side"
        )
        raise TrainingError(message)
    for attempt in itertools.count():
        draw = family.draw if attempt < _ATTEMPTS else _spots
        place, change = draw(pixels, rng)
        before = place.of(pixels)
        after = _faded(before, change)
        seen = (after != before).any(axis=1)
        if np.count_nonzero(seen) >= _VISIBLE_PX and np.abs(after - before).max() >= _VISIBLE:
            break
    changed, mask = pixels.copy(), np.zeros((height, width), dtype=np.bool_)
    changed[place.rows, place.columns] = after.astype(np.uint8)
    mask[place.rows[seen], place.columns[seen]] = True
    return changed, mask


def _faded(before: Floats, change: Floats) -> Floats:
    """Whole grey levels after the change, without the part of it that is too faint to be seen."""
    change = np.clip(before + change, 0, 255) - before
    strength = np.abs(change).max(axis=1, keepdims=True)
    share = np.clip((strength - _FADE[0]) / (_FADE[1] - _FADE[0]), 0, 1)
    after: Floats = np.rint(before + share * change)
    return after


# The families


def _patch(pixels: Pixels, rng: Generator) -> tuple[_Place, Floats]:
    """A piece from elsewhere in the photograph, turned, a little lighter or darker."""
    place = _put(pixels, _blob(_size(pixels, rng), rng, soft=0.05), rng)
    source = _elsewhere(pixels, place, rng, zoom=1.0)
    return place, place.weight[:, None] * (source * rng.uniform(0.8, 1.2) - place.of(pixels))


def _stain(pixels: Pixels, rng: Generator) -> tuple[_Place, Floats]:
    """A cloud with no edge, lighter or darker than what lies under it."""
    cloud = _blob(_size(pixels, rng), rng, soft=0.8)
    cloud *= np.clip(1 + 0.5 * _noise(cloud.shape, int(rng.integers(2, 6)), rng), 0.2, 1.5)
    place = _put(pixels, cloud, rng)
    return place, place.weight[:, None] * _tint(pixels, place, rng)


def _crack(pixels: Pixels, rng: Generator) -> tuple[_Place, Floats]:
    """A thin dark line that changes its direction often."""
    place = _put(pixels, _line(pixels, rng, length=4.0, joints=14, drift=0.15, jag=0.7), rng)
    kept = _log_uniform(0.3, 0.85, rng)
    return place, place.weight[:, None] * (kept - 1) * place.of(pixels)


def _spots(pixels: Pixels, rng: Generator) -> tuple[_Place, Floats]:
    """One to four sharp dots close together."""
    side = _size(pixels, rng)
    group = np.zeros((math.ceil(side), math.ceil(side)), dtype=np.float32)
    for _ in range(int(rng.integers(1, 5))):
        dot = _blob(max(SMALLEST_PX, side * rng.uniform(0.15, 0.5)), rng, soft=0.1)
        dot = dot[: len(group), : len(group)]
        free = len(group) - len(dot)
        top, left = rng.integers(free + 1), rng.integers(free + 1)
        part = group[top : top + len(dot), left : left + len(dot)]
        np.maximum(part, dot, out=part)
    place = _put(pixels, group, rng)
    return place, place.weight[:, None] * _tint(pixels, place, rng)


def _scratch(pixels: Pixels, rng: Generator) -> tuple[_Place, Floats]:
    """A thin line, almost straight, lighter or darker than what lies under it."""
    joints = int(rng.integers(1, 5))
    place = _put(pixels, _line(pixels, rng, length=2.5, joints=joints, drift=0.3), rng)
    return place, place.weight[:, None] * _tint(pixels, place, rng)


def _smear(pixels: Pixels, rng: Generator) -> tuple[_Place, Floats]:
    """What is there, blurred, more in one direction than in the other."""
    side = _size(pixels, rng)
    place = _put(pixels, _blob(side, rng, soft=0.3), rng)
    top, left = int(place.rows.min()), int(place.columns.min())
    box = pixels[top : place.rows.max() + 1, left : place.columns.max() + 1]
    radii = (side * rng.uniform(0.05, 0.35), side * rng.uniform(0.05, 0.35))
    blurred = np.asarray(Image.fromarray(box).filter(ImageFilter.GaussianBlur(radii)))
    there = blurred[place.rows - top, place.columns - left].astype(np.float32)
    return place, place.weight[:, None] * (there - place.of(pixels))


def _shift(pixels: Pixels, rng: Generator) -> tuple[_Place, Floats]:
    """A break: beyond a line, what is there has moved, less and less with the distance."""
    side = _size(pixels, rng)
    place = _put(pixels, _blob(side, rng, soft=0.7), rng)
    across = rng.uniform(0, 2 * math.pi)
    row, column = place.middle
    from_line = (place.rows - row) * math.sin(across) + (place.columns - column) * math.cos(across)
    along = across + rng.normal(math.pi / 2, 0.6)
    moved = max(2.0, side * _log_uniform(0.08, 0.3, rng)) * place.weight
    source = _between(
        pixels,
        place.rows + moved * np.float32(math.sin(along)),
        place.columns + moved * np.float32(math.cos(along)),
    )
    return place, np.where((from_line > 0)[:, None], source - place.of(pixels), np.float32(0))


def _texture(pixels: Pixels, rng: Generator) -> tuple[_Place, Floats]:
    """A foreign material: another part of the photograph at another scale, with a grain."""
    shape = _blob(_size(pixels, rng), rng, soft=0.15)
    place = _put(pixels, shape, rng)
    source = _elsewhere(pixels, place, rng, zoom=_log_uniform(0.4, 2.5, rng))
    grain = rng.normal(0, _log_uniform(2, 25, rng), len(source)).astype(np.float32)[:, None]
    share = np.float32(rng.uniform(0.3, 0.9)) * place.weight[:, None]
    return place, share * (source + grain - place.of(pixels))


FAMILIES: Final = (
    Family("patch", _patch),
    Family("scratch", _scratch),
    Family("stain", _stain),
    Family("smear", _smear),
    Family("crack", _crack),
    Family("shift", _shift),
    Family("spots", _spots),
    Family("texture", _texture),
)


# What they are made of


def _log_uniform(low: float, high: float, rng: Generator) -> float:
    return low * float((high / low) ** rng.uniform())


def _size(pixels: Pixels, rng: Generator) -> float:
    """Length in pixels, log-uniform, no more than the photograph's shorter side."""
    shorter, longer = sorted(pixels.shape[:2])
    low = max(SMALLEST_PX, min(SMALLEST_SHARE * longer, shorter / 2))
    high = max(2 * SMALLEST_PX, min(LARGEST_SHARE * longer, shorter))
    return _log_uniform(low, high, rng)


def _tint(pixels: Pixels, place: _Place, rng: Generator) -> Floats:
    """(3,) grey levels to add: faint to strong, away from the end of the scale, grey if all is."""
    step = math.ceil(max(pixels.shape[:2]) / 64)
    some = pixels[::step, ::step]
    coloured = np.ptp(some, axis=2).any()
    colour = 1 + (rng.uniform(-0.3, 0.3, 3) if coloured else np.zeros(3))
    level = place.of(pixels).mean()
    sign = 1 if level < 45 else -1 if level > 210 else rng.choice((-1, 1))
    return (sign * _log_uniform(*_CONTRAST, rng) * colour).astype(np.float32)


def _noise(shape: Size, cells: int, rng: Generator) -> Floats:
    """Smooth noise of the given (height, width) with ``cells`` bumps a side, about -2 to 2."""
    coarse = Image.fromarray(rng.normal(size=(cells + 2, cells + 2)).astype(np.float32))
    return np.asarray(coarse.resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def _blob(length: float, rng: Generator, *, soft: float) -> Floats:
    """Weights 0..1 of a turned ellipse or rounded box with a wavy outline, in a square array.

    ``length`` in pixels is the longer side; ``soft`` is the share of the radius, from the outline
    inwards, over which the weight rises to 1.
    """
    side = math.ceil(length)
    radii = length / 2, max(SMALLEST_PX / 2, length / 2 * rng.uniform(0.4, 1))
    offset = np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2)
    turn = rng.uniform(0, math.pi)
    sine, cosine = np.float32(math.sin(turn)), np.float32(math.cos(turn))
    u = (offset * cosine + offset[:, None] * sine) / np.float32(radii[0])
    v = (offset[:, None] * cosine - offset * sine) / np.float32(radii[1])
    power = int(rng.choice((2, 2, 6)))
    distance = (np.abs(u) ** power + np.abs(v) ** power) ** np.float32(1 / power)
    outline = _wave(np.arctan2(v, u), rng)
    fade = max(soft, 1 / radii[1])
    weight: Floats = np.clip((outline - distance) / np.float32(fade), 0, 1)
    return weight


def _wave(angle: Floats, rng: Generator) -> Floats:
    """A radius for every angle, at most 1."""
    heights, phases = rng.uniform(0, 0.12, 3), rng.uniform(0, 2 * math.pi, 3)
    radius = np.ones_like(angle)
    for waves, (height, phase) in enumerate(zip(heights, phases, strict=True), start=2):
        radius += np.float32(height) * np.cos(np.float32(waves) * angle + np.float32(phase))
    return radius / np.float32(1 + heights.sum())


def _line(
    pixels: Pixels,
    rng: Generator,
    *,
    length: float,
    joints: int,
    drift: float,
    jag: float = 0.0,
) -> Floats:
    """Weights of a line of straight parts, up to ``length`` sizes long, in an array that it fits.

    Standard deviations in radians: at each joint the line turns by ``drift``, and each part by
    itself is off that course by ``jag``.
    """
    limits = np.array([pixels.shape[1], pixels.shape[0]])
    long_px = _size(pixels, rng) * rng.uniform(1, length)
    thick_px = _log_uniform(0.001, 0.008, rng) * limits.max()
    width_px = max(1, round(min(thick_px, long_px / 4, limits.min() / 8)))
    course = rng.uniform(0, 2 * math.pi) + rng.normal(0, drift, joints).cumsum()
    course += rng.normal(0, jag, joints)
    steps = long_px / joints * np.stack([np.cos(course), np.sin(course)], axis=1)
    points = np.concatenate([np.zeros((1, 2)), steps.cumsum(axis=0)])
    points -= points.min(axis=0)
    margin = math.ceil(width_px / 2) + 1
    room = limits - 2 * margin - 1
    points *= min(1.0, *(room / np.maximum(points.max(axis=0), 1.0)))
    extent = np.ceil(points.max(axis=0)).astype(int) + 2 * margin + 1
    right, bottom = np.minimum(extent, limits)
    return _stroke((int(bottom), int(right)), points + margin, width_px)


def _stroke(shape: Size, points: NDArray[np.float64], width_px: int) -> Floats:
    """A line through (x, y) points, with a fainter edge of a pixel on each side."""
    image = Image.new("L", (shape[1], shape[0]))
    draw = ImageDraw.Draw(image)
    path = [(float(x), float(y)) for x, y in points]
    draw.line(path, fill=90, width=width_px + 2, joint="curve")
    draw.line(path, fill=255, width=width_px, joint="curve")
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def _put(pixels: Pixels, weight: Floats, rng: Generator) -> _Place:
    """Lay an array of weights somewhere on the photograph, which is no smaller."""
    height, width = pixels.shape[:2]
    rows, columns = np.nonzero(weight)
    top = rng.integers(height - weight.shape[0] + 1)
    left = rng.integers(width - weight.shape[1] + 1)
    return _Place(rows + top, columns + left, weight[rows, columns])


def _elsewhere(pixels: Pixels, place: _Place, rng: Generator, *, zoom: float) -> Floats:
    """(n, 3) grey levels of another part, turned by quarters and ``zoom`` times as big.

    Quarters and whole pixels keep the grain as it is where ``zoom`` is 1.
    """
    height, width = pixels.shape[:2]
    row, column = place.middle
    sine, cosine = ((0, 1), (1, 0), (0, -1), (-1, 0))[int(rng.integers(4))]
    mirror = int(rng.choice((-1, 1)))
    down, right = (place.rows - row) * (mirror / zoom), (place.columns - column) / zoom
    rows, columns = cosine * down - sine * right, sine * down + cosine * right
    return _between(
        pixels,
        rows - rows.min() + rng.integers(max(1, height - math.ceil(np.ptp(rows)))),
        columns - columns.min() + rng.integers(max(1, width - math.ceil(np.ptp(columns)))),
    )


def _between(pixels: Pixels, rows: NDArray[np.floating], columns: NDArray[np.floating]) -> Floats:
    """(n, 3) grey levels at points between pixels, linear; outside, those of the border."""
    height, width = pixels.shape[:2]
    rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
    top = np.minimum(rows.astype(np.intp), height - 2)
    left = np.minimum(columns.astype(np.intp), width - 2)
    down = (rows - top).astype(np.float32)[:, None]
    right = (columns - left).astype(np.float32)[:, None]
    upper = pixels[top, left] * (1 - right) + pixels[top, left + 1] * right
    lower = pixels[top + 1, left] * (1 - right) + pixels[top + 1, left + 1] * right
    levels: Floats = upper * (1 - down) + lower * down
    return levels
