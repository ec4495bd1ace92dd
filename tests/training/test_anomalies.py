from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from walkdown.models.bank import OTHER, Bank
from walkdown.training import anomalies, graph
from walkdown.training.anomalies import Anomaly, Labelled
from walkdown.types import ImageRef, Region

if TYPE_CHECKING:
    from tests.training.conftest import Shelf


def judge() -> graph.Judge:
    """To which the value of a cell is its grey level, times the root of 3."""
    ones = np.ones(3, np.float32)
    return graph.Judge(graph.Scaling(0 * ones, ones, ones), np.zeros((1, 3), np.float32))


def spotted(*spots: tuple[int, int, int], level: int = 10) -> NDArray[np.uint8]:
    """A 10 x 10 grid of cells with spots: row, column, level."""
    cells = np.full((10, 10, 1), level, np.uint8)
    for row, column, grey in spots:
        cells[row, column] = grey
    return np.kron(cells, np.ones((16, 16, 3), np.uint8))


def png(mask: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    return buffer.getvalue()


def greys(anomaly: Anomaly) -> list[float]:
    return [float(grey) for grey in anomaly.defective[:, 0]]


def test_without_a_mask_the_worst_cells_stand_for_the_defect(shelf: Shelf) -> None:
    ref = shelf.add("a", spotted((2, 3, 200), (7, 7, 90), (0, 0, 120), (9, 0, 150)))
    (found,), left_out = anomalies.extract([Labelled(ref, "x")], judge(), shelf.means(160))
    assert greys(found) == [200.0, 150.0, 120.0, 90.0]
    assert (found.kind, left_out) == ("x", [])


def test_ignored_cells_never_stand_for_a_defect(shelf: Shelf) -> None:
    keep = np.zeros((10, 10), np.float32)
    keep[7, 6:8] = 1.0
    ref = shelf.add("a", spotted((2, 3, 200), (7, 7, 90)), keep)
    (found,), _ = anomalies.extract([Labelled(ref)], judge(), shelf.means(160))
    assert greys(found) == [90.0, 10.0]


def test_a_mask_says_which_cells(shelf: Shelf) -> None:
    mask = np.zeros((160, 160), np.uint8)
    mask[112:128, 96:144] = 255
    ref = shelf.add("a", spotted((2, 3, 200), (7, 7, 90)))
    (found,), _ = anomalies.extract([Labelled(ref, mask=png(mask))], judge(), shelf.means(160))
    assert greys(found) == [90.0, 10.0, 10.0]


def test_a_mask_smaller_than_a_cell_still_marks_one(shelf: Shelf) -> None:
    mask = np.zeros((160, 160), np.uint8)
    mask[120, 120] = 1
    ref = shelf.add("a", spotted((2, 3, 200), (7, 7, 90)))
    (found,), _ = anomalies.extract([Labelled(ref, mask=png(mask))], judge(), shelf.means(160))
    assert greys(found) == [90.0]


def test_what_cannot_be_used_is_left_out_with_its_reason(shelf: Shelf) -> None:
    def spot(level: int) -> NDArray[np.uint8]:
        return spotted((1, 1, level))

    black = png(np.zeros((8, 8), np.uint8))
    labelled = [
        Labelled(shelf.add("a", spot(50))),
        Labelled(shelf.add("twin", spot(50))),
        Labelled(shelf.add("broken", None)),
        Labelled(shelf.add("garbled", spot(60)), mask=b"no picture"),
        Labelled(shelf.add("empty", spot(65)), mask=b""),
        Labelled(shelf.add("black", spot(70)), mask=black),
    ]
    found, left_out = anomalies.extract(labelled, judge(), shelf.means(160))
    assert [a.ref.name for a in found] == ["a"]
    reasons = dict(left_out)
    assert reasons["twin"] == "an exact copy of a"
    assert "not an image" in reasons["broken"]
    assert "can't be read" in reasons["garbled"]
    assert "can't be read" in reasons["empty"]
    assert "black all over" in reasons["black"]


def kinds(seed: int, each: int, *named: tuple[str, int]) -> list[Anomaly]:
    """Anomalies whose cells are off in a channel of their own kind."""
    rng = np.random.default_rng(seed)
    found = []
    for kind, channel in named:
        for i in range(each):
            cells = rng.normal(size=(30, 12)).astype(np.float32)
            cells[:, channel] += 6.0
            found.append(Anomaly(ImageRef(f"{kind}{i}", "1", "", ""), f"{kind}{i}", kind, cells))
    return found


def unit_judge() -> graph.Judge:
    ones = np.ones(12, np.float32)
    return graph.Judge(graph.Scaling(0 * ones, ones, ones), np.zeros((1, 12), np.float32))


def test_kinds_are_named_and_what_is_like_none_is_other() -> None:
    known = kinds(0, 8, ("crack", 0), ("stain", 5))
    found = anomalies.types(known, unit_judge())
    assert found is not None
    assert found.names == ("crack", "stain")
    fresh = kinds(1, 10, ("crack", 0), ("stain", 5))
    names = [found.name(a.defective[:20].mean(axis=0)) for a in fresh]
    assert sum(name == a.kind for name, a in zip(names, fresh, strict=True)) >= 18
    strange = [found.name(a.defective[:20].mean(axis=0)) for a in kinds(2, 10, ("new", 9))]
    assert strange.count(OTHER) >= 9


def test_one_example_names_nothing() -> None:
    one = kinds(0, 1, ("crack", 0))
    assert anomalies.types(one, unit_judge()) is None
    mixed = anomalies.types([*one, *kinds(1, 3, ("stain", 5))], unit_judge())
    assert mixed is not None
    assert mixed.names == ("stain",)
    unnamed = [Anomaly(a.ref, a.content, None, a.defective) for a in kinds(0, 3, ("crack", 0))]
    assert anomalies.types(unnamed, unit_judge()) is None


def test_a_region_is_named_by_as_many_cells_as_the_types_were_learned_from() -> None:
    """One cell differs far more from its kind than the mean of many."""
    scaling = unit_judge().scaling
    types = anomalies.types(kinds(0, 8, ("crack", 0), ("stain", 5)), unit_judge())
    bank = Bank(
        scaling.shift,
        scaling.scale,
        scaling.weight,
        rows=np.zeros((1, 12), np.float32),
        origin=np.zeros((1, 5), np.int32),
        images=("a",),
        types=types,
    )
    cells = np.zeros((6, 10), np.float32)
    cells[:, :5] = 1.0
    region = Region((0, 0, 80, 96), 50.0, 0.9)
    found = []
    for shown in kinds(1, 6, ("crack", 0), ("stain", 5), ("new", 9)):
        patches = {(at // 5, at % 5): shown.defective[at] for at in range(30)}
        patches |= {(5, 9): np.full(12, 99.0, np.float32)}
        found.append((shown.kind, bank.explain(region, cells, patches, (160, 96)).label))
    assert sum(kind == label for kind, label in found[:12]) >= 10
    assert [label for _, label in found[12:]] == [OTHER] * 6
