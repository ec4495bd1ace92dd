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
    graph = _Graph(trunk, features)
    patches = graph.patches()
    graph.node("Identity", [patches], "patches")
    return graph.build({"patches": ["d", "cells"]})


def detector(
    trunk: Trunk,
    features: Features,
    scaling: Scaling,
    bank: NDArray[np.float32],
    *,
    worst_cells: int,
) -> bytes:
    """The graph from ``image`` to ``raw_score`` (1,) and ``distances`` (1, h/16, w/16), float32.

    ``bank`` is (m, d) in the scaled space. A cell's distance is Euclidean, to its nearest row;
    the raw score is the mean over the ``worst_cells`` largest (all cells of a smaller grid).
    """
    graph = _Graph(trunk, features)
    shift = graph.constant("shift", scaling.shift[:, None])
    scale = graph.constant("scale", scaling.scale[:, None])
    scaled = graph.node("Mul", [graph.node("Sub", [graph.patches(), shift]), scale])
    distances = graph.nearest(scaled, bank)
    graph.node("Reshape", [distances, graph.grid_shape()], "distances")
    graph.worst(distances, worst_cells)
    return graph.build({"raw_score": ["n"], "distances": ["n", "rows", "columns"]})


class _Graph:
    """Nodes and constants added behind a trunk."""

    def __init__(self, trunk: Trunk, features: Features) -> None:
        self._trunk = trunk
        self._features = features
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._deep = trunk.outputs[GRID]
        self._names = itertools.count()
        self._prepare()

    def constant(self, name: str, value: NDArray[Any]) -> str:
        full = f"bank.{name}"
        self._constants[full] = numpy_helper.from_array(np.ascontiguousarray(value), full)
        return full

    def node(self, kind: str, inputs: list[str], output: str = "", **options: Any) -> str:
        output = output or f"bank_{next(self._names)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], **options))
        return output

    def _prepare(self) -> None:
        real = self.node("Cast", ["image"], to=TensorProto.FLOAT)
        centred = self.node("Sub", [real, self.constant("127", np.array(127.0, dtype=np.float32))])
        unit = self.node("Div", [centred, self.constant("128", np.array(128.0, dtype=np.float32))])
        self.node("Transpose", [unit], self._trunk.input, perm=[0, 3, 1, 2])
        self._before, self._nodes = self._nodes, []

    def patches(self) -> str:
        """(d, cells): every stride's map on the stride-16 grid, one column for each cell."""
        strides = sorted(self._features.strides)
        joined = self.node("Concat", [self._on_grid(stride) for stride in strides], axis=1)
        depth = sum(self._trunk.channels[s] for s in strides)
        return self.node("Reshape", [joined, self.constant("flat", np.array([depth, -1]))])

    def _on_grid(self, stride: int) -> str:
        name, side = self._trunk.outputs[stride], self._features.neighbourhood
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

    def nearest(self, scaled: str, bank: NDArray[np.float32]) -> str:
        """(cells,) distances: sqrt(|f|^2 + min over rows b of (|b|^2 - 2 b.f)), by blocks."""
        least = [self._least(scaled, bank, at) for at in range(0, len(bank), BANK_ROWS)]
        over_rows = least[0] if len(least) == 1 else self.node("Min", least)
        own = self.node("ReduceSumSquare", [scaled], axes=[0], keepdims=0)
        squared = self.node("Add", [own, over_rows])
        positive = self.node(
            "Max", [squared, self.constant("zero", np.array(0.0, dtype=np.float32))]
        )
        return self.node("Sqrt", [positive])

    def _least(self, scaled: str, bank: NDArray[np.float32], at: int) -> str:
        rows = bank[at : at + BANK_ROWS]
        squares = self.constant(f"squares_{at}", np.einsum("ij,ij->i", rows, rows)[:, None])
        doubled = self.constant(f"rows_{at}", -2.0 * rows)
        shifted = self.node("Gemm", [doubled, scaled, squares])
        return self.node("ReduceMin", [shifted], axes=[0], keepdims=0)

    def grid_shape(self) -> str:
        shape = self.node("Shape", [self._deep])
        index = self.constant("grid_axes", np.array([0, 2, 3]))
        return self.node("Gather", [shape, index])

    def worst(self, distances: str, cells: int) -> None:
        size = self.node("Shape", [distances])
        count = self.node("Min", [size, self.constant("cells", np.array([cells]))])
        self._nodes.append(helper.make_node("TopK", [distances, count], ["worst", "worst_at"]))
        self.node("ReduceMean", ["worst"], "raw_score", axes=[0], keepdims=1)

    def build(self, outputs: dict[str, list[str]]) -> bytes:
        image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", "h", "w", 3])
        results = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in outputs.items()
        ]
        graph = helper.make_graph(
            [*self._before, *self._trunk.nodes, *self._nodes],
            "walkdown",
            [image],
            results,
            [*self._trunk.initializers, *self._constants.values()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version, model.producer_name = IR_VERSION, "walkdown"
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))
