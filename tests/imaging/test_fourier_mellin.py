import cmath
import math

import numpy as np
import pytest
from PIL import Image

from walkdown.imaging.fourier_mellin import shifts, turns


def ground(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.normal(0, 1, (60, 60)).astype(np.float32))
    return coarse.resize((300, 300), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(("angle", "scale"), [(0, 1), (7, 1), (-7, 1), (0, 1.08), (5, 0.93)])
def test_turn_and_scale_are_found_in_their_direction(angle: float, scale: float) -> None:
    picture = ground(1)
    a = 1 / cmath.rect(scale, math.radians(angle))
    start = 150 - a * (64 + 48j) + 150j
    affine = (a.real, -a.imag, start.real, a.imag, a.real, start.imag)
    photo = picture.transform((128, 96), Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC)
    reference = picture.crop((86, 102, 214, 198))
    found = turns(np.asarray(reference), np.asarray(photo), count=3, most_deg=11, most_scale=1.12)
    assert len(found) == 3
    assert abs(abs(found[0]) - scale) < 0.025
    assert abs(math.degrees(cmath.phase(found[0])) - angle) < 1.5


@pytest.mark.parametrize("shift", [0j, 9 + 4j, -11 - 7j])
def test_a_shift_is_found_in_its_direction(shift: complex) -> None:
    picture = np.asarray(ground(2))
    right, down = int(shift.real), int(shift.imag)
    reference = picture[100:196, 100:228]
    photo = picture[100 - down : 196 - down, 100 - right : 228 - right]
    found = shifts(reference, photo, count=2, most_px=20, apart=4)
    assert found[0] == shift
    assert max(abs((found[1] - shift).real), abs((found[1] - shift).imag)) > 4


def test_shifts_stay_within_the_limit() -> None:
    picture = np.asarray(ground(3))
    photo = picture[100:196, 70:198]
    found = shifts(picture[100:196, 100:228], photo, count=5, most_px=10, apart=2)
    assert all(max(abs(s.real), abs(s.imag)) <= 10 for s in found)
