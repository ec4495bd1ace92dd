from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from walkdown.models.looking import InputSize
from walkdown.training import choosing
from walkdown.training.extraction import extract
from walkdown.training.memory_bank import extractor_of

if TYPE_CHECKING:
    from tests.training.conftest import Shelf


def steps(rows: int = 4, columns: int = 6) -> NDArray[np.uint8]:
    """A photograph each of whose cells has a grey level of its own: its number, times 10."""
    numbers = (10 * np.arange(rows * columns, dtype=np.uint8)).reshape(rows, columns, 1)
    return np.kron(numbers, np.ones((16, 16, 3), np.uint8))


def test_every_patch_tells_where_it_comes_from(shelf: Shelf) -> None:
    ref = shelf.add("a", steps())
    (image,), _ = extract([ref], shelf.means(96))
    assert image.cells == len(image.patches) == 24
    columns, rows = image.origin[:, 0] // 16, image.origin[:, 1] // 16
    assert np.array_equal(image.patches[:, 0], 10.0 * (rows * 6 + columns))
    assert (image.origin[:, 2:] == 16).all()


@pytest.mark.parametrize("copy", ["90 degrees", "mirrored 0 degrees", "mirrored 270 degrees"])
def test_a_patch_of_a_copy_tells_its_place_in_the_photograph(shelf: Shelf, copy: str) -> None:
    ref = shelf.add("a", steps())
    (image,), _ = extract([ref], shelf.means(96, copies=(copy,)))
    assert len(image.patches) == 48
    columns, rows = image.origin[:, 0] // 16, image.origin[:, 1] // 16
    assert np.array_equal(image.patches[:, 0], 10.0 * (rows * 6 + columns))


def test_the_quota_is_shared_by_copies_and_drawn_by_the_seed(shelf: Shelf) -> None:
    ref = shelf.add("a", steps())
    looks = {"copies": ("180 degrees",), "quota": 8}
    (one,), _ = extract([ref], shelf.means(96, **looks))
    (again,), _ = extract([ref], shelf.means(96, **looks))
    (other,), _ = extract([ref], shelf.means(96, seed=1, **looks))
    assert len(one.patches) == 8
    assert np.array_equal(one.patches, again.patches)
    assert not np.array_equal(one.patches, other.patches)


def test_only_what_counts_is_learned_from(shelf: Shelf) -> None:
    keep = np.zeros((4, 6), np.float32)
    keep[1, 2:5] = 1.0
    keep[2, 2] = 0.4
    ref = shelf.add("a", steps(), keep)
    (image,), _ = extract([ref], shelf.means(96, copies=("90 degrees",)))
    assert set(image.patches[:, 0].tolist()) == {80.0, 90.0, 100.0}
    assert len(image.patches) == 6


def test_a_photograph_of_which_nothing_counts_is_left_out(shelf: Shelf) -> None:
    refs = [shelf.add("a", steps()), shelf.add("b", steps() // 2, np.zeros((4, 6), np.float32))]
    images, left_out = extract(refs, shelf.means(96))
    assert [image.ref.name for image in images] == ["a"]
    ((name, reason),) = left_out
    assert name == "b"
    assert "ignored" in reason


def test_copies_and_what_cannot_be_decoded_are_left_out(shelf: Shelf) -> None:
    refs = [
        shelf.add("a", steps()),
        shelf.add("broken", None),
        shelf.add("twin", steps()),
        shelf.add("b", steps() // 2),
    ]
    images, left_out = extract(refs, shelf.means(96, workers=3))
    assert [image.ref.name for image in images] == ["a", "b"]
    assert left_out == [("broken", "broken: not an image"), ("twin", "an exact copy of a")]


def test_tiles_put_together_are_the_whole_image(shelf: Shelf) -> None:
    """With the real network, on noise, where every pixel has a say."""
    noise = np.random.default_rng(0).integers(0, 256, (480, 1504, 3), dtype=np.uint8)
    whole = extractor_of(choosing.Candidate(InputSize(1504, 32), choosing.WIDE), shelf.load)
    expected = whole.of(noise[None])
    tiled = replace(whole, size=InputSize(1504, 32, 1024 // 32 * 32))
    found = np.full_like(expected, np.nan)
    for window, core in tiled.windows(noise[None]):
        found[:, *window.of_grid] = core
    assert np.isfinite(found).all()
    off = np.linalg.norm(found - expected, axis=0) / np.linalg.norm(expected, axis=0).mean()
    assert float(off.max()) < 0.05, float(off.max())
    assert float(off[:, :20].max()) < 1e-4
