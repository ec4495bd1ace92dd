"""The main job from the command line to the record, with the fake model."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.conftest import BRIGHT, DARK, DIM, Desk, add_fake, picture
from tests.e2e.judges import add_judge, known

Photos = Callable[..., Path]
CASCADE = """
source: photos
stages:
  - {name: screen, model: bright}
  - {name: confirm, model: second, when: screen.score > 0.4}
asset: "{asset}/{name}"
severity:
  - {severity: high, when: score > 0.85}
  - {severity: low}
alerts:
  - {to: log, min_severity: low}
"""


def by_name(lines: list[dict[str, object]]) -> dict[str, dict[str, object]]:
    return {Path(str(line["image"])).stem: line for line in lines}


def test_verdicts_scores_and_regions(desk: Desk, photos: Photos) -> None:
    photos(good=DARK, bad=BRIGHT)
    code, lines = desk.lines("inspect", "photos", "--model", "bright")
    assert code == 0
    seen = by_name(lines)
    assert seen["good"]["verdict"] == "normal"
    assert seen["good"]["regions"] == []
    assert seen["bad"]["verdict"] == "anomaly"
    assert seen["bad"]["raw_score"] == pytest.approx(BRIGHT)
    assert seen["bad"]["score"] == pytest.approx(BRIGHT / 255)
    assert seen["bad"]["image"] == os.path.join("photos", "bad.png")  # noqa: PTH118 - as given
    region = seen["bad"]["regions"][0]  # type: ignore[index]
    assert region["box"] == [0, 0, 9, 6]
    assert region["area_pct"] == 100.0
    assert seen["bad"]["model"] == "bright@1"
    heatmap = Path(str(seen["bad"]["heatmap"]))
    assert heatmap.read_bytes().startswith(b"\x89PNG")


def test_what_is_done_is_not_done_again(desk: Desk, photos: Photos) -> None:
    photos(a=DARK, b=BRIGHT)
    _, first = desk.lines("inspect", "photos", "--model", "bright")
    picture(desk.folder / "photos" / "c.png", DIM, (20, 20))
    _, second = desk.lines("inspect", "photos", "--model", "bright")
    assert {n: line["status"] for n, line in by_name(second).items()} == {
        "a": "skipped", "b": "skipped", "c": "done",
    }  # fmt: skip
    kept = ("score", "verdict", "recorded_at", "result_id", "heatmap")
    for name, line in by_name(first).items():
        assert {k: by_name(second)[name][k] for k in kept} == {k: line[k] for k in kept}
    assert len(list(desk.app.records.results())) == 3


def test_again_makes_a_second_result_beside_the_first(desk: Desk, photos: Photos) -> None:
    photos(a=DARK)
    desk.run("inspect", "photos", "--model", "bright")
    code, lines = desk.lines("inspect", "photos", "--model", "bright", "--again")
    assert (code, lines[0]["status"]) == (0, "done")
    assert sorted(r.key.run for r in desk.app.records.results()) == [0, 1]
    desk.run("inspect", "photos", "--model", "bright", "--again")
    assert sorted(r.key.run for r in desk.app.records.results()) == [0, 1, 2]


def test_a_failed_image_is_tried_again_and_the_batch_goes_on(desk: Desk, photos: Photos) -> None:
    folder = photos(a=DARK, z=BRIGHT)
    broken = folder / "m.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n not really")
    code, lines = desk.lines("inspect", "photos", "--model", "bright")
    assert code == 4
    assert by_name(lines)["m"]["status"] == "failed"
    assert by_name(lines)["m"]["error"]
    assert by_name(lines)["m"]["verdict"] is None
    assert {by_name(lines)[n]["status"] for n in "az"} == {"done"}
    before = broken.stat()
    code, lines = desk.lines("inspect", "photos", "--model", "bright")
    assert (code, by_name(lines)["m"]["status"]) == (4, "failed")
    picture(broken, DIM, (3, 3))
    os.utime(broken, ns=(before.st_atime_ns, before.st_mtime_ns))
    code, lines = desk.lines("inspect", "photos", "--model", "bright")
    assert (code, by_name(lines)["m"]["status"]) == (0, "done")


def test_exit_codes(desk: Desk, photos: Photos) -> None:
    folder = photos(a=DARK, b=BRIGHT)
    assert desk.run("inspect", "photos", "--model", "bright", "--fail-on-anomaly")[0] == 3
    (folder / "c.png").write_bytes(b"")
    assert desk.run("inspect", "photos", "--model", "bright", "--fail-on-anomaly")[0] == 4
    assert desk.run("inspect", "photos")[0] == 2
    assert desk.run("inspect", "--model", "bright")[0] == 2
    code, out, err = desk.run("inspect", "photos", "--model", "nothing")
    assert (code, out) == (1, "")
    assert "bright" in err
    assert "walkdown train nothing --normal" in err


def test_a_file_that_is_no_image_is_left_out_with_a_reason(desk: Desk, photos: Photos) -> None:
    (photos(a=DARK) / "notes.md").write_text("# notes", encoding="utf-8")
    code, lines = desk.lines("inspect", "photos", "--model", "bright")
    assert code == 0
    assert (by_name(lines)["notes"]["status"], by_name(lines)["notes"]["verdict"]) == (
        "skipped",
        None,
    )
    assert ".md" in str(by_name(lines)["notes"]["error"])
    code, lines = desk.lines("inspect", "photos/notes.md", "--model", "bright")
    assert (code, lines[0]["status"]) == (4, "failed")


def test_a_cascade_asks_the_second_model_only_where_told(desk: Desk, photos: Photos) -> None:
    add_fake(desk.app, "second", salt="2")
    photos(dark=DARK, dim=DIM, bright=BRIGHT)
    (desk.folder / "line.yaml").write_text(CASCADE, encoding="utf-8")
    code, lines = desk.lines("inspect", "--pipeline", "line.yaml")
    assert code == 0
    ran = {n: [s["stage"] for s in line["stages"]] for n, line in by_name(lines).items()}  # type: ignore[attr-defined]
    assert ran == {
        "dark": ["screen"],
        "dim": ["screen", "confirm"],
        "bright": ["screen", "confirm"],
    }
    assert by_name(lines)["bright"]["model"] == "second@1"
    assert by_name(lines)["dark"]["model"] == "bright@1"


def test_one_finding_an_asset_and_one_alert_when_it_opens_or_gets_worse(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    add_fake(desk.app, "second", salt="2")
    (desk.folder / "line.yaml").write_text(CASCADE, encoding="utf-8")
    picture(desk.folder / "photos" / "pole-1" / "mon.png", 200)
    with caplog.at_level("INFO", logger="walkdown.alerts"):
        desk.run("inspect", "--pipeline", "line.yaml")
        assert len(caplog.records) == 1
        picture(desk.folder / "photos" / "pole-1" / "tue.png", 205)
        desk.run("inspect", "--pipeline", "line.yaml")
        assert len(caplog.records) == 1
        picture(desk.folder / "photos" / "pole-1" / "wed.png", 250)
        desk.run("inspect", "--pipeline", "line.yaml")
        assert len(caplog.records) == 2
    (finding,) = desk.app.records.findings().values()
    assert (finding.asset, finding.severity) == ("pole-1", "high")
    assert desk.app.outbox.pending("alert") == []


def test_an_inspection_that_was_broken_off_goes_on(desk: Desk, photos: Photos) -> None:
    photos(**{f"i{n:02d}": DARK + n for n in range(30)})
    from walkdown.app.inspecting import inspect
    from walkdown.app.specs import pipeline_of
    from walkdown.cli.progress import Silent

    spec = pipeline_of(model="bright", file=None, paths=["photos"])
    inspecting = inspect(desk.app, spec, progress=Silent())
    lines = inspecting.lines()
    next(lines)
    del lines
    (unfinished,) = desk.app.records.inspections()
    assert unfinished.finished_at is None
    code, seen = desk.lines("inspect", "photos", "--model", "bright")
    assert code == 0
    assert len(seen) == 30
    assert {line["status"] for line in seen} == {"skipped", "done"}
    (finished,) = desk.app.records.inspections()
    assert finished.id == unfinished.id
    assert finished.finished_at is not None


def test_results_show_report_and_query_tell_the_same(desk: Desk, photos: Photos) -> None:
    photos(a=DARK, b=BRIGHT)
    _, lines = desk.lines("inspect", "photos", "--model", "bright")
    _, listed = desk.lines("results")
    assert [Path(str(line["image"])).stem for line in listed] == ["b", "a"]
    assert by_name(listed)["a"] == by_name(lines)["a"]
    sha256 = str(by_name(lines)["b"]["sha256"])
    for name in ("photos/b.png", sha256, sha256[:8]):
        code, shown = desk.lines("show", name)
        assert (code, shown) == (0, [by_name(lines)["b"]])
    code, rows = desk.lines("query", "select image, score from results order by score desc")
    assert code == 0
    assert [row["score"] for row in rows] == [line["score"] for line in listed]
    code, out, _ = desk.run("report", "--out", "page")
    assert code == 0
    assert Path(out.strip()).read_text(encoding="utf-8").count("b.png") >= 1


def test_a_lost_lake_is_made_anew(desk: Desk, photos: Photos) -> None:
    import shutil

    photos(a=DARK, b=BRIGHT, c=DIM)
    desk.run("inspect", "photos", "--model", "bright")
    shutil.rmtree(desk.app.home / "lake")
    assert desk.lines("query", "select count(*) as n from results")[1] == [{"n": 0}]
    assert desk.lines("query", "select count(*) as n from results", "--rebuild")[1] == [{"n": 3}]
    desk.run("query", "--rebuild")
    assert desk.lines("query", "select count(*) as n from results")[1] == [{"n": 3}]


def test_json_is_the_only_thing_on_standard_output(desk: Desk, photos: Photos) -> None:
    photos(a=DARK)
    command = [sys.executable, "-c", "from walkdown.cli import main; main()"]
    done = subprocess.run(
        [*command, "inspect", "photos", "--model", "bright", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 1


def test_the_workspace_may_be_named_before_or_after_the_command(
    desk: Desk, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos(a=DARK)
    elsewhere = desk.folder / "elsewhere"
    elsewhere.mkdir()
    where = str(desk.folder)
    monkeypatch.chdir(elsewhere)
    assert "bright@1" in desk.run("--workspace", where, "models")[1]
    assert "bright@1" in desk.run("models", "--workspace", where)[1]
    assert "no models yet" in desk.run("models")[1]


def test_a_changed_model_is_refused_before_any_image(desk: Desk, photos: Photos) -> None:
    photos(a=DARK)
    card = next((desk.app.home / "blobs" / "models").glob("*/card.json"))
    card.write_bytes(card.read_bytes().replace(b"fake", b"fakd"))
    code, _, err = desk.run("inspect", "photos", "--model", "bright")
    assert code == 1
    assert "changed" in err
    assert list(desk.app.records.results()) == []


def test_config_names_where_each_setting_comes_from(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (desk.app.home / "settings.yaml").write_text("workers: 3\nactor: ada\n", encoding="utf-8")
    monkeypatch.setenv("WALKDOWN_ACTOR", "grace")
    _, out, _ = desk.run("config")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()[1:]}
    assert rows["actor"] == ["grace", "environment"]
    assert rows["workers"][0] == "3"
    assert rows["workers"][1].endswith("settings.yaml")
    (desk.app.home / "settings.yaml").write_text("wrokers: 3\n", encoding="utf-8")
    code, _, err = desk.run("config")
    assert code == 1
    assert "wrokers" in err


def test_completion_scripts(desk: Desk) -> None:
    for shell in ("bash", "zsh", "fish"):
        code, out, _ = desk.run("completion", shell)
        assert code == 0
        assert "_WALKDOWN_COMPLETE" in out


def test_a_pipeline_that_is_wrong_names_file_line_and_key(desk: Desk, photos: Photos) -> None:
    photos(a=DARK)
    (desk.folder / "line.yaml").write_text(
        "stages:\n  - name: a\n    model: bright\n    wehn: x\n", encoding="utf-8"
    )
    code, _, err = desk.run("inspect", "photos", "--pipeline", "line.yaml")
    assert code == 1
    assert "line.yaml:4" in err
    assert "'when'" in err


def test_a_copy_that_a_power_cut_has_shortened_is_made_whole(desk: Desk, photos: Photos) -> None:
    folder = photos(a=DARK)
    desk.run("inspect", "photos", "--model", "bright")
    (copy,) = (desk.app.home / "blobs" / "images").glob("*/*")
    copy.write_bytes(copy.read_bytes()[:20])
    desk.run("inspect", "photos", "--model", "bright", "--again")
    assert copy.read_bytes() == (folder / "a.png").read_bytes()


def test_the_same_words_in_another_folder_are_another_inspection(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, grey in (("north", DARK), ("south", BRIGHT)):
        picture(desk.folder / place / "photos" / "1.png", grey)
        monkeypatch.chdir(desk.folder / place)
        desk.run("inspect", "photos", "--model", "bright", "--workspace", str(desk.folder))
    assert len({i.id for i in desk.app.records.inspections()}) == 2
    assert len({i.sources for i in desk.app.records.inspections()}) == 2


def test_a_model_that_breaks_fails_its_images_and_a_retry_erases_no_anomaly(
    desk: Desk, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    from walkdown.models.fake import Fake

    add_fake(desk.app, "second", salt="2")
    photos(dark=DARK, bright=BRIGHT)
    (desk.folder / "line.yaml").write_text(CASCADE, encoding="utf-8")
    whole = Fake.predict

    def broken(self: Fake, images: object) -> object:
        if self.info.label == "second@1":
            raise RuntimeError("the second model broke")
        return whole(self, images)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Fake, "predict", broken)
        code, lines = desk.lines("inspect", "--pipeline", "line.yaml")
    assert code == 4
    bright = by_name(lines)["bright"]
    assert (bright["status"], bright["verdict"], bright["model"]) == (
        "partial", "anomaly", "bright@1",
    )  # fmt: skip
    assert "the second model broke" in str(bright["error"])
    assert by_name(lines)["dark"]["status"] == "done"

    desk.run("inspect", "--pipeline", "line.yaml", "--max-pixels", "1")
    _, stored = desk.lines("results")
    assert by_name(stored)["bright"]["verdict"] == "anomaly", "a failed retry erases nothing"

    code, lines = desk.lines("inspect", "--pipeline", "line.yaml")
    assert (code, by_name(lines)["bright"]["model"]) == (0, "second@1")


def test_what_was_found_without_alerts_is_told_when_there_are_some(
    desk: Desk, photos: Photos, caplog: pytest.LogCaptureFixture
) -> None:
    photos(bright=BRIGHT)
    with caplog.at_level("INFO", logger="walkdown.alerts"):
        desk.run("inspect", "photos", "--model", "bright")
        assert caplog.records == []
        text = "source: photos\nstages: [{name: a, model: bright}]\nalerts: [{to: log}]\n"
        (desk.folder / "line.yaml").write_text(text, encoding="utf-8")
        desk.run("inspect", "--pipeline", "line.yaml", "photos")
        assert len(caplog.records) == 1
        desk.run("inspect", "--pipeline", "line.yaml", "--again")
        assert len(caplog.records) == 1


def test_a_mistyped_path_is_an_error_and_no_inspection(desk: Desk, photos: Photos) -> None:
    photos(a=DARK)
    code, out, err = desk.run("inspect", "photso", "--model", "bright")
    assert (code, out) == (1, "")
    assert "photso" in err
    assert desk.app.records.inspections() == []
    code, lines = desk.lines("inspect", "photso", "photos/a.png", "--model", "bright")
    assert code == 4
    assert {line["status"] for line in lines} == {"failed", "done"}


def test_a_rebuild_leaves_what_others_add_meanwhile(
    desk: Desk, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    from walkdown.app import lake
    from walkdown.cli.progress import Silent
    from walkdown.stores.lake import Lake

    photos(a=DARK, b=BRIGHT)
    desk.run("inspect", "photos", "--model", "bright")
    drop = Lake.drop

    def late(self: Lake, batch_ids: object) -> None:
        picture(desk.folder / "photos" / "late.png", DIM, (30, 30))
        desk.run("inspect", "photos", "--model", "bright")
        drop(self, batch_ids)  # type: ignore[arg-type]

    monkeypatch.setattr(Lake, "drop", late)
    lake.rebuild(desk.app, progress=Silent())
    assert lake.query(desk.app, "select count(*) from results")[1] == [(3,)]


def test_show_finds_an_image_by_any_path_to_it(desk: Desk, photos: Photos) -> None:
    folder = photos(a=DARK)
    desk.run("inspect", "photos", "--model", "bright")
    for name in ("photos/a.png", "./photos/a.png", str(folder / "a.png")):
        assert desk.run("show", name)[0] == 0, name


def test_the_summary_tells_advice_and_failures_that_are_alike_once(
    desk: Desk, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos(a=30, b=60, c=60, d=90)
    picture(folder / "e.png", 200)
    with known(monkeypatch):
        add_judge(desk.app, "judge", broken=60, unusable=90, says="wipe the lens")
        code, out, _ = desk.run("inspect", "photos", "--model", "judge")
        assert code == 4
        assert "2 images failed alike: stage look: it broke on this one" in out
        listed = [line for line in out.splitlines() if "photos/" in line]
        assert len(listed) == 2, "the anomaly and the unusable one"
        assert any("d.png  (wipe the lens)" in line for line in listed)
        _, out, _ = desk.run("results")
        assert "d.png  (wipe the lens)" in out
