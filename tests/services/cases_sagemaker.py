"""Models in SageMaker to run the contract suite on."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image
from tests.services.cases import Case, Running
from tests.services.sagemaker_stub import Answering, brightness, sagemaker, sagemaker_with_s3

from walkdown.models.artefact import pack
from walkdown.models.fake import Fake, fake_artefact
from walkdown.serving.looking import answered

SCORE = {"score": {"at": "predictions.0.score", "threshold": 127.5, "range": [0, 255]}}


def _pixels(body: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))


def classes(body: bytes, _: str) -> bytes:
    """How likely an image is dark, bright or white."""
    share = float(_pixels(body).mean()) / 255
    return json.dumps([1 - share, share / 2, share / 2]).encode()


def detections(body: bytes, _: str) -> bytes:
    """The left half as a thing, as sure as it is bright; boxes in px of the image."""
    pixels = _pixels(body)
    height, width = pixels.shape[:2]
    row = [1, float(pixels.mean()) / 255, 0, 0, width / 2, height]
    return json.dumps({"prediction": [row]}).encode()


def masks(body: bytes, _: str) -> bytes:
    """What is bright of an image in JSON."""
    image = Image.open(io.BytesIO(base64.b64decode(json.loads(body)["image"]))).convert("L")
    out = io.BytesIO()
    Image.fromarray((np.asarray(image) >= 128).astype(np.uint8) * 255).save(out, "PNG")
    mask = base64.b64encode(out.getvalue()).decode()
    return json.dumps({"mask": mask, "text": "what is bright"}).encode()


def tensors(body: bytes, _: str) -> bytes:
    """The mean of a tensor, which is negative below the middle."""
    return json.dumps({"predictions": [[float(np.load(io.BytesIO(body)).mean())]]}).encode()


def container(body: bytes, content_type: str) -> bytes:
    """What a container of walkdown answers, with a model of brightness in it."""
    model = Fake(fake_artefact(), label="served")
    return answered(model, body, content_type=content_type, accept="application/json").data


def _endpoint(answering: Answering, **card: Any) -> Case:
    @contextmanager
    def running() -> Iterator[Running]:
        with sagemaker(answering) as account:
            keys = {"endpoint": "Lines-1", "region": "eu-central-1", "usd_per_image": 0.001}
            yield Running(pack("sagemaker", {**keys, **card}, {}), account.variables)

    return running


@contextmanager
def _async() -> Iterator[Running]:
    with sagemaker_with_s3() as account:
        variables = dict(account.variables)
        card = {
            "endpoint": "lines-async",
            "region": "eu-central-1",
            "s3": f"s3://{variables.pop('BUCKET')}/walkdown",
            "output": SCORE,
            "photos_per_job": 3,
        }
        yield Running(pack("sagemaker_async", card, {}), variables)


@contextmanager
def _batch() -> Iterator[Running]:
    with sagemaker_with_s3(polls=1) as account:
        variables = dict(account.variables)
        card = {
            "model": "lines",
            "region": "eu-central-1",
            "s3": f"s3://{variables.pop('BUCKET')}/walkdown/",
            "output": SCORE,
            "photos_per_job": 3,
        }
        yield Running(pack("sagemaker_batch", card, {}), variables)


CASES: dict[str, Case] = {
    "sagemaker, score": _endpoint(brightness, output=SCORE),
    "sagemaker, classes": _endpoint(
        classes,
        output={"classes": {"at": ".", "labels": ["dark", "bright", "white"], "normal": ["dark"]}},
        input={"format": "png", "max_side_px": 512},
    ),
    "sagemaker, detections": _endpoint(
        detections,
        output={
            "detections": {
                "at": "prediction",
                "label": "0",
                "confidence": "1",
                "box": ["2", "3", "4", "5"],
                "labels": ["nothing", "light"],
                "rule": {"forbidden": ["light"]},
            }
        },
    ),
    "sagemaker, mask": _endpoint(
        masks,
        input={"format": "base64", "key": "image"},
        output={"mask": {"at": "mask", "area_pct": 50}, "note": "text"},
    ),
    "sagemaker, tensor": _endpoint(
        tensors,
        input={
            "format": "tensor",
            "encoding": "npy",
            "size": [32, 32],
            "mean": [0.5, 0.5, 0.5],
            "std": [0.25, 0.25, 0.25],
        },
        output={"score": {"at": "predictions.0.0", "threshold": 0.0}},
    ),
    "sagemaker, walkdown": _endpoint(container, output="walkdown"),
    "sagemaker_async": _async,
    "sagemaker_batch": _batch,
}
