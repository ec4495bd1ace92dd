"""What the proofs look at: small photographs, workspaces with models, a receiver of alerts."""

from __future__ import annotations

import json
import os
import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from tests.proof.launcher import Run

from walkdown.models import artefact
from walkdown.models.fake import fake_artefact
from walkdown.stores.files import FileBlobs
from walkdown.stores.sqlite import SqliteStore
from walkdown.types import ModelVersion

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIPELINE = """\
stages:
  - {name: screen, model: first}
  - {name: confirm, model: second, when: screen.score > %s}
asset: "{site}/{asset}/{name}"
severity:
  - {severity: high, when: score >= 0.8}
  - {severity: medium, when: score >= 0.65}
  - severity: low
alerts:
  - {to: webhook, url: "%s"}
"""

LEVELS = (40, 140, 60, 170, 150, 30, 215, 90, 180, 225, 20, 135)
"""Brightness of the plain photographs, in order: findings open, and some get worse."""


@dataclass
class Receiver:
    """Takes alerts: their ids by the path of the URL to which they were posted."""

    port: int = 0
    ids: dict[str, list[str]] = field(default_factory=dict)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    def delivered(self, name: str) -> list[str]:
        return self.ids.get(f"/{name}", [])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A sender that was killed in the middle of a sentence is no news here."""


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A server on loopback, for the length of the block."""
    taken = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            notice = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            ids = [alert["id"] for alert in notice.get("alerts", [notice])]
            taken.ids.setdefault(self.path, []).extend(ids)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with _Server(("127.0.0.1", 0), Handler) as server:
        taken.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield taken
        server.shutdown()
        thread.join()


@dataclass(frozen=True, slots=True)
class Scene:
    """Photographs, a workspace that holds the models, and from which score the second looks."""

    photos: Path
    seed: Path
    confirm_from: float

    def workspace(self, folder: Path, url: str) -> Path:
        """A new workspace in ``folder`` with the models of the seed; files are shared by links."""
        folder.mkdir(parents=True)
        for path in sorted(self.seed.rglob("*")):
            target = folder / path.relative_to(self.seed)
            if path.is_dir():
                target.mkdir()
            elif "blobs" in path.parts:
                os.link(path, target)
            else:
                shutil.copyfile(path, target)
        (folder / "poles.yaml").write_text(PIPELINE % (self.confirm_from, url))
        return folder

    def inspect(self, folder: Path, name: str, **how: Any) -> Run:
        """The run of ``walkdown inspect`` in a workspace."""
        pipeline = str(folder / "poles.yaml")
        args = ("inspect", str(self.photos), "--pipeline", pipeline, "--workspace", str(folder))
        return a_run(folder, name, (*args, "--workers", "1"), **how)


def a_run(folder: Path, name: str, args: tuple[str, ...], **how: Any) -> Run:
    """A run whose output lies beside the workspace's folder, under this name."""
    out = str(folder.parent / f"{folder.name}-{name}.out")
    return Run(args, cwd=str(folder.parent), out=out, below=str(folder), **how)


def plain_photos(folder: Path) -> Path:
    """12 PNG files of 24 x 16 px on three assets, known by their brightness; two are the same."""
    for i, level in enumerate(LEVELS):
        pixels = np.full((16, 24, 3), level, np.uint8)
        pixels[0, 0] = i
        path = folder / f"site-{i % 2}" / f"pole-{i % 3}" / f"{i}.png"
        save(path, pixels)
    shutil.copyfile(folder / "site-0" / "pole-0" / "6.png", folder / "site-1" / "pole-1" / "7.png")
    return folder


def cable_photos(folder: Path, count: int, *, seed: int, spoilt: int = 0) -> Path:
    """Photographs of 160 x 40 px with noise; every ``spoilt``-th has a bright spot."""
    random = np.random.default_rng(seed)
    for i in range(count):
        pixels = random.normal(90, 14, (40, 160, 3)).clip(0, 255).astype(np.uint8)
        if spoilt and i % spoilt == 0:
            left = 5 + (i * 13) % 120
            pixels[8:26, left : left + 25] = 245
        save(folder / f"line-{i % 2}" / f"cable-{i % 5}" / f"{i}.png", pixels)
    return folder


def save(path: Path, pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    """Write an image file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def fake_models(folder: Path) -> Path:
    """A workspace with two fake models, ``first`` and ``second``."""
    home = folder / ".walkdown"
    home.mkdir(parents=True)
    for name in ("first", "second"):
        made = fake_artefact(salt=name)
        artefact.save(made, FileBlobs(home / "blobs"))
        register(folder, name, made.digest)
    return folder


def register(folder: Path, name: str, digest: str) -> None:
    """Enter a stored model as the live version of a name."""
    now = datetime.now(UTC)
    path = folder / ".walkdown" / "records.sqlite"
    store = SqliteStore(path, workspace="default", clock=lambda: now)
    store.add(ModelVersion(name, 0, digest, now, "proof", ("live",)))
    store.close()
