"""`walkdown inspect --dry-run`, and what services charged in the end, as users see them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import Desk, add_fake, picture
from tests.e2e.judges import LOOKS, add_judge, known, looks

from walkdown.clock import utc_now
from walkdown.models import artefact
from walkdown.models.artefact import pack
from walkdown.types import ModelVersion

Photos = Callable[..., Path]
CASCADE = """\
name: line
source: photos
stages:
  - {name: screen, model: screen}
  - {name: ask, model: far, when: screen.verdict == 'anomaly'}
"""


@pytest.fixture(autouse=True)
def judges(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with known(monkeypatch):
        yield


@pytest.fixture
def line(desk: Desk) -> Desk:
    """A pipeline with a service behind a screen; 20 photographs, five of them bright."""
    add_judge(desk.app, "screen")
    add_judge(desk.app, "far", usd=0.5, says="a crack")
    for i in range(20):
        picture(desk.folder / "photos" / f"{i:02}.png", 200 if i % 4 == 0 else 20, (8 + i, 6))
    (desk.folder / "line.yaml").write_text(CASCADE)
    return desk


def state(desk: Desk) -> tuple[object, ...]:
    """Every file of the desk, and every record: what is written lately lies beside the database."""
    database = ("records.sqlite", "records.sqlite-wal", "records.sqlite-shm")
    found = (p for p in desk.folder.rglob("*") if p.is_file() and p.name not in database)
    records, outbox = desk.app.records, desk.app.outbox
    return (
        {path: path.read_bytes() for path in found},
        records.inspections(),
        list(records.results()),
        records.findings(),
        outbox.pending("lake"),
        desk.app.versions.versions(),
    )


def test_without_history_the_share_is_assumed_and_said_so(line: Desk) -> None:
    before = state(line)
    code, out, _ = line.run("inspect", "--pipeline", "line.yaml", "--dry-run")
    assert code == 0
    assert out.splitlines()[0] == "20 images: 20 new, 0 done before"
    rows = [text.split("  ") for text in out.splitlines()[2:5]]
    assert [[cell.strip() for cell in row if cell] for row in rows] == [
        ["stage", "model", "looks at", "charges", "why"],
        ["screen", "screen@1", "20", "nothing", "sees every new image"],
        ["ask", "far@1", "1 (0 to 20)", "$0.50 ($0.00 to $10.00)",
         "no inspection with these conditions yet: 5 % are assumed"],
    ]  # fmt: skip
    assert "services:  about $0.50 ($0.00 to $10.00)" in out
    assert "measured on 5 of these photographs; and what the services need" in out
    assert out.endswith("nothing was inspected, and nothing was written (--dry-run)\n")
    assert state(line) == before
    assert {label for label, _ in LOOKS} == {"screen@1"}, "no service is called to measure"


def test_history_gives_share_interval_and_pace(line: Desk) -> None:
    assert line.run("inspect", "--pipeline", "line.yaml")[0] == 0
    for i in range(20, 40):
        picture(line.folder / "photos" / f"{i:02}.png", 30, (8 + i, 6))
    LOOKS.clear()
    before = state(line)
    code, (found,) = line.lines("inspect", "--pipeline", "line.yaml", "--dry-run")
    assert code == 0
    assert (found["images"], found["new"], found["done_before"]) == (40, 20, 20)
    screen, ask = found["stages"]
    assert (screen["basis"], screen["looks"]["least"], screen["looks"]["most"]) == ("all", 20, 20)
    assert (ask["basis"], ask["seen_before"], ask["reached_before"]) == ("history", 20, 5)
    assert ask["share"]["likely"] == 0.25
    assert ask["share"]["least"] < 0.25 < ask["share"]["most"]
    assert ask["looks"]["likely"] == 5
    assert 0 <= ask["looks"]["least"] < 5 < ask["looks"]["most"] <= 20
    assert ask["usd"]["likely"] == found["usd"]["likely"] == 2.5
    assert (found["seconds_basis"], found["seconds_of"]) == ("history", 1)
    assert found["seconds"]["likely"] > 0
    assert LOOKS == []
    assert state(line) == before


def test_another_version_has_the_history_of_the_same_conditions(line: Desk) -> None:
    line.run("inspect", "--pipeline", "line.yaml")
    add_judge(line.app, "far", usd=2.0)
    dry = ("inspect", "--pipeline", "line.yaml", "--dry-run")
    _, (found,) = line.lines(*dry)
    assert (found["new"], found["stages"][1]["reached_before"]) == (20, 5)
    assert found["usd"]["likely"] == 10.0
    (line.folder / "line.yaml").write_text(CASCADE.replace("'anomaly'", "'normal'"))
    _, (found,) = line.lines(*dry)
    assert (found["stages"][1]["basis"], found["stages"][1]["seen_before"]) == ("assumed", 0)


def test_what_is_done_or_no_image_is_not_looked_at(desk: Desk, photos: Photos) -> None:
    folder = photos(a=10, b=200)
    dry = ("inspect", "photos", "--model", "bright", "--dry-run")
    desk.run("inspect", "photos", "--model", "bright")
    (folder / "notes.txt").write_text("no image")
    code, out, _ = desk.run(*dry)
    assert (code, out.splitlines()) == (0, [
        "2 images: 0 new, 2 done before; left out: 1 that are no images",
        "nothing was inspected, and nothing was written (--dry-run)",
    ])  # fmt: skip
    _, (found,) = desk.lines(*dry, "--again")
    assert (found["new"], found["done_before"]) == (2, 0)


def test_mistakes_are_those_of_the_command_itself(desk: Desk, photos: Photos) -> None:
    photos(a=10)
    assert desk.run("inspect", "--dry-run")[0] == 2
    code, _, err = desk.run("inspect", "nowhere", "--model", "bright", "--dry-run")
    assert (code, "no such file or folder" in err) == (1, True)
    code, _, err = desk.run("inspect", "photos", "--model", "none", "--dry-run")
    assert (code, "no model 'none'" in err) == (1, True)
    (desk.folder / "photos" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    code, out, _ = desk.run("inspect", "photos", "--model", "bright", "--dry-run")
    assert (code, "time:      not known: not one photograph" in out) == (0, True)


def test_an_inspection_ends_with_what_services_charged(line: Desk) -> None:
    _, out, _ = line.run("inspect", "--pipeline", "line.yaml")
    assert "services charged about $2.50: ask $2.50" in out
    _, out, _ = line.run("inspect", "--pipeline", "line.yaml")
    assert "charged" not in out, "what was done before costs nothing again"
    _, lines = line.lines("results", "--verdict", "anomaly")
    assert {(each["note"], each["cost_usd"]) for each in lines} == {("a crack", 0.5)}
    _, out, _ = line.run("show", "photos/00.png")
    assert "    says: a crack\n    cost $0.50\n" in out
    add_fake(line.app, "plain")
    assert "charged" not in line.run("inspect", "photos", "--model", "plain")[1]


def test_what_is_left_of_a_budget_is_told_and_kept_to(line: Desk) -> None:
    text = CASCADE.replace("'anomaly'}", "'anomaly', budget: {usd_per_month: 1.2}}")
    (line.folder / "line.yaml").write_text(text)
    _, out, _ = line.run("inspect", "--pipeline", "line.yaml", "--dry-run")
    assert "budget:    $1.20 is left to 'ask' this month: 2 looks" in out
    code, out, _ = line.run("inspect", "--pipeline", "line.yaml")
    assert code == 4
    assert looks("far@1") == 2
    assert "its budget of $1.2 for this month is spent" in out
    _, out, _ = line.run("inspect", "--pipeline", "line.yaml", "--dry-run")
    assert "budget:    $0.20 is left to 'ask' this month: 0 looks" in out
    # Results in which the stage had no room are not compared by a replay: it would pay for them.
    before = looks("far@1")
    _, out, err = line.run("replay", "--model", "screen@1", "--against", "screen@1")
    assert looks("far@1") == before
    assert "a stage failed" in out + err


def test_regions_are_looks_of_their_own(line: Desk) -> None:
    text = CASCADE.replace("when: screen.verdict == 'anomaly'", "input: regions of screen")
    (line.folder / "line.yaml").write_text(text)
    _, lines = line.lines("inspect", "--pipeline", "line.yaml", "--dry-run", "--json")
    screen, ask = lines[0]["stages"]
    assert (screen["basis"], ask["basis"]) == ("all", "assumed")
    assert ask["looks"]["most"] == 20 * 8


def test_a_model_that_costs_by_the_hour_is_not_said_to_charge_nothing(line: Desk) -> None:
    made = pack("judge", {"middle": 127.5, "usd_per_unit_hour": 4.0}, {})
    artefact.save(made, line.app.blobs)
    facts = {"kind": "judge"}
    line.app.versions.add(ModelVersion("far", 0, made.digest, utc_now(), "t", ("live",), facts))
    _, out, _ = line.run("inspect", "--pipeline", "line.yaml", "--dry-run")
    assert re.search(r"ask +far@2 .* by the hour ", out)
    assert "services:  by the hour as long as it runs, asked or not: far@2" in out
