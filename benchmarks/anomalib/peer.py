"""One model of anomalib on one folder in the MVTec layout, at one size, in a process of its own.

Runs in anomalib's environment, from the repository's root: `python -m benchmarks.anomalib.peer`.
What it finds goes to files in the output folder, as soon as it is known: ``fit.json`` after the
fit, ``scores.json`` and ``maps/*.npy`` (raw scores and maps), ``done.json`` at the end. Choices
that are open are made in anomalib's favour: no validation pass, metrics or pictures are in its
times.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.anomalib import weights

SHALLOW, MIDDLE, DEEP = "blocks.1", "blocks.2", "blocks.4"
"""Maps of stride 4, 8 and 16 with 24, 48 and 120 channels, as ResNet's layer1 to layer3."""
LONG_ENOUGH_S = 60.0
"""Rounds of the test are repeated while they have taken less than this."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is made: its class in anomalib.models, options, and the epochs that it is given.

    Options and epochs are the authors' defaults but for the backbone, its layers, and what has no
    default for this backbone. None for ``epochs`` leaves them to the model (one pass, or three).
    """

    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    epochs: int | None = None


_OURS = {"backbone": weights.NAME}
RECIPES = {
    "patchcore": Recipe("Patchcore", {**_OURS, "layers": [MIDDLE, DEEP]}),
    "padim": Recipe("Padim", {**_OURS, "layers": [SHALLOW, MIDDLE, DEEP], "n_features": 100}),
    "mh_patchcore": Recipe("MHPatchcore", {**_OURS, "layers": [MIDDLE, DEEP]}),
    "dfm": Recipe("Dfm", {**_OURS, "layer": DEEP}),
    "dfkde": Recipe("Dfkde", {**_OURS, "layers": ["blocks.6"]}),
    "fre": Recipe("Fre", {**_OURS, "layer": DEEP}, epochs=220),
    "stfpm": Recipe("Stfpm", {**_OURS, "layers": [SHALLOW, MIDDLE, DEEP]}, epochs=100),
    "cflow": Recipe("Cflow", {**_OURS, "layers": [MIDDLE, DEEP]}, epochs=50),
    "supersimplenet": Recipe("Supersimplenet", {**_OURS, "layers": [MIDDLE, DEEP]}, epochs=300),
    "patchflow": Recipe("Patchflow", {**_OURS}, epochs=100),
    "glass": Recipe("Glass", {**_OURS, "layers": [MIDDLE, DEEP]}, epochs=100),
    "ganomaly": Recipe("Ganomaly", epochs=100),
}


