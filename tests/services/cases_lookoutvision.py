"""Servers that speak the protocol of Lookout for Vision: the checked stub, and one of few lines."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image
from tests.services.aws_stub import Answer, AwsStub, aws_stub
from tests.services.cases import Case, Running

from walkdown.models.artefact import Artefact, pack

WHITE, RED, BLUE = (255, 255, 255), (255, 0, 0), (0, 0, 255)


def card(url: str, **more: Any) -> Artefact:
    """A model of a server."""
    return pack(
        "lookoutvision", {"endpoint_url": url, "project": "boards", "version": "2", **more}, {}
    )


def mask(width: int, height: int, *marks: tuple[tuple[int, int, int], tuple[int, ...]]) -> bytes:
    """A PNG, white but for rectangles (x, y, width, height) of colours."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    for colour, (x, y, w, h) in marks:
        pixels[y : y + h, x : x + w] = colour
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def anomaly(name: str, colour: str, percent: float) -> dict[str, Any]:
    """A label of the mask."""
    return {"Name": name, "PixelAnomaly": {"TotalPercentageArea": percent, "Color": colour}}


def classified(is_anomalous: bool, confidence: float) -> dict[str, Any]:
    """What a classification model answers."""
    source = {"Type": "direct"}
    return {
        "DetectAnomalyResult": {
            "Source": source, "IsAnomalous": is_anomalous, "Confidence": confidence
        }
    }  # fmt: skip


def segmented(is_anomalous: bool = True, confidence: float = 0.9) -> dict[str, Any]:
    """What a segmentation model answers: a scratch and a stain on a mask of 80 x 60 px."""
    answer = classified(is_anomalous, confidence)
    answer["DetectAnomalyResult"] |= {
        "Anomalies": [
            anomaly("background", "#FFFFFF", 90.0),
            anomaly("scratch", "#FF0000", 8.0),
            anomaly("stain", "#0000FF", 2.0),
            anomaly("dent", "#00FF00", 0.0),
        ],
        "AnomalyMask": mask(80, 60, (RED, (8, 12, 32, 12)), (BLUE, (60, 45, 12, 8))),
    }
    return answer


@contextmanager
def lookout(answer: Answer | dict[str, Any] | None = None) -> Iterator[AwsStub]:
    """The stub, which checks what it is asked and what it answers against our description."""
    said = segmented() if answer is None else answer
    function = said if callable(said) else (lambda _: said)
    with aws_stub({("lookoutvision", "DetectAnomalies"): function}) as stub:
        yield stub


@dataclass
class Inspector:
    """A server of few lines, as somebody else might write one: by brightness, in plain JSON.

    ``seen`` are the requests: path, headers, bytes. ``raw`` is answered instead, if it is there.
    """

    url: str = ""
    seen: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)
    raw: tuple[int, dict[str, str], bytes] | None = None

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any, bytes]:
        """Status, headers and body."""
        self.seen.append((path, headers, body))
        if self.raw:
            return self.raw
        if not re.fullmatch(r"/2020-11-20/projects/boards/models/2/detect", path):
            missing = {"Message": "no such model", "ResourceId": path, "ResourceType": "MODEL"}
            error = {"x-amzn-ErrorType": "ResourceNotFoundException"}
            return 404, error, json.dumps(missing).encode()
        grey = float(np.asarray(Image.open(io.BytesIO(body)).convert("L")).mean()) / 255
        result: dict[str, Any] = {"Source": {"Type": "direct"}, "IsAnomalous": grey >= 0.5,
                                  "Confidence": max(grey, 1 - grey)}  # fmt: skip
        if grey >= 0.5:
            drawn = mask(64, 64, (RED, (16, 16, 32, 32)))
            result["AnomalyMask"] = base64.b64encode(drawn).decode()
            result["Anomalies"] = [
                anomaly("background", "#FFFFFF", 75.0), anomaly("bright", "#FF0000", 25.0)
            ]  # fmt: skip
        return 200, {}, json.dumps({"DetectAnomalyResult": result}).encode()


@contextmanager
def inspector() -> Iterator[Inspector]:
    """That server, running."""
    inspecting = Inspector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, data = inspecting.answer(self.path, dict(self.headers), body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    inspecting.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield inspecting
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What requests are signed with."""


@contextmanager
def _by_stub() -> Iterator[Running]:
    with lookout() as stub:
        yield Running(card(stub.url), KEYS)


@contextmanager
def _by_inspector() -> Iterator[Running]:
    with inspector() as server:
        yield Running(card(server.url), KEYS)


CASES: dict[str, Case] = {"lookoutvision": _by_stub, "lookoutvision, a small server": _by_inspector}
