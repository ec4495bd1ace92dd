"""Runs a command under a limit of time and of memory, and says how it ended.

The clock is the wall's, less the time for which the command's threads were ready and waited for a
core: on a machine that others use too, a limit of 20 minutes means 20 quiet ones. Memory is what
is resident; the address space is bounded a little above, so that one huge allocation can't pass
unseen.
"""

from __future__ import annotations

import os
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DONE = "done"
EVERY_S = 0.5
MIB = 2**20
HEADROOM = 1.25


@dataclass(frozen=True, slots=True)
class Limits:
    """``time_s`` is for the fit and again for the rest; ``memory_mib`` for the whole."""

    time_s: float = 1200.0
    memory_mib: int = 16 * 1024


def watch(
    command: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    limits: Limits,
    fitted: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """`DONE`, or what stopped it. Its output goes to ``log``.

    When the file ``fitted`` appears the clock starts again: the fit is over. ``environment`` is
    added to that of this process.
    """
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            list(command),
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        space = int(limits.memory_mib * HEADROOM) * MIB
        try:
            resource.prlimit(process.pid, resource.RLIMIT_AS, (space, space))
            stopped = _until_end(process, limits, fitted)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
    if stopped:
        return stopped
    return DONE if process.returncode == 0 else _failure(log, process.returncode, limits)


def _until_end(process: subprocess.Popen[bytes], limits: Limits, fitted: Path | None) -> str | None:
    spent, in_fit = 0.0, fitted is not None
    seen, waited = time.monotonic(), _waited_s(process.pid)
    while process.poll() is None:
        time.sleep(EVERY_S)
        now, waits = time.monotonic(), _waited_s(process.pid)
        passed = now - seen
        lost = max((s - waited.get(task, s) for task, s in waits.items()), default=0.0)
        spent += passed - min(max(lost, 0.0), passed)
        seen, waited = now, waits
        if in_fit and fitted is not None and fitted.exists():
            spent, in_fit = 0.0, False
        if _resident_mib(process.pid) > limits.memory_mib:
            return _too_much(limits)
        if spent > limits.time_s:
            return f"stopped: {'fit' if in_fit else 'run'} passed {limits.time_s / 60:g} min"
    return None


def _too_much(limits: Limits) -> str:
    return f"stopped: passed {limits.memory_mib / 1024:g} GiB"


def _failure(log: Path, code: int, limits: Limits) -> str:
    """The last line of the log, or the limit where memory was refused."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = lines[-1].strip()[:200] if lines else f"ended with {code}"
    if "allocate memory" in last or last.startswith("MemoryError"):
        return _too_much(limits)
    return f"failed: {last}"


def _resident_mib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    sizes = [int(line.split()[1]) for line in lines if line.startswith("VmRSS:")]
    return sizes[0] // 1024 if sizes else 0


def _waited_s(pid: int) -> dict[str, float]:
    """Per thread, the seconds for which it was ready to run and had no core."""
    waits = {}
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            waits[task.parent.name] = int(task.read_text(encoding="utf-8").split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            continue
    return waits
