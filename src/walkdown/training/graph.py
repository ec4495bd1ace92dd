"""From a trunk to the graphs of a memory bank: one extracts patches, one judges, one does both.

The input ``image`` is (n, h, w, 3) uint8 RGB with sides that are multiples of 32. A patch is one
cell of the stride-16 grid: finer maps averaged over the cell, coarser ones repeated, all of them
averaged over a neighbourhood before. Each map is standardised per channel and weighted by
1 / sqrt(channels), so that a wide map does not drown a narrow one. A cell's value is its distance
to the nearest row of the bank, to which a head adds what it has learned of defects.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from walkdown.models.bank import LIMIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from walkdown.models.bank import Head
    from walkdown.models.whole import Whole
    from walkdown.training.backbones import Trunk

GRID = 16
MULTIPLE_PX = 32
OPSET, IR_VERSION = 17, 9
BANK_ROWS = 1024
"""Bank rows of one product in the graph: its result stays in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Features:
    """Which levels make a patch, and over how many cells of its own (odd) each is averaged."""

    levels: tuple[int, ...]
    neighbourhood: int


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Per-channel affine map of raw patches to the space where distances are taken; (d,) each.

    ``weight`` is the part of ``scale`` that makes maps equal; the rest standardises.
    """

    shift: NDArray[np.float32]
    scale: NDArray[np.float32]
    weight: NDArray[np.float32]

    def apply(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, d) raw patches to (n, d) scaled ones."""
        # In place: a pool of patches is large, and one more copy of it is the peak of a fit.
        scaled: NDArray[np.float32] = patches - self.shift
        scaled *= self.scale
        return scaled

    def standardise(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, d) raw patches as a head sees them: standardised and cut off at `LIMIT`."""
        cells = self.apply(patches)
        cells /= self.weight
        return np.clip(cells, -LIMIT, LIMIT, out=cells)


def scaling_of(patches: NDArray[np.float32], channels: tuple[int, ...]) -> Scaling:
    """Standardise (n, d) patches per channel; each group of ``channels`` weighs the same."""
    weight = np.concatenate([np.full(c, c**-0.5) for c in channels])
    mean = patches.mean(axis=0, dtype=np.float64)
    deviation = patches.std(axis=0, dtype=np.float64)
    dead = deviation < 1e-6
    scale = np.where(dead, 0.0, weight / np.where(dead, 1.0, deviation))
    return Scaling(mean.astype(np.float32), scale.astype(np.float32), weight.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """What patches are judged by: scaling, the bank's (m, d) rows in the scaled space, a head.

    ``whole`` is what a photograph as a whole adds to the raw score; it says nothing of patches.
    """

    scaling: Scaling
    rows: NDArray[np.float32]
    head: Head | None = None
    whole: Whole | None = None


def extractor(trunk: Trunk, features: Features, *, grid_px: int = GRID) -> bytes:
    """The graph from ``image`` to ``patches``: (d, cells) float32, raw features, row by row.

    ``grid_px`` is the side of a cell, the stride of one of the trunk's maps.
    """
    graph = _Graph(grid_px)
    graph.look(trunk, features)
    return graph.build(_IMAGE, {_PATCHES: ["d", "cells"]})


def judge(by: Judge) -> bytes:
    """The graph from ``patches``, as `extractor` gives them, to ``values``: (cells,) float32.

    It is the last part of `detector`, for trying many banks on one extraction.
    """
    graph = _Graph()
    graph.judge(by, "values")
    depth = by.rows.shape[1]
    patches = helper.make_tensor_value_info(_PATCHES, TensorProto.FLOAT, [depth, "cells"])
    return graph.build(patches, {"values": ["cells"]})


def detector(
    trunk: Trunk, features: Features, by: Judge, *, worst_cells: int, grid_px: int = GRID
) -> bytes:
    """The graph from ``image`` to ``raw_score``, ``cells`` and ``patches``, all float32.

    ``cells`` is (n, h/16, w/16), or h and w by another ``grid_px``: Euclidean distance to the
    nearest row plus what a head adds, no less than 0. ``raw_score`` is (n,): the mean over the
    ``worst_cells`` largest of an image (all cells of a smaller grid), and what the image adds as a
    whole; no less than 0. ``patches`` is (d, n * cells): the raw features.
    """
    graph = _Graph(grid_px)
    graph.look(trunk, features)
    graph.score(graph.judge(by), trunk, worst_cells, by.whole)
    outputs = {"raw_score": ["n"], "cells": ["n", "rows", "columns"], _PATCHES: ["d", "all"]}
    return graph.build(_IMAGE, outputs)


_IMAGE = helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", "h", "w", 3])
_PATCHES = "patches"
_JOINED = "joined"


class _Graph:
    """Nodes and constants, in the order in which they run."""

    def __init__(self, grid_px: int = GRID) -> None:
        self._grid_px = grid_px
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
        levels = sorted(features.levels)
        maps = [
            self._on_grid(trunk.outputs[level], trunk.strides[level], features.neighbourhood)
            for level in levels
        ]
        depth = sum(trunk.channels[level] for level in levels)
        flat = self.constant("flat", np.array([depth, -1]))
        joined = self.node("Concat", maps, _JOINED, axis=1)
        self.node("Reshape", [self.node("Transpose", [joined], perm=[1, 0, 2, 3]), flat], _PATCHES)

    def _on_grid(self, name: str, stride: int, side: int) -> str:
        if side > 1:
            around = [side // 2] * 4
            name = self.node("AveragePool", [name], kernel_shape=[side, side], pads=around)
        if stride < self._grid_px:
            cell = [self._grid_px // stride] * 2
            return self.node("AveragePool", [name], kernel_shape=cell, strides=cell)
        if stride > self._grid_px:
            repeat = stride / self._grid_px
            times = np.array([1, 1, repeat, repeat], dtype=np.float32)
            scales = self.constant(f"repeat_{stride}", times)
            return self.node(
                "Resize",
                [name, "", scales],
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        return name

    def judge(self, by: Judge, output: str = "") -> str:
        """From patches to the name of their (cells,) values."""
        shift = self.constant("shift", by.scaling.shift[:, None])
        scale = self.constant("scale", by.scaling.scale[:, None])
        scaled = self.node("Mul", [self.node("Sub", [_PATCHES, shift]), scale])
        total = self._nearest(scaled, by.rows)
        if by.head:
            total = self.node("Add", [total, self._head(scaled, by.head, by.scaling)])
        return self.node("Max", [total, self.constant("least", 0.0)], output)

    def _head(self, scaled: str, head: Head, scaling: Scaling) -> str:
        limit = self.constant("limit", LIMIT * scaling.weight[:, None])
        below = self.constant("below", -LIMIT * scaling.weight[:, None])
        cut = self.node("Max", [self.node("Min", [scaled, limit]), below])
        # Weights of maps are undone in the head's: standardised cells are without them.
        weights = self.constant("head.weights", (head.weights / scaling.weight)[None])
        bias = self.constant("head.bias", head.bias)
        value = self.node("Gemm", [weights, cut, bias])
        return self.node("Squeeze", [value, self.constant("first", np.array([0]))])

    def score(self, values: str, trunk: Trunk, worst_cells: int, whole: Whole | None) -> None:
        """From values to cells and the raw score."""
        at = next(level for level, stride in trunk.strides.items() if stride == self._grid_px)
        shape = self.node("Shape", [trunk.outputs[at]])
        grid = self.node("Gather", [shape, self.constant("grid_axes", np.array([0, 2, 3]))])
        self.node("Reshape", [values, grid], "cells")
        images = self.node("Gather", [shape, self.constant("image_axis", np.array([0]))])
        rest = self.constant("rest", np.array([-1]))
        rows = self.node("Reshape", [values, self.node("Concat", [images, rest], axis=0)])
        size = self.node("Gather", [self.node("Shape", [rows]), self.constant("1", np.array([1]))])
        count = self.node("Min", [size, self.constant("worst", np.array([worst_cells]))])
        self._nodes.append(helper.make_node("TopK", [rows, count], ["worst", "worst_at"], axis=1))
        if whole is None:
            self.node("ReduceMean", ["worst"], "raw_score", axes=[1], keepdims=0)
            return
        worst = self.node("ReduceMean", ["worst"], axes=[1], keepdims=0)
        total = self.node("Add", [worst, self._whole(whole)])
        self.node("Max", [total, self.constant("none", 0.0)], "raw_score")

    def _whole(self, whole: Whole) -> str:
        """From the maps to what (n,) images add as a whole: see `models.whole`."""
        learned = whole.components
        off = self.node("Sub", [self._quarters(whole), self.constant("mean", learned.mean[None])])
        axes = self.constant("axes", learned.axes)
        along = self.node("Gemm", [off, axes], transB=1)
        left = self.node("Sub", [off, self.node("MatMul", [along, axes])])
        length = self.node("ReduceL2", [left], axes=[1], keepdims=0)
        beyond = self.node("Sub", [length, self.constant("usual", whole.usual)])
        return self.node("Mul", [beyond, self.constant("factor", whole.factor)])

    def _quarters(self, whole: Whole) -> str:
        """The (n, 4 * channels) means over the quarters of the images' deep maps."""
        first, last = (self.constant(f"channel_{at}", np.array([at])) for at in whole.channels)
        axis = {at: self.constant(f"axis_{at}", np.array([at])) for at in (1, 2, 3)}
        deep = self.node("Slice", [_JOINED, first, last, axis[1]])
        shape = self.node("Shape", [deep])
        start, two = self.constant("0", np.array([0])), self.constant("2", np.array([2]))
        ends = {at: self.node("Gather", [shape, axis[at]]) for at in (2, 3)}
        half = {at: self.node("Div", [ends[at], two]) for at in (2, 3)}
        means = []
        for upper, lower in ((start, half[2]), (half[2], ends[2])):
            rows = self.node("Slice", [deep, upper, lower, axis[2]])
            for left, right in ((start, half[3]), (half[3], ends[3])):
                part = self.node("Slice", [rows, left, right, axis[3]])
                means.append(self.node("ReduceMean", [part], axes=[2, 3], keepdims=0))
        return self.node("Concat", means, axis=1)

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
