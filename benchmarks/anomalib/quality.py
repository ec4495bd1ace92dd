"""AUROC and AUPRO of scores and maps that another program saved, measured as walkdown's own are.

A map is drawn to the size of its photograph, as walkdown's are before they are measured, and the
very functions of walkdown.evaluate.metrics judge it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.bench import _mask as numbered_defects
from PIL import Image

from walkdown.evaluate.metrics import aupro, auroc
from walkdown.imaging.decode import decode


def quality(out: Path, folder: Path) -> dict[str, float | None]:
    """From ``out``/scores.json and ``out``/maps; AUPRO is None for a set without masks or maps."""
    entries: list[dict[str, Any]] = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    good = [e["score"] for e in entries if Path(e["file"]).parent.name == "good"]
    bad = [e["score"] for e in entries if Path(e["file"]).parent.name != "good"]
    return {"auroc": round(auroc(good, bad), 4), "aupro": _aupro(out, folder, entries)}


def _aupro(out: Path, folder: Path, entries: list[dict[str, Any]]) -> float | None:
    maps, regions = [], []
    for entry in entries:
        saved = out / "maps" / f"{entry['map']}.npy"
        if not (folder / "ground_truth").is_dir() or not saved.exists():
            return None
        file = Path(entry["file"])
        photo = decode(file.read_bytes(), name=file.name, at_least_px=None)
        size = (photo.width_px, photo.height_px)
        cells = Image.fromarray(np.load(saved, allow_pickle=False))
        heat = np.asarray(cells.resize(size, Image.Resampling.BILINEAR))
        maps.append(heat)
        regions.append(
            numbered_defects(folder / "ground_truth" / file.parent.name, file.stem, heat.shape)
        )
    return round(aupro(maps, regions), 4)
