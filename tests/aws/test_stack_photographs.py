"""Real photographs and real models: the workflow on AWS comes to what the local runner comes to."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.aws.places import Place
from tests.aws.plants import Plant, deploy, plant

from walkdown.app.inspecting import inspect
from walkdown.app.specs import pipeline_of
from walkdown.cli.progress import Silent
from walkdown.notify.memory import MemoryNotifier
from walkdown.stores.lake import Lake
from walkdown.types import Finding, Result, Status, Verdict
from walkdown.wiring import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.aws.emulator.handle import Handle

pytestmark = pytest.mark.proof

COUNT = 200
AT_MOST = 1e-5
"""By how much scores may differ on one host."""

CELLS = """\
stages:
  - {name: screen, model: cells}
  - {name: confirm, model: cells-fine, when: "screen.verdict == 'anomaly'"}
asset: "{asset}"
alerts: [{to: log}]
"""

Told = set[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Inspected:
    """What became of the photographs, by the name of their file."""

    results: Mapping[str, Result]
    findings: Mapping[str, Finding]
    told: Told


@dataclass(frozen=True, slots=True)
class Cells:
    """Photographs and the folder of a workspace with two models that have learned others."""

    photos: Mapping[str, bytes]
    folder: Path


@pytest.fixture(scope="module")
def cells(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Cells:
    """200 cells: good ones, and defects of two kinds; each model is trained on 50 good ones."""
    folder, data = tmp_path_factory.mktemp("cells"), test_data / "solar_cell_mono"
    good = sorted((data / "train" / "good").iterdir())
    for name, files in (("cells", good[:50]), ("cells-fine", good[50:])):
        for file in files:
            _copy(file, folder / "normal" / name / file.name)
    (folder / "cells.yaml").write_text(CELLS)
    defects = sorted((data / "test").glob("defect_*/*"))
    files = [*defects, *sorted((data / "test" / "good").iterdir()), *good]
    photos = {f"{file.parent.name}-{file.name}": file.read_bytes() for file in files[:COUNT]}
    assert len(photos) == COUNT
    for name, content in photos.items():
        path = folder / "photos" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return Cells(photos, folder)


def _copy(file: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, to)


@pytest.fixture(scope="module")
def stack(aws_server: Handle, functions: Path, cells: Cells) -> Plant:
    """The deployed stack, after all photographs were put and nothing was left to do."""
    aws_server.reset()
    aws_server.hurry(2.0)
    place = Place(aws_server, cells.folder)
    shutil.copytree(functions, cells.folder / ".walkdown" / "functions")
    for name in ("cells", "cells-fine"):
        place.walkdown("train", name, "--normal", f"normal/{name}", "--fast")
    deploy(place, "cells.yaml")
    made = plant(place)
    made.put({f"cells/{name}": data for name, data in cells.photos.items()})
    aws_server.settle(timeout_s=400)
    return made


@pytest.fixture(scope="module")
def there(stack: Plant, cells: Cells) -> Inspected:
    """What the stack says of them."""
    results = stack.results({f"cells/{name}": b"" for name in cells.photos})
    told: Told = {(a["asset"], a["event"], a["severity"]) for a in stack.told("")}
    named = {key.removeprefix("cells/"): result for key, result in results.items()}
    return Inspected(named, _by_asset(stack.records.findings().values()), told)


@pytest.fixture(scope="module")
def here(stack: Plant, cells: Cells) -> Inspected:
    """What the local runner says of them, with the same models and the same pipeline file."""
    heard = MemoryNotifier()
    app = replace(open_workspace(str(cells.folder), workers=2), notifiers=lambda _: heard)
    file = cells.folder / "cells.yaml"
    spec = pipeline_of(model=None, file=file, paths=[str(cells.folder / "photos")])
    results = {Path(line.result.image).name: line.result
               for line in inspect(app, spec, progress=Silent()).lines()}  # fmt: skip
    alerts = [alert for notice in heard.sent for alert in notice.alerts]
    told: Told = {(a.finding.asset, a.event, a.finding.severity.value) for a in alerts}
    findings = _by_asset(app.records.findings().values())
    app.close()
    return Inspected(results, findings, told)


def _by_asset(findings: Iterable[Finding]) -> dict[str, Finding]:
    return {f"{finding.asset} {finding.label}": finding for finding in findings}


def test_every_photograph_is_recorded_once(there: Inspected, cells: Cells) -> None:
    assert set(there.results) == set(cells.photos)
    assert {result.status for result in there.results.values()} == {Status.DONE}
    contents = Counter(result.content for result in there.results.values())
    assert contents.total() == COUNT


def test_what_the_first_stage_flagged_and_nothing_else_reached_the_second(
    stack: Plant, there: Inspected
) -> None:
    flagged = {
        name
        for name, result in there.results.items()
        if result.stages[0].prediction.verdict is Verdict.ANOMALY
    }
    assert 20 < len(flagged) < COUNT - 20
    second = {name for name, result in there.results.items() if len(result.stages) == 2}
    assert second == flagged
    looked = [
        item["relative"]
        for each in stack.aws.invocations(stack.function("Look"))
        if each.event["batch"]["stage"] == "confirm"
        for item in each.event["items"]
    ]
    assert sorted(looked) == sorted(flagged)


def test_the_second_stage_thinks_otherwise_of_some(there: Inspected) -> None:
    twice = [r.stages for r in there.results.values() if len(r.stages) == 2]
    verdicts = Counter(stages[1].prediction.verdict for stages in twice)
    assert len(verdicts) == 2, verdicts


def test_nothing_was_looked_at_in_vain(stack: Plant) -> None:
    assert [each.error for each in stack.aws.invocations() if each.error] == []
    assert {each["status"] for each in stack.place.executions()} == {"SUCCEEDED"}
    assert all(each.finished_at for each in stack.records.inspections())
    assert stack.records.pending("alert") == []
    assert stack.records.pending("lake") == []
    assert stack.aws.errors() == []


def test_people_were_told_of_every_anomaly(stack: Plant, there: Inspected) -> None:
    anomalous = {r.asset for r in there.results.values() if r.verdict is Verdict.ANOMALY}
    alerts = stack.told("")
    assert {alert["asset"] for alert in alerts} == anomalous
    assert len({alert["id"] for alert in alerts}) == len(anomalous)


def test_the_lake_agrees_with_the_records(stack: Plant, there: Inspected, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    for key in stack.blobs.list("lake/raw/"):
        path = tmp_path / key.removeprefix("lake/raw/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(stack.blobs.get(key))
    lake = Lake(tmp_path)
    _, rows = lake.query("SELECT result_id, image, verdict, score, status FROM results")
    expected = {
        (r.key.id, r.image, r.verdict and r.verdict.value, r.score, r.status.value)
        for r in there.results.values()
    }
    assert set(rows) == expected
    assert len(rows) == COUNT
    _, predictions = lake.query("SELECT result_id, stage FROM predictions")
    assert len(predictions) == sum(len(r.stages) for r in there.results.values())


def test_scores_and_verdicts_are_those_of_the_local_runner(
    here: Inspected, there: Inspected
) -> None:
    assert set(here.results) == set(there.results)
    for name, result in here.results.items():
        other = there.results[name]
        assert abs((result.score or 0.0) - (other.score or 0.0)) <= AT_MOST, name
        assert _said(result) == _said(other), name


def _said(result: Result) -> tuple[object, ...]:
    """All but numbers, who, when and where."""
    stages = [(s.stage, s.model, s.digest, s.prediction.verdict) for s in result.stages]
    what = (result.status, result.verdict, result.severity, result.model)
    return (*what, result.asset, result.content, result.width_px, result.exif, stages)


def test_findings_are_those_of_the_local_runner(here: Inspected, there: Inspected) -> None:
    assert set(here.findings) == set(there.findings)
    for name, finding in here.findings.items():
        other = there.findings[name]
        assert (finding.label, finding.severity, finding.told, finding.revision) == (
            other.label,
            other.severity,
            other.told,
            other.revision,
        )
        assert abs(finding.score - other.score) <= AT_MOST


def test_alerts_are_those_of_the_local_runner(here: Inspected, there: Inspected) -> None:
    assert here.told == there.told
    assert len(here.told) > 20
