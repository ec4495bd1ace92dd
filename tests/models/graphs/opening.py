"""Opening made graphs, and photographs to show them."""

from __future__ import annotations

from typing import Any

import numpy as np

from walkdown.models.artefact import pack
from walkdown.models.conformance import photo_of
from walkdown.ports import Model
from walkdown.registry import open_model
from walkdown.types import Photo, Prediction


def opened(graph: bytes, kind: str = "onnx", **card: Any) -> Model:
    files = card.pop("files", {})
    return open_model(pack(kind, card, {"model.onnx": graph, **files}), label="m@1")


def said(graph: bytes, photo: Photo, **card: Any) -> Prediction:
    """What a graph says; an error is raised, so that tests see it."""
    (found,) = opened(graph, **card).predict([photo])
    if found.error is not None:
        raise AssertionError(found.error)
    return found


def dark(width: int = 300, height: int = 240, *patches: tuple[int, int, int, int]) -> Photo:
    """A dark photograph with white patches: left, top, width, height."""
    pixels = np.full((height, width, 3), 40, np.uint8)
    for left, top, wide, high in patches:
        pixels[top : top + high, left : left + wide] = 255
    return photo_of(pixels)


def grey(value: int) -> Photo:
    return photo_of(np.full((60, 80, 3), value, np.uint8))
