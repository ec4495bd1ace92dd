"""A mask in an answer: a PNG in base64, bright where something is."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from pydantic import Field

from walkdown.errors import ImageError, ModelError
from walkdown.imaging.decode import decode
from walkdown.imaging.regions import regions
from walkdown.models.cards import Card
from walkdown.models.mapping import paths
from walkdown.models.rules import oddity
from walkdown.types import HeatMap, Prediction, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LONGEST_PX = 512
"""A mask is kept no finer than that: it is drawn over a photograph, and not measured again."""


class MaskOutput(Card):
    """A mask ``at`` a path: what is as bright as ``level`` (0..1) is marked.

    Alone, an image is an anomaly where ``area_pct`` per cent of it are marked.
    """

    at: paths.Path
    level: float = Field(0.5, gt=0, lt=1)
    area_pct: float = Field(0.1, gt=0, lt=100)


def with_mask(
    wanted: MaskOutput, said: Prediction | None, answer: object, *, width_px: int, height_px: int
) -> Prediction:
    """What was said with where it is; by the mask alone where nothing was."""
    values = _values(paths.at(answer, wanted.at), wanted.at)
    said = said or _by_area(wanted, values)
    heatmap = HeatMap(_grid(values, wanted.level), width_px, height_px)
    is_odd = said.verdict is Verdict.ANOMALY
    found = said.regions or (regions(heatmap) if is_odd else ())
    return replace(said, heatmap=heatmap, regions=found)


def _values(value: object, path: str) -> NDArray[np.float32]:
    """The mask's brightness as (H, W) float32 in 0..1."""
    if not isinstance(value, str):
        raise ModelError(
            f"the answer has {paths.described(value)} at {path!r}; it must be a PNG in base64"
        )
    text = value.partition(",")[2] if value.startswith("data:") else value
    try:
        photo = decode(base64.b64decode(text, validate=True), name="the mask in the answer")
    except (binascii.Error, ValueError) as e:
        raise ModelError(f"the answer has no base64 at {path!r}") from e
    except ImageError as e:
        raise ModelError(str(e)) from e
    return np.asarray(photo.pixels.max(axis=2), np.float32) / np.float32(255)


def _by_area(wanted: MaskOutput, values: NDArray[np.float32]) -> Prediction:
    area_pct = 100.0 * float((values >= wanted.level).mean())
    score = round(oddity(area_pct / 100.0, wanted.area_pct / 100.0), 4)
    verdict = Verdict.ANOMALY if score >= 0.5 else Verdict.NORMAL
    return Prediction(verdict, score, area_pct)


def _grid(values: NDArray[np.float32], level: float) -> NDArray[np.float32]:
    """With 0.5 at the level, no finer than is of use."""
    height, width = values.shape
    scale = _LONGEST_PX / max(height, width)
    if scale < 1.0:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        values = np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BOX))
    below = values / level * 0.5
    above = 0.5 + 0.5 * (values - level) / (1.0 - level)
    return np.where(values >= level, above, below).clip(0.0, 1.0).astype(np.float32)
