"""Where an inspection's time goes: `python benchmarks/profiling.py FOLDER --normal FOLDER`.

Every step is wrapped from outside and counts its thread's processor time, without that of the steps
inside it: what waits costs nothing, and the shares of two threads add up. What no step counts
(Python between the steps, threads of libraries) is the rest of the process's time.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import tempfile
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from walkdown.app.inspecting import inspect
from walkdown.app.specs import pipeline_of
from walkdown.app.training import train
from walkdown.cli.progress import Silent
from walkdown.models import memory_bank
from walkdown.models.graphs.session import Session, open_graph
from walkdown.training import judging
from walkdown.training import memory_bank as training
from walkdown.wiring import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = {
    "list photographs": ["walkdown.stores.folders:FolderSource.refs"],
    "read the file": ["walkdown.stores.folders:FolderSource.read"],
    "decode": ["walkdown.runners.worker:decode"],
    "sha256 of the file": ["walkdown.runners.worker:hashlib.sha256"],
    "keep a copy": ["walkdown.runners.worker:_keep"],
    "look for cached": ["walkdown.stores.sqlite_records:SqliteRecords.cached"],
    "resize": ["walkdown.models.looking:resize"],
    "scores of the cells": ["walkdown.models.memory_bank:scores.scores"],
    "regions": ["walkdown.models.memory_bank:regions"],
    "draw the heat map": ["walkdown.imaging.heatmaps:to_png"],
    "compress the heat map": ["walkdown.imaging.heatmaps:_grey_png"],
    "write files": ["walkdown.stores.files:FileBlobs.put"],
    "findings": ["walkdown.runners.recording:Recorder.record"],
    "record": ["walkdown.stores.sqlite_records:SqliteRecords.record"],
    "outbox": [
        "walkdown.stores.sqlite_outbox:SqliteOutbox.pending",
        "walkdown.stores.sqlite_outbox:SqliteOutbox.settle",
    ],
    "lake": ["walkdown.stores.lake:Lake.project"],
    "deliver": ["walkdown.app.delivery:Delivery.deliver"],
    "members": ["walkdown.stores.sqlite_records:SqliteRecords.add_members"],
}
NETWORK = "network and search"


class Laps:
    """Seconds by step, over all threads; the time of a step inside another counts once."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._here = threading.local()

    def wrap(self, step: str, work: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(work)
        def timed(*args: Any, **options: Any) -> Any:
            outer, self._here.inside = getattr(self._here, "inside", 0.0), 0.0
            began = time.thread_time()
            try:
                return work(*args, **options)
            finally:
                took = time.thread_time() - began
                with self._lock:
                    self.seconds[step] += took - self._here.inside
                self._here.inside = outer + took

        return timed


class _Timed:
    """A session whose runs are counted."""

    def __init__(self, session: Session, laps: Laps) -> None:
        self.run = laps.wrap(NETWORK, session.run)


def instrument(laps: Laps) -> None:
    """Wrap every step, for the rest of this process."""
    for step, places in STEPS.items():
        for place in places:
            module, _, path = place.partition(":")
            *way, name = path.split(".")
            owner = functools.reduce(getattr, way, importlib.import_module(module))
            setattr(owner, name, laps.wrap(step, getattr(owner, name)))

    def timed(graph: bytes, **options: Any) -> _Timed:
        return _Timed(open_graph(graph, **options), laps)

    for opening in (memory_bank, judging, training):
        opening.open_graph = timed  # type: ignore[attr-defined]


def main() -> None:
    """Train, inspect once to warm up and once to count, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("images", nargs="+", help="what to inspect")
    parser.add_argument("--normal", required=True, help="normal photographs to train on")
    parser.add_argument("--workers", type=int, help="threads")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        app = open_workspace(home, workers=args.workers)
        train(app, "profiled", normal=[args.normal], progress=Silent())
        laps = Laps()
        instrument(laps)
        for again in (False, True):
            spec = pipeline_of(model="profiled", file=None, paths=args.images)
            inspecting = inspect(app, spec, again=again, progress=Silent())
            laps.seconds.clear()
            processor, wall = time.process_time(), time.perf_counter()
            images = sum(1 for _ in inspecting.lines())
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
        app.close()
    _table(laps.seconds, images, wall=wall, processor=processor)


def _table(seconds: Counter[str], images: int, *, wall: float, processor: float) -> None:
    rows = [*seconds.most_common(), ("the rest", processor - seconds.total())]
    print("| step | ms an image | share |\n| --- | --- | --- |")
    for step, spent in [*rows, ("all processors", processor)]:
        print(f"| {step} | {1000 * spent / images:.3f} | {spent / processor:.1%} |")
    print(
        f"\n{images} images, {images / wall:.1f} a second; {processor / wall:.2f} processors busy"
    )


if __name__ == "__main__":
    main()
