"""Outcomes of a batch between two functions of a workflow: one gzip JSON object, a part.

What an image's way through the plan has been so far travels whole, so that the next stage, in
another process on another machine, goes on as if it had been here all along.
"""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING

from walkdown.errors import StoreError
from walkdown.runners.outcomes import Outcome
from walkdown.stores.codec import exif_from_json, exif_to_json, stage_from_json, stage_to_json
from walkdown.stores.fields import Fields, Json, dumps, maybe_time, present
from walkdown.types import Exif, ImageRef

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.types import Prediction


def pack(outcomes: Sequence[Outcome]) -> bytes:
    """The bytes of a part; the same outcomes always give the same."""
    text = dumps({"outcomes": [_to_json(outcome) for outcome in outcomes]})
    return gzip.compress(text.encode("ascii"), compresslevel=6, mtime=0)


def unpack(data: bytes) -> list[Outcome]:
    """Back from `pack`; decisions are made anew, by the plan. Raises `StoreError` for damage."""
    try:
        value = json.loads(gzip.decompress(data))
    except (OSError, EOFError, zlib.error, ValueError) as e:
        raise StoreError(f"a part of the workflow is damaged: {e}") from e
    return [_from_json(each) for each in Fields("part", value).many("outcomes")]


def ref_to_json(ref: ImageRef) -> Json:
    """Fields of a capture, as short as they can be: a million of them make a manifest."""
    return present(
        uri=ref.uri,
        version=ref.version,
        name=None if ref.name == ref.uri else ref.name,
        relative=ref.relative,
        problem=ref.problem,
    )


def ref_from_json(value: object) -> ImageRef:
    """Back from `ref_to_json`."""
    fields = Fields("capture", value)
    uri = fields.text("uri")
    return ImageRef(
        uri=uri,
        version=fields.text("version"),
        name=fields.maybe("name", fields.text) or uri,
        relative=fields.text("relative"),
        problem=fields.maybe("problem", fields.text),
    )


def _to_json(outcome: Outcome) -> Json:
    return present(
        ref=ref_to_json(outcome.ref),
        error=outcome.error,
        content=outcome.content,
        width_px=outcome.width_px,
        height_px=outcome.height_px,
        exif=exif_to_json(outcome.exif),
        asset=outcome.asset,
        viewpoint=outcome.viewpoint,
        taken_at=maybe_time(outcome.taken_at),
        stages=[stage_to_json(stage) for stage in outcome.stages] or None,
        cache=_cache_to_json(outcome) or None,
    )


def _cache_to_json(outcome: Outcome) -> list[Json]:
    """Which stages' predictions are to be remembered: they are in the stages already."""
    at = {id(stage.prediction): i for i, stage in enumerate(outcome.stages)}
    return [{"key": key, "stage": at[id(said)]} for key, said, _ in outcome.cache]


def _from_json(value: object) -> Outcome:
    fields = Fields("outcome", value)
    outcome = Outcome(
        ref=ref_from_json(fields.get("ref", dict)),
        error=fields.maybe("error", fields.text),
        content=fields.maybe("content", fields.text),
        width_px=fields.maybe("width_px", fields.whole),
        height_px=fields.maybe("height_px", fields.whole),
        exif=fields.maybe("exif", lambda name: exif_from_json(fields.get(name, dict))) or Exif(),
        asset=fields.maybe("asset", fields.text),
        viewpoint=fields.maybe("viewpoint", fields.text),
        taken_at=fields.maybe("taken_at", fields.time),
        stages=[stage_from_json(stage) for stage in fields.many("stages")],
    )
    outcome.cache = [_cached(each, outcome) for each in fields.many("cache")]
    return outcome


def _cached(value: object, outcome: Outcome) -> tuple[str, Prediction, str | None]:
    fields = Fields("cached prediction", value)
    number = fields.whole("stage")
    if not 0 <= number < len(outcome.stages):
        raise fields.damaged("stage")
    stage = outcome.stages[number]
    return fields.text("key"), stage.prediction, stage.heatmap
