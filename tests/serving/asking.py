"""Photographs, a model's folder, and a server of it as a process of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from walkdown.models import artefact
from walkdown.models.artefact import Artefact

SOURCES = Path(__file__).parents[2] / "src"


def image(value: int, form: str = "JPEG", *, width: int = 64, height: int = 48) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), value, np.uint8)).save(out, form)
    return out.getvalue()


def folder_of(packed: Artefact, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, data in artefact.contents(packed).items():
        (folder / name).write_bytes(data)
    return folder


def ask(
    port: int, path: str, body: bytes | None = None, headers: Any = None
) -> tuple[int, str, bytes]:
    """Status, content type and body."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET" if body is None else "POST", path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type", ""), answer.read()
    finally:
        connection.close()


@contextmanager
def container(
    folder: Path, command: str = "serve", **variables: str
) -> Iterator[subprocess.Popen[str]]:
    """The process that SageMaker starts, with pipes for what it says."""
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SOURCES),
        "SM_MODEL_DIR": str(folder),
        "SAGEMAKER_BIND_TO_PORT": "0",
        **variables,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "walkdown.serving", command],
        env=env,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def port_of(process: subprocess.Popen[str]) -> int:
    """Its port, once it says that it is ready."""
    assert process.stderr is not None
    for line in process.stderr:
        if "ready on port" in line:
            return int(line.split("port ")[1].split()[0])
    raise AssertionError("the container ended")


def until_well(port: int) -> None:
    """Wait for /ping to say 200."""
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping"):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError("it never got well")
