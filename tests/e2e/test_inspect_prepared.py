"""Areas and alignment from the pipeline file to the record, with the fake model."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from tests.e2e.conftest import Desk, add_fake

from walkdown import registry

PAGE = Path(__file__).parents[2] / "docs" / "pipeline.md"
EXAMPLES = Path(__file__).parents[2] / "examples"
LEFT = "[[0, 0], [0.5, 0], [0.5, 1], [0, 1]]"


def halves(path: Path, left: int, right: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.full((60, 80), right, np.uint8)
    grey[:, :40] = left
    Image.fromarray(grey).save(path)
    return path


def pipeline(desk: Desk, prepare: str = "{}") -> str:
    text = f"source: photos\nprepare: {prepare}\nstages: [{{name: look, model: bright}}]\n"
    (desk.folder / "line.yaml").write_text(text, encoding="utf-8")
    return "line.yaml"


def told(desk: Desk, prepare: str = "{}") -> tuple[str, str, int]:
    """Status, verdict and brightness of the one photograph."""
    code, (line,) = desk.lines("inspect", "--pipeline", pipeline(desk, prepare))
    assert code == 0
    return line["status"], line["verdict"], round(line["raw_score"])


def test_other_areas_are_another_inspection_and_reuse_nothing(desk: Desk) -> None:
    halves(desk.folder / "photos" / "a.png", 240, 40)
    assert told(desk) == ("done", "anomaly", 140)
    assert told(desk, f"{{areas: {{ignore: [{LEFT}]}}}}") == ("done", "normal", 40)
    assert told(desk, f"{{areas: {{only: [{LEFT}]}}}}") == ("done", "anomaly", 240)
    third = LEFT.replace("0.5", "0.25")
    assert told(desk, f"{{areas: {{ignore: [{third}]}}}}")[2] == 107
    assert len(list(desk.app.records.results())) == 4
    assert len(list(desk.app.blobs.list("heatmaps/"))) == 4
    assert told(desk, f"{{areas: {{ignore: [{LEFT}]}}}}")[0] == "skipped"
    assert told(desk)[0] == "skipped"


def test_a_mask_that_was_painted_anew_is_another_one(desk: Desk) -> None:
    halves(desk.folder / "photos" / "a.png", 240, 40)
    halves(desk.folder / "mask.png", 0, 255)
    assert told(desk, "{areas: {mask: mask.png}}") == ("done", "normal", 40)
    halves(desk.folder / "mask.png", 255, 0)
    assert told(desk, "{areas: {mask: mask.png}}") == ("done", "anomaly", 240)


def test_regions_of_the_rest_are_dropped_and_the_verdict_stays(desk: Desk) -> None:
    halves(desk.folder / "photos" / "a.png", 240, 240)
    most = LEFT.replace("0.5", "0.75")
    file = pipeline(desk, f"{{areas: {{ignore: [{most}]}}}}")
    _, (line,) = desk.lines("inspect", "--pipeline", file)
    assert (line["verdict"], line["regions"]) == ("anomaly", [])
    drawn = np.asarray(Image.open(line["heatmap"]))
    assert drawn.shape == (60, 80)
    assert (drawn[:, :59] == 0).all()
    assert (drawn[:, 61:] == 240).all()


def scene(right: int) -> Image.Image:
    """Boxes, and a bright sign, seen by a camera that has moved."""
    rng = np.random.default_rng(9)
    image = Image.new("L", (240, 120), 60)
    pen = ImageDraw.Draw(image)
    for _ in range(80):
        x, y, wide, tall = rng.uniform((0, 0, 6, 6), (240, 120, 30, 30)).tolist()
        pen.rectangle((x, y, x + wide, y + tall), fill=int(rng.integers(20, 110)))
    pen.rectangle((90, 20, 169, 109), fill=255)
    return image.crop((40 - right, 0, 200 - right, 120))


def test_areas_follow_the_view(desk: Desk) -> None:
    sign = "{unit: px, ignore: [[[46, 16], [134, 16], [134, 114], [46, 114]]]}"
    scene(0).save(desk.folder / "view.png")
    for right in (0, 14):
        (desk.folder / "photos").mkdir(exist_ok=True)
        scene(right).save(desk.folder / "photos" / f"{right}.png")
    file = pipeline(desk, f"{{align: view.png, areas: {sign}}}")
    code, aligned = desk.lines("inspect", "--pipeline", file)
    assert (code, [line["verdict"] for line in aligned]) == (0, ["normal", "normal"])
    assert all(line["raw_score"] < 80 for line in aligned)
    file = pipeline(desk, f"{{areas: {sign}}}")
    still, moved = (line["raw_score"] for line in desk.lines("inspect", "--pipeline", file)[1])
    assert still == pytest.approx(aligned[0]["raw_score"], abs=1)
    assert moved > aligned[1]["raw_score"] + 10
    Image.new("L", (160, 120), 70).save(desk.folder / "photos" / "other.png")
    file = pipeline(desk, f"{{align: view.png, areas: {sign}}}")
    code, lines = desk.lines("inspect", "--pipeline", file)
    assert code == 4
    assert [line["status"] for line in lines] == ["skipped", "skipped", "failed"]
    assert "it can't be aligned with view.png" in lines[2]["error"]
    code, lines = desk.lines("inspect", "--pipeline", pipeline(desk, "{align: view.png}"))
    assert (code, lines[2]["status"], lines[2]["raw_score"]) == (0, "done", pytest.approx(70))


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        ("{areas: {mask: none.png}}", "'prepare.areas.mask': none.png: there is no such file"),
        ("{areas: {mask: ../mask.png}}", "lies outside of the pipeline file's folder"),
        ("{align: even.png}", "even.png: nothing can be aligned with this image"),
        (f"{{areas: {{only: [{LEFT}], ignore: [{LEFT}]}}}}", "nothing of the image is left"),
        ("{areas: {only: [[[0, 0], [1, 1]]]}}", "line.yaml:2: 'prepare.areas.only[1]': has 2"),
    ],
)
def test_a_wrong_section_ends_the_command_before_any_image(
    desk: Desk, prepare: str, words: str
) -> None:
    halves(desk.folder / "photos" / "a.png", 240, 40)
    Image.new("L", (80, 60), 90).save(desk.folder / "even.png")
    code, out, err = desk.run("inspect", "--pipeline", pipeline(desk, prepare))
    assert (code, out) == (1, "")
    assert words in err
    assert "Traceback" not in err
    assert not desk.app.records.inspections()


def test_the_examples_of_the_reference_work(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("photos", "views"):
        (desk.folder / folder).mkdir()
        scene(0).resize((1920, 1080)).save(desk.folder / folder / "front.jpg")
    for name in ("belts", "boards", "cells"):
        add_fake(desk.app, name)
    monkeypatch.syspath_prepend(str(EXAMPLES / "white_balance"))
    point = EntryPoint("white_balance", "walkdown_white_balance:WhiteBalance", registry.STEPS)
    monkeypatch.setattr(registry, "entry_points", lambda *, group: [point])
    page = PAGE.read_text(encoding="utf-8")
    examples = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    for text in (each for each in examples if "prepare:" in each):
        (desk.folder / "line.yaml").write_text(text, encoding="utf-8")
        code, (line,) = desk.lines("inspect", "photos", "--pipeline", "line.yaml")
        assert (code, line["status"]) == (0, "done")
    seen = [r.raw_score for r in desk.app.records.results()]
    assert len(set(seen)) == 3
    assert any(score is not None and abs(score - 120) < 2 for score in seen)
