"""The first code of a function's process: a fixed search path, then the runtime client of AWS.

The path is the function's own code, its layers, the SDK that AWS has in the runtime, and the
standard library. Nothing else of the test run is importable: what is missing from the package is
missing here too. Run as a script by an interpreter with ``-I -S``, never imported by it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import runpy
import signal
import sys

OPEN_FILES = 1024
PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have the kernel kill this process when the one that started it is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def main(parent: int, roots: str, handler: str) -> None:
    """``roots``: the folders of code, in order, parted as a search path is."""
    die_with(parent)
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.path[:0] = roots.split(os.pathsep)
    sys.argv = ["awslambdaric", handler]
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
