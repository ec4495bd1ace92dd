"""What a row of the lake is: its columns with their types, and how a result becomes one.

One JSON object per result and line. Times are ``YYYY-MM-DD HH:MM:SS.ffffff`` in UTC, the form that
both DuckDB and Athena read as TIMESTAMP. What JSON readers refuse is softened here, because the
lake is a projection: a number that is not finite becomes null, and bytes of a file name that are
not Unicode become U+FFFD (the ``uri`` still has them, per cent encoded).
"""

from __future__ import annotations

import gzip
import math
import re
from datetime import UTC
from typing import TYPE_CHECKING

from walkdown.errors import StoreError
from walkdown.stores.fields import Json, dumps, time_to_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from walkdown.types import Region, Result, StageResult

REGION = (
    "STRUCT(label VARCHAR, score DOUBLE, area_pct DOUBLE, "
    "x BIGINT, y BIGINT, width_px BIGINT, height_px BIGINT, nearest_image VARCHAR)"
)
STAGE = (
    "STRUCT(stage VARCHAR, model VARCHAR, model_digest VARCHAR, verdict VARCHAR, score DOUBLE, "
    "raw_score DOUBLE, p_normal DOUBLE, labels VARCHAR[], heatmap VARCHAR, error VARCHAR, "
    f"regions {REGION}[])"
)
RESULT_COLUMNS = {
    "result_id": "VARCHAR",
    "workspace": "VARCHAR",
    "capture_id": "VARCHAR",
    "plan_digest": "VARCHAR",
    "run": "BIGINT",
    "batch_id": "VARCHAR",
    "image": "VARCHAR",
    "uri": "VARCHAR",
    "content": "VARCHAR",
    "asset": "VARCHAR",
    "viewpoint": "VARCHAR",
    "status": "VARCHAR",
    "verdict": "VARCHAR",
    "score": "DOUBLE",
    "raw_score": "DOUBLE",
    "model": "VARCHAR",
    "severity": "VARCHAR",
    "error": "VARCHAR",
    "actor": "VARCHAR",
    "recorded_at": "TIMESTAMP",
    "taken_at": "TIMESTAMP",
    "camera": "VARCHAR",
    "latitude_deg": "DOUBLE",
    "longitude_deg": "DOUBLE",
    "altitude_m": "DOUBLE",
    "width_px": "BIGINT",
    "height_px": "BIGINT",
}
STAGES_COLUMN = ("stages", f"{STAGE}[]")

BATCH_FILE = re.compile(
    r"results/dt=(?P<day>[0-9-]{10})/batch=(?P<batch>[0-9A-Za-z_-]{1,64})\.ndjson\.gz"
)
_BATCH_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_SURROGATE = re.compile("[\ud800-\udfff]")


def check_batch_id(batch_id: str) -> str:
    """The id itself, where it can be part of a file's name. Raises `StoreError`."""
    if not _BATCH_ID.fullmatch(batch_id):
        raise StoreError(f"not a batch id: {batch_id!r}")
    return batch_id


def batch_file(batch_id: str, results: Sequence[Result]) -> tuple[str, bytes]:
    """Name and bytes of a batch's file: the same batch always gives the same.

    The name is ``results/dt=YYYY-MM-DD/batch=ID.ndjson.gz`` with the date of the earliest result.
    """
    earliest = min(result.recorded_at for result in results)
    day = earliest.astimezone(UTC).date().isoformat()
    lines = "".join(dumps(row(batch_id, result)) + "\n" for result in results)
    data = gzip.compress(lines.encode("ascii"), compresslevel=6, mtime=0)
    return f"results/dt={day}/batch={check_batch_id(batch_id)}.ndjson.gz", data


def row(batch_id: str, result: Result) -> Json:
    """One line of the lake: `RESULT_COLUMNS` in their order, then the stages."""
    exif = result.exif
    return {
        "result_id": result.key.id,
        "workspace": _text(result.key.workspace),
        "capture_id": result.key.capture_id,
        "plan_digest": result.key.plan_digest,
        "run": result.key.run,
        "batch_id": batch_id,
        "image": _text(result.image),
        "uri": _text(result.uri),
        "content": result.content,
        "asset": _text(result.asset),
        "viewpoint": _text(result.viewpoint),
        "status": result.status,
        "verdict": result.verdict,
        "score": _number(result.score),
        "raw_score": _number(result.raw_score),
        "model": _text(result.model),
        "severity": result.severity,
        "error": _text(result.error),
        "actor": _text(result.actor),
        "recorded_at": _time(result.recorded_at),
        "taken_at": _time(exif.taken_at),
        "camera": _text(exif.camera),
        "latitude_deg": _number(exif.latitude_deg),
        "longitude_deg": _number(exif.longitude_deg),
        "altitude_m": _number(exif.altitude_m),
        "width_px": result.width_px,
        "height_px": result.height_px,
        "stages": [_stage(stage) for stage in result.stages],
    }


def _stage(stage: StageResult) -> Json:
    prediction = stage.prediction
    return {
        "stage": _text(stage.stage),
        "model": _text(stage.model),
        "model_digest": stage.digest,
        "verdict": prediction.verdict,
        "score": _number(prediction.score),
        "raw_score": _number(prediction.raw_score),
        "p_normal": _number(prediction.p_normal),
        "labels": [_text(label) for label in prediction.labels],
        "heatmap": stage.heatmap,
        "error": _text(prediction.error),
        "regions": [_region(region) for region in prediction.regions],
    }


def _region(region: Region) -> Json:
    x, y, width, height = region.box
    return {
        "label": _text(region.label),
        "score": _number(region.score),
        "area_pct": _number(region.area_pct),
        "x": int(x),
        "y": int(y),
        "width_px": int(width),
        "height_px": int(height),
        "nearest_image": _text(region.nearest.image) if region.nearest else None,
    }


def _text(text: str | None) -> str | None:
    return None if text is None else _SURROGATE.sub("\ufffd", text)


def _number(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _time(time: datetime | None) -> str | None:
    return None if time is None else time_to_json(time)[:-1].replace("T", " ")
