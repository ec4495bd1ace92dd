"""What the function that looks costs in time, beside the local runner: `make functions`.

The zip that is deployed runs under AWS's own runtime client with 1,769 MB and 600 s, on emulated S3
and DynamoDB of this machine; the stack is made by the product's own command. A cold start is a new
process from its start to the answer of a look at one image, the load of the model included. A warm
look at a batch takes turns with the local runner on the same files. 1,769 MB come with one vCPU:
both sides have the same core then, and what stands in for AWS's servers has the others.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.bench import machine
from benchmarks.pages import FUNCTIONS, about, markdown, put
from tests.aws.emulator.handle import running
from tests.aws.places import RUNTIME, Place

from walkdown.app.preparations import open_preparation
from walkdown.app.specs import pipeline_of
from walkdown.app.versions import open_version, resolve
from walkdown.aws.package import build
from walkdown.pipeline.plan import make_plan
from walkdown.runners.parts import ref_to_json
from walkdown.runners.worker import Work, look
from walkdown.stores.s3 import S3Blobs
from walkdown.stores.s3_reading import s3_ref
from walkdown.wiring import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    Side = tuple[Callable[[], object], Callable[[], float]]

Pairs = tuple[tuple[float, float], ...]

SET = "solar_cell_mono"
PIPELINE = "stages: [{name: screen, model: cells}]\n"
PAIRS, STARTS, BATCH = 30, 3, 16
RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds by the clock, and of the processor."""

    wall_s: float
    processor_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """All figures. Pairs are seconds of a batch in the function and in the local runner: by the
    clock, and of each side's own process, which tells more where a machine has other work.
    """

    unpacked_mib: float
    starts: tuple[Spent, ...]
    wall: Pairs
    processor: Pairs


def ratio(found: Pairs) -> float:
    """Median in the function over median in the local runner."""
    function, local = zip(*found, strict=True)
    return float(median(function) / median(local))


@dataclass(frozen=True, slots=True)
class Scene:
    """A stack on the emulator with photographs in its bucket, and the same ones in a folder."""

    place: Place
    function: str
    about: dict[str, Any]
    items: tuple[dict[str, Any], ...]
    photos: Path

    def look(self, count: int) -> None:
        """One call of the function. Raises RuntimeError where it fails."""
        event = {"batch": self.about, "items": self.items[:count]}
        answer = self.place.aws.client("lambda").invoke(
            FunctionName=self.function, Payload=json.dumps(event).encode()
        )
        said = answer["Payload"].read().decode()
        if answer.get("FunctionError"):
            raise RuntimeError(f"the function failed: {said}")


