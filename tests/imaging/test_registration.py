from __future__ import annotations

import cmath
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from walkdown.imaging.decode import decode
from walkdown.imaging.registration import Alignment, _Fit, _Move, _trusted, apply, estimate, grey

Grey = NDArray[np.float32]


def scene(seed: int) -> Image.Image:
    """Something of 1000 x 800 pixels to take photos of: boxes and discs on a soft ground."""
    rng = np.random.default_rng(seed)
    ground = Image.fromarray(rng.uniform(0.3, 0.6, (8, 10)).astype(np.float32))
    picture = ground.resize((1000, 800), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for _ in range(150):
        x, y, wide, tall = rng.uniform((0, 0, 6, 6), (1000, 800, 60, 60))
        draw = pen.rectangle if rng.random() < 0.6 else pen.ellipse
        draw((x, y, x + wide, y + tall), fill=float(rng.uniform(0, 1)))
    return picture.resize((1000, 800), Image.Resampling.BILINEAR)


def view(picture: Image.Image, turn: complex, shift: complex, *, wide: int, tall: int) -> Grey:
    """A photo of the scene's middle by a camera at which the points of the reference lie, about
    the middle, at ``turn * z + shift``."""
    middle, photo = complex(500, 400), complex(wide, tall) / 2
    a = 1 / turn
    start = middle - a * (photo + shift)
    affine = (a.real, -a.imag, start.real, a.imag, a.real, start.imag)
    kind, how = Image.Transform.AFFINE, Image.Resampling.BICUBIC
    return np.asarray(picture.transform((wide, tall), kind, affine, how), np.float32)


def worst_corner_px(found: Alignment, turn: complex, shift: complex) -> float:
    got = cmath.rect(found.scale, math.radians(found.rotation_deg))
    moved = complex(found.right_px, found.down_px)
    half = complex(found.width_px, found.height_px) / 2
    corners = (half, -half, half.conjugate(), -half.conjugate())
    return max(abs((got - turn) * z + moved - shift) for z in corners)


@given(
    st.integers(0, 5),
    st.floats(-10, 10),
    st.floats(0.9, 1.1),
    st.floats(-0.15, 0.15),
    st.floats(-0.15, 0.15),
)
@example(0, 10.0, 1.1, 0.15, 0.15)
@example(1, -10.0, 0.9, 0.15, -0.15)
@example(2, 10.0, 0.9, -0.15, 0.15)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_known_move_is_found_within_a_pixel_in_other_light(
    seed: int, angle: float, scale: float, right: float, down: float
) -> None:
    turn, shift = cmath.rect(scale, math.radians(angle)), complex(right, down) * 384
    picture = scene(seed)
    reference = view(picture, 1, 0, wide=384, tall=288)
    photo = view(picture, turn, shift, wide=384, tall=288)
    light = np.linspace(0.5, 0.8, 384, dtype=np.float32)
    noise = np.random.default_rng(seed).normal(0, 0.02, photo.shape).astype(np.float32)
    found = estimate(reference, photo * light + 0.1 + noise)
    assert found is not None
    assert worst_corner_px(found, turn, shift) < 1
    assert found.correlation > 0.8
    assert found.error_px < 0.5


@pytest.mark.parametrize(("wide", "tall"), [(256, 256), (512, 341), (200, 383)])
def test_other_sizes_are_as_exact(wide: int, tall: int) -> None:
    turn, shift = cmath.rect(1.04, math.radians(-4)), complex(17.3, -9.6)
    reference = view(scene(7), 1, 0, wide=wide, tall=tall)
    found = estimate(reference, view(scene(7), turn, shift, wide=wide, tall=tall))
    assert found is not None
    assert worst_corner_px(found, turn, shift) < 0.2


def test_a_defect_does_not_pull_the_alignment() -> None:
    turn, shift = cmath.rect(0.97, math.radians(3)), complex(-12.4, 8.2)
    photo = view(scene(3), turn, shift, wide=384, tall=256).copy()
    photo[60:140, 100:200] = 0.95
    found = estimate(view(scene(3), 1, 0, wide=384, tall=256), photo)
    assert found is not None
    assert worst_corner_px(found, turn, shift) < 1


def test_the_aligned_photo_agrees_with_the_reference() -> None:
    turn, shift = cmath.rect(1.05, math.radians(5)), complex(25, 14)
    large = view(scene(4), turn, shift, wide=384, tall=256)
    reference = view(scene(4), 1, 0, wide=384, tall=256)
    found = estimate(reference, large)
    assert found is not None
    levels = (large.clip(0, 1) * 255).astype(np.uint8)
    aligned = apply(found, levels) / np.float32(255)
    inner = (slice(50, 200), slice(60, 310))
    before = np.corrcoef(reference[inner].ravel(), large[inner].ravel())[0, 1]
    after = np.corrcoef(reference[inner].ravel(), aligned[inner].ravel())[0, 1]
    assert before < 0.5
    assert after > 0.97


@pytest.mark.parametrize("seed", range(6))
def test_two_different_scenes_are_not_aligned(seed: int) -> None:
    one = view(scene(seed), 1, 0, wide=384, tall=256)
    assert estimate(one, view(scene(seed + 100), 1, 0, wide=384, tall=256)) is None


def pattern(kind: str, moved: float) -> Grey:
    y, x = np.mgrid[:256, :384].astype(np.float32)
    x += moved
    drawn: dict[str, Grey] = {
        "stripes": np.sin(x / 20 * math.tau),
        "slanted stripes": np.sin((x + 0.4 * y) / 37 * math.tau),
        "weave": np.sin(x / 20 * math.tau) * np.sin(y / 20 * math.tau),
        "disc": np.clip(np.hypot(x - 190, y - 130) - 60, 0, 3),
        "one edge": np.clip(x - 200, 0, 3),
        "nothing": 0 * x,
        "noise": np.random.default_rng(int(moved)).normal(0, 1, x.shape),
    }
    return np.asarray(drawn[kind], np.float32)


@pytest.mark.parametrize(
    "kind", ["stripes", "slanted stripes", "weave", "disc", "one edge", "nothing", "noise"]
)
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_what_fits_in_more_than_one_way_is_not_trusted(kind: str, noise: float) -> None:
    rng = np.random.default_rng(5)
    one, other = (
        pattern(kind, moved) + rng.normal(0, noise, (256, 384)).astype(np.float32)
        for moved in (0, 4)
    )
    assert estimate(one, other) is None


@pytest.mark.parametrize(
    ("angle", "scale", "right"), [(25, 1.0, 0.0), (0, 1.3, 0.0), (0, 1.0, 0.3), (180, 1, 0)]
)
def test_moves_beyond_the_range_are_not_trusted(angle: float, scale: float, right: float) -> None:
    turn = cmath.rect(scale, math.radians(angle))
    reference = view(scene(2), 1, 0, wide=384, tall=256)
    assert estimate(reference, view(scene(2), turn, right * 384, wide=384, tall=256)) is None


GOOD = _Fit(_Move(cmath.rect(1.1, math.radians(-10)), 57 - 57j), 0.6, 0.5, 0.3)


def test_moves_up_to_the_range_are_trusted() -> None:
    found = _trusted(GOOD, 0.2, (256, 384))
    assert found is not None
    assert found.rotation_deg == pytest.approx(-10)
    assert (found.scale, found.right_px, found.down_px) == pytest.approx((1.1, 57, -57))
    assert (found.width_px, found.height_px) == (384, 256)
    assert (found.correlation, found.before, found.error_px) == (0.6, 0.2, 0.3)


@pytest.mark.parametrize(
    ("fit", "before"),
    [
        (replace(GOOD, correlation=0.45), 0.2),
        (GOOD, 0.7),
        (replace(GOOD, overlap=0.35), 0.2),
        (replace(GOOD, error_px=0.6), 0.2),
        (replace(GOOD, move=_Move(1.15 + 0j)), 0.2),
        (replace(GOOD, move=_Move(0.85 + 0j)), 0.2),
        (replace(GOOD, move=_Move(cmath.rect(1, math.radians(12)))), 0.2),
        (replace(GOOD, move=_Move(1 + 0j, -65 + 0j)), 0.2),
        (replace(GOOD, move=_Move(1 + 0j, 65j)), 0.2),
    ],
)
def test_each_doubt_is_enough(fit: _Fit, before: float) -> None:
    assert _trusted(fit, before, (256, 384)) is None


def test_the_expected_error_is_about_the_real_one() -> None:
    turn, shift = cmath.rect(1.02, math.radians(2)), complex(9, -5)
    rng = np.random.default_rng(8)
    ratios, expected = [], []
    for noise in (0.02, 0.02, 0.02, 0.06, 0.06, 0.06):
        clean = (
            view(scene(8), *move, wide=200, tall=150) for move in ((1 + 0j, 0j), (turn, shift))
        )
        noisy = [image + rng.normal(0, noise, image.shape).astype(np.float32) for image in clean]
        found = estimate(*noisy)
        assert found is not None
        ratios.append(worst_corner_px(found, turn, shift) / found.error_px)
        expected.append(found.error_px)
    assert 0.1 < np.median(ratios) < 3
    assert max(expected[:3]) < min(expected[3:])


def test_images_of_different_sizes_are_not_compared() -> None:
    one = view(scene(1), 1, 0, wide=384, tall=256)
    assert estimate(one, one[:, :380]) is None


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 3))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_any_size_gets_an_answer(rows: int, columns: int, seed: int) -> None:
    image = view(scene(seed), 1, 0, wide=columns, tall=rows)
    found = estimate(image, image)
    if found is not None:
        assert worst_corner_px(found, 1, 0) < 0.1
    if min(rows, columns) < 32:
        assert found is None


