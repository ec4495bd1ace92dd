"""A prediction as JSON, and back: what a model of walkdown answers when it is served.

One mapping an image, all keys always there::

    {"walkdown": 1, "width_px": 640, "height_px": 480,
     "verdict": "anomaly", "score": 0.8123, "raw_score": 3.1, "p_normal": 0.01,
     "labels": ["crack"],
     "regions": [{"box": [x, y, width, height], "area_pct": 1.5, "score": 0.9, "label": "crack"}],
     "heatmap": {"rows": 28, "columns": 37, "float32": "base64, little endian, row by row"},
     "note": null, "error": null}

Boxes are in px of the upright image that was sent, whose size is told.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from walkdown.errors import ModelError
from walkdown.models.mapping.paths import described
from walkdown.models.rules import pixels
from walkdown.types import HeatMap, Prediction, Region, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCHEMA = 1
_MAX_CELLS = 4_000_000
Share = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Value(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Region(_Value):
    box: tuple[int, int, int, int]
    area_pct: float = Field(ge=0, le=100)
    score: Share
    label: str = "anomaly"


class _Heatmap(_Value):
    rows: int = Field(ge=1)
    columns: int = Field(ge=1)
    float32: str


class _Answer(_Value):
    walkdown: Literal[1]
    width_px: int = Field(ge=1, le=10_000_000)
    height_px: int = Field(ge=1, le=10_000_000)
    verdict: Verdict | None = None
    score: Share | None = None
    raw_score: Finite | None = None
    p_normal: Share | None = None
    labels: tuple[str, ...] = ()
    regions: tuple[_Region, ...] = ()
    heatmap: _Heatmap | None = None
    note: str | None = None
    error: str | None = None


def write(said: Prediction, *, width_px: int, height_px: int) -> dict[str, Any]:
    """What is answered of an image of that upright size."""
    return {
        "walkdown": SCHEMA,
        "width_px": width_px,
        "height_px": height_px,
        "verdict": said.verdict and said.verdict.value,
        "score": said.score,
        "raw_score": said.raw_score,
        "p_normal": said.p_normal,
        "labels": list(said.labels),
        "regions": [
            {"box": list(r.box), "area_pct": r.area_pct, "score": r.score, "label": r.label}
            for r in said.regions
        ],
        "heatmap": said.heatmap and _written(said.heatmap.grid),
        "note": said.note,
        "error": said.error,
    }


def read(answer: object, *, width_px: int, height_px: int) -> Prediction:
    """The prediction, for an original of that size. Raises `ModelError` for no such answer."""
    if isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    try:
        told = _Answer.model_validate(answer)
    except ValidationError as e:
        first = e.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the top"
        raise ModelError(
            f"the answer is none of a walkdown model: {where}: {first['msg']} (the answer is "
            f"{described(answer)}); for another model, describe its answer under 'output'"
        ) from e
    if told.error is not None:
        raise ModelError(f"the model says: {told.error}")
    return Prediction(
        verdict=_verdict(told),
        score=told.score,
        raw_score=told.raw_score,
        labels=told.labels,
        regions=tuple(_regions(told, width_px, height_px)),
        heatmap=HeatMap(_grid(told.heatmap), width_px, height_px) if told.heatmap else None,
        p_normal=told.p_normal,
        note=told.note,
    )


def _verdict(told: _Answer) -> Verdict:
    if told.verdict is None:
        raise ModelError("the answer has neither a verdict nor an error")
    if told.verdict is Verdict.UNUSABLE or told.score is None:
        return told.verdict
    if (round(told.score, 4) >= 0.5) != (told.verdict is Verdict.ANOMALY):
        raise ModelError(
            f"the answer contradicts itself: a score of {told.score} is {told.verdict}"
        )
    return told.verdict


def _regions(told: _Answer, width_px: int, height_px: int) -> list[Region]:
    same = (told.width_px, told.height_px) == (width_px, height_px)
    found = []
    for each in told.regions:
        x, y, width, height = each.box
        inside = x >= 0 and y >= 0 and width >= 1 and height >= 1
        inside = inside and x + width <= told.width_px and y + height <= told.height_px
        if not inside:
            raise ModelError(f"the answer has a box {list(each.box)} that is not on the image")
        shares = (
            x / told.width_px,
            y / told.height_px,
            width / told.width_px,
            height / told.height_px,
        )
        box = each.box if same else pixels(shares, width_px=width_px, height_px=height_px)
        if box is not None:
            found.append(Region(box, each.area_pct, each.score, each.label))
    return found


def _written(grid: NDArray[np.float32]) -> dict[str, Any]:
    data = np.ascontiguousarray(grid, dtype="<f4").tobytes()
    text = base64.b64encode(data).decode("ascii")
    return {"rows": grid.shape[0], "columns": grid.shape[1], "float32": text}


def _grid(told: _Heatmap) -> NDArray[np.float32]:
    if told.rows * told.columns > _MAX_CELLS:
        raise ModelError(f"the answer has a heat map of {told.rows} x {told.columns} cells")
    try:
        flat = np.frombuffer(base64.b64decode(told.float32, validate=True), dtype="<f4")
        grid = flat.reshape(told.rows, told.columns).astype(np.float32)
    except (binascii.Error, ValueError) as e:
        raise ModelError("the answer's heat map is damaged") from e
    if not np.isfinite(grid).all():
        raise ModelError("the answer's heat map holds what is no number")
    return grid
