"""A result as a plain row: the fields that the command line's JSON and the report have in common.

JSON at the edge: nothing below this layer sees these rows. Times are ISO 8601 in UTC, and a number
that is not finite becomes null. Text stays as it is, also where it is not Unicode: each edge spells
that in its own way.
"""

from __future__ import annotations

import math
from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from walkdown.types import Nearest, Prediction, Region, Result, StageResult

Row = dict[str, object]


def result_row(result: Result, *, locate: Callable[[str], str] = str) -> Row:
    """One result with its stages. ``locate`` makes of a blob's key what the row shows of it.

    ``note`` is what the stage that decided says in words, ``cost_usd`` what all stages cost.
    """
    decided = result.decided_by
    return {
        "image": result.image,
        "sha256": result.content,
        "status": result.status.value,
        "error": result.error,
        "model": result.model,
        "verdict": result.verdict.value if result.verdict else None,
        "score": number(result.score),
        "raw_score": number(result.raw_score),
        "note": decided.prediction.note if decided else None,
        "cost_usd": cost_of(result.stages),
        "stages": [stage_row(stage, locate=locate) for stage in result.stages],
        "severity": result.severity.value if result.severity else None,
        "asset": result.asset,
        "viewpoint": result.viewpoint,
        "taken_at": moment(result.exif.taken_at),
        "recorded_at": moment(result.recorded_at),
    }


def stage_row(stage: StageResult, *, locate: Callable[[str], str] = str) -> Row:
    """What one stage said."""
    return {
        "stage": stage.stage,
        "model": stage.model,
        "digest": stage.digest,
        "audited": stage.audited,
        "beside": stage.beside,
        **_prediction_row(stage.prediction, locate),
        "heatmap": locate(stage.heatmap) if stage.heatmap else None,
    }


def _prediction_row(prediction: Prediction, locate: Callable[[str], str]) -> Row:
    return {
        "verdict": prediction.verdict.value if prediction.verdict else None,
        "score": number(prediction.score),
        "raw_score": number(prediction.raw_score),
        "p_normal": number(prediction.p_normal),
        "labels": list(prediction.labels),
        "regions": [region_row(region, locate=locate) for region in prediction.regions],
        "error": prediction.error,
        "note": prediction.note,
        "cost_usd": number(prediction.cost_usd),
    }


def cost_of(stages: Sequence[StageResult]) -> float | None:
    """What these looks cost together, in US dollars; None where no service charged for one."""
    known = [cost for s in stages if (cost := number(s.prediction.cost_usd)) is not None]
    return math.fsum(known) if known else None


def region_row(region: Region, *, locate: Callable[[str], str] = str) -> Row:
    """A region: box in pixels of the upright original, area in per cent of the image."""
    return {
        "box": list(region.box),
        "area_pct": number(region.area_pct),
        "score": number(region.score),
        "label": region.label,
        "nearest": _nearest_row(region.nearest, locate) if region.nearest else None,
    }


def _nearest_row(nearest: Nearest, locate: Callable[[str], str]) -> Row:
    return {
        "image": nearest.image,
        "box": list(nearest.box),
        "place": list(nearest.place),
        "picture": locate(nearest.picture),
        "at": list(nearest.at),
    }


def number(value: float | None) -> float | None:
    """The number, or None where JSON has no word for it."""
    return value if value is not None and math.isfinite(value) else None


def moment(value: datetime | None) -> str | None:
    """ISO 8601 in UTC."""
    return None if value is None else value.astimezone(UTC).isoformat()
