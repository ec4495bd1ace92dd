"""One model says the same by every way of asking it: on every photograph of the real sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.parity.agreeing import WAYS, agree
from tests.parity.faces import Trained, by_python

import walkdown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SETS = ("circuitboard", "concrete", "cookie", "magnetic_tile", "solar_cell_mono")


@pytest.mark.proof
@pytest.mark.parametrize("name", SETS)
def test_every_way_says_the_same_of_a_set(
    name: str, test_data: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    folder = test_data / name
    walkdown.train("m", normal=folder / "train" / "good", fast=True, workspace=tmp_path)
    model = Trained("m", tmp_path)
    parts = [*folder.glob("train*"), *folder.glob("test*")]
    files = sorted(p for part in parts for p in part.rglob("*") if p.is_file())
    assert len(files) > 50
    reference = by_python(model, files)
    for way, ask in WAYS.items():
        apart = agree(way, reference, ask(model, files))
        record_property(f"{way}, {len(files)} photographs", f"{apart:.1e}")
