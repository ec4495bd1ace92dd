"""The demonstration: real solar cells, normal ones to train on and a mix that the model never saw.

The images are those of the PyPI package elpv-dataset (CC BY-NC-SA 4.0; Deitsch et al., 2021), read
where pip put them. Its labels are the share of experts' probability that a cell is defective.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from walkdown.errors import MissingExtra, StoreError

LICENCE = "CC BY-NC-SA 4.0 (non-commercial use)"
KIND = "mono"


@dataclass(frozen=True, slots=True)
class Cells:
    """Paths of solar cells, each cell in one place only."""

    train: tuple[str, ...]
    normal: tuple[str, ...]
    defective: tuple[str, ...]


def choose_cells(*, train: int, normal: int = 60, defective: int = 60) -> Cells:
    """Monocrystalline cells: surely normal ones to train on and to look at, surely defective ones.

    Which ones is decided by a hash of the file's name: the same each time, and not by production
    order. Raises `MissingExtra` without the data set.
    """
    found = find_spec("elpv_dataset")
    if found is None or not found.submodule_search_locations:
        raise MissingExtra("demo", "walkdown demo")
    folder = Path(found.submodule_search_locations[0]) / "data"
    good, bad = _labelled(folder)
    chosen = good[: train + normal]
    return Cells(tuple(chosen[:train]), tuple(chosen[train:]), tuple(bad[:defective]))


def _labelled(folder: Path) -> tuple[list[str], list[str]]:
    """Paths of surely normal and surely defective cells, in the order of their names' hashes."""
    try:
        with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
            rows = [line.split() for line in file if line.strip()]
    except OSError as e:
        raise StoreError(
            "the package elpv-dataset has no labels.csv; install it again: "
            "pip install --force-reinstall elpv-dataset"
        ) from e
    rows.sort(key=lambda row: hashlib.sha256(row[0].encode()).hexdigest())
    cells = [(str(folder / name), float(share)) for name, share, kind in rows if kind == KIND]
    return [p for p, share in cells if share == 0.0], [p for p, share in cells if share == 1.0]
