"""Models behind an address: a service that judges by how bright a photograph is."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
from PIL import Image
from tests.services.cases import Case, Running
from tests.services.http_stub import Asked, Says, http_stub, says

from walkdown.models.artefact import pack


def brightness(data: bytes) -> tuple[float, int, int]:
    """The mean of an image, 0 to 1, and its size."""
    image = Image.open(io.BytesIO(data))
    return float(np.asarray(image.convert("L")).mean()) / 255, *image.size


def _score(asked: Asked) -> Says:
    return says({"result": {"anomaly_score": brightness(asked.body)[0]}})


def _detections(asked: Asked) -> Says:
    if asked.headers.get("X-Api-Key") != "s3cret":
        return Says(b"who are you?", 401, {"Content-Type": "text/plain"})
    share, width, height = brightness(base64.b64decode(json.loads(asked.body)["image"]))
    box = [width / 4, height / 2, 3 * width / 4, 3 * height / 4]
    return says({"found": [{"label": "glare", "score": share, "box": box}]})


def _classes(asked: Asked) -> Says:
    tensor = np.load(io.BytesIO(asked.body), allow_pickle=False)
    assert tensor.shape == (1, 3, 32, 32)
    share = float(tensor.mean())
    return says([[1 - share, share]])


DETECTIONS = {"at": "found", "rule": {"forbidden": ["glare"]}}
CLASSES = {"at": "0", "labels": ["dark", "glare"], "anomalies": ["glare"]}
TENSOR = {"format": "tensor", "size": [32, 32], "encoding": "npy"}
CARDS: Mapping[str, tuple[Callable[[Asked], Says], Mapping[str, Any]]] = {
    "score": (
        _score,
        {"output": {"score": {"at": "result.anomaly_score", "threshold": 0.5, "range": [0, 1]}}},
    ),
    "detections and a key": (
        _detections,
        {
            "header": "X-Api-Key",
            "secret_env": "LOOK_KEY",
            "input": {"format": "base64", "key": "image", "max_side_px": 400},
            "output": {"detections": DETECTIONS},
        },
    ),
    "classes of a tensor": (_classes, {"input": TENSOR, "output": {"classes": CLASSES}}),
}


def _case(name: str) -> Case:
    answer, card = CARDS[name]

    @contextmanager
    def running() -> Iterator[Running]:
        with http_stub(answer) as service:
            artefact = pack("http", {"url": service.url, **card}, {})
            yield Running(artefact, {"LOOK_KEY": "s3cret"})

    def case() -> AbstractContextManager[Running]:
        return running()

    return case


CASES: dict[str, Case] = {f"http, {name}": _case(name) for name in CARDS}
