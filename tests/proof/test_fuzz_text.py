"""Broken pipeline files are refused with a reason, and no file name can break the JSON output."""

from __future__ import annotations

import json
import os
import random
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from tests.proof.scenes import PIPELINE, Scene, a_run

from walkdown.errors import SpecError
from walkdown.spec import PipelineSpec, parse_pipeline

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.proof.launcher import Launcher

pytestmark = pytest.mark.proof

FILES = 2000
SCRAPS = (
    "{", "}", "[", "]", ":", "- ", "\n", "  ", "\t", "&a ", "*a", "<<: ", "!!python/name:os.x ",
    "null", "~", "'", '"', "#", "---\n", "...", "? ", "|\n", ">", "%", "@", "`", "\0", "\ufeff",
    "\u2028", "\ud800", "0x10", "1e999", ".nan", "2026-01-01", "yes", "when: ", "score", "(",
    "9" * 30,
)  # fmt: skip

NAMES = (
    b"plain.png", b"new\nline.png", b"car\rriage.png", b"tab\t.png", b"bell\x07.png",
    b"esc\x1b[31m.png",
    b"not-\xff\xfe-unicode.png", b"half-\xc3.png", b"\xed\xa0\x80.png", b"-dash.png", b"--json.png",
    b"'single'.png", b'"double".png', b"back\\slash.png", b"per%20cent.png", b"q?u#e.png",
    b"star*[a].png", b" space .png", b"dollar$(x).png", b"{asset}.png", b"\xe2\x80\xa8line.png",
    b"\xe2\x80\xaegnp.png", "ä-é-日本-🙂.png".encode(), b"del\x7f.png", b"c1-\xc2\x85.png",
    b"x" * 251 + b".png", "€".encode() * 83 + b".png", b"comma,semi;.png", b"=1+1.png", b"<b>.png",
)  # fmt: skip
"""File names as a hostile disk may hold them; 255 bytes is the longest that there is."""


def broken(chance: random.Random, text: str) -> str:
    """The text of a pipeline file after a few changes."""
    for _ in range(chance.choice((1, 1, 2, 4, 12))):
        at, other = sorted(chance.choices(range(len(text) + 1), k=2))
        way = chance.randrange(5)
        if way == 0:
            text = text[:at] + chance.choice(SCRAPS) + text[at:]
        elif way == 1:
            text = text[:at] + text[min(other, at + 9) :]
        elif way == 2:
            text = text[:at] + text[at : at + 40] * 2 + text[at + 40 :]
        elif way == 3:
            text = text[:at] + chr(chance.choice((0, 9, 13, 127, 0x85, 0xE4, 0x1F600))) + text[at:]
        else:
            text = text[:at] + chance.choice(SCRAPS) + text[min(other, at + 30) :]
    return text


def test_a_broken_pipeline_file_is_a_pipeline_or_a_reason() -> None:
    chance = random.Random(11)
    refused = nameless = 0
    for number in range(FILES):
        text = broken(chance, PIPELINE % (0.4, "http://127.0.0.1/x"))
        try:
            assert isinstance(parse_pipeline(text, where="p.yaml", name="p"), PipelineSpec)
        except SpecError as error:
            refused += str(error).startswith("p.yaml")
            nameless += not str(error).startswith("p.yaml")
        except Exception as error:
            error.add_note(f"file {number}: {text!r}")
            raise
    assert nameless == 0, "reasons that do not name the file"
    assert FILES / 4 < refused < FILES, "the changes are too mild, or too wild"


@pytest.fixture
def hostile(plain: Scene, tmp_path: Path) -> Path:
    """A folder of images with the names above, one in a folder whose name is no better."""
    one = next(plain.photos.rglob("0.png")).read_bytes()
    two = os.fsencode(tmp_path / "photos") + b"/deep\n\xff\\"
    os.makedirs(two)  # noqa: PTH103 - the name is bytes
    for number, name in enumerate(NAMES):
        for folder in (os.fsencode(tmp_path / "photos"), two)[: 1 + (number % 5 == 0)]:
            with open(folder + b"/" + name, "wb") as file:  # noqa: PTH123
                file.write(one)
    (tmp_path / "photos" / "note\n\x1b.txt").write_text("no image")
    (tmp_path / "photos" / "broken\n.png").write_text("no image either")
    shutil.copytree(plain.seed, tmp_path / "w")
    return tmp_path / "photos"


def lines_of(data: bytes) -> list[dict[str, Any]]:
    """Each line as JSON, split where a program would split it."""
    assert data.endswith(b"\n")
    assert data.isascii()
    return [json.loads(line) for line in data.splitlines()]


def test_no_file_name_breaks_the_json(
    pair: Sequence[Launcher], hostile: Path, tmp_path: Path
) -> None:
    expected = sorted(
        os.path.join(b"photos", os.path.relpath(os.path.join(at, name), os.fsencode(hostile)))  # noqa: PTH118
        for at, _, names in os.walk(os.fsencode(hostile))
        for name in names
    )
    assert len(expected) == len(NAMES) + 6 + 2

    def said(name: str, *args: str, code: int = 0) -> list[dict[str, Any]]:
        workspace = ("--json", "--workspace", str(tmp_path / "w"))
        run = a_run(tmp_path / "w", name, (args[0], *workspace, *args[1:]))
        ended = pair[0].run(run)
        assert ended.code == code, ended.text()
        return lines_of(ended.out.read_bytes())

    inspected = said("inspect", "inspect", "photos", "--model", "first", code=4)
    assert sorted(os.fsencode(line["image"]) for line in inspected) == expected
    again = said("again", "inspect", "photos", "--model", "first", code=4)
    assert sorted(os.fsencode(line["image"]) for line in again) == expected
    listed = said("results", "results")
    assert sorted(os.fsencode(line["image"]) for line in listed) == [
        name for name in expected if b"note\n" not in name
    ]
    (asked,) = said("query", "query", "SELECT count(*) AS n FROM results")
    assert asked == {"n": len(listed)}
    for line in listed:
        assert line in said("show", "show", line["image"])


def test_no_file_name_breaks_what_people_read(
    pair: Sequence[Launcher], hostile: Path, tmp_path: Path
) -> None:
    """Nothing that controls a terminal comes out, and the report is written."""
    workspace = ("--workspace", str(tmp_path / "w"))
    runs = (
        ("inspect", "photos", "--model", "first"),
        ("results",),
        ("report", "--out", str(tmp_path / "report")),
        ("query", "SELECT image, uri FROM results"),
    )
    for args in runs:
        ended = pair[0].run(a_run(tmp_path / "w", args[0], (*args, *workspace)))
        assert ended.code in (0, 4), ended.text()
        for data in (ended.out.read_bytes(), ended.text().encode()):
            text = data.decode()
            assert all(c.isprintable() or c == "\n" for c in text), args
    assert (tmp_path / "report" / "index.html").stat().st_size > 1000
