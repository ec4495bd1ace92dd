"""From a trunk to the two graphs of a memory bank: one that extracts patches, one that judges them.

Both take ``image``: (1, h, w, 3) uint8 RGB with sides that are multiples of 32. A patch is one
cell of the stride-16 grid: finer maps averaged over the cell, coarser ones repeated, all of them
averaged over a neighbourhood before. Each map is standardised per channel and weighted by
1 / sqrt(channels), so that a wide map does not drown a narrow one.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from walkdown.training.backbones import Trunk

GRID = 16
MULTIPLE_PX = 32
OPSET, IR_VERSION = 17, 9
LEVEL_SHARE = 0.2
"""An image's level is the distance that this share of its cells exceeds."""

BANK_ROWS = 1024
"""Bank rows of one product in the graph: its result stays in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Features:
    """Which maps make a patch, and over how many cells of its own (odd) each is averaged."""

    strides: tuple[int, ...]
    neighbourhood: int


@dataclass(frozen=True, slots=True)
class Scaling:
    """Per-channel affine map of raw patches to the space where distances are taken; (d,) each."""

    shift: NDArray[np.float32]
    scale: NDArray[np.float32]

    def apply(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, d) raw patches to (n, d) scaled ones."""
        return (patches - self.shift) * self.scale


def scaling_of(patches: NDArray[np.float32], channels: tuple[int, ...]) -> Scaling:
    """Standardise (n, d) patches per channel; each group of ``channels`` weighs the same."""
    weight = np.concatenate([np.full(c, c**-0.5) for c in channels])
    mean = patches.mean(axis=0, dtype=np.float64)
    deviation = patches.std(axis=0, dtype=np.float64)
    dead = deviation < 1e-6
    scale = np.where(dead, 0.0, weight / np.where(dead, 1.0, deviation))
    return Scaling(mean.astype(np.float32), scale.astype(np.float32))


def extractor(trunk: Trunk, features: Features) -> bytes:
    """The graph from ``image`` to ``patches``: (d, cells) float32, raw features, row by row."""
    graph = _Graph()
    graph.look(trunk, features)
    return graph.build(_IMAGE, {_PATCHES: ["d", "cells"]})


def judge(scaling: Scaling, bank: NDArray[np.float32], *, worst_cells: int) -> bytes:
    """The graph from ``patches``, as `extractor` gives them, to ``worst`` and ``level``: (1,) each.

    It is the last part of `detector`, for trying many banks on one extraction: ``worst`` is the
    mean distance of the worst cells, before anything is taken off.
    """
    graph = _Graph()
    distances = graph.distances(scaling, bank)
    graph.level(distances, "level")
    graph.worst(distances, worst_cells, "worst")
    patches = helper.make_tensor_value_info(_PATCHES, TensorProto.FLOAT, [bank.shape[1], "cells"])
    return graph.build(patches, {"worst": ["n"], "level": ["n"]})


def detector(
    trunk: Trunk,
    features: Features,
    scaling: Scaling,
    bank: NDArray[np.float32],
    *,
    worst_cells: int,
    usual_level: float,
) -> bytes:
    """The graph from ``image`` to ``raw_score`` (1,) and ``distances`` (1, h/16, w/16), float32.

    ``bank`` is (m, d) in the scaled space. A cell's distance is Euclidean, to its nearest row,
    less the image's own level as far as that is ``usual_level``: light or focus that is a little
    off everywhere is no damage, damage that covers everything is. The raw score is the mean over
    the ``worst_cells`` largest (all cells of a smaller grid).
    """
    graph = _Graph()
    graph.look(trunk, features)
    distances = graph.distances(scaling, bank)
    limit = graph.constant("usual_level", usual_level)
    own = graph.node("Min", [graph.level(distances), limit])
    off = graph.not_negative(graph.node("Sub", [distances, own]))
    graph.worst(off, worst_cells, "raw_score")
    shape = graph.node("Shape", [trunk.outputs[GRID]])
    grid = graph.node("Gather", [shape, graph.constant("grid_axes", np.array([0, 2, 3]))])
    graph.node("Reshape", [off, grid], "distances")
    return graph.build(_IMAGE, {"raw_score": ["n"], "distances": ["n", "rows", "columns"]})


_IMAGE = helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", "h", "w", 3])
_PATCHES = "patches"


