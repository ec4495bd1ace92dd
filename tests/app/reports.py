"""What the tests of the report share: results made by hand, and the page as a browser finds it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from walkdown.app.report import write_report
from walkdown.pipeline.keys import image_key
from walkdown.stores.memory import MemoryBlobs
from walkdown.types import (
    Inspection,
    Prediction,
    Region,
    Result,
    ResultKey,
    StageResult,
    Status,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
HOSTILE = "a/</script><img src=x onerror=alert(1)><!--&amp;'\".png"


class Blobs(MemoryBlobs):
    """Blobs that know which of them were read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []

    def get(self, key: str) -> bytes:
        self.reads.append(key)
        return super().get(key)


class Counter:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.done = 0

    def start(self, what: str, total: int | None) -> None:
        self.total = total

    def advance(self, count: int = 1) -> None:
        self.done += count

    def note(self, text: str) -> None:
        raise AssertionError(text)


class Page(HTMLParser):
    """What a browser would find: the scripts by id, every element's name, and all texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: dict[str, str] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self._open = dict(attrs).get("id") or "code"
            self.scripts[self._open] = ""

    def handle_endtag(self, tag: str) -> None:
        self._open = None if tag == "script" else self._open

    def handle_data(self, data: str) -> None:
        if self._open:
            self.scripts[self._open] += data
        else:
            self.texts.append(data)

    @property
    def data(self) -> Any:
        return json.loads(self.scripts["data"])

    def pictures(self) -> list[Any]:
        blocks = [text for name, text in self.scripts.items() if name.startswith("pictures-")]
        return [picture for block in blocks for picture in json.loads(block)]


def inspection(**changes: Any) -> Inspection:
    values: dict[str, Any] = {
        "id": "i1",
        "workspace": "default",
        "pipeline": "roofs",
        "plan_digest": "p" * 64,
        "sources": ("/photos/roofs",),
        "actor": "anna",
        "started_at": NOON,
        "finished_at": NOON + timedelta(minutes=3),
        "model": "tiles@3",
        "threshold": 1.25,
    }
    return Inspection(**(values | changes))


def png(shade: int, *, width: int = 40, height: int = 30) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((height, width), shade, np.uint8)).save(out, "PNG")
    return out.getvalue()


def result(name: str, score: float | None = 0.2, **changes: Any) -> Result:
    verdict = None if score is None else Verdict.ANOMALY if score >= 0.5 else Verdict.NORMAL
    regions = (Region((4, 3, 10, 6), 5.0, score, "crack"),) if score and score >= 0.5 else ()
    prediction = Prediction(verdict, score, score and score * 2.5, regions=regions)
    values: dict[str, Any] = {
        "key": ResultKey("default", name, "p"),
        "uri": f"file:///{name}",
        "image": name,
        "status": Status.DONE if verdict else Status.FAILED,
        "actor": "anna",
        "recorded_at": NOON,
        "verdict": verdict,
        "score": score,
        "raw_score": score and score * 2.5,
        "model": "tiles@3" if verdict else None,
        "stages": (StageResult("look", "tiles@3", "d" * 64, prediction),) if verdict else (),
        "error": None if verdict else "the file is empty",
        "width_px": 40,
        "height_px": 30,
    }
    return Result(**(values | changes))


def stored(blobs: Blobs, given: Result, shade: int, *, heat: bool = True) -> Result:
    """The result with an image in the blobs, and a heat map for its first stage."""
    data = png(shade)
    content = hashlib.sha256(data).hexdigest()
    blobs.put(image_key(content), data)
    blobs.put(f"heat/{content}", png(200))
    stages = given.stages
    if heat and stages:
        stages = (replace(stages[0], heatmap=f"heat/{content}"), *stages[1:])
    return replace(given, content=content, stages=stages)


def make(out: Path, results: Sequence[Result], blobs: Blobs | None = None, **changes: Any) -> Page:
    path = write_report(
        inspection(**changes),
        iter(results),
        blobs=blobs or Blobs(),
        out=out,
        progress=Counter(),
    )
    assert path == out / "index.html"
    return Page(path.read_text("utf-8"))


def opened(uri: str) -> Image.Image:
    kind, _, text = uri.partition(";base64,")
    assert kind in {"data:image/webp", "data:image/png"}
    return Image.open(io.BytesIO(base64.b64decode(text)))


def browse(url: str, folder: Path) -> tuple[Page, str]:
    """The page's elements after its script has run, and what the browser logged."""
    flags = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}",
        "--dump-dom",
    ]
    command = [CHROMIUM or "", *flags, url]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    return Page(done.stdout.decode()), done.stderr.decode(errors="replace")
