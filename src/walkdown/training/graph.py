"""From a trunk to the graphs of a memory bank: one extracts patches, one judges, one does both.

The input ``image`` is (1, h, w, 3) uint8 RGB with sides that are multiples of 32. A patch is one
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
    graph = _Graph()
    graph.look(trunk, features)
    return graph.build(_IMAGE, {_PATCHES: ["d", "cells"]})


def judge(scaling: Scaling, bank: NDArray[np.float32], *, worst_cells: int) -> bytes:
    """The graph from ``patches``, as `extractor` gives them, to ``raw_score``: (1,) float32.

    It is the last part of `detector`, for trying many banks on one extraction.
    """
    graph = _Graph()
    graph.judge(scaling, bank, worst_cells)
    patches = helper.make_tensor_value_info(_PATCHES, TensorProto.FLOAT, [bank.shape[1], "cells"])
    return graph.build(patches, {"raw_score": ["n"]})


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
    graph = _Graph()
    graph.look(trunk, features)
    distances = graph.judge(scaling, bank, worst_cells)
    shape = graph.node("Shape", [trunk.outputs[GRID]])
    grid = graph.node("Gather", [shape, graph.constant("grid_axes", np.array([0, 2, 3]))])
    graph.node("Reshape", [distances, grid], "distances")
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

    def judge(self, scaling: Scaling, bank: NDArray[np.float32], worst_cells: int) -> str:
        """From patches to the raw score; returns the name of the (cells,) distances."""
        centred = self.node("Sub", [_PATCHES, self.constant("shift", scaling.shift[:, None])])
        scaled = self.node("Mul", [centred, self.constant("scale", scaling.scale[:, None])])
        distances = self._nearest(scaled, bank)
        size = self.node("Shape", [distances])
        count = self.node("Min", [size, self.constant("cells", np.array([worst_cells]))])
        self._nodes.append(helper.make_node("TopK", [distances, count], ["worst", "worst_at"]))
        self.node("ReduceMean", ["worst"], "raw_score", axes=[0], keepdims=1)
        return distances

    def _nearest(self, scaled: str, bank: NDArray[np.float32]) -> str:
        """sqrt(|f|^2 + min over rows b of (|b|^2 - 2 b.f)), by blocks of rows."""
        least = [self._least(scaled, bank, at) for at in range(0, len(bank), BANK_ROWS)]
        over_rows = least[0] if len(least) == 1 else self.node("Min", least)
        own = self.node("ReduceSumSquare", [scaled], axes=[0], keepdims=0)
        squared = self.node("Add", [own, over_rows])
        positive = self.node("Max", [squared, self.constant("zero", 0.0)])
        return self.node("Sqrt", [positive])

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
