"""The whole comparison by one command: `python -m benchmarks.anomalib.compare`.

Run it from the repository's root in walkdown's environment; ``--peer`` is the environment that
`benchmarks.anomalib.setup` made. Every run is a process of its own under the limits. A finished row
is kept in ``--rows`` at once: the same command goes on after an interruption.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.anomalib import page, setup, supervise
from benchmarks.anomalib.quality import quality
from benchmarks.anomalib.rows import (
    ANOMALIB,
    WALKDOWN,
    Job,
    Row,
    Store,
    hopeless,
    schedule,
    too_long,
)
from benchmarks.bench import SETS, machine

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("patchcore", "padim", "mh_patchcore", "dfm", "dfkde")
"""Those that need no gradients: the others take hours on a processor, and are asked for by name."""

MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(4 << 20)}
"""For anomalib: without it PatchCore's coreset grows by its largest array in most steps, since the
C library cuts small tensors that stay from the hole that the array has left."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where things are, and how far a run may go."""

    data: Path
    peer: Path
    limits: supervise.Limits


def main() -> None:
    """Carry out what is not done yet, then write the page."""
    args = _arguments()
    if args.again:
        args.rows.unlink(missing_ok=True)
    store = Store(args.rows)
    memory = int(args.limit_gib * 1024)
    limits = supervise.Limits(time_s=args.limit_min * 60, memory_mib=memory)
    bench = Bench(args.data.resolve(), args.peer.resolve(), limits)
    like = args.sizes if args.like_for_like else ()
    for job in schedule(args.sets, args.models, args.sizes, turns=args.turns, like=like):
        if store.has(job):
            continue
        print(f"{job.set}: {job.side} {job.model} {job.size_px or ''}", file=sys.stderr, flush=True)
        row = _carry_out(job, bench, store)
        store.add(row)
        print(f"  {row}", file=sys.stderr, flush=True)
        _write(args.page, args.readme, store, bench)
    _write(args.page, args.readme, store, bench)


def _write(target: Path, readme: Path | None, store: Store, bench: Bench) -> None:
    file = bench.peer / setup.FILE
    found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    footprints = [setup.Footprint(**one) for one in found]
    rows = store.rows()
    page.update(target, rows, machine=machine(), footprints=footprints, readme=readme)


def _carry_out(job: Job, bench: Bench, store: Store) -> Row:
    smaller = hopeless(job, store.rows())
    if smaller is not None:
        reason = smaller.status.removeprefix("stopped: ")
        return Row(job, f"not tried: at {smaller.job.size_px} px its {reason}")
    smaller = too_long(job, store.rows(), limit_s=bench.limits.time_s)
    if smaller is not None:
        return Row(
            job, f"not tried: at {smaller.job.size_px} px its fit took {smaller.fit_s:.0f} s"
        )
    with tempfile.TemporaryDirectory() as out:
        if job.side == ANOMALIB:
            return _peer(job, bench, Path(out))
        return _own(job, bench, Path(out))


def _peer(job: Job, bench: Bench, out: Path) -> Row:
    folder, defects = bench.data / job.set, SETS[job.set]
    command = [
        *(str(bench.peer / "bin" / "python"), "-m", "benchmarks.anomalib.peer"),
        *("--model", job.model, "--size", str(job.size_px), "--out", str(out)),
        *("--folder", str(folder), "--defects", *defects),
        *(["--maps"] if (folder / "ground_truth").is_dir() else []),
    ]
    fitted = out / "fit.json"
    status = supervise.watch(
        command,
        cwd=ROOT,
        log=out / "log",
        limits=bench.limits,
        fitted=fitted,
        environment=MALLOC,
    )
    last = out / "done.json" if status == supervise.DONE else fitted
    figures = json.loads(last.read_text(encoding="utf-8")) if last.exists() else {}
    if status == supervise.DONE:
        figures.update(quality(out, folder))
    return _row(job, status, figures)


def _own(job: Job, bench: Bench, out: Path) -> Row:
    """bench.py as it is, or walkdown made like the peer; each prints one JSON line at the end."""
    if job.side == WALKDOWN:
        what = ["benchmarks/bench.py", "--data", str(bench.data), "--one", job.set]
    else:
        what = [
            *("-m", "benchmarks.anomalib.like_for_like", "--folder", str(bench.data / job.set)),
            *("--size", str(job.size_px), "--defects", *SETS[job.set]),
        ]
    log = out / "log"
    status = supervise.watch([sys.executable, *what], cwd=ROOT, log=log, limits=bench.limits)
    figures = {}
    if status == supervise.DONE:
        figures = json.loads(log.read_text(encoding="utf-8").strip().splitlines()[-1])
    return _row(job, status, figures)


def _row(job: Job, status: str, figures: dict[str, Any]) -> Row:
    known = ("fit_s", "images_per_s", "auroc", "aupro", "peak_mib", "bank_rows", "input_px")
    return Row(job, status, **{name: figures.get(name) for name in known})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--peer", type=Path, required=True, help="anomalib's environment")
    parser.add_argument("--rows", type=Path, default=Path("comparison.json"))
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md")
    parser.add_argument("--readme", type=Path, help="put a short table between its marks")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[256, 512])
    parser.add_argument("--turns", type=int, default=3, help="runs of walkdown on each set")
    parser.add_argument("--like-for-like", action="store_true", help="walkdown like PatchCore too")
    parser.add_argument("--limit-min", type=float, default=20.0, help="of a fit, in quiet minutes")
    parser.add_argument("--limit-gib", type=float, default=16.0)
    parser.add_argument("--again", action="store_true", help="forget what was measured before")
    return parser.parse_args()


if __name__ == "__main__":
    main()
