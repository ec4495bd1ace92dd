"""The ways in which one model can be asked of the same photographs: what each of them says.

The graph alone is asked with the recipe of ``docs/parity.md``, as it stands there.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
import openvino

import walkdown
from walkdown.cli.entry import run as walkdown_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Scaled = tuple[Path, NDArray[np.uint8]]
    Run = Callable[[NDArray[np.uint8]], Sequence[NDArray[np.float32]]]

PAGE = Path(__file__).parents[2] / "docs" / "parity.md"
OUTPUTS = ("raw_score", "cells")


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of one photograph."""

    raw: float
    score: float
    verdict: str


@dataclass(frozen=True, slots=True)
class Trained:
    """A model, the workspace that it lies in, and its folder of files."""

    name: str
    workspace: Path

    @property
    def folder(self) -> Path:
        digest = walkdown.load(self.name, workspace=self.workspace).version.digest
        return self.workspace / ".walkdown" / "blobs" / "models" / digest

    @property
    def card(self) -> Mapping[str, Any]:
        card: Mapping[str, Any] = json.loads((self.folder / "card.json").read_text())
        return card


def by_python(model: Trained, files: Sequence[Path]) -> dict[Path, Said]:
    """By `walkdown.load` and `Model.predict`."""
    found = walkdown.load(model.name, workspace=model.workspace).predict(files)
    said = {}
    for file, prediction in zip(files, found, strict=True):
        assert prediction.error is None, prediction.error
        assert prediction.raw_score is not None
        assert prediction.score is not None
        said[file] = Said(prediction.raw_score, prediction.score, str(prediction.verdict))
    return said


def by_command(model: Trained, files: Sequence[Path], *, workers: int) -> dict[Path, Said]:
    """By ``walkdown inspect --json``, in so many threads."""
    where = ("--workspace", str(model.workspace), "--workers", str(workers), "--again")
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        names = [str(file) for file in files]
        code = walkdown_command(["inspect", *names, "--model", model.name, "--json", *where])
    assert code == 0
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    return {Path(o["image"]): Said(o["raw_score"], o["score"], o["verdict"]) for o in lines}


def by_graph(
    model: Trained, files: Sequence[Path], *, threads: int = 1, batch: int = 1
) -> dict[Path, Said]:
    """By the ONNX file under onnxruntime; ``batch`` photographs of one size at a time."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(
        model.folder / "model.onnx", options, providers=["CPUExecutionProvider"]
    )
    return _alone(model, files, lambda part: session.run(OUTPUTS, {"image": part}), batch=batch)


def by_openvino(model: Trained, files: Sequence[Path]) -> dict[Path, Said]:
    """By the ONNX file under OpenVINO, in float32."""
    precision = {"INFERENCE_PRECISION_HINT": "f32"}
    graph = openvino.Core().compile_model(model.folder / "model.onnx", "CPU", precision)

    def run(part: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        found = graph(np.ascontiguousarray(part))
        return [np.array(found[name]) for name in OUTPUTS]

    return _alone(model, files, run, batch=1)


def recipe() -> dict[str, Any]:
    """The functions of the page's first example, without what it does with them."""
    (code, *_) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    kept = (ast.Import, ast.ImportFrom, ast.FunctionDef)
    tree = ast.parse(code)
    tree.body = [node for node in tree.body if isinstance(node, kept) or _is_constant(node)]
    names: dict[str, Any] = {}
    exec(compile(tree, str(PAGE), "exec"), names)  # noqa: S102 - our own document
    return names


def _is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple)


def _alone(model: Trained, files: Sequence[Path], run: Run, *, batch: int) -> dict[Path, Said]:
    steps, card = recipe(), model.card
    images = ((file, steps["scaled"](file, card["input"])) for file in files)
    said = {}
    for part in _batches(images, batch):
        stack = np.concatenate([image for _, image in part])
        raws = _raw_scores(steps["raw_score"], run, stack, card)
        for (file, _), raw in zip(part, raws, strict=True):
            said[file] = Said(raw, *steps["judged"](raw, card))
    return said


def _batches(images: Iterable[Scaled], batch: int) -> Iterator[list[Scaled]]:
    """Images of one size each, so many at a time; the last ones of a size may be fewer."""
    waiting: dict[tuple[int, ...], list[Scaled]] = {}
    for file, image in images:
        group = waiting.setdefault(image.shape, [])
        group.append((file, image))
        if len(group) == batch:
            yield waiting.pop(image.shape)
    yield from waiting.values()


def _raw_scores(
    raw_score: Callable[..., float], run: Run, stack: NDArray[np.uint8], card: Mapping[str, Any]
) -> list[float]:
    """Of each image of a stack, which goes through the graph as one."""
    windows: list[Sequence[NDArray[np.float32]]] = []

    def first(part: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        windows.append(run(part))
        return windows[-1]

    found = [raw_score(first, stack, card)]
    for i in range(1, len(stack)):
        images = iter([[values[i:] for values in window] for window in windows])
        found.append(raw_score(lambda _, images=images: next(images), stack, card))
    return found
