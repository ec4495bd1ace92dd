"""A workspace whose model is the shipped fake: it scores an image by how bright it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from walkdown.app.context import App
from walkdown.cli.entry import run
from walkdown.clock import utc_now
from walkdown.models import artefact
from walkdown.models.fake import fake_artefact
from walkdown.types import ModelVersion
from walkdown.wiring import open_workspace

DARK, DIM, BRIGHT = 40, 120, 230


def add_fake(app: App, name: str, *, salt: str = "") -> ModelVersion:
    """Register the fake as the next version of a name."""
    made = fake_artefact(salt=salt)
    artefact.save(made, app.blobs)
    return app.versions.add(ModelVersion(name, 0, made.digest, utc_now(), "test", ("live",)))


def picture(path: Path, grey: int, size: tuple[int, int] = (8, 6)) -> Path:
    """A picture of one grey; each size and grey has its own content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, grey).save(path)
    return path


@dataclass(frozen=True)
class Desk:
    """A folder with a workspace, made the current one."""

    folder: Path
    app: App
    capture: pytest.CaptureFixture[str]

    def run(self, *args: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of a command."""
        self.capture.readouterr()
        code = run(list(args))
        out = self.capture.readouterr()
        return code, out.out, out.err

    def lines(self, *args: str) -> tuple[int, list[dict[str, Any]]]:
        """Exit code and parsed lines of a command with ``--json``."""
        code, out, _ = self.run(*args, "--json")
        return code, [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    monkeypatch.chdir(tmp_path)
    app = open_workspace()
    add_fake(app, "bright")
    return Desk(tmp_path, app, capsys)


@pytest.fixture
def photos(desk: Desk) -> Callable[..., Path]:
    def make(**greys: int) -> Path:
        for i, (name, grey) in enumerate(greys.items()):
            picture(desk.folder / "photos" / f"{name}.png", grey, (8 + i, 6))
        return desk.folder / "photos"

    return make
