from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from walkdown.training import coreset
from walkdown.training.coreset import select

Patches = NDArray[np.float32]
Indices = NDArray[np.intp]


def random_patches(count: int, depth: int, *, seed: int = 0) -> Patches:
    return np.random.default_rng(seed).normal(size=(count, depth)).astype(np.float32)


def to_nearest(patches: Patches, chosen: Indices) -> NDArray[np.float64]:
    """Distance of every patch to the nearest chosen one, in double precision."""
    wide = patches.astype(np.float64)
    return np.min([np.linalg.norm(wide - wide[i], axis=1) for i in chosen], axis=0)  # type: ignore[no-any-return]


def radius(patches: Patches, chosen: Indices) -> float:
    return float(to_nearest(patches, chosen).max())


def step_by_step(patches: Patches, count: int, first: int) -> list[int]:
    chosen = [first]
    while len(chosen) < count:
        chosen.append(int(to_nearest(patches, np.array(chosen)).argmax()))
    return chosen


@given(st.integers(0, 10_000), st.integers(5, 9), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_no_patch_is_twice_as_far_as_the_best_choice_leaves_it(
    seed: int, count: int, keep: int, depth: int
) -> None:
    patches = random_patches(count, depth, seed=seed)
    best = min(radius(patches, np.array(some)) for some in combinations(range(count), keep))
    assert radius(patches, select(patches, keep, seed=seed)) <= 2.0 * best + 1e-5


@pytest.mark.parametrize(("count", "depth", "keep"), [(1500, 2, 100), (1500, 24, 120)])
def test_blocks_choose_what_single_steps_would(count: int, depth: int, keep: int) -> None:
    """More patches than candidates, more steps than a block: where a short cut would show."""
    patches = random_patches(count, depth)
    chosen = select(patches, keep)
    assert chosen.tolist() == step_by_step(patches, keep, int(chosen[0]))


def test_each_choice_brings_the_bank_closer() -> None:
    patches = random_patches(800, 5)
    chosen = select(patches, 200)
    radii = [radius(patches, chosen[:n]) for n in (1, 10, 50, 100, 200)]
    assert radii == sorted(radii, reverse=True)
    assert radii[-1] < radii[0] / 3


def test_the_choice_is_made_once_for_all() -> None:
    patches = random_patches(600, 8)
    assert select(patches, 90).tolist() == select(patches.copy(), 90).tolist()
    assert select(patches, 90, seed=1).tolist() != select(patches, 90).tolist()
    assert select(patches, 90)[:30].tolist() == select(patches, 30).tolist()


def test_no_patch_is_chosen_twice() -> None:
    chosen = select(random_patches(500, 3), 400)
    assert len(chosen) == 400
    assert len(set(chosen.tolist())) == 400


@pytest.mark.parametrize("count", [0, 1, 7])
def test_when_all_fit_all_are_taken(count: int) -> None:
    patches = random_patches(count, 4)
    assert select(patches, 7).tolist() == list(range(count))


@pytest.mark.parametrize(("depth", "offset"), [(2, 0.0), (24, 1.0), (200, 5.0)])
def test_copies_are_left_out(depth: int, offset: float) -> None:
    originals = random_patches(60, depth) / np.float32(depth**0.5) + np.float32(offset)
    patches = np.repeat(originals, 20, axis=0)
    chosen = select(patches, 500)
    assert sorted(chosen // 20) == list(range(60))


def test_of_equal_patches_one_is_enough() -> None:
    assert len(select(np.ones((300, 6), np.float32), 50)) == 1
    assert len(select(np.zeros((300, 6), np.float32), 50)) == 1


def test_the_blocks_of_rows_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    patches = random_patches(700, 6)
    whole = select(patches, 60).tolist()
    monkeypatch.setattr(coreset, "ROWS", 64)
    assert select(patches, 60).tolist() == whole
