import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from walkdown.errors import TrainingError
from walkdown.training.synthetic import (
    FAMILIES,
    LARGEST_SHARE,
    Family,
    defect,
)

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def photograph(width: int, height: int, *, seed: int = 0, colour: bool = True) -> Pixels:
    """Waves with a grain, so that every part differs from every other."""
    y, x = np.mgrid[:height, :width]
    level = 128 + 60 * np.sin(x / 9) * np.cos(y / 7)
    level += np.random.default_rng(seed).normal(0, 4, level.shape)
    tint = np.array([10, 0, -20]) if colour else np.zeros(3)
    pixels: Pixels = (level[..., None] + tint).clip(0, 255).astype(np.uint8)
    return pixels


def extent(mask: Mask) -> int:
    """Longer side of the box around the mask."""
    rows, columns = np.nonzero(mask)
    return int(max(np.ptp(rows), np.ptp(columns))) + 1


@given(
    st.sampled_from(FAMILIES),
    st.integers(8, 150),
    st.integers(8, 150),
    st.integers(0, 2**32),
)
@settings(max_examples=150, deadline=None)
def test_the_mask_is_where_pixels_changed_and_nowhere_else(
    family: Family, width: int, height: int, seed: int
) -> None:
    before = photograph(width, height)
    kept = before.copy()
    after, mask = defect(before, family, np.random.default_rng(seed))
    assert after.dtype == np.uint8
    assert mask.dtype == np.bool_
    assert np.array_equal(mask, (after != before).any(axis=2))
    assert np.count_nonzero(mask) >= 6
    assert np.array_equal(before, kept), "the given photograph must stay as it was"


@each_family
def test_one_seed_gives_one_defect_and_another_another(family: Family) -> None:
    before = photograph(200, 150)
    first, again, other = (defect(before, family, np.random.default_rng(s))[0] for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@each_family
def test_sizes_go_from_a_few_pixels_to_a_share_of_the_photograph(family: Family) -> None:
    before = photograph(1000, 700)
    rng = np.random.default_rng(3)
    sizes = [extent(defect(before, family, rng)[1]) for _ in range(80)]
    longest = {"crack": 4.0, "scratch": 2.5}.get(family.name, 1.0) * LARGEST_SHARE * 1000
    assert max(sizes) <= longest + 20
    assert max(sizes) > longest / 3
    assert np.median(sizes) < longest / 3, "small ones are as frequent as large ones"


@each_family
def test_small_defects_stay_visible_on_a_thermal_module(family: Family) -> None:
    before = photograph(40, 24)
    rng = np.random.default_rng(4)
    for _ in range(30):
        after, mask = defect(before, family, rng)
        assert 3 <= extent(mask) <= (36 if family.name in {"crack", "scratch"} else 8)
        assert np.abs(after.astype(int) - before).max() >= 8


@each_family
@pytest.mark.parametrize("level", [0, 128, 255])
def test_on_a_plain_photograph_something_is_seen_all_the_same(family: Family, level: int) -> None:
    before = np.full((60, 80, 3), level, dtype=np.uint8)
    after, mask = defect(before, family, np.random.default_rng(5))
    assert mask.any()
    assert np.abs(after.astype(int) - before).max() >= 8


@pytest.mark.parametrize("name", ["stain", "spots", "scratch", "patch", "smear", "crack"])
def test_a_grey_photograph_stays_grey(name: str) -> None:
    """Or a head would learn that colour is a defect."""
    family = next(family for family in FAMILIES if family.name == name)
    before = photograph(120, 90, colour=False)
    rng = np.random.default_rng(6)
    for _ in range(10):
        after, _ = defect(before, family, rng)
        assert not np.ptp(after, axis=2).any()


@each_family
def test_a_long_narrow_photograph_is_no_trouble(family: Family) -> None:
    before = photograph(1500, 12)
    rng = np.random.default_rng(7)
    for _ in range(40):
        after, mask = defect(before, family, rng)
        assert np.array_equal(mask, (after != before).any(axis=2))
        if family.name in {"crack", "scratch"}:
            assert np.count_nonzero(mask) < 5 * extent(mask), "a line is thinner than the strip"


def test_a_photograph_that_cannot_be_written_to_is_no_trouble() -> None:
    before = photograph(50, 50)
    before.setflags(write=False)
    after, _ = defect(before, FAMILIES[0], np.random.default_rng(0))
    assert after.flags.writeable


def test_too_small_a_photograph_is_refused_with_its_size() -> None:
    with pytest.raises(TrainingError, match="200x7 px is too small"):
        defect(photograph(200, 7), FAMILIES[0], np.random.default_rng(0))


def test_families_have_names_of_their_own() -> None:
    assert len({family.name for family in FAMILIES}) == 8


def test_contrast_goes_from_faint_to_strong() -> None:
    before = np.full((100, 100, 3), 128, dtype=np.uint8)
    rng = np.random.default_rng(8)
    scratch = next(family for family in FAMILIES if family.name == "scratch")
    steps = [int(np.abs(defect(before, scratch, rng)[0] - 128.0).max()) for _ in range(40)]
    assert min(steps) < 40
    assert max(steps) > 75


@pytest.mark.parametrize(("level", "lighter"), [(30, True), (225, False)])
def test_near_the_end_of_the_scale_a_stain_goes_the_other_way(level: int, lighter: bool) -> None:
    before = np.full((100, 100, 3), level, dtype=np.uint8)
    stain = next(family for family in FAMILIES if family.name == "stain")
    rng = np.random.default_rng(10)
    for _ in range(8):
        after, mask = defect(before, stain, rng)
        assert ((after[mask] > level) == lighter).all()


def test_a_smear_is_smoother_than_what_it_covers() -> None:
    before = photograph(300, 300)
    smear = next(family for family in FAMILIES if family.name == "smear")
    after, mask = defect(before, smear, np.random.default_rng(9))
    inside = mask[:, 1:] & mask[:, :-1]
    assert grain(after)[inside].mean() < 0.7 * grain(before)[inside].mean()


def grain(pixels: Pixels) -> NDArray[np.int64]:
    return np.abs(np.diff(pixels[..., 0].astype(np.int64), axis=1))
