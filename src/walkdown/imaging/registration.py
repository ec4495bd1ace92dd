"""Finds how a photo lies against a reference of the same view, or says that it can't be told.

Guesses come from the spectra (`fourier_mellin`), are compared by how well the fine structure then
agrees, and the best is refined below a pixel by Gauss-Newton steps: Baker and Matthews,
"Lucas-Kanade 20 years on: a unifying framework", IJCV 56(3), 2004 (inverse compositional). Light
and shade are removed first, and what is compared is scaled to the same spread.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from walkdown.imaging import fourier_mellin
from walkdown.imaging.alignments import Alignment, apply, back_box, back_grid, seen

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Alignment", "apply", "back_box", "back_grid", "estimate", "grey", "seen"]

LONGEST_PX: Final = 384
"""The longer side of the images that are compared, unless told otherwise."""

_COARSE_PX: Final = 128
_LEAST_PX: Final = 32
_MOST_SLENDER: Final = 6
_MOST_SHIFT: Final = 0.16
_MOST_DEG: Final = 11.0
_MOST_SCALE: Final = 1.12
_LEAST_OVERLAP: Final = 0.4
_LEAST_CORRELATION: Final = 0.5
_MOST_ERROR_PX: Final = 0.5
# Fine structure is what is narrower than an eighth of the longer side.
_DETAIL: Final = 16
# Neighbouring pixels differ from the reference together: so many count as one independent one.
_ALIKE: Final = 25
# A fit in another place must agree clearly less, or nobody can say which of the two is right.
_RIVAL: Final = 0.9
# So must a fit that is wrong by so many pixels of the small images at a corner.
_SLACK: Final = 0.96
_SLACK_PX: Final = 3.0
_SMALL_STEP_PX: Final = 0.05


@dataclass(frozen=True, slots=True)
class _Move:
    """Points relative to the middle, as complex numbers: z goes to ``turn * z + shift``."""

    turn: complex = 1 + 0j
    shift: complex = 0j

    def times(self, factor: float) -> _Move:
        return _Move(self.turn, self.shift * factor)


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """A move and how well it fits; ``overlap`` is the share of the reference that is compared."""

    move: _Move
    correlation: float
    overlap: float
    error_px: float = math.inf


def grey(pixels: NDArray[np.uint8], *, longest_px: int = LONGEST_PX) -> NDArray[np.float32]:
    """(H, W, 3) uint8 RGB as (h, w) float32 0..1, the longer side ``longest_px`` or less."""
    height, width = pixels.shape[:2]
    scale = min(1.0, longest_px / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = Image.fromarray(pixels)
    if scale < 1:
        image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(image.convert("L"), np.float32) / np.float32(255)


def estimate(reference: NDArray[np.float32], image: NDArray[np.float32]) -> Alignment | None:
    """How ``image`` lies against ``reference``, both (h, w) float32 from `grey`.

    Meant for 256 to 512 px. Found are shifts up to 15 % of the longer side, rotations up to
    10 degrees and scales from 0.9 to 1.1. None where it can't be trusted: sizes differ, too little
    agrees, too little overlaps, or the images repeat and fit in several places as well.
    """
    least = max(_LEAST_PX, max(reference.shape) / _MOST_SLENDER)
    if reference.shape != image.shape or min(reference.shape) < least:
        return None
    times = max(1, math.ceil(max(reference.shape) / _COARSE_PX))
    small = _Pair(_detail(_reduced(reference, times)), _detail(_reduced(image, times)))
    fit = _first(small)
    if fit is None:
        return None
    pair = _Pair(_detail(reference), _detail(image))
    unmoved = pair.fit(_Move())
    fit = pair.refined(fit.move.times(times), steps=4)
    if unmoved.correlation > fit.correlation and pair.way_px(fit.move) <= _MOST_ERROR_PX:
        # It lies as it is: any small step only smooths it.
        fit = replace(unmoved, error_px=fit.error_px)
    return _trusted(fit, unmoved.correlation, reference.shape)


def _trusted(fit: _Fit, before: float, shape: tuple[int, ...]) -> Alignment | None:
    height, width = shape
    scale, angle = cmath.polar(fit.move.turn)
    shift = fit.move.shift
    good = (
        fit.correlation >= max(_LEAST_CORRELATION, before)
        and fit.overlap >= _LEAST_OVERLAP
        and fit.error_px <= _MOST_ERROR_PX
        and 1 / _MOST_SCALE <= scale <= _MOST_SCALE
        and abs(math.degrees(angle)) <= _MOST_DEG
        and max(abs(shift.real), abs(shift.imag)) <= _MOST_SHIFT * max(shape)
    )
    if not good:
        return None
    return Alignment(
        width_px=width,
        height_px=height,
        rotation_deg=math.degrees(angle),
        scale=scale,
        right_px=shift.real,
        down_px=shift.imag,
        correlation=fit.correlation,
        before=before,
        error_px=fit.error_px,
    )


def _first(pair: _Pair) -> _Fit | None:
    """The best fit of small images, or None where one in another place is about as good."""
    found = fourier_mellin.turns(
        pair.reference, pair.image, count=3, most_deg=_MOST_DEG, most_scale=_MOST_SCALE
    )
    moves = [_Move(turn, shift) for turn in [*found, 1 + 0j] for shift in pair.shifts(turn)]
    fits = sorted((pair.fit(move) for move in moves), key=lambda fit: -fit.correlation)
    fits = [fit for fit in fits if fit.overlap >= _LEAST_OVERLAP / 2][:3]
    if not fits:
        return None
    fits = sorted((pair.refined(fit.move, steps=4) for fit in fits), key=lambda f: -f.correlation)
    best = fits[0]
    far = 0.05 * max(pair.reference.shape)
    rivals = (f for f in fits[1:] if abs(f.move.shift - best.move.shift) > far)
    rival = max((f.correlation for f in rivals if f.overlap >= _LEAST_OVERLAP), default=0.0)
    slack = pair.slack(best.move, _SLACK_PX)
    if max(rival / _RIVAL, slack / _SLACK) > best.correlation:
        return None
    return best


class _Pair:
    """Two images of fine structure, (h, w) float32, and what is needed to fit one to the other."""

    def __init__(self, reference: NDArray[np.float32], image: NDArray[np.float32]) -> None:
        self.reference, self.image = reference, image
        self._picture = Image.fromarray(image)
        rows, columns = reference.shape
        self._radius = math.hypot(rows, columns) / 2
        self._x = np.arange(columns, dtype=np.float32)[None, :] + np.float32(0.5 - columns / 2)
        self._y = np.arange(rows, dtype=np.float32)[:, None] + np.float32(0.5 - rows / 2)

        # Near an edge, light and shade are known from one side only: what is left is no detail.
        edge = max(rows, columns) / _DETAIL / 2
        self._half_x, self._half_y = columns / 2 - edge, rows / 2 - edge
        self._middle = (np.abs(self._x) < self._half_x) & (np.abs(self._y) < self._half_y)

    def shifts(self, turn: complex) -> list[complex]:
        """Likely shifts after a turn."""
        turned, _ = self._moved(_Move(turn))
        most = _MOST_SHIFT * max(turned.shape)
        return [
            turn * shift
            for shift in fourier_mellin.shifts(
                self.reference, turned, count=2, most_px=most, apart=4
            )
        ]

    def way_px(self, move: _Move) -> float:
        """How far a move takes the corners at most."""
        return abs(move.turn - 1.0) * self._radius + abs(move.shift)

    def fit(self, move: _Move) -> _Fit:
        """How well a move fits."""
        moved, inside = self._moved(move)
        ours, theirs = _even(self.reference, inside), _even(moved, inside)
        return self._judged(move, ours, theirs, inside)

    def refined(self, move: _Move, *, steps: int) -> _Fit:
        """The best fit near a move, with its expected error."""
        slopes, inverse, spread = self._slopes(), None, 1.0
        for _ in range(steps):
            moved, inside = self._moved(move)
            ours, theirs = _even(self.reference, inside), _even(moved, inside)
            fit = self._judged(move, ours, theirs, inside)
            # What is alike in both counts fully, however much else there is in the image.
            left = theirs / np.float32(max(fit.correlation, _LEAST_CORRELATION / 2)) - ours
            if inverse is None:  # hardly changes from step to step
                inverse = np.linalg.pinv((slopes * inside.ravel()) @ slopes.T, hermitian=True)
                spread = _spread(self.reference, inside)
            step = inverse @ (slopes @ left.ravel()) * spread
            variance = float(np.vdot(left, left)) / max(1.0, float(inside.sum()))
            error_px = spread * math.sqrt(_ALIKE * variance * max(0.0, float(np.trace(inverse))))
            if float(np.hypot.reduce(step)) < _SMALL_STEP_PX:
                return replace(fit, error_px=error_px)
            move = self._stepped(move, step)
        return replace(self.fit(move), error_px=error_px)

    def slack(self, move: _Move, far_px: float) -> float:
        """The best correlation when a move is wrong by ``far_px`` at a corner.

        It stays high where the images don't tell a shift along a stripe or the turn of a disc.
        Wrong in the directions in which the reference changes least, and most, and in between.
        """
        slopes = self._slopes()
        directions = np.linalg.eigh(slopes @ slopes.T)[1].T * far_px
        moves = [self._stepped(move, sign * way) for way in directions for sign in (1, -1)]
        return max(self.fit(wrong).correlation for wrong in moves)

    def _judged(
        self,
        move: _Move,
        ours: NDArray[np.float32],
        theirs: NDArray[np.float32],
        inside: NDArray[np.float32],
    ) -> _Fit:
        count = max(1.0, float(inside.sum()))
        correlation = float(np.vdot(ours, theirs)) / count
        return _Fit(move, correlation, count / float(self._middle.sum()))

    def _stepped(self, move: _Move, step: NDArray[np.floating]) -> _Move:
        turn = 1 + complex(step[0], step[1]) / self._radius
        return _Move(move.turn / turn, move.shift - move.turn * complex(step[2], step[3]) / turn)

    def _slopes(self) -> NDArray[np.float32]:
        """(4, h * w): how the reference changes with stretch, turn (at a corner), right, down."""
        down, right = np.gradient(self.reference)
        x, y = self._x / np.float32(self._radius), self._y / np.float32(self._radius)
        rows = (right * x + down * y, down * x - right * y, right, down)
        return np.stack([row.ravel() for row in rows])

    def _moved(self, move: _Move) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The image as the reference would show it, and 1 where it does, else 0."""
        rows, columns = self.reference.shape
        a, b = move.turn.real, move.turn.imag
        middle = complex(columns, rows) / 2
        start = middle + move.shift - move.turn * middle
        affine = (a, -b, start.real, b, a, start.imag)
        kind, how = Image.Transform.AFFINE, Image.Resampling.BILINEAR
        moved = np.asarray(self._picture.transform((columns, rows), kind, affine, how))
        x = a * self._x - b * self._y + move.shift.real
        y = b * self._x + a * self._y + move.shift.imag
        inside = (np.abs(x) < self._half_x) & (np.abs(y) < self._half_y) & self._middle
        return moved, inside.astype(np.float32)


