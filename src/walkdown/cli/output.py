"""What commands print: documented JSON lines for programs, short tables for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from walkdown.types import StageResult, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.app.context import App
    from walkdown.app.inspecting import Line
    from walkdown.types import Prediction, Region, Result


def echo_json(value: object) -> None:
    """One object on one line; bytes of a file name that are not Unicode become \\udcXX escapes."""
    click.echo(json.dumps(value, ensure_ascii=True, allow_nan=False))


def line_json(app: App, line: Line) -> dict[str, Any]:
    """An image of an inspection, as docs/json.md documents it."""
    return {**result_json(app, line.result), "status": line.status}


def left_out_json(name: str, reason: str) -> dict[str, Any]:
    """A file in a folder that is no image: skipped, with the reason and without a result."""
    empty = dict.fromkeys(
        ("sha256", "model", "verdict", "score", "raw_score", "heatmap", "severity", "asset",
         "viewpoint", "result_id", "taken_at", "recorded_at")
    )  # fmt: skip
    return {"image": name, "status": "skipped", "error": reason, **empty, "regions": [],
            "stages": []}  # fmt: skip


def result_json(app: App, result: Result) -> dict[str, Any]:
    """A stored result, as docs/json.md documents it."""
    by = result.decided_by
    return {
        "image": result.image,
        "sha256": result.content,
        "status": result.status.value,
        "error": result.error,
        "model": result.model,
        "verdict": result.verdict.value if result.verdict else None,
        "score": result.score,
        "raw_score": result.raw_score,
        "regions": [region_json(r) for r in by.prediction.regions] if by else [],
        "heatmap": _path(app, by.heatmap) if by else None,
        "stages": [_stage_json(app, stage) for stage in result.stages],
        "severity": result.severity.value if result.severity else None,
        "asset": result.asset,
        "viewpoint": result.viewpoint,
        "result_id": result.key.id,
        "taken_at": result.exif.taken_at.isoformat() if result.exif.taken_at else None,
        "recorded_at": result.recorded_at.isoformat(),
    }


def _stage_json(app: App, stage: StageResult) -> dict[str, Any]:
    return {
        "stage": stage.stage,
        "model": stage.model,
        "digest": stage.digest,
        **_prediction_json(stage.prediction),
        "heatmap": _path(app, stage.heatmap),
    }


def _prediction_json(p: Prediction) -> dict[str, Any]:
    return {
        "verdict": p.verdict.value if p.verdict else None,
        "score": p.score,
        "raw_score": p.raw_score,
        "p_normal": p.p_normal,
        "labels": list(p.labels),
        "regions": [region_json(r) for r in p.regions],
        "error": p.error,
    }


def region_json(region: Region) -> dict[str, Any]:
    """A region: box in pixels of the upright original, area in per cent of the image."""
    return {
        "box": list(region.box),
        "area_pct": region.area_pct,
        "score": region.score,
        "label": region.label,
    }


def _path(app: App, key: str | None) -> str | None:
    return app.blobs.locate(key) if key else None


def shown(name: str) -> str:
    """A file name that any terminal can print: what is not Unicode, or controls it, is escaped."""
    clean = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in clean)


def table(rows: Sequence[Sequence[str]], *, header: Sequence[str]) -> None:
    """Columns as wide as their widest cell; the last one is not padded."""
    lines = [list(header), *[list(r) for r in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    for line in lines:
        cells = [cell.ljust(w) for cell, w in zip(line[:-1], widths, strict=False)]
        click.echo("  ".join([*cells, line[-1]]))


RESULT_HEADER = ("score", "verdict", "severity", "regions", "image")


def result_row(result: Result) -> tuple[str, ...]:
    """A result as a line of a table."""
    by = result.decided_by
    return (
        f"{result.score:.3f}" if result.score is not None else "-",
        result.verdict.value if result.verdict else result.status.value,
        result.severity.value if result.severity else "-",
        str(len(by.prediction.regions)) if by else "-",
        shown(result.image) + (f"  ({shown(result.error)})" if result.error else ""),
    )


def summary(results: Sequence[Result]) -> str:
    """How many of each, in words."""
    counts = [
        (sum(r.verdict is v for r in results), v.value)
        for v in (Verdict.ANOMALY, Verdict.NORMAL, Verdict.UNUSABLE)
    ]
    failed = sum(r.verdict is None for r in results)
    partial = sum(r.status is Status.PARTIAL for r in results)
    more = [(failed, "failed"), (partial, "with a stage that failed")]
    parts = [f"{n} {what}" for n, what in [*counts, *more] if n]
    return ", ".join(parts) or "nothing"
