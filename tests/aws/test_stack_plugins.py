"""A deployed pipeline of other people's parts: a model and a step; with a shadow."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter
from tests.aws.emulator.handle import Handle
from tests.aws.places import RUNTIME, Place
from tests.proof.scenes import register

from walkdown.models import artefact
from walkdown.models.fake import fake_artefact
from walkdown.stores.files import FileBlobs

pytestmark = pytest.mark.proof

EXAMPLES = Path(__file__).parents[2] / "examples"
PIPELINE = """\
prepare:
  steps:
    - {use: white_balance, with: {mean: 90}}
stages:
  - {name: sharp, model: sharp}
  - {name: look, model: cheap, when: "sharp.verdict == 'normal'"}
  - {name: candidate, model: other, shadow: look}
"""


@pytest.fixture(scope="module")
def place(
    aws_server: Handle, functions: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    aws_server.reset()
    folder = tmp_path_factory.mktemp("parts")
    packages = folder / "packages"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target")
    found = [str(EXAMPLES / name) for name in ("sharpness", "white_balance")]
    subprocess.run([*pip, str(packages), *found], check=True, capture_output=True)
    made = Place(aws_server, folder, packages=packages)
    home = folder / ".walkdown"
    shutil.copytree(functions, home / "functions")
    for name in ("cheap", "other"):
        fake = fake_artefact(salt=name)
        artefact.save(fake, FileBlobs(home / "blobs"))
        register(folder, name, fake.digest)
    made.walkdown("models", "add", "sharp", str(EXAMPLES / "sharpness" / "card.yaml"))
    (folder / "poles.yaml").write_text(PIPELINE)
    yield made
    aws_server.reset()


def photographs(folder: Path) -> Path:
    noise = np.random.default_rng(1).integers(0, 255, (90, 120, 3)).astype(np.uint8)
    folder.mkdir()
    for name, radius in (("sharp", 0), ("blurred", 9)):
        image = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(radius))
        image.save(folder / f"{name}.png")
    return folder


def results(place: Place, inspection: str) -> list[dict[str, Any]]:
    """What is recorded of an inspection."""
    lines = place.walkdown("results", inspection, "--json", "--workspace", "aws://plant")
    return [json.loads(line) for line in lines.splitlines()]


def test_what_others_made_runs_in_a_stack_as_it_does_here(place: Place, tmp_path: Path) -> None:
    folder = photographs(tmp_path / "photos")
    here = place.walkdown("inspect", str(folder), "--pipeline", "poles.yaml", "--json")
    place.walkdown(
        *("deploy", "--stack", "plant", "--pipeline", "poles.yaml", "--runtime", RUNTIME),
        *("--yes", "--no-measure"),
    )
    place.walkdown("upload", str(folder), "--stack", "plant", "--pipeline", "poles")
    place.aws.settle(timeout_s=300)
    assert place.aws.errors() == []
    # Photographs that arrive together may become one inspection or two.
    names = [each["name"] for each in place.executions() if each["status"] == "SUCCEEDED"]
    assert len(names) == len(place.executions())
    told = {Path(str(r["image"])).name: r for name in names for r in results(place, name)}
    assert {name: r["verdict"] for name, r in told.items()} == {
        "sharp.png": "normal",
        "blurred.png": "unusable",
    }
    assert [s["stage"] for s in told["sharp.png"]["stages"]] == ["sharp", "look", "candidate"]
    assert told["sharp.png"]["stages"][2]["beside"] == "look"
    assert [s["stage"] for s in told["blurred.png"]["stages"]] == ["sharp"]
    # The step has changed what models see there as it does here: 90 is the mean of each colour.
    look = told["sharp.png"]["stages"][1]
    assert look["raw_score"] == pytest.approx(90, abs=3)
    mine = {Path(one["image"]).name: one for one in map(json.loads, here.splitlines())}
    assert mine["sharp.png"]["stages"][1]["raw_score"] == look["raw_score"]
    there = ("--workspace", "aws://plant")
    said = "".join(place.walkdown("results", name, *there) for name in names)
    assert "shadow: 'candidate' (other@1) says the same as 'look' of 1 image\n" in said
