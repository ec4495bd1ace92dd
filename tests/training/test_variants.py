import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walkdown.training import variants

TURNS = variants.copies(("turned",))
EVERY = variants.copies(tuple(variants.KINDS))


@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from(EVERY))
def test_the_cells_of_a_copy_are_those_that_it_shows(rows: int, columns: int, copy: str) -> None:
    """An image whose every cell has a grey level of its own is changed like the numbers."""
    numbers = np.arange(rows * columns, dtype=np.uint8).reshape(1, rows, columns, 1)
    image = np.kron(numbers, np.ones((1, 16, 16, 3), np.uint8))
    shown = variants.changed(image, copy)[0, ::16, ::16, 0].ravel()
    cells = variants.cells_of(rows, columns, copy)
    if copy in TURNS:
        assert np.array_equal(shown, cells)
    else:
        assert np.array_equal(cells, np.arange(rows * columns))


def test_turns_are_all_different() -> None:
    seen = {variants.cells_of(2, 3, copy).tobytes() for copy in ("", *TURNS)}
    assert len(seen) == 8


def test_no_copy_is_the_image_itself() -> None:
    image = np.zeros((1, 32, 32, 3), np.uint8)
    assert variants.changed(image, "") is image


@pytest.mark.parametrize(
    ("copy", "expected"), [("darker", [0, 80, 204]), ("brighter", [0, 125, 255])]
)
def test_other_light_is_rounded_and_cut_off(copy: str, expected: list[int]) -> None:
    image = np.array([0, 100, 255], np.uint8).reshape(1, 1, 1, 3)
    assert variants.changed(image, copy).ravel().tolist() == expected


def test_a_copy_of_two_kinds_is_taken_once() -> None:
    both = variants.copies(("mirrored", "turned"))
    assert len(both) == len(set(both)) == 7
    assert set(variants.copies(("mirrored",))) <= set(TURNS)
