"""Makes anomalib's environment, and measures what it and walkdown cost to install and to import.

`python -m benchmarks.anomalib.setup --venv DIR` from the repository's root. The figures are kept in
DIR/footprint.json. walkdown is installed into an environment of its own below DIR, so that neither
is charged with the other's packages or with tools for development.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import venv
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
FILE = "footprint.json"
PEER_IMPORT = (
    "from benchmarks.anomalib import weights; weights.install(); "
    "import anomalib.models, anomalib.engine, anomalib.data"
)
OWN_IMPORTS = {"walkdown": "import walkdown", "walkdown, all of training": (
    "import walkdown.wiring, walkdown.app.training, walkdown.app.inspecting"
)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Footprint:
    """``import_s`` is the best of three of a warm disk, a bare interpreter's start taken off."""

    what: str
    installed_mb: int
    import_s: float


def main() -> None:
    """Install what is missing, then measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, required=True, help="folder, made if it is missing")
    args = parser.parse_args()
    home: Path = args.venv.resolve()
    peer, own = home, home / "walkdown"
    _install(peer, ["--requirement", str(REQUIREMENTS)])
    _install(own, [str(ROOT)])
    found = [Footprint("anomalib", _size_mb(peer, without=own), _import_s(peer, PEER_IMPORT))]
    for what, line in OWN_IMPORTS.items():
        found.append(Footprint(what, _size_mb(own), _import_s(own, line)))
    text = json.dumps([asdict(one) for one in found], indent=1)
    (home / FILE).write_text(text + "\n", encoding="utf-8")
    print(text)


def _install(home: Path, what: list[str]) -> None:
    if not (home / "bin" / "python").exists():
        venv.create(home, with_pip=True)
    command = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--prefer-binary"]
    subprocess.run([*command, *what], check=True, stdout=sys.stderr)


def _size_mb(home: Path, without: Path | None = None) -> int:
    """Bytes of the installed packages, without pip itself."""
    total = 0
    for packages in home.glob("lib/python*/site-packages"):
        for file in packages.rglob("*"):
            inside = file.relative_to(packages).parts[0]
            apart = without is not None and file.is_relative_to(without)
            if file.is_file() and not file.is_symlink() and not apart and inside != "pip":
                total += file.stat().st_size
    return round(total / 1e6)


def _import_s(home: Path, line: str) -> float:
    python = str(home / "bin" / "python")
    _seconds(python, line)
    empty = min(_seconds(python, "pass") for _ in range(3))
    return round(min(_seconds(python, line) for _ in range(3)) - empty, 2)


def _seconds(python: str, line: str) -> float:
    began = time.perf_counter()
    subprocess.run([python, "-c", line], check=True, cwd=ROOT, capture_output=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
