"""The limit of an inspection's speed: the model's backbone alone, or else the model alone.

The backbone is cut out of the model's own graph, so that it is the one that runs: the nodes whose
values are named ``trunk.``. Of each size of image one input is held and used again and again, so
that memory does not grow with the images; what is in an image changes nothing about the time.
"""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper

from walkdown.models.graphs.session import open_graph
from walkdown.models.looking import scaled
from walkdown.models.memory_bank import GRAPH, MemoryBank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from walkdown.models.artefact import Artefact
    from walkdown.ports import Model
    from walkdown.types import Photo

BACKBONE, MODEL_ALONE = "backbone", "model"
HELD = 16
"""Decoded images that are held at once to measure a model without a known backbone."""

PREFIX = "trunk."
INPUT = f"{PREFIX}input"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to look at all images: ``calls`` of ``look``, each with its number, in threads."""

    threads: int
    calls: int
    look: Callable[[int], object]

    def run(self) -> tuple[float, float]:
        """Seconds of wall and of processor time, after a call in every thread to warm up."""
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(self.look, range(min(self.calls, self.threads))))
            wall, busy = time.perf_counter(), time.process_time()
            list(pool.map(self.look, range(self.calls)))
            return time.perf_counter() - wall, time.process_time() - busy


@dataclass(frozen=True, slots=True)
class Limit:
    """What runs alone; ``px`` are the sizes (width, height) of a backbone's inputs."""

    name: str
    images: int
    ways: Sequence[Way]
    px: tuple[tuple[int, int], ...] = ()

    def measure(self) -> tuple[float, float]:
        """Images a second in the fastest way; milliseconds of processor an image in the first."""
        runs = [way.run() for way in self.ways]
        return self.images / min(wall for wall, _ in runs), 1000.0 * runs[0][1] / self.images


def limit_of(model: Model, made: Artefact, photos: Iterator[Photo], *, workers: int) -> Limit:
    """The limit of a model on these photographs; ``made`` is what it was opened from."""
    graph = made.files.get(GRAPH)
    if not isinstance(model, MemoryBank) or graph is None:
        return _model_alone(model, photos, workers)
    alone, outputs = cut_trunk(graph)
    if not outputs:
        return _model_alone(model, photos, workers)
    sizes: Counter[tuple[int, int]] = Counter()
    images = 0
    for photo in photos:
        images += 1
        image = scaled(photo, model.size)
        sizes.update((w.width, w.height) for w in model.size.windows(*image.shape[2:0:-1]))
    return Limit(BACKBONE, images, _ways(alone, outputs, sizes, workers), tuple(sorted(sizes)))


def _model_alone(model: Model, photos: Iterator[Photo], workers: int) -> Limit:
    held = list(islice(photos, HELD))
    images = max(len(held), 2 * workers)

    def look(number: int) -> object:
        return model.predict([held[number % len(held)]])

    return Limit(MODEL_ALONE, images, [Way(workers, images, look)])


def _ways(
    graph: bytes, outputs: Sequence[str], sizes: Counter[tuple[int, int]], workers: int
) -> list[Way]:
    """A session of one thread for every worker, or one with all threads."""
    inputs = {size: _input(size) for size in sizes}
    order = list(sizes.elements())

    def way(callers: int, threads: int) -> Way:
        session = open_graph(graph, threads=threads)

        def look(number: int) -> object:
            return session.run(outputs, {INPUT: inputs[order[number]]})

        return Way(callers, len(order), look)

    return [way(workers, 1), *([way(1, workers)] if workers > 1 else [])]


def _input(size: tuple[int, int]) -> NDArray[np.float32]:
    width, height = size
    values = np.random.default_rng(0).integers(0, 256, (1, 3, height, width), np.int16)
    return ((values - 127) / 128).astype(np.float32)


def cut_trunk(graph: bytes) -> tuple[bytes, list[str]]:
    """The graph of the backbone alone and the values that the rest of the model takes from it."""
    whole = onnx.load_from_string(graph)
    trunk = [
        n for n in whole.graph.node if n.output[0].startswith(PREFIX) and INPUT not in n.output
    ]
    made = {name for node in trunk for name in node.output}
    others = [n for n in whole.graph.node if n.output[0] not in made]
    outputs = sorted({name for node in others for name in node.input} & made)
    taken = {name for node in trunk for name in node.input}
    alone = helper.make_graph(
        trunk,
        "trunk",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [tensor for tensor in whole.graph.initializer if tensor.name in taken],
    )
    model = helper.make_model(alone, opset_imports=whole.opset_import)
    model.ir_version = whole.ir_version
    return bytes(model.SerializeToString()), outputs
