"""Graphs of every task, opened by onnxruntime: nothing runs beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

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


def case(kind: str, card: Mapping[str, Any], files: Mapping[str, bytes]) -> Case:
    """A model that needs nothing but its artefact."""

    @contextmanager
    def running() -> Iterator[Running]:
        yield Running(pack(kind, card, files))

    return running


CASES: dict[str, Case] = {
    f"onnx, {name}": case("onnx", card, {"model.onnx": graph})
    for name, (card, graph) in CARDS.items()
}