class _Graph:
    """Nodes and constants, in the order in which they run."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._names = itertools.count()

    def constant(self, name: str, value: NDArray[Any] | float) -> str:
        full = f"bank.{name}"
        array = np.array(value, dtype=np.float32) if isinstance(value, float) else value
        self._constants[full] = numpy_helper.from_array(np.ascontiguousarray(array), full)
        return full

    def node(self, kind: str, inputs: list[str], output: str = "", **options: Any) -> str:
        output = output or f"bank_{next(self._names)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], **options))
        return output

    def look(self, trunk: Trunk, features: Features) -> None:
        """From the image to patches: every map on the stride-16 grid, one column for each cell."""
        real = self.node("Cast", ["image"], to=TensorProto.FLOAT)
        centred = self.node("Sub", [real, self.constant("127", 127.0)])
        unit = self.node("Div", [centred, self.constant("128", 128.0)])
        self.node("Transpose", [unit], trunk.input, perm=[0, 3, 1, 2])
        self._nodes += trunk.nodes
        self._constants |= {tensor.name: tensor for tensor in trunk.initializers}
        strides = sorted(features.strides)
        maps = [self._on_grid(trunk.outputs[s], s, features.neighbourhood) for s in strides]
        depth = sum(trunk.channels[s] for s in strides)
        flat = self.constant("flat", np.array([depth, -1]))
        self.node("Reshape", [self.node("Concat", maps, axis=1), flat], _PATCHES)

    def _on_grid(self, name: str, stride: int, side: int) -> str:
        if side > 1:
            around = [side // 2] * 4
            name = self.node("AveragePool", [name], kernel_shape=[side, side], pads=around)
        if stride < GRID:
            cell = [GRID // stride] * 2
            return self.node("AveragePool", [name], kernel_shape=cell, strides=cell)
        if stride > GRID:
            times = np.array([1, 1, stride / GRID, stride / GRID], dtype=np.float32)
            scales = self.constant(f"repeat_{stride}", times)
            return self.node(
                "Resize",
                [name, "", scales],
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        return name

    def distances(self, scaling: Scaling, bank: NDArray[np.float32]) -> str:
        """(cells,): sqrt(|f|^2 + min over rows b of (|b|^2 - 2 b.f)), by blocks of rows."""
        centred = self.node("Sub", [_PATCHES, self.constant("shift", scaling.shift[:, None])])
        scaled = self.node("Mul", [centred, self.constant("scale", scaling.scale[:, None])])
        least = [self._least(scaled, bank, at) for at in range(0, len(bank), BANK_ROWS)]
        over_rows = least[0] if len(least) == 1 else self.node("Min", least)
        own = self.node("ReduceSumSquare", [scaled], axes=[0], keepdims=0)
        return self.node("Sqrt", [self.not_negative(self.node("Add", [own, over_rows]))])

    def level(self, distances: str, output: str = "") -> str:
        size = self.node("Cast", [self.node("Shape", [distances])], to=TensorProto.FLOAT)
        share = self.node("Mul", [size, self.constant("level_share", LEVEL_SHARE)])
        count = self.node("Cast", [self.node("Ceil", [share])], to=TensorProto.INT64)
        return self.node("ReduceMin", [self._largest(distances, count)], output, axes=[0])

    def worst(self, distances: str, cells: int, output: str) -> None:
        size = self.node("Shape", [distances])
        count = self.node("Min", [size, self.constant("cells", np.array([cells]))])
        self.node("ReduceMean", [self._largest(distances, count)], output, axes=[0])

    def _largest(self, values: str, count: str) -> str:
        largest = f"bank_{next(self._names)}"
        self._nodes.append(helper.make_node("TopK", [values, count], [largest, f"{largest}_at"]))
        return largest

    def not_negative(self, values: str) -> str:
        return self.node("Max", [values, self.constant("zero", 0.0)])

    def _least(self, scaled: str, bank: NDArray[np.float32], at: int) -> str:
        rows = bank[at : at + BANK_ROWS]
        squares = self.constant(f"squares_{at}", np.einsum("ij,ij->i", rows, rows)[:, None])
        doubled = self.constant(f"rows_{at}", -2.0 * rows)
        shifted = self.node("Gemm", [doubled, scaled, squares])
        return self.node("ReduceMin", [shifted], axes=[0], keepdims=0)

    def build(self, source: onnx.ValueInfoProto, outputs: dict[str, list[Any]]) -> bytes:
        results = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in outputs.items()
        ]
        constants = list(self._constants.values())
        graph = helper.make_graph(self._nodes, "walkdown", [source], results, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version, model.producer_name = IR_VERSION, "walkdown"
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))
