"""What 1,000 photographs cost on AWS, measured: `python benchmarks/cost.py`.

The reference case: JPEGs of about 2 MB and 12 megapixels, two stages of the default model, 5 % of
the images flagged by the first. The model looks at 1,024 px, in one piece; a default training on
photographs of 12 megapixels chooses tiles of all their pixels instead, which is the second figure.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from walkdown.app.measuring import measure
from walkdown.app.specs import pipeline_of
from walkdown.app.synthetic import photograph
from walkdown.app.training import train
from walkdown.app.versions import resolve
from walkdown.aws.estimating import FLAGGED, quote
from walkdown.aws.load import Case
from walkdown.aws.prices import DEFAULT_REGION, prices_of
from walkdown.cli.progress import Silent
from walkdown.clock import utc_now
from walkdown.models import artefact
from walkdown.training.memory_bank import Options
from walkdown.types import ModelVersion
from walkdown.wiring import open_workspace

if TYPE_CHECKING:
    from walkdown.app.context import App
    from walkdown.aws.estimating import Estimate

LIMIT_USD = 0.05
"""What 1,000 images of the reference case may cost."""

NORMAL, PHOTOS = 12, 5
ONE_PIECE = "one-piece"
TILED = "tiled"
PIPELINE = """\
stages:
  - {{name: screen, model: {model}}}
  - {{name: confirm, model: {model}, when: screen.verdict == 'anomaly'}}
"""


def prepare(app: App, folder: Path) -> None:
    """Photographs, a model that looks at them in one piece, and the same model in tiles."""
    for name, count, size in (("normal", NORMAL, (1024, 768)), ("photos", PHOTOS, (4000, 3000))):
        (folder / name).mkdir()
        for i in range(count):
            # Seeds of a folder are its own: what is learned from is not what is looked at.
            data = photograph(*size, seed=i + len(name) * 1000)
            (folder / name / f"{i}.jpg").write_bytes(data)
    normal = [str(folder / "normal")]
    train(app, ONE_PIECE, normal=normal, options=Options(fast=True), progress=Silent())
    made = artefact.load(resolve(app, ONE_PIECE).digest, app.blobs)
    card = {k: v for k, v in made.card.items() if k not in ("kind", "format", "files")}
    card["input"] = {"long_side_px": 4000, "multiple_px": 32, "tile_px": 1024}
    tiled = artefact.pack(made.kind, card, made.files)
    artefact.save(tiled, app.blobs)
    app.versions.add(ModelVersion(TILED, 0, tiled.digest, utc_now(), "benchmark", ("live",)))


def cost(app: App, folder: Path, model: str, *, photos: int, region: str) -> Estimate:
    """Measure and count."""
    file = folder / f"{model}.yaml"
    file.write_text(PIPELINE.format(model=model), encoding="utf-8")
    spec = pipeline_of(model=None, file=file, paths=[str(folder / "photos")])
    found = measure(app, spec, at_most=photos, progress=Silent())
    # Both stages are one model, on the same photographs: they take the same time.
    seconds = min(stage.seconds for stage in found.stages)
    stages = tuple(replace(stage, seconds=seconds) for stage in found.stages)
    found = replace(found, stages=stages).with_share(FLAGGED)
    return quote(found, Case(1000), prices_of(region))


def main() -> int:
    """Print both figures; 1 where the reference case costs more than `LIMIT_USD`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--region", default=DEFAULT_REGION)
    parser.add_argument("--json", type=Path, help="write what was measured and counted here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        app = open_workspace(home, workers=1)
        prepare(app, folder)
        found = {
            ONE_PIECE: cost(app, folder, ONE_PIECE, photos=PHOTOS, region=args.region),
            TILED: cost(app, folder, TILED, photos=1, region=args.region),
        }
        app.close()
    for name, each in found.items():
        seen, bill = each.measured, each.bill
        print(
            f"{name}: ${bill.usd_per_1000:.4f} per 1,000 images (${each.slower_usd_per_1000:.4f} "
            f"on processors 1.5 times slower); {seen.stages[0].seconds:.2f} s an image, heat map "
            f"{seen.stages[0].heatmap_bytes / 1e6:.1f} MB, {seen.peak_mib} MiB"
        )
        for part, service, usd in bill.dominating(5):
            print(f"  {part}, {service}: ${usd:.4f}")
        for other in each.others:
            print(f"  ${other.usd_per_1000:.4f} with {other.words}")
    if args.json:
        text = json.dumps({name: asdict(each) for name, each in found.items()}, indent=1)
        args.json.write_text(text + "\n", encoding="utf-8")
    return int(found[ONE_PIECE].bill.usd_per_1000 > LIMIT_USD)


if __name__ == "__main__":
    sys.exit(main())
