"""walkdown made like anomalib's PatchCore, so that only the making differs.

The same weights, the same square size, the same maps and the same share of patches in the bank; no
choice of scale, no threshold, no records: reading files to a bank, and files to a score and a map.
`python -m benchmarks.anomalib.like_for_like` prints one JSON line, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from walkdown.evaluate.metrics import auroc
from walkdown.imaging.decode import decode
from walkdown.imaging.resize import resize
from walkdown.memory import peak_mib
from walkdown.models.graphs.session import open_graph
from walkdown.parallel import ordered_map
from walkdown.training import backbones, graph
from walkdown.training.judging import Banks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

LEVELS = (3, 5)
"""The maps that end at blocks.2 and blocks.4: strides 8 and 16, 48 and 120 channels."""
CORESET_RATIO = 0.1
ROUNDS = 3
WORKERS = os.cpu_count() or 1
SEED = 0


@dataclass(frozen=True, slots=True)
class Bank:
    """A fitted bank: its rows, and what gives the raw scores of files, in order."""

    rows: int
    judge: Callable[[Sequence[Path]], list[float]]


def build(
    files: Sequence[Path], *, size_px: int, levels: Sequence[int], coreset_ratio: float
) -> Bank:
    """A bank of ``coreset_ratio`` of all patches of photographs scaled to a square of ``size_px``.

    Patches lie on the grid of the shallowest of ``levels``, each map averaged over 3 x 3 of its
    cells, as the peer's do; an image's raw score is that of its worst cell. The one function here
    that reaches into walkdown's training.
    """
    trunk = backbones.trunk(backbones.lite2(), levels=levels)
    grid_px = min(trunk.strides.values())
    features = graph.Features(tuple(levels), neighbourhood=3)
    extract = _opened(graph.extractor(trunk, features, grid_px=grid_px), "patches", size_px)
    patches = np.concatenate([found.T for found in ordered_map(extract, files, workers=WORKERS)])
    channels = tuple(trunk.channels[level] for level in sorted(levels))
    judge, _ = Banks(channels, round(coreset_ratio * len(patches)), SEED).choose(patches)
    whole = graph.detector(trunk, features, judge, worst_cells=1, grid_px=grid_px)
    score = _opened(whole, "raw_score", size_px)
    return Bank(
        len(judge.rows),
        lambda files: [float(raw[0]) for raw in ordered_map(score, files, workers=WORKERS)],
    )


def _opened(graph_bytes: bytes, output: str, size_px: int) -> Callable[[Path], NDArray[np.float32]]:
    """From a file to an output of the graph; cells come with it, as a peer's map does."""
    session = open_graph(graph_bytes, threads=1)
    outputs = [output] if output == "patches" else [output, "cells"]

    def run(file: Path) -> NDArray[np.float32]:
        photo = decode(file.read_bytes(), name=file.name, at_least_px=size_px)
        image = resize(photo.pixels, width_px=size_px, height_px=size_px)[None]
        return session.run(outputs, {"image": image})[0]

    return run


def measure(
    folder: Path, defects: Sequence[str], *, size_px: int, levels: Sequence[int], ratio: float
) -> dict[str, Any]:
    """Fit and judge a folder in the MVTec layout."""
    began = time.perf_counter()
    train = sorted((folder / "train" / "good").iterdir())
    bank = build(train, size_px=size_px, levels=levels, coreset_ratio=ratio)
    fit_s = time.perf_counter() - began
    good, bad = [
        [file for kind in kinds for file in sorted((folder / "test" / kind).iterdir())]
        for kinds in (("good",), defects)
    ]
    speeds: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        raw = bank.judge([*good, *bad])
        speeds.append(len(raw) / (time.perf_counter() - began))
    return {
        "fit_s": round(fit_s, 2),
        "images_per_s": round(median(speeds), 2),
        "auroc": round(auroc(raw[: len(good)], raw[len(good) :]), 4),
        "peak_mib": peak_mib(),
        "bank_rows": bank.rows,
        "input_px": size_px,
    }


def main() -> None:
    """One folder, one size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--defects", nargs="+", required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--levels", type=int, nargs="+", default=list(LEVELS))
    parser.add_argument("--ratio", type=float, default=CORESET_RATIO)
    args = parser.parse_args()
    sizes = {"size_px": args.size, "levels": args.levels, "ratio": args.ratio}
    print(json.dumps(measure(args.folder, args.defects, **sizes)))


if __name__ == "__main__":
    main()
