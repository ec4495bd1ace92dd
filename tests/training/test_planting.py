from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from walkdown.imaging.resize import resize
from walkdown.models.looking import CELL_PX, InputSize, scaled
from walkdown.training import choosing, judging, memory_bank, planting, synthetic
from walkdown.types import ImageRef, Photo

if TYPE_CHECKING:
    from tests.training.conftest import Shelf

Draw = Callable[..., NDArray[np.uint8]]

LOOK = choosing.Candidate(InputSize(384, 32), choosing.WIDE)


def textured(seed: int, width: int = 300, height: int = 240) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    small = rng.integers(40, 200, (height // 20, width // 20, 3), dtype=np.uint8)
    return resize(small, width_px=width, height_px=height)


def test_a_window_has_the_values_of_the_whole_damaged_image(shelf: Shelf, weave: Draw) -> None:
    """With the real network: what is put in is what looking at all of it would give."""
    work = shelf.network(LOOK)
    refs = [shelf.add(f"{i}", weave(i, 300, 250)) for i in range(4)]
    sample, *others = planting.plant(refs, work, each=4)
    banks = judging.Banks(memory_bank.channels(LOOK), 200, 0)
    judge, _ = banks.choose(np.concatenate([other.patches for other in others]))
    session = judging.open_judge(judge)
    values = judging.values(session, sample.patches)
    untouched = sample.raw(values, 1.0)
    rng = np.random.default_rng((work.seed, 0))
    found, expected = [], []
    for at, planted in enumerate(sample.planted):
        pixels, _ = synthetic.defect(weave(0, 300, 250), synthetic.FAMILIES[at], rng)
        damaged = Photo(pixels, 300, 250, "damaged")
        whole = work.extractor.of(scaled(damaged, work.extractor.size))
        seen = judging.values(session, whole.reshape(len(whole), -1).T)
        expected.append(sample.raw(seen, 1.0) - untouched)
        changed = judging.values(session, planted.patches)
        found.append(sample.raw_with(values, planted, changed, 1.0) - untouched)
    assert max(expected) > 0.3
    assert np.abs(np.subtract(found, expected)).max() < 0.1 * max(expected)


def test_the_same_seed_plants_the_same_defects_at_every_scale(shelf: Shelf) -> None:
    refs = [shelf.add(f"{i}", textured(i)) for i in range(3)]
    small, large = (planting.plant(refs, shelf.means(side), each=4) for side in (128, 256))
    for one, other in zip(small, large, strict=True):
        assert [p.family for p in one.planted] == [p.family for p in other.planted]
        for less, more in zip(one.planted, other.planted, strict=True):
            middle = (less.rows.start + less.rows.stop) / 2 / one.grid[0]
            same = (more.rows.start + more.rows.stop) / 2 / other.grid[0]
            assert abs(middle - same) < 0.3


def test_families_are_planted_in_turn(shelf: Shelf) -> None:
    refs = [shelf.add(f"{i}", textured(i)) for i in range(2)]
    planted = [p.family for s in planting.plant(refs, shelf.means(128), each=4) for p in s.planted]
    assert planted == [family.name for family in synthetic.FAMILIES]


def test_a_small_defect_still_has_a_cell(shelf: Shelf) -> None:
    mask = np.zeros((4000, 4000), bool)
    mask[3990:, 10] = True
    hit = planting._hit(mask, (64, 64))
    assert np.argwhere(hit).tolist() == [[3, 0]]


@given(st.integers(2, 40).map(lambda n: 2 * n), st.data())
def test_what_is_looked_at_holds_what_changes(cells: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, cells - 1))
    last = data.draw(st.integers(first, cells - 1))
    hit = np.zeros(cells, bool)
    hit[[first, last]] = True
    changed, seen = planting._around(hit)
    assert seen.start <= changed.start <= first <= last < changed.stop <= seen.stop <= cells
    assert seen.start % 2 == seen.stop % 2 == 0
    assert seen.start == 0 or changed.start - seen.start >= 3


def test_a_score_with_a_defect_is_of_the_image_with_the_windows_values() -> None:
    planted = planting.Planted("crack", slice(1, 3), slice(0, 2), np.zeros((4, 1), np.float32))
    sample = planting.Sample("a", (4, 5), np.zeros((20, 1), np.float32), (planted,))
    values = np.arange(20, dtype=np.float32)
    assert sample.raw(values, 10.0) == 18.5
    assert sample.raw_with(values, planted, np.full(4, 50, np.float32), 10.0) == 50.0
    assert sample.raw_with(values, planted, np.full(4, 0, np.float32), 10.0) == 18.5
    assert values[5] == 5.0


@pytest.mark.parametrize("size", [(300, 240), (100, 260), (81, 64), (112, 80)])
def test_a_sample_is_scaled_as_inspected_photographs_are(
    shelf: Shelf, size: tuple[int, int]
) -> None:
    ref = shelf.add("a", textured(1, *size))
    work = shelf.means(224)
    (sample,) = planting.plant([ref], work, each=1)
    image = scaled(work.extractor.photo(ref), work.extractor.size)
    assert sample.grid == (image.shape[1] // CELL_PX, image.shape[2] // CELL_PX)


def test_a_large_photograph_is_stood_for_by_a_part_of_its_scale() -> None:
    pixels = np.zeros((3000, 4000, 3), np.uint8)
    part, _ = planting._part(Photo(pixels, 4000, 3000, "c"), np.random.default_rng(0))
    assert part.shape[0] * part.shape[1] == pytest.approx(planting.PART_PX, rel=0.01)
    assert part.shape[1] / part.shape[0] == pytest.approx(4 / 3, rel=0.01)


def test_copies_show_the_part_that_the_sample_shows(shelf: Shelf, weave: Draw) -> None:
    refs = [shelf.add("a", weave(0, 1600, 1200)), shelf.add("b", weave(1, 1600, 1200))]
    work = replace(shelf.means(256), copies=("180 degrees",))
    samples = planting.plant(refs, work, each=1)
    for sample, patches in zip(samples, planting.copies(refs, work), strict=True):
        assert np.allclose(sample.patches, patches[::-1])


def test_what_cannot_be_planted_in_is_passed_over(shelf: Shelf) -> None:
    """Broken, or so small that nothing can be drawn on it: the others can be compared still."""
    refs = [
        shelf.add("broken", None),
        shelf.add("tiny", np.zeros((5, 40, 3), np.uint8)),
        shelf.add("a", textured(0)),
    ]
    assert [s.name for s in planting.plant(refs, shelf.means(128), each=2)] == ["a"]


def test_what_does_not_count_has_no_say_and_no_defects(shelf: Shelf) -> None:
    keep = np.zeros((240, 300), np.float32)
    keep[:, :150] = 1.0
    ref: ImageRef = shelf.add("a", textured(0), keep)
    (sample,) = planting.plant([ref], shelf.means(256), each=8)
    values = np.ones(sample.grid, np.float32)
    values[:, -4:] = 100.0
    assert sample.raw(values.ravel(), 1.0) == 1.0
    assert len(sample.patches) == len(values.ravel())
    for planted in sample.planted:
        assert planted.columns.start < sample.grid[1] // 2


def test_defects_lie_mostly_on_what_counts() -> None:
    """Half of the box around what counts does not: without another try half of them would miss."""
    y, x = np.mgrid[:240, :300]
    keep = (x / 150 + y / 120 < 1.0).astype(np.float32)
    pixels, rng, hits = textured(0), np.random.default_rng(0), []
    for family in 5 * synthetic.FAMILIES:
        damaged, mask = planting._defect(pixels, keep, family, rng)
        assert (damaged[~mask] == pixels[~mask]).all()
        hits.append(keep[mask].mean() >= planting.COUNTS)
    assert np.mean(hits) > 0.8