def scene(place: Place, data: Path, images: int) -> Scene:
    """Train, deploy, and put photographs where both sides find them."""
    folder = place.folder
    photos = folder / "photos"
    photos.mkdir()
    for file in sorted((data / "test").glob("*/*"))[:: max(1, 100 // images)][:images]:
        shutil.copyfile(file, photos / f"{file.parent.name}-{file.name}")
    (folder / "cells.yaml").write_text(PIPELINE)
    place.walkdown("train", "cells", "--normal", str(data / "train" / "good"), "--fast")
    deploy = ("deploy", "--stack", place.stack, "--pipeline", "cells.yaml", "--yes")
    place.walkdown(*deploy, "--runtime", RUNTIME)
    told, s3 = place.outputs(), place.aws.client("s3")
    (key,) = S3Blobs(s3, told["DataBucketName"]).list("pipelines/")
    inspection = {"plan": key, "stage": "screen", "inspection": "benchmark", "run": 0}
    items = [_put(s3, told["SourceBucketName"], file) for file in sorted(photos.iterdir())]
    return Scene(place, told["LookFunctionName"], inspection, tuple(items), photos)


def _put(s3: Any, bucket: str, file: Path) -> dict[str, Any]:
    """Put it where no pipeline takes it in; the line of a manifest that names it."""
    key = f"bench/{file.name}"
    made = s3.put_object(Bucket=bucket, Key=key, Body=file.read_bytes())
    ref = s3_ref(bucket, key, version_id=made.get("VersionId"), etag=made["ETag"], prefix="bench/")
    return ref_to_json(ref)


def cold_starts(there: Scene, count: int) -> tuple[Spent, ...]:
    """New processes: other limits make another version's environment."""
    starts = []
    for number in range(count):
        there.place.aws.limit(there.function, timeout_s=600 - number)
        began = time.perf_counter()
        there.look(1)
        wall_s = time.perf_counter() - began
        starts.append(Spent(wall_s, _processor_s(there.function)))
    return tuple(starts)


def _processor_s(function: str) -> float:
    """Of the newest process of a function, over its whole life."""
    return sum(map(int, _times(_newest(function))[11:13])) / os.sysconf("SC_CLK_TCK")


def _newest(function: str) -> Path:
    """The newest process of a function, see proc(5)."""
    mark = f"AWS_LAMBDA_FUNCTION_NAME={function}\0".encode()
    own = [path for path in Path("/proc").glob("[0-9]*") if mark in _read(path / "environ")]
    return max(own, key=lambda path: int(_times(path)[19]))


def share_a_core(there: Scene) -> None:
    """The function and this process on the same core, the emulator on the others."""
    first, *others = sorted(os.sched_getaffinity(0))
    function = _newest(there.function)
    emulator = Path("/proc") / _times(function)[1]
    for process, cores in ((function, {first}), (Path("/proc/self"), {first}), (emulator, others)):
        for thread in (process / "task").iterdir():
            os.sched_setaffinity(int(thread.name), cores or {first})


def _times(process: Path) -> list[str]:
    """The fields of its stat after the name, see proc(5)."""
    return _read(process / "stat").decode().rpartition(")")[2].split()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def local_look(folder: Path, photos: Path) -> Callable[[], object]:
    """The same work in this process: all photographs through the stage, nothing recorded."""
    app = open_workspace(str(folder), workers=1)
    spec = pipeline_of(model=None, file=folder / "cells.yaml", paths=[str(photos)])
    models = {stage.model: open_version(app, resolve(app, stage.model)) for stage in spec.stages}
    preparation = open_preparation(spec.prepare, open_step=app.open_step)
    if spec.source is None:
        raise ValueError("the photographs are the source")
    source = app.sources(spec.source)
    infos = {name: model.info for name, model in models.items()}
    work = Work(
        plan=make_plan(spec, infos, preparation=preparation.digest),
        models={model.info.digest: model for model in models.values()},
        source=source,
        blobs=app.blobs,
        records=app.records,
        outputs=spec.outputs.model_copy(update={"images": False}),
        max_pixels=spec.prepare.max_pixels,
        preparation=preparation,
    )
    refs = list(source.refs())
    return lambda: look(work, refs)


def pairs(there: Scene, count: int) -> tuple[Pairs, Pairs]:
    """Seconds of a warm batch there and here, in turns, each side first half of the times."""
    here = local_look(there.place.folder, there.photos)
    sides: tuple[Side, Side] = (
        (lambda: there.look(len(there.items)), lambda: _processor_s(there.function)),
        (here, time.process_time),
    )
    for do, _ in sides:
        do()
    share_a_core(there)
    wall, processor = [], []
    for number in range(count):
        order = (0, 1) if number % 2 else (1, 0)
        spent = {which: _spent(*sides[which]) for which in order}
        wall.append((spent[0].wall_s, spent[1].wall_s))
        processor.append((spent[0].processor_s, spent[1].processor_s))
    return tuple(wall), tuple(processor)


def _spent(do: Callable[[], object], processor_s: Callable[[], float]) -> Spent:
    before = processor_s()
    began = time.perf_counter()
    do()
    wall_s = time.perf_counter() - began
    return Spent(wall_s, processor_s() - before)


def interval(found: Pairs, *, seed: int = 1) -> tuple[float, float]:
    """Percentile bootstrap over pairs, 95 %, of the ratio of medians."""
    values = np.array(found)
    chosen = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    medians = np.median(values[chosen], axis=1)
    low, high = np.percentile(medians[:, 0] / medians[:, 1], (2.5, 97.5))
    return float(low), float(high)


def measure(data: Path, *, rounds: int, images: int) -> Measured:
    """Everything, on an emulator of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder, server = Path(name) / "workspace", Path(name) / "aws"
        (folder / ".walkdown").mkdir(parents=True)
        server.mkdir()
        package = build(folder / ".walkdown" / "functions", runtime=RUNTIME)
        with running(server) as aws:
            there = scene(Place(aws, folder), data, images)
            starts = cold_starts(there, STARTS)
            return Measured(package.unpacked_mib, starts, *pairs(there, rounds))


def _compared(what: str, found: Pairs, aim: str) -> list[tuple[str, str, str]]:
    function, local = (median(side) for side in zip(*found, strict=True))
    low, high = interval(found)
    ratio_text = f"{ratio(found):.3f} ({low:.3f} to {high:.3f})"
    return [
        (what, f"{function:.2f} s, local runner {local:.2f} s", ""),
        (f"ratio of medians, {len(found)} pairs", ratio_text, aim),
    ]


def text_of(measured: Measured, images: int) -> str:
    """The table."""
    best = min(measured.starts, key=lambda start: start.wall_s)
    head = ("what", "measured", "aim")
    lines = [
        ("unpacked zip", f"{measured.unpacked_mib:.0f} MiB", "< 250 MB"),
        ("cold start, best of 3", f"{best.wall_s:.2f} s", "< 2.5 s"),
        ("processor time of that process", f"{best.processor_s:.2f} s", ""),
        *_compared(f"warm look at {images} images", measured.wall, "interval below 1.25"),
        *_compared("the same, processor time", measured.processor, ""),
    ]
    return markdown(head, lines)


def main() -> None:
    """Measure and print a table; with --json FILE also each figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="batches on each side")
    parser.add_argument("--images", type=int, default=BATCH, help="images of a batch")
    parser.add_argument("--json", type=Path, help="write each figure here")
    parser.add_argument("--page", type=Path, help="put the table between the marks of this page")
    args = parser.parse_args()
    measured = measure(args.data.resolve() / SET, rounds=args.pairs, images=args.images)
    text = text_of(measured, args.images)
    print(text, file=sys.stdout)
    if args.page:
        put(args.page, FUNCTIONS, f"{text}\n\n{about(machine())}")
    if args.json:
        args.json.write_text(json.dumps(asdict(measured), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