def main() -> None:
    """Fit, then look at the test images up to three times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=sorted(RECIPES), required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--defects", nargs="+", required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="an existing folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="instead of the recipe's")
    parser.add_argument("--maps", action="store_true", help="save the anomaly maps too")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    weights.install()
    logging.getLogger("anomalib").setLevel(logging.ERROR)
    run(args)


def run(args: argparse.Namespace) -> None:
    """All of it; what goes wrong ends the process with a traceback on stderr."""
    import torch  # type: ignore[import-not-found,unused-ignore]
    from anomalib.engine import Engine  # type: ignore[import-not-found,unused-ignore]

    torch.manual_seed(0)
    recipe = RECIPES[args.model]
    data, model = _data(args), _model(recipe, args.size)
    keep = _keeper(args.out, maps=args.maps)
    with tempfile.TemporaryDirectory() as home:
        engine = Engine(
            accelerator="cpu",
            devices=1,
            default_root_dir=home,
            logger=False,
            limit_val_batches=0,
            callbacks=[keep],
            **({} if recipe.epochs is None else {"max_epochs": args.epochs or recipe.epochs}),
        )
        began = time.perf_counter()
        engine.fit(model, datamodule=data)
        fit_s = round(time.perf_counter() - began, 1)
        bank: Any = getattr(model.model, "memory_bank", None)
        fitted = {
            "fit_s": fit_s,
            "peak_mib": _peak_mib(),
            "bank_rows": int(bank.shape[0]) if hasattr(bank, "shape") else None,
        }
        _write(args.out / "fit.json", fitted)
        speeds = _rounds(engine, model, data, keep, args.rounds)
    _write(
        args.out / "done.json",
        {
            **fitted,
            "images_per_s": round(median(speeds), 2),
            "peak_mib": _peak_mib(),
            "train_images": len(data.train_data),
            "test_images": len(keep.scores),
        },
    )


def _rounds(engine: Any, model: Any, data: Any, keep: Any, rounds: int) -> list[float]:
    """Images/s of each round; scores and maps are kept from the first."""
    speeds: list[float] = []
    start = time.perf_counter()
    while len(speeds) < rounds and (not speeds or time.perf_counter() - start < LONG_ENOUGH_S):
        keep.on = not speeds
        began = time.perf_counter()
        engine.predict(model, datamodule=data, return_predictions=False)
        if keep.on:
            keep.write()
        speeds.append(len(keep.scores) / (time.perf_counter() - began))
    return speeds


def _data(args: argparse.Namespace) -> Any:
    from anomalib.data import Folder  # type: ignore[import-not-found,unused-ignore]

    return Folder(
        name=args.folder.name,
        root=args.folder,
        normal_dir="train/good",
        abnormal_dir=[f"test/{kind}" for kind in args.defects],
        normal_test_dir="test/good",
        test_split_mode="from_dir",
        val_split_mode="same_as_test",
        num_workers=0,
        train_batch_size=16,
        eval_batch_size=16,
    )


def _model(recipe: Recipe, size: int) -> Any:
    import anomalib.models  # type: ignore[import-not-found,unused-ignore]
    from anomalib.pre_processing import (  # type: ignore[import-not-found,unused-ignore]
        PreProcessor,
    )
    from torchvision.transforms.v2 import (  # type: ignore[import-not-found,unused-ignore]
        Compose,
        Normalize,
        Resize,
    )

    looks = Compose(
        [
            Resize((size, size), antialias=True),
            Normalize(mean=[weights.MEAN] * 3, std=[weights.DEVIATION] * 3),
        ]
    )
    options = dict(recipe.options)
    if recipe.kind == "Fre":  # its input: the deep map, averaged over 2 x 2 cells, as one vector
        options["input_dim"] = 120 * (size // 32) ** 2
    return getattr(anomalib.models, recipe.kind)(
        **options,
        pre_processor=PreProcessor(transform=looks),
        post_processor=False,
        evaluator=False,
        visualizer=False,
    )


def _keeper(out: Path, *, maps: bool) -> Any:
    """A callback that keeps raw scores, and maps as (h, w) float32 files, of one round."""
    import numpy as np
    from lightning.pytorch.callbacks import (  # type: ignore[import-not-found,unused-ignore]
        Callback,
    )

    class Keeper(Callback):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            self.on = True
            self.scores: list[dict[str, Any]] = []

        def on_predict_batch_end(
            self, _trainer: Any, _module: Any, outputs: Any, *_rest: Any
        ) -> None:
            if not self.on:
                return
            for i, path in enumerate(outputs.image_path):
                number = len(self.scores)
                score = float(outputs.pred_score[i])
                self.scores.append({"file": str(path), "score": score, "map": number})
                if maps and outputs.anomaly_map is not None:
                    heat = outputs.anomaly_map[i].squeeze().float().numpy()
                    np.save(out / "maps" / f"{number}.npy", heat)

        def write(self) -> None:
            _write(out / "scores.json", self.scores)

    (out / "maps").mkdir(exist_ok=True)
    return Keeper()


def _write(path: Path, value: Any) -> None:
    """Whole or not at all: another process watches for the file."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value), encoding="utf-8")
    part.replace(path)


def _peak_mib() -> int:
    """As `walkdown.memory.peak_mib`, which is not installed beside anomalib."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


if __name__ == "__main__":
    main()
