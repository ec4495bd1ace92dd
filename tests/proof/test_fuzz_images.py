"""Thousands of broken image files: each becomes a photo or a reason, soon, and in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.proof.mutants import FORMATS, originals

from walkdown.errors import ImageError
from walkdown.imaging.decode import decode

pytestmark = pytest.mark.proof

COUNT = 1000
SLOWEST_S = 2.0
PEAK_MIB = 1024


@pytest.mark.parametrize("format_name", FORMATS)
def test_the_whole_files_are_photographs(format_name: str) -> None:
    """Otherwise their mutants would prove nothing."""
    for data in originals(format_name):
        if format_name == "HEIC":
            with pytest.raises(ImageError):
                decode(data, name="x")
        else:
            assert decode(data, name="x").pixels.size == 24 * 33 * 3


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_broken_file_is_a_photo_or_a_reason(format_name: str, tmp_path: Path) -> None:
    survey(format_name, tmp_path)


def test_a_broken_real_file_is_a_photo_or_a_reason(test_data: Path, tmp_path: Path) -> None:
    """HEIC among them, which can't be made here."""
    survey(str(test_data / "robustness"), tmp_path)


def survey(of: str, folder: Path) -> None:
    """Decode mutants of a format's files, or of those in a folder, in another process."""
    at = folder / "number"
    args = [sys.executable, "-m", "tests.proof.mutants", of, "7", str(COUNT), str(at)]
    root = Path(__file__).parents[2]
    done = subprocess.run(args, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    number = at.read_text()
    assert done.returncode == 0, f"{of} {number}: {done.returncode} {done.stderr[-800:]}"
    found = json.loads(done.stdout)
    assert not found["wrong"], found["wrong"][:3]
    assert found["photos"] + found["refused"] == COUNT
    assert found["slowest_s"] < SLOWEST_S, f"mutant {found['slowest']}: {found['slowest_s']:.1f} s"
    assert found["peak_mib"] < PEAK_MIB, f"mutant {found['largest']}: {found['peak_mib']:.0f} MiB"
