"""Adding normal photographs from the command line, and what can't be had with it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Desk


def stripes(folder: Path, count: int) -> str:
    """Photographs of stripes, which no model of blots knows."""
    folder.mkdir()
    for i in range(count):
        image = Image.effect_noise((96, 96), 20 + i)
        for x in range(i, 96, 12):
            image.paste(220, (x, 0, x + 5, 96))
        image.save(folder / f"{i}.png")
    return str(folder)


def blots(folder: Path, count: int) -> str:
    folder.mkdir()
    for i in range(count):
        Image.effect_noise((96, 96), 60 + i).save(folder / f"{i}.png")
    return str(folder)


def test_adding_makes_the_next_version_and_tells_the_threshold(desk: Desk) -> None:
    first, more = blots(desk.folder / "first", 6), stripes(desk.folder / "more", 5)
    assert desk.run("train", "m", "--normal", first, "--fast", "--false-alarms", "20%")[0] == 0
    shutil.copy(desk.folder / "first" / "0.png", desk.folder / "more" / "known.png")
    code, out, err = desk.run("train", "m", "--add", "--normal", more)
    assert code == 0, err
    assert "m@2 (now m@live), from 11 normal images" in out
    assert "the 20 % budget" in out, "what was demanded before still is"
    assert "1 of 6 photographs skipped" in err
    assert "left out" not in err
    code, out, err = desk.run("train", "m", "--add", "--normal", more, "--false-alarms", "10%")
    assert code == 1
    assert "nothing to add" in err
    code, lines = desk.lines("inspect", more, "--model", "m")
    assert code == 0
    assert [line["verdict"] for line in lines].count("normal") >= 5


@pytest.mark.parametrize(
    "options",
    [
        ["--anomaly", "photos"],
        ["--masks", "photos"],
        ["--recall", "90%"],
        ["--costs", "10", "1"],
        ["--fast"],
    ],
)
def test_what_needs_training_anew_is_refused(desk: Desk, options: list[str]) -> None:
    code, _, err = desk.run("train", "bright", "--add", "--normal", "photos", *options)
    assert code == 2
    assert f"{options[0]} can't be had with --add" in err
    assert "train anew" in err


def test_unknown_names_and_other_kinds_are_refused(desk: Desk) -> None:
    more = blots(desk.folder / "more", 1)
    code, _, err = desk.run("train", "none", "--add", "--normal", more)
    assert code == 1
    assert "no model 'none'" in err
    code, _, err = desk.run("train", "bright", "--add", "--normal", more)
    assert code == 1
    assert "a memory bank only" in err
