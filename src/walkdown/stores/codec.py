"""The one JSON form of the values that are recorded, used by every store.

Encoding gives plain dicts without their None fields; decoding checks each field once and says which
one is damaged. Heat map grids are not part of a record: they are blobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from walkdown.stores.fields import (
    Fields,
    Json,
    maybe_float,
    maybe_int,
    maybe_time,
    present,
    time_to_json,
)
from walkdown.types import (
    Alert,
    Exif,
    Finding,
    Inspection,
    ModelVersion,
    Nearest,
    Prediction,
    Region,
    Result,
    ResultKey,
    StageResult,
    Status,
)

if TYPE_CHECKING:
    from typing import Literal

    from walkdown.types import Box


def region_to_json(region: Region) -> Json:
    """Fields of a region; each box is ``[x, y, width, height]``."""
    return present(
        box=_box_to_json(region.box),
        area_pct=float(region.area_pct),
        score=float(region.score),
        label=region.label,
        nearest=None if region.nearest is None else _nearest_to_json(region.nearest),
    )


def region_from_json(value: object) -> Region:
    """Back from `region_to_json`."""
    fields = Fields("region", value)
    return Region(
        box=_box(fields, "box"),
        area_pct=fields.number("area_pct"),
        score=fields.number("score"),
        label=fields.text("label"),
        nearest=fields.maybe("nearest", lambda name: _nearest_from_json(fields.get(name, dict))),
    )


def _nearest_to_json(nearest: Nearest) -> Json:
    return {
        "image": nearest.image,
        "box": _box_to_json(nearest.box),
        "place": _box_to_json(nearest.place),
        "picture": nearest.picture,
        "at": _box_to_json(nearest.at),
    }


def _nearest_from_json(value: object) -> Nearest:
    fields = Fields("nearest normal patch", value)
    return Nearest(
        image=fields.text("image"),
        box=_box(fields, "box"),
        place=_box(fields, "place"),
        picture=fields.text("picture"),
        at=_box(fields, "at"),
    )


def _box_to_json(box: Box) -> list[int]:
    return [int(side) for side in box]


def _box(fields: Fields, name: str) -> Box:
    box = fields.many(name)
    if len(box) != 4 or not all(isinstance(side, int) for side in box):
        raise fields.damaged(name)
    x, y, width, height = cast("list[int]", box)
    return x, y, width, height


def prediction_to_json(prediction: Prediction) -> Json:
    """All of a prediction but its heat map."""
    return present(
        verdict=prediction.verdict,
        score=maybe_float(prediction.score),
        raw_score=maybe_float(prediction.raw_score),
        labels=list(prediction.labels) or None,
        regions=[region_to_json(region) for region in prediction.regions] or None,
        p_normal=maybe_float(prediction.p_normal),
        error=prediction.error,
        note=prediction.note,
        cost_usd=maybe_float(prediction.cost_usd),
    )


def prediction_from_json(value: object) -> Prediction:
    """Back from `prediction_to_json`, without a heat map."""
    fields = Fields("prediction", value)
    return Prediction(
        verdict=fields.verdict(),
        score=fields.maybe("score", fields.number),
        raw_score=fields.maybe("raw_score", fields.number),
        labels=fields.texts("labels"),
        regions=tuple(region_from_json(region) for region in fields.many("regions")),
        p_normal=fields.maybe("p_normal", fields.number),
        error=fields.maybe("error", fields.text),
        note=fields.maybe("note", fields.text),
        cost_usd=fields.maybe("cost_usd", fields.number),
    )


def stage_to_json(stage: StageResult) -> Json:
    return present(
        stage=stage.stage,
        model=stage.model,
        digest=stage.digest,
        prediction=prediction_to_json(stage.prediction),
        heatmap=stage.heatmap,
        audited=stage.audited or None,
        beside=stage.beside,
    )


def stage_from_json(value: object) -> StageResult:
    fields = Fields("stage", value)
    return StageResult(
        stage=fields.text("stage"),
        model=fields.text("model"),
        digest=fields.text("digest"),
        prediction=prediction_from_json(fields.get("prediction", dict)),
        heatmap=fields.maybe("heatmap", fields.text),
        audited=fields.maybe("audited", fields.flag) or False,
        beside=fields.maybe("beside", fields.text),
    )


def exif_to_json(exif: Exif) -> Json | None:
    return (
        present(
            taken_at=maybe_time(exif.taken_at),
            camera=exif.camera,
            latitude_deg=maybe_float(exif.latitude_deg),
            longitude_deg=maybe_float(exif.longitude_deg),
            altitude_m=maybe_float(exif.altitude_m),
        )
        or None
    )


def exif_from_json(value: object) -> Exif:
    fields = Fields("EXIF", value)
    return Exif(
        taken_at=fields.maybe("taken_at", fields.time),
        camera=fields.maybe("camera", fields.text),
        latitude_deg=fields.maybe("latitude_deg", fields.number),
        longitude_deg=fields.maybe("longitude_deg", fields.number),
        altitude_m=fields.maybe("altitude_m", fields.number),
    )


def result_to_json(result: Result) -> Json:
    """All of a result; its key as ``workspace``, ``capture_id``, ``plan_digest`` and ``run``."""
    return present(
        workspace=result.key.workspace,
        capture_id=result.key.capture_id,
        plan_digest=result.key.plan_digest,
        run=result.key.run,
        uri=result.uri,
        image=result.image,
        status=result.status,
        actor=result.actor,
        recorded_at=time_to_json(result.recorded_at),
        content=result.content,
        verdict=result.verdict,
        score=maybe_float(result.score),
        raw_score=maybe_float(result.raw_score),
        model=result.model,
        severity=result.severity,
        asset=result.asset,
        viewpoint=result.viewpoint,
        stages=[stage_to_json(stage) for stage in result.stages] or None,
        error=result.error,
        width_px=maybe_int(result.width_px),
        height_px=maybe_int(result.height_px),
        exif=exif_to_json(result.exif),
        stage=result.stage,
        relative=result.relative,
    )


def result_from_json(value: object) -> Result:
    """Back from `result_to_json`. Raises `StoreError` that names the damaged field."""
    fields = Fields("result", value)
    return Result(
        key=ResultKey(
            workspace=fields.text("workspace"),
            capture_id=fields.text("capture_id"),
            plan_digest=fields.text("plan_digest"),
            run=fields.whole("run"),
        ),
        uri=fields.text("uri"),
        image=fields.text("image"),
        status=fields.made("status", Status),
        actor=fields.text("actor"),
        recorded_at=fields.time("recorded_at"),
        content=fields.maybe("content", fields.text),
        verdict=fields.verdict(),
        score=fields.maybe("score", fields.number),
        raw_score=fields.maybe("raw_score", fields.number),
        model=fields.maybe("model", fields.text),
        severity=fields.maybe("severity", fields.severity),
        asset=fields.maybe("asset", fields.text),
        viewpoint=fields.maybe("viewpoint", fields.text),
        stages=tuple(stage_from_json(stage) for stage in fields.many("stages")),
        error=fields.maybe("error", fields.text),
        width_px=fields.maybe("width_px", fields.whole),
        height_px=fields.maybe("height_px", fields.whole),
        exif=fields.maybe("exif", lambda name: exif_from_json(fields.get(name, dict))) or Exif(),
        stage=fields.maybe("stage", fields.text),
        relative=fields.maybe("relative", fields.text),
    )


def finding_to_json(finding: Finding) -> Json:
    """All of a finding."""
    return {
        "id": finding.id,
        "workspace": finding.workspace,
        "asset": finding.asset,
        "label": finding.label,
        "severity": finding.severity,
        "score": float(finding.score),
        "area_pct": float(finding.area_pct),
        "image": finding.image,
        "result_id": finding.result_id,
        "opened_at": time_to_json(finding.opened_at),
        "seen_at": time_to_json(finding.seen_at),
        "actor": finding.actor,
        "revision": finding.revision,
        "told": finding.told,
    }


def finding_from_json(value: object) -> Finding:
    """Back from `finding_to_json`."""
    fields = Fields("finding", value)
    return Finding(
        id=fields.text("id"),
        workspace=fields.text("workspace"),
        asset=fields.text("asset"),
        label=fields.text("label"),
        severity=fields.severity("severity"),
        score=fields.number("score"),
        area_pct=fields.number("area_pct"),
        image=fields.text("image"),
        result_id=fields.text("result_id"),
        opened_at=fields.time("opened_at"),
        seen_at=fields.time("seen_at"),
        actor=fields.text("actor"),
        revision=fields.whole("revision"),
        told=fields.maybe("told", fields.severity),
    )


def alert_to_json(alert: Alert) -> Json:
    """All of an alert, with its finding inside."""
    return {
        "id": alert.id,
        "event": alert.event,
        "finding": finding_to_json(alert.finding),
        "pipeline": alert.pipeline,
        "inspection": alert.inspection,
        "channel": alert.channel,
    }


def alert_from_json(value: object) -> Alert:
    """Back from `alert_to_json`."""
    fields = Fields("alert", value)
    event = fields.text("event")
    if event not in ("opened", "raised"):
        raise fields.damaged("event")
    return Alert(
        id=fields.text("id"),
        event=cast("Literal['opened', 'raised']", event),
        finding=finding_from_json(fields.get("finding", dict)),
        pipeline=fields.text("pipeline"),
        inspection=fields.text("inspection"),
        channel=fields.text("channel"),
    )


def inspection_to_json(inspection: Inspection) -> Json:
    """All of an inspection."""
    return present(
        id=inspection.id,
        workspace=inspection.workspace,
        pipeline=inspection.pipeline,
        plan_digest=inspection.plan_digest,
        sources=list(inspection.sources),
        actor=inspection.actor,
        started_at=time_to_json(inspection.started_at),
        run=inspection.run,
        finished_at=maybe_time(inspection.finished_at),
        model=inspection.model,
        threshold=maybe_float(inspection.threshold),
    )


def inspection_from_json(value: object) -> Inspection:
    """Back from `inspection_to_json`."""
    fields = Fields("inspection", value)
    return Inspection(
        id=fields.text("id"),
        workspace=fields.text("workspace"),
        pipeline=fields.text("pipeline"),
        plan_digest=fields.text("plan_digest"),
        sources=fields.texts("sources"),
        actor=fields.text("actor"),
        started_at=fields.time("started_at"),
        run=fields.whole("run"),
        finished_at=fields.maybe("finished_at", fields.time),
        model=fields.text("model"),
        threshold=fields.maybe("threshold", fields.number),
    )


def version_to_json(version: ModelVersion) -> Json:
    """A model version without its aliases, which move and are stored beside it."""
    return {
        "name": version.name,
        "version": version.version,
        "digest": version.digest,
        "created_at": time_to_json(version.created_at),
        "actor": version.actor,
        "facts": dict(version.facts),
    }


def version_from_json(value: object, *, aliases: tuple[str, ...] = ()) -> ModelVersion:
    """Back from `version_to_json`, with the aliases that point at it now."""
    fields = Fields("model version", value)
    facts = fields.get("facts", dict)
    if not all(isinstance(fact, str) for fact in facts.values()):
        raise fields.damaged("facts")
    return ModelVersion(
        name=fields.text("name"),
        version=fields.whole("version"),
        digest=fields.text("digest"),
        created_at=fields.time("created_at"),
        actor=fields.text("actor"),
        aliases=aliases,
        facts=facts,
    )
