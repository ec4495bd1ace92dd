"""The same graphs, opened by OpenVINO. A stack's functions on AWS don't have it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import openvino as ov
from tests.services.cases import Case
from tests.services.cases_onnx import CARDS, case


def converted(graph: bytes) -> dict[str, bytes]:
    """A graph as OpenVINO keeps it."""
    with TemporaryDirectory() as scratch:
        model = ov.Core().read_model(model=graph, weights=b"")
        ov.save_model(model, Path(scratch) / "model.xml", compress_to_fp16=False)
        names = ("model.xml", "model.bin")
        return {name: (Path(scratch) / name).read_bytes() for name in names}


def _cases() -> dict[str, Case]:
    found = {}
    for name, (card, graph) in CARDS.items():
        # What an exporter wrote into ONNX is not carried over to OpenVINO's files.
        more = {"labels": ["bolt", "crack"]} if card.get("task") == "detection" else {}
        found[f"openvino, {name}"] = case("openvino", {**card, **more}, converted(graph))
    return found


CASES: dict[str, Case] = _cases()
