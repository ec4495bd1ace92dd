"""A benchmark inspects for real, elsewhere: nothing of the workspace changes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from walkdown.app.benchmarking import Benchmark, Step, benchmark
from walkdown.cli.progress import Silent
from walkdown.clock import utc_now
from walkdown.errors import ImageError, NotFound
from walkdown.models import artefact
from walkdown.models.fake import fake_artefact
from walkdown.types import ModelVersion
from walkdown.wiring import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from walkdown.app.context import App

RUN = partial(benchmark, fresh=partial(open_workspace, workers=2), progress=Silent())


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = open_workspace(str(tmp_path / "mine"), workers=2)
    made = fake_artefact()
    artefact.save(made, app.blobs)
    for salt in ("old", "new"):
        app.versions.add(ModelVersion("bright", 0, made.digest + salt, utc_now(), "test"))
    app.versions.add(ModelVersion("bright", 0, made.digest, utc_now(), "test", ("live",)))
    yield app
    app.close()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for grey in range(12):
        Image.new("L", (8, 6), 20 * grey).save(folder / f"{grey:02}.png")
    return folder


def contents(folder: Path) -> dict[str, str]:
    """What lies below a folder; SQLite's own files beside its database may come and go."""
    files = (f for f in folder.rglob("*") if f.is_file() and not f.name.endswith(("-wal", "-shm")))
    return {str(f): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_speed_limit_and_steps_are_told_and_the_workspace_stays(app: App, photos: Path) -> None:
    before = contents(app.home)
    found = RUN(app, "bright", [str(photos)], rounds=2)
    assert (found.model, found.images, found.failed, found.rounds) == ("bright@3", 12, 0, 2)
    assert (found.limit, found.workers, found.px) == ("model", 2, ())
    assert found.images_per_s > 0
    assert found.limit_per_s > 0
    assert 0 < found.share < 2
    assert all(step.ms > 0 for step in found.steps), found.steps
    assert [step.name for step in found.steps][:3] == ["read", "decode", "model"]
    assert found.peak_mib > 10
    assert not app.records.inspections()
    assert contents(app.home) == before


def test_images_are_picked_evenly_and_damaged_ones_are_counted(app: App, photos: Path) -> None:
    (photos / "00.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    found = RUN(app, "bright", [str(photos)], rounds=1, at_most=3)
    assert (found.images, found.failed) == (3, 1)
    assert RUN(app, "bright", [str(photos / "05.png")], rounds=1).images == 1


def test_where_nothing_can_be_inspected_there_is_a_reason(app: App, photos: Path) -> None:
    (photos / "empty").mkdir()
    with pytest.raises(NotFound, match=r"no image in .*empty"):
        RUN(app, "bright", [str(photos / "empty")])
    (photos / "a.png").write_bytes(b"")
    with pytest.raises(ImageError, match=r"a\.png: the file is empty"):
        RUN(app, "bright", [str(photos / "a.png")])
    with pytest.raises(NotFound, match="no model 'cells'"):
        RUN(app, "cells", [str(photos)])


SLOW = Benchmark(
    model="cells@1", images=100, failed=0, rounds=3, workers=2, images_per_s=30.0,
    limit="backbone", limit_per_s=60.0, share=0.5,
    steps=(Step("backbone", 30.0), Step("decode", 9.0), Step("record", 1.0)),
    busy=0.95, peak_mib=300, px=((384, 384),),
)  # fmt: skip


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (SLOW, "decode: 9.0 ms an image"),
        (replace(SLOW, busy=0.3), "waiting: the processors worked 30% of the time"),
        (replace(SLOW, share=0.8), "the backbone itself"),
    ],
)
def test_what_limits_is_said(found: Benchmark, words: str) -> None:
    assert found.limited_by.startswith(words)