def _even(values: NDArray[np.float32], inside: NDArray[np.float32]) -> NDArray[np.float32]:
    """Zero mean and unit spread over what is inside, zero outside."""
    count = max(1.0, float(inside.sum()))
    mean = float(np.vdot(values, inside)) / count
    centred = (values - np.float32(mean)) * inside
    spread = math.sqrt(float(np.vdot(centred, centred)) / count)
    return centred / np.float32(max(spread, 1e-6))


def _spread(values: NDArray[np.float32], inside: NDArray[np.float32]) -> float:
    count = max(1.0, float(inside.sum()))
    mean = float(np.vdot(values, inside)) / count
    square = float(np.vdot(values * inside, values)) / count
    return math.sqrt(max(square - mean * mean, 1e-12))


def _reduced(image: NDArray[np.float32], times: int) -> NDArray[np.float32]:
    """Means over blocks of ``times`` x ``times`` pixels about the middle; the rest is cut off."""
    rows, columns = (side // times for side in image.shape)
    top, left = ((side % times) / 2 for side in image.shape)
    box = (left, top, left + columns * times, top + rows * times)
    picture = Image.fromarray(image)
    return np.asarray(picture.resize((columns, rows), Image.Resampling.BOX, box))


def _detail(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is left without light and shade; small values of zero mean."""
    rows, columns = image.shape
    cell = max(1.0, max(image.shape) / _DETAIL)
    coarse = max(2, round(columns / cell)), max(2, round(rows / cell))
    picture = Image.fromarray(image)
    shade = picture.resize(coarse, Image.Resampling.BILINEAR)
    smooth = np.asarray(shade.resize((columns, rows), Image.Resampling.BICUBIC))
    detail: NDArray[np.float32] = image - smooth
    return detail
