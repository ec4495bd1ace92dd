"""walkdown made like anomalib's PatchCore, so that only the making differs.

The same weights, the same square size, the same maps and the same share of patches in the bank; no
choice of scale, no threshold, no records: reading files to a bank, and files to a score and a map.
`python -m benchmarks.anomalib.like_for_like` prints one JSON line, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from walkdown.evaluate.metrics import auroc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STRIDES = (8, 16)
CORESET_RATIO = 0.1
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Bank:
    """A fitted bank: its rows, and what gives the raw scores of files, in order."""

    rows: int
    judge: Callable[[Sequence[Path]], list[float]]


def build(
    files: Sequence[Path], *, size_px: int, strides: Sequence[int], coreset_ratio: float
) -> Bank:
    """A bank of ``coreset_ratio`` of all patches of photographs scaled to a square of ``size_px``.

    The one function here that reaches into walkdown's training.
    """
    raise NotImplementedError(f"{len(files)} files, {size_px} px, {strides}, {coreset_ratio}")


def measure(
    folder: Path, defects: Sequence[str], *, size_px: int, strides: Sequence[int], ratio: float
) -> dict[str, Any]:
    """Fit and judge a folder in the MVTec layout."""
    began = time.perf_counter()
    train = sorted((folder / "train" / "good").iterdir())
    bank = build(train, size_px=size_px, strides=strides, coreset_ratio=ratio)
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
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "bank_rows": bank.rows,
        "input_px": size_px,
    }


def main() -> None:
    """One folder, one size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--defects", nargs="+", required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--strides", type=int, nargs="+", default=list(STRIDES))
    parser.add_argument("--ratio", type=float, default=CORESET_RATIO)
    args = parser.parse_args()
    sizes = {"size_px": args.size, "strides": args.strides, "ratio": args.ratio}
    print(json.dumps(measure(args.folder, args.defects, **sizes)))


if __name__ == "__main__":
    main()
