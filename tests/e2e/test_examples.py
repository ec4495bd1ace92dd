"""The example of a plug-in, built and installed as its README says, and used."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "sharpness"


def test_a_plug_in_takes_some_thirty_lines() -> None:
    code = (EXAMPLE / "walkdown_sharpness.py").read_text("utf-8").splitlines()
    assert len([line for line in code if line.strip()]) < 40


@pytest.mark.proof
def test_the_example_is_built_installed_checked_and_used(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target")
    subprocess.run([*pip, str(packages), str(EXAMPLE)], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(packages), "WALKDOWN_ACTOR": "ada"}

    def walkdown(*args: str, codes: tuple[int, ...] = (0,)) -> str:
        command = [sys.executable, "-m", "walkdown", *args]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode in codes, done.stderr
        return done.stdout

    assert "sharp@1" in walkdown("models", "add", "sharp", str(EXAMPLE / "card.yaml"))
    assert "sharp@1 keeps to all of it" in walkdown("models", "check", "sharp")
    noise = np.random.default_rng(1).integers(0, 255, (90, 120, 3)).astype(np.uint8)
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, radius in (("sharp", 0), ("blurred", 6)):
        out = io.BytesIO()
        Image.fromarray(noise).filter(ImageFilter.GaussianBlur(radius)).save(out, "PNG")
        (photos / f"{name}.png").write_bytes(out.getvalue())
    lines = walkdown("inspect", str(photos), "--model", "sharp", "--json").splitlines()
    found = {Path(one["image"]).stem: one["verdict"] for one in map(json.loads, lines)}
    assert found == {"sharp": "normal", "blurred": "unusable"}
