"""`walkdown replay`, as users see it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Desk, picture
from tests.e2e.judges import LOOKS, add_judge, known, looks

Photos = Callable[..., Path]
CASCADE = """\
name: line
source: photos
stages:
  - {name: screen, model: screen}
  - {name: confirm, model: second, when: screen.verdict == 'anomaly'}
"""


@pytest.fixture(autouse=True)
def judges(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with known(monkeypatch):
        yield


@pytest.fixture
def archive(desk: Desk, photos: Photos) -> Desk:
    """Five photographs, looked at by ``judge@1``; ``judge@2`` begins to see anomalies earlier."""
    add_judge(desk.app, "judge", says="the first")
    photos(a=10, b=60, c=90, d=120, e=200)
    assert desk.run("inspect", "photos", "--model", "judge")[0] == 0
    add_judge(desk.app, "judge", middle=80)
    return desk


def by_name(lines: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {Path(line["image"]).stem: line for line in lines}


def everything(desk: Desk) -> dict[str, object]:
    """What a replay must leave as it is."""
    records, home = desk.app.records, desk.folder / ".walkdown"
    lake = {p: p.read_bytes() for p in (home / "lake").rglob("*") if p.is_file()}
    return {
        "results": list(records.results()),
        "inspections": records.inspections(),
        "findings": records.findings(),
        "alerts": desk.app.outbox.pending("alert"),
        "batches": desk.app.outbox.pending("lake"),
        "lake": lake,
        "versions": desk.app.versions.versions(),
        "pipelines": list(desk.app.blobs.list("pipelines/")),
        "images": list(desk.app.blobs.list("images/")),
    }


def test_changed_verdicts_are_counted_listed_and_shown(archive: Desk) -> None:
    before = everything(archive)
    code, out, err = archive.run("replay", "--model", "judge@2")
    assert (code, err.splitlines()[:2]) == (0, ["reading the archive", "replaying: 5"])
    lines = out.splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["before", "now", "image"],
        ["normal", "0.471", "anomaly", "0.750", "photos/d.png"],
        ["normal", "0.353", "anomaly", "0.562", "photos/c.png"],
    ]
    assert lines[3] == (
        "5 photographs looked at again with judge@2 instead of judge@1: 3 unchanged, "
        "2 normal to anomaly, 0 anomaly to normal"
    )
    page = archive.folder / "reports" / "replay-judge@2" / "index.html"
    assert lines[4] == f"look at them side by side: {page}"
    assert "judge@2: 2 of 5 verdicts would change" in page.read_text("utf-8")
    assert json.loads((page.parent / "changes.json").read_text())["counts"]["to_anomaly"] == 2
    assert everything(archive) == before


def test_lines_say_what_was_said_and_what_would_be(archive: Desk) -> None:
    code, lines = archive.lines("replay", "--model", "judge@2")
    assert (code, len(lines)) == (0, 5)
    assert not (archive.folder / "reports").exists()
    found = by_name(lines)
    assert {name: line["change"] for name, line in found.items()} == {
        "a": "unchanged", "b": "unchanged", "c": "to_anomaly", "d": "to_anomaly", "e": "unchanged",
    }  # fmt: skip
    then, now = found["c"]["before"], found["c"]["after"]
    assert (then["model"], then["verdict"], then["note"]) == ("judge@1", "normal", "the first")
    assert (now["model"], now["verdict"], now["score"]) == ("judge@2", "anomaly", 0.5625)
    stored = {r.key.id: r for r in archive.app.records.results()}
    assert Path(stored[then["result_id"]].image).stem == "c"
    assert now["result_id"] is None
    assert Path(now["stages"][0]["heatmap"]).is_file()


def test_a_repeated_replay_looks_at_nothing(archive: Desk) -> None:
    archive.run("replay", "--model", "judge@2")
    first = looks("judge@2")
    _, lines = archive.lines("replay", "--model", "judge@2")
    assert (first, looks("judge@2")) == (5, 5)
    assert by_name(lines)["d"]["after"]["verdict"] == "anomaly"
    archive.run("inspect", "photos", "--model", "judge@2")
    assert looks("judge@2") == 5, "an inspection knows what a replay has learned"


def test_a_replay_that_was_broken_off_goes_on_where_it_was(desk: Desk) -> None:
    add_judge(desk.app, "judge")
    for i in range(40):
        picture(desk.folder / "photos" / f"{i:02}.png", 5 * i, (8 + i, 6))
    desk.run("inspect", "photos", "--model", "judge")
    LOOKS.clear()
    add_judge(desk.app, "judge", middle=80, most=30)
    code, _, err = desk.run("replay", "--model", "judge@2", "--workers", "1")
    assert (code, looks("judge@2")) == (130, 30)
    assert "goes on where it stopped" in err
    remembered = {content for _, content in LOOKS}
    LOOKS.clear()
    code, lines = desk.lines("replay", "--model", "judge@2", "--workers", "1")
    assert (code, len(lines)) == (0, 40)
    # What one transaction remembers, and what was under way, is all that can be lost.
    assert len(remembered & {content for _, content in LOOKS}) <= 16
    assert len(LOOKS) <= 40 - 30 + 16
    LOOKS.clear()
    desk.lines("replay", "--model", "judge@2")
    assert LOOKS == []


def test_a_cascade_runs_whole_and_asks_its_other_stages_only_for_what_is_new(
    desk: Desk, photos: Photos
) -> None:
    add_judge(desk.app, "screen")
    add_judge(desk.app, "second", middle=100)
    photos(a=10, b=90, c=110, d=200)
    (desk.folder / "line.yaml").write_text(CASCADE)
    desk.run("inspect", "--pipeline", "line.yaml")
    assert (looks("screen@1"), looks("second@1")) == (4, 1)
    (desk.folder / "line.yaml").unlink()
    add_judge(desk.app, "screen", middle=80)
    add_judge(desk.app, "second", middle=1)
    _, lines = desk.lines("replay", "--model", "screen@2")
    found = by_name(lines)
    assert {name: line["change"] for name, line in found.items()} == {
        "a": "unchanged", "b": "unchanged", "c": "to_anomaly", "d": "unchanged",
    }  # fmt: skip
    said = [(s["stage"], s["model"], s["verdict"]) for s in found["b"]["after"]["stages"]]
    assert said == [("screen", "screen@2", "anomaly"), ("confirm", "second@1", "normal")]
    assert (looks("screen@1"), looks("screen@2")) == (4, 4)
    assert (looks("second@1"), looks("second@2")) == (3, 0), "d's was remembered; b and c are new"


def test_two_versions_are_compared_with_each_other(archive: Desk) -> None:
    add_judge(archive.app, "judge", middle=250)
    _, lines = archive.lines("replay", "--model", "judge@3", "--against", "judge@2")
    found = by_name(lines)
    assert [found[n]["change"] for n in "abcde"] == ["unchanged"] * 2 + ["to_normal"] * 3
    assert {line["before"]["model"] for line in lines} == {"judge@2"}
    _, out, _ = archive.run("replay", "--model", "judge@3", "--against", "judge@2")
    assert "with judge@3 instead of judge@2: 2 unchanged, 0 normal to anomaly, 3 anomaly" in out


def test_another_model_takes_the_place_of_one(archive: Desk) -> None:
    add_judge(archive.app, "better", middle=300)
    _, lines = archive.lines("replay", "--model", "better", "--against", "judge")
    assert by_name(lines)["e"]["change"] == "to_normal"
    assert by_name(lines)["e"]["after"]["model"] == "better@1"
    code, _, err = archive.run("replay", "--model", "better")
    assert code == 1
    assert "results are 5 of pipelines without a model 'better'" in err


def test_what_is_looked_at_can_be_narrowed(desk: Desk) -> None:
    add_judge(desk.app, "judge")
    for at, name in enumerate(("north/p1/1", "north/p2/2", "south/p3/3")):
        picture(desk.folder / "photos" / f"{name}.png", 90, (8 + at, 6))
    text = 'source: photos\nasset: "{site}/{asset}/{name}"\nstages: [{name: look, model: judge}]'
    (desk.folder / "all.yaml").write_text(text)
    desk.run("inspect", "--pipeline", "all.yaml")
    desk.run("inspect", "photos/south", "--model", "judge")
    add_judge(desk.app, "judge", middle=80)
    newest = desk.app.records.inspections()[0].id

    def names(*args: str) -> list[str]:
        code, lines = desk.lines("replay", "--model", "judge@2", *args)
        assert code == 0
        return sorted(by_name(lines))

    assert names() == ["1", "2", "3"]
    assert names("--asset", "north/*") == ["1", "2"]
    assert names("--asset", "north/p2", "--asset", "north/p1") == ["1", "2"]
    assert names("--inspection", newest) == ["3"]
    assert names("--limit", "1") == ["3"], "the newest result"
    yesterday = desk.app.clock() - timedelta(days=1)
    assert names("--since", f"{yesterday:%Y-%m-%d}") == ["1", "2", "3"]
    tomorrow = desk.app.clock() + timedelta(days=2)
    code, _, err = desk.run("replay", "--model", "judge@2", "--since", f"{tomorrow:%Y-%m-%d}")
    assert (code, "no result fits" in err) == (1, True)


def test_a_photograph_counts_once_by_the_newest_result_of_another_version(archive: Desk) -> None:
    archive.run("inspect", "photos", "--model", "judge@2")
    code, out, err = archive.run("replay", "--model", "judge@2")
    assert code == 0
    assert "5 photographs looked at again with judge@2 instead of judge@1" in out
    assert "left out: 5 results made by judge@2 already" in err


def test_a_photograph_that_is_gone_or_damaged_fails_alone(archive: Desk) -> None:
    keys = {Path(r.image).stem: f"images/{r.content[:2]}/{r.content}"
            for r in archive.app.records.results() if r.content}  # fmt: skip
    archive.app.blobs.delete(keys["a"])
    archive.app.blobs.put(keys["c"], archive.app.blobs.get(keys["e"]))
    code, lines = archive.lines("replay", "--model", "judge@2")
    found = by_name(lines)
    assert (code, found["a"]["change"], found["c"]["change"]) == (0, "failed", "failed")
    assert "its photograph is not there any more" in found["a"]["error"]
    assert "that was kept is damaged" in found["c"]["error"]
    assert found["d"]["change"] == "to_anomaly"
    assert ", 2 failed\n" in archive.run("replay", "--model", "judge@2")[1]


def test_unusable_and_broken_are_told_apart_from_changes(archive: Desk) -> None:
    add_judge(archive.app, "judge", middle=80, unusable=90, broken=120)
    _, lines = archive.lines("replay", "--model", "judge@3")
    found = by_name(lines)
    assert (found["c"]["change"], found["d"]["change"]) == ("unusable", "failed")
    assert found["d"]["error"] == "stage look: it broke on this one"


def test_a_pipeline_that_was_not_kept_must_be_named(desk: Desk, photos: Photos) -> None:
    for name in ("screen", "second"):
        add_judge(desk.app, name)
    photos(a=10, d=200)
    file = desk.folder / "line.yaml"
    file.write_text(CASCADE)
    desk.run("inspect", "--pipeline", "line.yaml")
    for key in list(desk.app.blobs.list("pipelines/")):
        desk.app.blobs.delete(key)
    add_judge(desk.app, "screen", middle=300)
    code, _, err = desk.run("replay", "--model", "screen@2")
    assert (code, "name it with --pipeline FILE" in err) == (1, True)
    code, lines = desk.lines("replay", "--model", "screen@2", "--pipeline", "line.yaml")
    assert (code, by_name(lines)["d"]["change"]) == (0, "to_normal")
    file.write_text(CASCADE.replace("name: line", "name: other"))
    assert desk.run("replay", "--model", "screen@2", "--pipeline", "line.yaml")[0] == 1


def test_one_model_needs_no_pipeline_that_was_kept(archive: Desk) -> None:
    for key in list(archive.app.blobs.list("pipelines/")):
        archive.app.blobs.delete(key)
    assert len(archive.lines("replay", "--model", "judge@2")[1]) == 5


def test_photographs_are_prepared_as_they_were(desk: Desk) -> None:
    """Also when the mask has changed since: the one that counted then was kept."""
    add_judge(desk.app, "judge")
    picture(desk.folder / "photos" / "a.png", 90)
    mask = picture(desk.folder / "mask.png", 255)
    text = "prepare: {areas: {mask: mask.png}}\nsource: photos\nstages: [{name: s, model: judge}]"
    (desk.folder / "p.yaml").write_text(text)
    assert desk.run("inspect", "--pipeline", "p.yaml")[0] == 0
    mask.unlink()
    add_judge(desk.app, "judge", middle=80)
    code, lines = desk.lines("replay", "--model", "judge@2")
    assert (code, [line["change"] for line in lines]) == (0, ["to_anomaly"])


def test_what_a_service_charges_is_told_before_and_after(archive: Desk) -> None:
    add_judge(archive.app, "judge", middle=80, usd=0.25)
    _, out, err = archive.run("replay", "--model", "judge@3")
    assert "judge@3 is a service: 5 looks cost about $1.25, less what it has said before" in err
    assert "services charged about $1.25: look $1.25" in out


def test_mistakes_are_told(archive: Desk) -> None:
    code, _, err = archive.run("replay", "--model", "judge@9")
    assert (code, "no version 'judge@9'; there are: judge@1" in err) == (1, True)
    assert archive.run("replay")[0] == 2
    assert archive.run("replay", "--model", "judge@2", "--since", "soon")[0] == 2
    code, _, err = archive.run("replay", "--model", "judge@1")
    assert (code, "results are 5 made by judge@1 already" in err) == (1, True)
    assert archive.run("replay", "--model", "judge@2", "--inspection", "nope")[0] == 1


def test_nothing_is_said_of_the_same_bytes_twice(archive: Desk) -> None:
    """The same photograph under another name is the same photograph."""
    data = (archive.folder / "photos" / "c.png").read_bytes()
    (archive.folder / "photos" / "z.png").write_bytes(data)
    archive.run("inspect", "photos", "--model", "judge@1")
    _, lines = archive.lines("replay", "--model", "judge@2")
    contents = [line["sha256"] for line in lines]
    assert contents.count(hashlib.sha256(data).hexdigest()) == 1
    assert len(contents) == 5
