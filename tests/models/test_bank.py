"""What a bank says of its rows: packed and read again, nearest rows, places and names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walkdown.models.bank import OTHER, TILE_COLUMNS, TILE_PX, Bank, Head, Types, around
from walkdown.types import Region

DEPTH, ROWS = 6, TILE_COLUMNS + 3
SIZE_PX = (160, 80)
GRID = (5, 10)
REGION = Region((0, 0, 160, 80), 100.0, 0.9)


def types() -> Types:
    """Two kinds: along the first and along the second axis of standardised patches."""
    project = np.eye(DEPTH, 2, dtype=np.float32)
    means = np.array([[5.0, 0.0], [0.0, 5.0]], np.float32)
    return Types(("crack", "dent"), project, means, np.array([2.0, 1.0], np.float32))


@pytest.fixture
def bank() -> Bank:
    rng = np.random.default_rng(3)
    origin = np.array([[i % 2, 10 * i, i, 48, 48] for i in range(ROWS)], np.int32)
    return Bank(
        shift=rng.normal(size=DEPTH).astype(np.float32),
        scale=np.full(DEPTH, 0.5, np.float32),
        weight=np.full(DEPTH, 0.25, np.float32),
        rows=rng.normal(size=(ROWS, DEPTH)).astype(np.float32),
        origin=origin,
        images=("a.png", "b.png"),
        picture="models/x/patches.jpg",
        head=Head(rng.normal(size=DEPTH).astype(np.float32), 0.1),
    )


def raw_of(
    bank: Bank, scaled: np.ndarray[tuple[int], np.dtype[np.float32]]
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """The raw patch that lies there in the scaled space."""
    return (scaled / bank.scale + bank.shift).astype(np.float32)


def explained(bank: Bank, at: tuple[int, int], row: int, *, off: float = 0.01) -> Region:
    """The region where the cell ``at`` is the worst and shows nearly what a row shows."""
    cells = np.zeros(GRID, np.float32)
    cells[at] = 1.0
    return bank.explain(REGION, cells, {at: raw_of(bank, bank.rows[row] + off)}, SIZE_PX)


@pytest.mark.parametrize("named", [False, True])
def test_packed_bytes_are_the_same_each_time_and_read_back_whole(bank: Bank, named: bool) -> None:
    bank = replace(bank, types=types() if named else None)
    data = bank.packed()
    assert data == bank.packed()
    again = Bank.of(data, bank.facts(), bank.picture)
    assert again.packed() == data
    for name in ("shift", "scale", "weight", "rows", "origin"):
        assert np.array_equal(getattr(again, name), getattr(bank, name)), name
    assert again.images == bank.images
    assert again.head
    assert bank.head
    assert again.head.bias == bank.head.bias
    assert np.array_equal(again.head.weights, bank.head.weights)
    assert (again.types is not None) == named
    if again.types:
        assert again.types.names == ("crack", "dent")
        assert np.array_equal(again.types.reach, types().reach)


def test_a_card_that_asks_for_more_than_the_file_holds_is_refused(bank: Bank) -> None:
    data = replace(bank, head=None).packed()
    for facts in (bank.facts(), bank.facts() | {"head": False, "types": ["crack"]}, {}):
        with pytest.raises(KeyError):
            Bank.of(data, facts, "")


@pytest.mark.parametrize("row", [0, 1, TILE_COLUMNS - 1, TILE_COLUMNS + 2])
def test_the_nearest_row_and_its_tile_are_named(bank: Bank, row: int) -> None:
    nearest = explained(bank, (2, 4), row).nearest
    assert nearest is not None
    assert nearest.image == bank.images[row % 2]
    assert nearest.box == (10 * row, row, 48, 48)
    assert nearest.picture == bank.picture
    down, right = divmod(row, TILE_COLUMNS)
    assert nearest.at == (right * TILE_PX, down * TILE_PX, TILE_PX, TILE_PX)


def test_the_place_is_the_worst_cell_under_the_region(bank: Bank) -> None:
    cells = np.zeros(GRID, np.float32)
    cells[0, 0], cells[3, 7] = 9.0, 5.0
    patches = {at: raw_of(bank, bank.rows[5]) for at in ((0, 0), (3, 7))}
    region = replace(REGION, box=(100, 30, 40, 40))
    nearest = bank.explain(region, cells, patches, SIZE_PX).nearest
    assert nearest is not None
    x, y, width, height = nearest.place
    assert (x + width / 2, y + height / 2) == (7.5 * 16, 3.5 * 16)
    assert (width, height) == (96, 96)


def test_a_region_whose_patch_was_not_kept_stays_as_it_is(bank: Bank) -> None:
    assert bank.explain(REGION, np.zeros(GRID, np.float32), {}, SIZE_PX) is REGION


def test_a_name_is_that_of_the_nearest_type_within_reach(bank: Bank) -> None:
    known = types()
    for along, off, name in ((0, 5.0, "crack"), (0, 6.9, "crack"), (1, 5.9, "dent")):
        assert known.name(np.eye(DEPTH, dtype=np.float32)[along] * off) == name
    for along, off in ((1, 6.1), (0, 7.1), (2, 9.0)):
        assert known.name(np.eye(DEPTH, dtype=np.float32)[along] * off) == OTHER
    named, cells = replace(bank, types=known), np.ones(GRID, np.float32)
    dent = np.eye(DEPTH, dtype=np.float32)[1] * 5.0 * bank.weight
    assert named.explain(REGION, cells, {(0, 0): raw_of(bank, dent)}, SIZE_PX).label == "dent"
    plain = bank.explain(REGION, cells, {(0, 0): raw_of(bank, dent)}, SIZE_PX)
    assert plain.label == REGION.label, "without types a region keeps its label"


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_a_place_has_its_cell_in_the_middle(rows: int, columns: int, data: st.DataObject) -> None:
    row, column = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    size = (columns * 20, rows * 10)
    x, y, width, height = around((row, column), (rows, columns), size)
    assert abs(x + width / 2 - (column + 0.5) * 20) <= 1
    assert abs(y + height / 2 - (row + 0.5) * 10) <= 1
