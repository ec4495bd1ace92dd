"""Runs the command line in a fresh process each time, without paying for the imports each time.

A process that has imported the product, but made no thread and no onnxruntime session, forks one
child per run. The child can count its fault points or be killed at one; the launcher kills it
from outside, and measures it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

T = TypeVar("T")
R = TypeVar("R")

PRELOADED = (
    "numpy", "yaml", "http.client", "onnx", "walkdown.cli.commands", "walkdown.cli.output",
    "walkdown.cli.progress", "walkdown.wiring", "walkdown.app.inspecting", "walkdown.app.specs",
    "walkdown.app.reading", "walkdown.app.report", "walkdown.notify.webhook",
    "walkdown.models.fake", "walkdown.training.graph", "walkdown.training.coreset",
)  # fmt: skip
"""Nothing here imports onnxruntime, whose import starts a thread."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the command line. ``out`` becomes its standard output, ``out``.err its errors.

    ``count`` writes the fault points to ``out``.points; ``stop_at`` kills at one; ``kill_after_s``
    kills from outside. ``fitted`` is a workspace and a model's digest: training then takes this
    model instead of fitting one, since a fit writes nothing and takes long.
    """

    args: tuple[str, ...]
    cwd: str
    out: str
    below: str = ""
    count: bool = False
    stop_at: tuple[str, int] | None = None
    kill_after_s: float | None = None
    fitted: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: exit code, or None where it was killed; peak memory of the process."""

    code: int | None
    wall_s: float
    peak_mib: float
    out: Path

    @property
    def killed(self) -> bool:
        return self.code is None

    def text(self) -> str:
        """What it said to people: standard error."""
        return Path(f"{self.out}.err").read_text(errors="replace")

    def points(self) -> list[tuple[str, int, str]]:
        """(thread, number, kind) of a counting run; fails where a write went past the wrappers."""
        found = json.loads(Path(f"{self.out}.points").read_text())
        assert not found["escaped"], found["escaped"]
        return [(thread, number, kind) for thread, number, kind in found["kinds"]]


class Launcher:
    """A process that forks runs, one at a time."""

    def __init__(self) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("WALKDOWN_")}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "USER": "proof"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.proof.launcher"],
            cwd=Path(__file__).parents[2],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, run: Run) -> Ended:
        """Carry out one run and wait for its end."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asdict(run)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the launcher has ended with {self._process.wait(10)}; see standard error"
        answer = json.loads(line)
        return Ended(answer["code"], answer["wall_s"], answer["peak_mib"], Path(run.out))

    def close(self) -> None:
        self._process.communicate(timeout=30)


@contextmanager
def launchers(count: int) -> Iterator[Sequence[Launcher]]:
    """So many launchers, closed in the end."""
    with ExitStack() as stack:
        made = [Launcher() for _ in range(count)]
        for each in made:
            stack.callback(each.close)
        yield made


def spread(
    among: Sequence[Launcher], items: Iterable[T], work: Callable[[Launcher, T], R]
) -> list[R]:
    """The answers in the order of the items, worked on by all launchers at once."""
    free: SimpleQueue[Launcher] = SimpleQueue()
    for launcher in among:
        free.put(launcher)

    def one(item: T) -> R:
        launcher = free.get()
        try:
            return work(launcher, item)
        finally:
            free.put(launcher)

    with ThreadPoolExecutor(len(among)) as pool:
        return list(pool.map(one, items))


def serve() -> None:
    """The launcher's own process: a run a line on standard input, its end on standard output."""
    for name in PRELOADED:
        importlib.import_module(name)
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208
    assert threads == 1, f"{threads} threads before the fork"
    assert "onnxruntime" not in sys.modules
    gc.freeze()
    for line in sys.stdin:
        run = Run(**json.loads(line))
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            _become(run)
        status, peak_kib = _wait(child, run.kill_after_s)
        code = os.waitstatus_to_exitcode(status)
        answer = {
            "code": None if code < 0 else code,
            "wall_s": time.monotonic() - began,
            "peak_mib": peak_kib / 1024,
        }
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _wait(child: int, kill_after_s: float | None) -> tuple[int, int]:
    if kill_after_s is not None:
        end = time.monotonic() + kill_after_s
        while (left := end - time.monotonic()) > 0:
            pid, status, usage = os.wait4(child, os.WNOHANG)
            if pid:
                return status, usage.ru_maxrss
            time.sleep(min(left, 0.002))
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    return status, usage.ru_maxrss


def _become(run: Run) -> None:
    """The child: ends with the whole interpreter, as the real command does."""
    for handle, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, run.out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, f"{run.out}.err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        os.dup2(os.open(path, flags, 0o600), handle)
    os.chdir(run.cwd)
    if run.fitted:
        _take_fitted(*run.fitted)
    faults = _faults(run) if run.count or run.stop_at else None
    from walkdown.cli.entry import run as command

    code = command(list(run.args))
    if faults:
        found = {"kinds": faults.kinds, "escaped": faults.escaped}
        Path(f"{run.out}.points").write_text(json.dumps(found))
    sys.exit(code)


def _faults(run: Run) -> Any:
    from tests.proof.faults import Faults

    faults = Faults(below=run.below, stop_at=(*run.stop_at,) if run.stop_at else None)
    faults.install()
    return faults


def _take_fitted(workspace: str, digest: str) -> None:
    from walkdown.evaluate.thresholds import Threshold
    from walkdown.models import artefact
    from walkdown.stores.files import FileBlobs
    from walkdown.training import choosing, memory_bank

    made = artefact.load(digest, FileBlobs(Path(workspace) / ".walkdown" / "blobs"))
    threshold = Threshold(**made.card["false_alarms"])
    calibration = memory_bank.Calibration(threshold, tuple(made.card["score"]["calibration"]))
    choice = choosing.Choice(choosing.first_sensible(384))
    fit = memory_bank.Fit(made, len(calibration.scores), choice, calibration)
    setattr(memory_bank, memory_bank.fit.__name__, lambda *_, **__: fit)


if __name__ == "__main__":
    serve()
