"""What must agree in a workspace after an inspection, however often it was broken off before."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit

from walkdown.imaging import heatmaps
from walkdown.models import artefact
from walkdown.registry import open_model
from walkdown.stores.files import FileBlobs
from walkdown.stores.lake import Lake
from walkdown.stores.sqlite import SqliteStore
from walkdown.types import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from walkdown.types import Finding, Inspection, Result, StageResult

LAKE_COLUMNS = (
    "result_id, image, uri, content, asset, status, verdict, score, raw_score, model, severity"
)


@dataclass(frozen=True, slots=True)
class Agreed:
    """What two inspections of the same photographs must have in common, whatever broke them."""

    results: frozenset[object]
    findings: frozenset[object]
    alerts: frozenset[str]


@contextmanager
def store_of(folder: Path) -> Iterator[SqliteStore]:
    """The records of a workspace."""
    with _store(folder / ".walkdown" / "records.sqlite") as store:
        yield store


@contextmanager
def _store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path, workspace="default", clock=lambda: datetime.now(UTC))
    try:
        yield store
    finally:
        store.close()


def check(folder: Path, photos: Path, delivered: Sequence[str], *, alone: bool = True) -> Agreed:
    """Every part of a workspace against every other; ``alone`` where one process inspected."""
    home = folder / ".walkdown"
    blobs = FileBlobs(home / "blobs")
    with store_of(folder) as store:
        results = list(store.results())
        findings = list(store.findings().values())
        inspections = store.inspections()
    _check_inspections(inspections, alone=alone)
    _check_results(results, photos)
    agreed = frozenset(_seen(result, blobs) for result in results)
    _check_no_leftovers(home)
    _check_lake(home, results)
    alerts = _check_outbox(home, findings, delivered)
    _check_database(home, len(results) * len(inspections))
    return Agreed(agreed, frozenset(_said(f) for f in findings), alerts)


def check_broken_off(folder: Path) -> None:
    """What a killed run has recorded is whole: its blobs are there, its models can be loaded.

    A copy of the records is looked at, so that the next run finds them as the kill left them.
    """
    home, aside = folder / ".walkdown", folder.parent / f"{folder.name}-aside"
    aside.mkdir()
    for path in home.glob("records.sqlite*"):
        if not path.name.endswith("-shm"):
            shutil.copyfile(path, aside / path.name)
    blobs = FileBlobs(home / "blobs")
    with _store(aside / "records.sqlite") as store:
        for result in store.results():
            _seen(result, blobs)
        for version in store.versions():
            artefact.load(version.digest, blobs)
    shutil.rmtree(aside)


def _check_inspections(inspections: Sequence[Inspection], *, alone: bool) -> None:
    """A second inspection is right only where the first had ended: its process was killed after."""
    newest_first = sorted(inspections, key=lambda i: i.started_at, reverse=True)
    assert all(i.finished_at is not None for i in newest_first), "an inspection is unfinished"
    for later, earlier in pairwise(newest_first if alone else ()):
        assert earlier.finished_at, earlier.id
        assert earlier.finished_at <= later.started_at, "begun anew instead of gone on with"


def _check_results(results: Sequence[Result], photos: Path) -> None:
    files = sorted(path for path in photos.rglob("*") if path.is_file())
    by_uri = Counter(result.uri for result in results)
    assert by_uri == Counter(path.as_uri() for path in files), "not one result per image"
    assert {r.status for r in results} <= {Status.DONE}, Counter(r.status for r in results)


def _seen(result: Result, blobs: FileBlobs) -> object:
    """A result without its times, after a look at its blobs."""
    with open(unquote_to_bytes(urlsplit(result.uri).path), "rb") as file:  # noqa: PTH123
        data = file.read()
    content = hashlib.sha256(data).hexdigest()
    assert result.content == content
    assert blobs.get(f"images/{content[:2]}/{content}") == data, f"the copy of {result.uri} differs"
    stages = tuple(_stage(result, stage, blobs) for stage in result.stages)
    return (
        result.key.id, content, result.verdict, result.score, result.raw_score, result.severity,
        result.asset, stages,
    )  # fmt: skip


def _stage(result: Result, stage: StageResult, blobs: FileBlobs) -> object:
    assert stage.heatmap, f"{result.image}: stage {stage.stage} has no heat map"
    png = blobs.get(stage.heatmap)
    assert heatmaps.from_png(png).shape == (result.height_px, result.width_px)
    return stage.stage, stage.digest, stage.prediction, hashlib.sha256(png).hexdigest()


def _said(finding: Finding) -> object:
    f = finding
    return f.id, f.asset, f.label, f.severity, f.score, f.area_pct


def _check_no_leftovers(home: Path) -> None:
    left = [path for folder in home.rglob(".tmp") for path in folder.iterdir()]
    assert not left, f"unfinished files are left: {left}"


def _check_lake(home: Path, results: Sequence[Result]) -> None:
    lake = Lake(home / "lake")
    _, rows = lake.query(f"SELECT {LAKE_COLUMNS} FROM results")
    expected = [
        (r.key.id, r.image, r.uri, r.content, r.asset, r.status.value, _word(r.verdict), r.score,
         r.raw_score, r.model, _word(r.severity)) for r in results
    ]  # fmt: skip
    assert sorted(map(repr, rows)) == sorted(map(repr, expected)), "lake and records differ"
    stages = [stage for r in results for stage in r.stages]
    regions = [region for stage in stages for region in stage.prediction.regions]
    for view, count in (("predictions", len(stages)), ("regions", len(regions))):
        assert lake.query(f"SELECT count(*) FROM {view}")[1] == [(count,)], f"{view} differ"
    stored = [
        json.loads(line)["result_id"]
        for path in (home / "lake").rglob("*.ndjson.gz")
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]
    assert len(stored) == len(set(stored)), "the lake holds a result twice"


def _word(value: object) -> object:
    return None if value is None else str(value)


def _check_outbox(
    home: Path, findings: Sequence[Finding], delivered: Sequence[str]
) -> frozenset[str]:
    with closing(sqlite3.connect(home / "records.sqlite")) as connection:
        rows = connection.execute("SELECT id, topic, doc, settled_at FROM outbox").fetchall()
    waiting = [message for message, _, _, settled in rows if settled is None]
    assert not waiting, f"{len(waiting)} messages wait in the outbox"
    told_of = [json.loads(doc) for _, topic, doc, _ in rows if topic == "alert"]
    alerts = {alert["id"]: alert for alert in told_of}
    lost, unknown = set(alerts) - set(delivered), set(delivered) - set(alerts)
    assert not lost, f"settled, but never delivered: {lost}"
    assert not unknown, f"delivered, but not recorded: {unknown}"
    opened = Counter(a["finding"]["id"] for a in alerts.values() if a["event"] == "opened")
    assert opened == Counter(f.id for f in findings), "findings without their alert"
    told = {(a["finding"]["id"], a["finding"]["severity"]) for a in alerts.values()}
    assert all((f.id, f.severity.value) in told for f in findings), "a severity was never told"
    return frozenset(alerts)


def _check_database(home: Path, members: int) -> None:
    with closing(sqlite3.connect(home / "records.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM members").fetchone() == (members,)


def check_model(folder: Path, name: str, digest: str) -> None:
    """Exactly one version, live, whose files are whole, and which opens."""
    home = folder / ".walkdown"
    with store_of(folder) as store:
        (version,) = store.versions()
    assert (version.name, version.version, version.aliases) == (name, 1, ("live",))
    assert version.digest == digest, "another model came out"
    blobs = FileBlobs(home / "blobs")
    open_model(artefact.load(digest, blobs), label=name)
    stored = {key.split("/")[1] for key in blobs.list("models/")}
    assert stored == {digest}, f"other models lie there too: {stored}"
    _check_no_leftovers(home)
    with closing(sqlite3.connect(home / "records.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