def test_grey_shrinks_but_never_enlarges() -> None:
    pixels = np.zeros((600, 900, 3), np.uint8)
    pixels[:, 450:] = 255
    small = grey(pixels)
    assert small.shape == (256, 384)
    assert small.dtype == np.float32
    assert small[:, :190].max() == 0
    assert small[:, 194:].min() == 1
    assert grey(pixels[:50, :80]).shape == (50, 80)


def test_boards_laid_down_a_little_askew_are_aligned(test_data: Path) -> None:
    files = sorted((test_data / "circuitboard" / "train" / "good").glob("*.jpg"))[:8]
    photos = [decode(f.read_bytes(), name=f.name).pixels for f in files]
    reference = grey(photos[0])
    found = [estimate(reference, grey(photo)) for photo in photos[1:]]
    trusted = [alignment for alignment in found if alignment is not None]
    assert len(trusted) == len(found)
    assert all(a.correlation > max(0.65, a.before + 0.1) for a in trusted)


def test_a_photo_from_a_fixed_camera_lies_as_it_is_also_where_something_has_changed() -> None:
    """Steps below a pixel only smooth it: none of them may fit better, and that is no doubt."""
    for seed, size in ((3, 60), (4, 40), (5, 80)):
        reference = np.asarray(scene(seed).resize((384, 307)), np.float32)
        changed = reference.copy()
        changed[150 : 150 + size // 2, 200 : 200 + size] = 1.0
        found = estimate(reference, changed)
        assert found is not None
        assert worst_corner_px(found, 1 + 0j, 0j) < 0.5
