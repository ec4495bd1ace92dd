"""Small ONNX graphs that see something: how bright a place is, and where a bright patch lies.

They have the shapes and names of what exporters write, and answers that can be checked by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET, IR = 17, 9

TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "uint8": TensorProto.UINT8,
    "bool": TensorProto.BOOL,
    "int64": TensorProto.INT64,
}


class Making:
    """A graph that grows node by node; values are named by what makes them."""

    def __init__(
        self,
        *,
        size: tuple[int, int] | None = (160, 128),
        channels: int = 3,
        dtype: str = "float32",
        nhwc: bool = False,
        name: str = "images",
        batch: int | str = 1,
        top: float = 1.0,
    ) -> None:
        """``size`` is (width, height), None for any; ``top`` is the input's value for white."""
        high: int | str = size[1] if size else "height"
        wide: int | str = size[0] if size else "width"
        sides = [batch, high, wide, channels] if nhwc else [batch, channels, high, wide]
        self.size = size or (0, 0)
        self.given = helper.make_tensor_value_info(name, TYPES[dtype], sides)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        values = self.do("Cast", name, to=TensorProto.FLOAT)
        if nhwc:
            values = self.do("Transpose", values, perm=[0, 3, 1, 2])
        values = self.do("Mul", values, self.constant(np.float32(1.0 / top)))
        self.brightness = self.do("ReduceMean", values, axes=[1], keepdims=1)
        """(N, 1, H, W): 0 for black to 1 for white."""

    def do(self, what: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node; its output's name."""
        name = f"{what}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(what, inputs, [name], domain=domain, **attributes))
        return name

    def constant(self, value: NDArray[np.generic] | np.generic) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def times(self, value: str, factor: float) -> str:
        return self.do("Mul", value, self.constant(np.float32(factor)))

    def plus(self, value: str, more: float) -> str:
        return self.do("Add", value, self.constant(np.float32(more)))

    def shaped(self, value: str, *sides: int) -> str:
        return self.do("Reshape", value, self.constant(np.array(sides, np.int64)))

    def bytes(
        self,
        outputs: Mapping[str, str],
        *,
        types: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
        domains: Sequence[str] = (),
    ) -> bytes:
        """The finished graph, whose outputs are called as the keys say."""
        for name, value in outputs.items():
            self.nodes.append(helper.make_node("Identity", [value], [name]))
        kinds = {name: TYPES[(types or {}).get(name, "float32")] for name in outputs}
        infos = [helper.make_tensor_value_info(n, kind, None) for n, kind in kinds.items()]
        graph = helper.make_graph(self.nodes, "made", [self.given], infos, self.constants)
        opsets = [helper.make_opsetid(domain, 1) for domain in domains]
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET), *opsets], ir_version=IR
        )
        helper.set_model_props(model, dict(metadata or {}))
        return bytes(model.SerializeToString())


def classifier(*, softmax: bool = False, steep: float = 20.0, **given: object) -> bytes:
    """Two classes, dark and bright: logits, or probabilities of them."""
    made = Making(**given)  # type: ignore[arg-type]
    mean = made.do("ReduceMean", made.brightness, axes=[1, 2, 3], keepdims=1)
    bright = made.times(made.plus(made.shaped(mean, -1, 1), -0.5), steep)
    both = made.do("Concat", made.times(bright, -1.0), bright, axis=1)
    return made.bytes({"logits": made.do("Softmax", both, axis=1) if softmax else both})


def anomaly(*, score: bool = True, heat: bool = True, **given: object) -> bytes:
    """A map of brightness, and the highest of it."""
    made = Making(**given)  # type: ignore[arg-type]
    outputs = {"map": made.brightness} if heat else {}
    if score:
        outputs["score"] = made.do("ReduceMax", made.brightness, axes=[1, 2, 3], keepdims=0)
    return made.bytes(outputs)


def anomalib(*, sensitivity: float = 0.5, scaled: bool = True, **given: object) -> bytes:
    """What anomalib 2 exports: names, shapes and types of its `InferenceBatch`."""
    made = Making(**{"name": "input", "batch": "batch_size", **given})  # type: ignore[arg-type]
    heat = made.brightness if scaled else made.times(made.brightness, 30.0)
    score = made.shaped(made.do("ReduceMax", heat, axes=[1, 2, 3], keepdims=1), -1, 1)
    least = made.constant(np.float32(1.0 - sensitivity))
    return made.bytes(
        {
            "pred_score": score,
            "pred_label": made.do("Greater", score, least),
            "anomaly_map": heat,
            "pred_mask": made.do("Greater", heat, least),
        },
        types={"pred_label": "bool", "pred_mask": "bool"},
    )


