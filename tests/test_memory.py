"""The peak is the process's own, whatever began it."""

import subprocess
import sys

from walkdown.memory import peak_mib

SCRIPT = """
from walkdown.memory import peak_mib
before = peak_mib()
held = bytes(b"x" * (200 << 20))
del held
print(before, peak_mib())
"""


def test_what_was_let_go_counts() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    before, after = map(int, ended.stdout.split())
    assert 195 <= after - before <= 260


def test_a_large_parent_makes_no_large_child() -> None:
    held = bytearray(b"x" * (300 << 20))
    assert peak_mib() > 300
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert len(held) > int(ended.stdout.split()[0]) << 20
    assert int(ended.stdout.split()[0]) < 100
