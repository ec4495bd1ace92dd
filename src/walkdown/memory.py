"""The most memory a process has held, as the operating system counts it."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def peak_mib() -> int:
    """The largest resident size of this process since it began, in MiB.

    On Linux it is read from ``/proc``: there ``getrusage`` also counts what the parent held when it
    started this process, so that a small program begun by a large one looks large.
    """
    if sys.platform == "linux":
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024
    bytes_per_unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * bytes_per_unit // 2**20
