"""Many images and large ones: memory stays bounded, and the report can be opened."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from tests.proof.agreement import store_of
from tests.proof.scenes import a_run, save

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.proof.launcher import Ended, Launcher
    from tests.proof.scenes import Scene

pytestmark = pytest.mark.proof

PEAK_MIB = 2048
REPORT_MIB = 60


def run(launcher: Launcher, folder: Path, *args: str) -> Ended:
    """A command in the workspace; it must end well, in the memory that it may have."""
    ended = launcher.run(a_run(folder, args[0], (*args, "--workspace", str(folder))))
    assert ended.code == 0, ended.text()
    sys.stdout.write(f"{args[0]}: {ended.wall_s:.1f} s, at most {ended.peak_mib:.0f} MiB\n")
    assert ended.peak_mib < PEAK_MIB, f"{args[0]}: {ended.peak_mib:.0f} MiB"
    return ended


def write_report(launcher: Launcher, folder: Path) -> float:
    """Size in MiB of all that the report holds."""
    out = folder.parent / "report"
    run(launcher, folder, "report", "--out", str(out))
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 2**20


def test_five_thousand_images(pair: Sequence[Launcher], plain: Scene, tmp_path: Path) -> None:
    photos, random = tmp_path / "photos", np.random.default_rng(4)
    for i in range(5000):
        level = 30 + (i * 7) % 120
        pixels = random.integers(level, level + 20, (16, 16, 3), np.uint8)
        save(photos / f"row-{i // 100}" / f"{i}.png", pixels)
    folder = tmp_path / "w"
    shutil.copytree(plain.seed, folder)
    run(pair[0], folder, "inspect", str(photos), "--model", "first")
    with store_of(folder) as store:
        assert sum(1 for _ in store.results()) == 5000
    assert write_report(pair[0], folder) < REPORT_MIB


@pytest.mark.parametrize(
    ("width_px", "height_px", "name"), [(12_000, 10_000, "a.jpg"), (10_000, 10_000, "a.png")]
)
def test_a_huge_image(
    pair: Sequence[Launcher],
    trained: tuple[Path, str, float],
    tmp_path: Path,
    width_px: int,
    height_px: int,
    name: str,
) -> None:
    image = Image.new("RGB", (width_px, height_px), (90, 90, 90))
    image.paste((250, 240, 10), (4000, 3000, 6000, 5000))
    (tmp_path / "photos").mkdir()
    image.save(tmp_path / "photos" / name, compress_level=1)
    image.close()
    folder = tmp_path / "w"
    shutil.copytree(trained[0], folder)
    ended = run(pair[0], folder, "inspect", str(tmp_path / "photos"), "--model", "first", "--json")
    (line,) = map(json.loads, ended.out.read_text().splitlines())
    assert line["status"] == "done"
    assert write_report(pair[0], folder) < REPORT_MIB


def test_a_thousand_images_through_a_real_model(pair: Sequence[Launcher], tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    texture = random.normal(110, 20, (420, 420)).clip(0, 255)
    for i in range(1000):
        x, y = random.integers(0, 120, 2)
        grey = texture[y : y + 300, x : x + 300] + random.normal(0, 4, (300, 300))
        pixels = np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
        save(tmp_path / "photos" / f"{i}.png", pixels)
    folder = tmp_path / "w"
    run(pair[0], folder, "train", "cells", "--normal", str(tmp_path / "photos"))
    run(pair[0], folder, "inspect", str(tmp_path / "photos"), "--model", "cells")
    with store_of(folder) as store:
        assert sum(1 for _ in store.results()) == 1000
    assert write_report(pair[0], folder) < REPORT_MIB
