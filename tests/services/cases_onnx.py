"""Graphs of every task, opened by onnxruntime and by OpenVINO: nothing runs beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import openvino as ov
from tests.services import graphs
from tests.services.cases import Case, Running

from walkdown.models.artefact import pack

NAMES = ["dark", "bright"]
CARDS: dict[str, tuple[dict[str, Any], bytes]] = {
    "classification": (
        {"task": "classification", "labels": NAMES, "anomalies": ["bright"]},
        graphs.classifier(),
    ),
    "detection, v5": ({"task": "detection"}, graphs.detector("v5")),
    "detection, v8": ({"task": "detection"}, graphs.detector("v8")),
    "detection, end to end": ({"task": "detection"}, graphs.detector("end_to_end")),
    "detection, DETR": ({"task": "detection"}, graphs.detector("detr")),
    "segmentation": (
        {"task": "segmentation", "labels": NAMES, "normal": ["dark"], "min_area_pct": 0.1},
        graphs.segmenter(),
    ),
    "anomaly": ({"task": "anomaly", "threshold": 0.7, "range": [0, 1]}, graphs.anomaly()),
    "anomalib": ({}, graphs.anomalib()),
}


def converted(graph: bytes, scratch: str) -> dict[str, bytes]:
    """The same graph as OpenVINO keeps it."""
    folder = Path(scratch)
    ov.save_model(
        ov.Core().read_model(model=graph, weights=b""),
        folder / "model.xml",
        compress_to_fp16=False,
    )
    return {name: (folder / name).read_bytes() for name in ("model.xml", "model.bin")}


def _case(kind: str, card: Mapping[str, Any], files: Mapping[str, bytes]) -> Case:
    @contextmanager
    def running() -> Iterator[Running]:
        yield Running(pack(kind, card, files))

    return running


def _cases() -> dict[str, Case]:
    found = {}
    for name, (card, graph) in CARDS.items():
        found[f"onnx, {name}"] = _case("onnx", card, {"model.onnx": graph})
        with TemporaryDirectory() as scratch:
            files = converted(graph, scratch)
        # What an exporter wrote into ONNX is not carried over to OpenVINO's files.
        more = {"labels": ["bolt", "crack"]} if card.get("task") == "detection" else {}
        found[f"openvino, {name}"] = _case("openvino", {**card, **more}, files)
    return found


CASES: dict[str, Case] = _cases()
