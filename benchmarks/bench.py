"""Speed, memory and quality of the main job on folders in the MVTec layout: `make bench`.

Each set runs in a process of its own. Speeds are those of `walkdown bench` on all test images: end
to end from reading the first file to the last record, copies of images, heat maps, lake and all, in
turns with the backbone alone at the same sizes. Quality is that of one more inspection.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from PIL import Image

from walkdown.app.benchmarking import benchmark
from walkdown.app.inspecting import inspect
from walkdown.app.specs import pipeline_of
from walkdown.app.training import train
from walkdown.app.versions import open_version
from walkdown.cli.progress import Silent
from walkdown.evaluate.metrics import aupro, auroc, f1_max
from walkdown.imaging import heatmaps
from walkdown.imaging.decode import decode
from walkdown.memory import peak_mib
from walkdown.training.memory_bank import Options
from walkdown.wiring import open_workspace

if TYPE_CHECKING:
    from walkdown.app.context import App
    from walkdown.ports import Model
    from walkdown.types import Result

SETS = {
    "circuitboard": ("anomaly",),
    "cookie": ("cracked",),
    "solar_cell_mono": ("defect_p100",),
    "magnetic_tile": ("blowhole", "break", "crack", "fray", "uneven"),
    "concrete": ("crack",),
}
ROUNDS = 3
ALL = 1_000_000


def measure(folder: Path, defects: tuple[str, ...]) -> dict[str, Any]:
    """All figures of one set. Peaks are read before the benchmark holds images of its own."""
    with tempfile.TemporaryDirectory() as home:
        app = open_workspace(home)
        began = time.perf_counter()
        trained = train(app, "bench", normal=[str(folder / "train" / "good")], progress=Silent())
        fit_s = time.perf_counter() - began
        fit_mib = peak_mib()
        fast_s = _fast_s(app, folder)
        paths = [str(folder / "test" / kind) for kind in ("good", *defects)]
        speed = benchmark(
            app,
            "bench",
            paths,
            rounds=ROUNDS,
            at_most=ALL,
            fresh=partial(open_workspace, workers=app.settings.workers),
            progress=Silent(),
        )
        spec = pipeline_of(model="bench", file=None, paths=paths)
        results = [line.result for line in inspect(app, spec, progress=Silent()).lines()]
        model = open_version(app, trained.version)
        return {
            "set": folder.name,
            "train_images": trained.images,
            "test_images": len(results),
            "input_px": model.info.input_px,
            "fit_s": round(fit_s, 1),
            "fit_fast_s": round(fast_s, 1),
            "images_per_s": round(speed.images_per_s, 1),
            "backbone_images_per_s": round(speed.limit_per_s, 1),
            "share_of_backbone": round(speed.share, 3),
            "steps_ms": {step.name: round(step.ms, 3) for step in speed.steps},
            "fit_peak_mib": fit_mib,
            "peak_mib": speed.peak_mib,
            **_quality(results),
            "aupro": _aupro(model, folder, defects),
            "threshold": trained.threshold.sentence,
        }


def _fast_s(app: App, folder: Path) -> float:
    """Seconds of a fit that does not compare ways to look."""
    normal, began = [str(folder / "train" / "good")], time.perf_counter()
    train(app, "bench-fast", normal=normal, options=Options(fast=True), progress=Silent())
    return time.perf_counter() - began


def _quality(results: list[Result]) -> dict[str, Any]:
    good = [r for r in results if Path(r.image).parent.name == "good"]
    bad = [r for r in results if Path(r.image).parent.name != "good"]
    normal, anomalous = ([r.raw_score or 0.0 for r in side] for side in (good, bad))
    return {
        "auroc": round(auroc(normal, anomalous), 4),
        "f1_max": round(f1_max(normal, anomalous), 3),
        "false_alarms": f"{sum(r.verdict == 'anomaly' for r in good)}/{len(good)}",
        "found": f"{sum(r.verdict == 'anomaly' for r in bad)}/{len(bad)}",
    }


def _aupro(model: Model, folder: Path, defects: tuple[str, ...]) -> float | None:
    """Over all test images that have a mask, and the good ones; None for a set without masks."""
    if not (folder / "ground_truth").is_dir():
        return None
    maps, regions = [], []
    for kind in ("good", *defects):
        for file in sorted((folder / "test" / kind).iterdir()):
            photo = decode(file.read_bytes(), name=file.name, at_least_px=None)
            heatmap = model.predict([photo])[0].heatmap
            assert heatmap is not None
            scores = heatmaps.upsample(heatmap)
            maps.append(scores)
            regions.append(_mask(folder / "ground_truth" / kind, file.stem, scores.shape))
    return round(aupro(maps, regions), 4)


def _mask(folder: Path, stem: str, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Connected defects of an image, numbered from 1."""
    from scipy.ndimage import label  # type: ignore[import-untyped]

    files = [f for f in folder.glob("*.png") if f.stem in (stem, f"{stem}_mask")]
    if not files:
        return np.zeros(shape, dtype=np.int32)
    mask = Image.open(files[0]).convert("L").resize((shape[1], shape[0]), Image.Resampling.NEAREST)
    numbered, _ = label(np.asarray(mask) > 127, structure=np.ones((3, 3)))
    return np.asarray(numbered, dtype=np.int32)


COLUMNS = {
    "set": "set", "input_px": "px", "train_images": "train", "test_images": "test",
    "auroc": "AUROC", "aupro": "AUPRO", "f1_max": "F1-max", "found": "found",
    "false_alarms": "false alarms", "fit_s": "fit s",
    "fit_fast_s": "fit s, --fast", "images_per_s": "images/s",
    "backbone_images_per_s": "backbone/s", "share_of_backbone": "share", "peak_mib": "peak MiB",
}  # fmt: skip


def markdown(rows: list[dict[str, Any]]) -> str:
    """The figures as a table."""
    lines = [" | ".join(COLUMNS.values()), " | ".join("---" for _ in COLUMNS)]
    lines += [" | ".join("" if r[c] is None else str(r[c]) for c in COLUMNS) for r in rows]
    return "\n".join(f"| {line} |" for line in lines)


START, END = "<!-- bench: written by `make bench README=README.md` -->", "<!-- /bench -->"


def _write_readme(page: Path, figures: dict[str, Any]) -> None:
    text = page.read_text(encoding="utf-8")
    before, after = text.split(START)[0], text.split(END)[1]
    about = " · ".join(f"{k} {v}" for k, v in figures["machine"].items())
    table = f"{START}\n{markdown(figures['sets'])}\n\n{about}\n{END}"
    page.write_text(before + table + after, encoding="utf-8")


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        return f"{len(names)} x {names[0]}"
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def main() -> None:
    """Measure every set and print a table; with --json FILE also the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--readme", type=Path, help="put the table between the marks of this page")
    parser.add_argument("--sets", nargs="*", default=list(SETS), help="only these sets")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.data / args.one, SETS[args.one])))
        return
    rows = []
    for name in args.sets:
        command = [sys.executable, __file__, "--data", str(args.data), "--one", name]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(f"{name}: AUROC {rows[-1]['auroc']}", file=sys.stderr)
    figures = {"machine": machine(), "sets": rows}
    print(" · ".join(f"{k} {v}" for k, v in figures["machine"].items()))  # type: ignore[attr-defined]
    print(markdown(rows))
    if args.readme:
        _write_readme(args.readme, figures)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