def segmenter(form: str = "logits", *, steep: float = 40.0, **given: object) -> bytes:
    """Dark and bright places, as ``logits``, ``probabilities``, ``one``, ``classes``, ``nhwc``."""
    made = Making(**given)  # type: ignore[arg-type]
    bright = made.times(made.plus(made.brightness, -0.5), steep)
    both = made.do("Concat", made.times(bright, -1.0), bright, axis=1)
    if form == "one":
        return made.bytes({"mask": made.do("Sigmoid", bright)})
    if form == "classes":
        found = made.do("ArgMax", both, axis=1, keepdims=0)
        return made.bytes({"classes": found}, types={"classes": "int64"})
    if form == "nhwc":
        return made.bytes({"out": made.do("Transpose", both, perm=[0, 2, 3, 1])})
    found = made.do("Softmax", both, axis=1) if form == "probabilities" else both
    return made.bytes({"out": found})


def _along(made: Making, side: int, length: int) -> tuple[str, str]:
    """First and last px of the bright patch along one side, as (1,) each."""
    bright = made.do("Cast", made.do("Greater", made.brightness, made.constant(np.float32(0.58))),
                     to=TensorProto.FLOAT)  # fmt: skip
    line = made.do("ReduceMax", bright, axes=[1, 5 - side], keepdims=0)
    forward = made.constant(np.arange(1, length + 1, dtype=np.float32))
    backward = made.constant(np.arange(length, 0, -1, dtype=np.float32))
    end = made.do("ReduceMax", made.do("Mul", line, forward), axes=[1], keepdims=0)
    start = made.do("ReduceMax", made.do("Mul", line, backward), axes=[1], keepdims=0)
    return made.plus(made.times(start, -1.0), float(length)), end


def detector(layout: str, *, copies: int = 40, other: bool = False, **given: object) -> bytes:
    """The box around what is bright, as class 1 of 2, written down in a detector's layout.

    The same box comes ``copies`` times, each a little less sure, as detectors do it that leave
    sorting out to others; ``other`` makes every second one class 0.
    """
    made = Making(**given)  # type: ignore[arg-type]
    width, height = made.size
    left, right = _along(made, 3, width)
    top, bottom = _along(made, 2, height)
    wide, high = made.do("Sub", right, left), made.do("Sub", bottom, top)
    centre = [made.times(made.do("Add", *both), 0.5) for both in ((left, right), (top, bottom))]
    sure = made.do("ReduceMax", made.brightness, axes=[1, 2, 3], keepdims=0)
    nothing = made.times(sure, 0.0)
    rows = []
    for i in range(copies):
        surely, less = made.times(sure, 0.95 - 0.005 * i), nothing
        if other and i % 2:
            surely, less = less, surely
        columns = {
            "v5": [*centre, wide, high, made.plus(nothing, 0.9), less, surely],
            "v8": [*centre, wide, high, less, surely],
            "end_to_end": [left, top, right, bottom, surely, made.plus(nothing, 1.0)],
            "detr": [
                *(made.times(v, 1 / side) for v, side in
                  zip((*centre, wide, high), (width, height) * 2, strict=True)),
                made.plus(nothing, -9.0), made.times(made.plus(surely, -0.5), 12.0),
            ],
        }[layout]  # fmt: skip
        rows.append(made.shaped(made.do("Concat", *columns, axis=0), 1, 1, -1))
        if layout in ("end_to_end", "detr"):
            break
    table = made.do("Concat", *rows, axis=1) if len(rows) > 1 else rows[0]
    names = {"names": "{0: 'bolt', 1: 'crack'}"}
    if layout == "detr":
        start, middle, end = (made.constant(np.array([i], np.int64)) for i in (0, 4, 6))
        last = made.constant(np.array([2], np.int64))
        boxes = made.do("Slice", table, start, middle, last)
        logits = made.do("Slice", table, middle, end, last)
        return made.bytes({"logits": logits, "pred_boxes": boxes}, metadata=names)
    if layout == "v8":
        table = made.do("Transpose", table, perm=[0, 2, 1])
    return made.bytes({"output0": table}, metadata=names)


def keeping_weights_in(graph: bytes, location: str) -> tuple[bytes, bytes]:
    """A graph whose constants lie in a file of that name, and the file.

    Those that say shapes stay: exporters leave what is small where it is.
    """
    model = onnx.load_from_string(graph)
    data = bytearray()
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.INT64:
            continue
        raw = numpy_helper.to_array(tensor).tobytes()
        for name in ("raw_data", "float_data"):
            tensor.ClearField(name)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", len(data)), ("length", len(raw))):
            tensor.external_data.add(key=key, value=str(value))
        data += raw
    return bytes(model.SerializeToString()), bytes(data)
