"""Results as plain rows: what the report's page, ``results.json`` and ``results.csv`` all show.

Text that is not valid Unicode (a file name of raw bytes) is spelled out with backslashes, and a
number that is not finite becomes null, so that every reader of the files can read them.

``results.json`` holds ``inspection``, ``counts``, ``audits``, ``shadows`` and ``results``, worst
score first; each result has the fields of ``walkdown.app.rows``, the rest of those of `Result`, and
``name`` for the last part of ``image``. Heat maps and pictures are named by their keys in the
workspace's store.

``results.csv`` has one line per result in the same order, in UTF-8:

    image            path as it was given       taken_at       when the camera took it, UTC
    status           done, partial, failed      camera         make and model
    verdict          normal, anomaly, unusable  latitude_deg   of the camera, north is positive
    score            0..1, 0.5 at the threshold longitude_deg  of the camera, east is positive
    raw_score        the model's own number     altitude_m     of the camera
    severity         of the worst finding       width_px       of the upright original
    asset, viewpoint what was photographed      height_px      of the upright original
    model            the one that decided       sha256         of the file
    labels           separated by "; "          uri            where the image is
    regions          how many                   recorded_at    when the result was written, UTC
    area_pct         of the regions together    id             of the result
    error            why it failed, in words    cost_usd       what services charged, US dollars
    note             the deciding model's words
"""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from itertools import takewhile
from typing import TYPE_CHECKING

from walkdown.app.rows import moment, number, result_row
from walkdown.evaluate.audits import audits_of, words
from walkdown.evaluate.shadows import comparisons_of
from walkdown.types import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from walkdown.app.rows import Row
    from walkdown.evaluate.audits import Audit
    from walkdown.types import Inspection, Result, StageResult

COLUMNS = (
    "image", "status", "verdict", "score", "raw_score", "severity", "asset", "viewpoint", "model",
    "labels", "regions", "area_pct", "error", "note", "cost_usd", "taken_at", "camera",
    "latitude_deg", "longitude_deg", "altitude_m", "width_px", "height_px", "sha256", "uri",
    "recorded_at", "id",
)  # fmt: skip

# A spreadsheet takes a cell that starts like this for a formula and would run it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def worst_first(results: Iterable[Result]) -> list[Result]:
    """By score, highest first, then by name; what has no score comes last."""
    return sorted(results, key=lambda r: (-(number(r.score) or 0), r.score is None, r.image))


def counts(results: Iterable[Result]) -> dict[str, int]:
    """How many are normal, anomaly, unusable, failed; ``partial`` ones are among the first three.

    What was recorded without a verdict counts as failed: it must not look inspected.
    """
    found = dict.fromkeys((*map(str, Verdict), "failed", "partial"), 0)
    for result in results:
        failed = result.status is Status.FAILED or result.verdict is None
        found["failed" if failed else str(result.verdict)] += 1
        found["partial"] += result.status is Status.PARTIAL and not failed
    return found


def shown_stage(result: Result) -> StageResult | None:
    """The stage whose heat map and regions are drawn: the deciding one, if it has any."""
    decided = result.decided_by
    candidates = [decided, *reversed(result.stages)] if decided else list(reversed(result.stages))
    return next((s for s in candidates if s.heatmap or s.prediction.regions), None)


def whereabouts(sources: Sequence[str]) -> str:
    """Where the images came from, in a few words: the one source, or the folder of many.

    >>> whereabouts(["/photos/a/1.png", "/photos/b/2.png"])
    '/photos'
    """
    if len(sources) < 2:
        return "".join(sources)
    folders = [source.split("/") for source in sources]
    levels = zip(*folders, strict=False)
    shared = takewhile(lambda names: len(set(names)) == 1, levels)
    return "/".join(names[0] for names in shared) or f"{len(sources)} places"


def inspection_row(inspection: Inspection) -> Row:
    """The inspection's fields, with times as ISO 8601 in UTC."""
    return {
        "id": inspection.id,
        "workspace": inspection.workspace,
        "pipeline": inspection.pipeline,
        "plan_digest": inspection.plan_digest,
        "where": whereabouts(inspection.sources),
        "sources": list(inspection.sources),
        "actor": inspection.actor,
        "run": inspection.run,
        "model": inspection.model,
        "threshold": number(inspection.threshold),
        "started_at": moment(inspection.started_at),
        "finished_at": moment(inspection.finished_at),
    }


def audit_row(audit: Audit) -> Row:
    """An audit's counts, and the share of anomalies that were passed, with its 95 % interval."""
    rate = audit.miss_rate
    counted = asdict(audit)
    del counted["labelled"]
    return {
        **counted,
        "saved": audit.saved,
        "saved_usd": number(audit.saved_usd),
        "miss_rate": None if rate is None else [number(value) for value in rate],
        "words": words(audit),
    }


def report_row(result: Result) -> Row:
    """One result with its stages; see the head of this module for the fields."""
    name = result.image.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return {
        "id": result.key.id,
        **result_row(result),
        "name": name or result.image,
        "uri": result.uri,
        "width_px": result.width_px,
        "height_px": result.height_px,
        "camera": result.exif.camera,
        "latitude_deg": number(result.exif.latitude_deg),
        "longitude_deg": number(result.exif.longitude_deg),
        "altitude_m": number(result.exif.altitude_m),
    }


def write_csv(results: Sequence[Result], file: TextIO) -> None:
    """One line per result under a line of `COLUMNS`; no cell can act as a formula."""
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for result in results:
        row = report_row(result) | _summary(shown_stage(result))
        writer.writerow([_cell(row[column]) for column in COLUMNS])


def write_json(inspection: Inspection, results: Sequence[Result], file: TextIO) -> None:
    """The inspection, its counts, and one result per line."""
    file.write(f'{{"inspection": {dumps(inspection_row(inspection))},\n')
    audits = [audit_row(audit) for audit in audits_of(results)]
    shadows = [asdict(each) for each in comparisons_of(results)]
    file.write(f'"counts": {dumps(counts(results))},\n"audits": {dumps(audits)},\n')
    file.write(f'"shadows": {dumps(shadows)},\n"results": [')
    for at, result in enumerate(results):
        file.write(",\n" if at else "\n")
        file.write(dumps(report_row(result)))
    file.write("\n]}\n")


def dumps(value: object) -> str:
    """JSON in plain ASCII, that may also stand inside an HTML script element.

    What is not Unicode is spelled out, and comes back as the text of its escapes.

    >>> dumps("</script>")
    '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(_spelled(value), allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _summary(stage: StageResult | None) -> Row:
    if stage is None:
        return {"labels": None, "regions": 0, "area_pct": 0}
    regions = stage.prediction.regions
    labels = dict.fromkeys((*stage.prediction.labels, *(region.label for region in regions)))
    area = number(sum(region.area_pct for region in regions))
    return {
        "labels": "; ".join(labels),
        "regions": len(regions),
        "area_pct": None if area is None else round(area, 4),
    }


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = _text(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _spelled(value: object) -> object:
    """The value with backslashes for what is not Unicode in its texts."""
    if isinstance(value, str):
        return value if value.isascii() else _text(value)
    if isinstance(value, dict):
        return {key: _spelled(part) for key, part in value.items()}
    return [_spelled(part) for part in value] if isinstance(value, list) else value


def _text(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode("utf-8")
