"""The functions' code as one zip: walkdown and what it needs to run a model, for Lambda's Linux.

The libraries are those of this installation, version by version, so that a score is the same here
and there; what only training, the command line or other services need stays out. Bytecode is
compiled where an interpreter of the runtime's version is at hand, since it halves the cold start.
The same code always gives the same bytes, and so the same name.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

import walkdown
from walkdown.errors import StoreError

NEEDED: Final = ("boto3", "numpy", "onnxruntime", "pillow", "pydantic", "pyyaml")
PLATFORMS: Final = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64")
"""What Amazon Linux 2023 runs: the system of Lambda's Python from 3.12 on (glibc 2.34)."""

RUNTIMES: Final = ("3.13", "3.12")
LIMIT_MIB: Final = 250
"""Lambda's limit for the unpacked code."""

SERVICES: Final = (
    *("athena", "dynamodb", "events", "s3", "sns", "ssm", "stepfunctions", "sts"),
    *("bedrock-runtime", "rekognition", "sagemaker", "sagemaker-runtime", "secretsmanager"),
)
"""Those whose descriptions the functions need; botocore has 400 of them."""

DROPPED: Final = (
    "bin",
    "boto3/examples",
    "numpy/**/tests",
    "numpy/_core/include",
    "numpy/f2py",
    "numpy/distutils",
    "numpy/_core/lib",
    "numpy/random/lib",
    "onnxruntime/datasets",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
    "**/__pycache__",
    "**/*.pyi",
    "**/*.dist-info",
)
WITHOUT: Final = ("cli", "training")
"""Parts of walkdown that no function imports."""

_LAMBDA: Final = {
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "extra": "",
}
"""What requirements ask about, in a function; of Python's version, what holds here."""

_DATE: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Package:
    """A zip: its file, its sha256, its size unpacked, and whether bytecode is in it."""

    path: Path
    digest: str
    unpacked_mib: float
    runtime: str
    compiled: bool


def build(folder: Path, *, runtime: str | None = None) -> Package:
    """Make the zip below ``folder``, named by its content. Raises `StoreError` where pip fails.

    ``runtime`` is a version such as 3.13; without one it is this interpreter's, where Lambda's
    system fits the libraries, or else the newest.
    """
    runtime = runtime or _runtime()
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"functions-{_inputs(runtime)[:16]}.json"
    if made.exists():
        known = json.loads(made.read_text(encoding="utf-8"))
        path = folder / known.pop("file")
        if path.exists():
            return Package(path, **known)
    package = _built(folder, runtime)
    known = {**asdict(package), "file": package.path.name}
    del known["path"]
    made.write_text(json.dumps(known), encoding="utf-8")
    return package


def _inputs(runtime: str) -> str:
    """Identity of what the zip is made of: nothing is packed twice."""
    digest = hashlib.sha256(json.dumps([runtime, pins(), DROPPED, SERVICES, WITHOUT]).encode())
    own = Path(walkdown.__file__).parent
    for path in sorted(own.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(path.relative_to(own).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _built(folder: Path, runtime: str) -> Package:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        stage = Path(name) / "code"
        fetch(pins(), stage, runtime)
        _add_walkdown(stage)
        _prune(stage)
        compiled = _compile(stage, runtime)
        size = sum(f.stat().st_size for f in stage.rglob("*") if f.is_file()) / 2**20
        if size > LIMIT_MIB:
            raise StoreError(
                f"the functions' code is {size:.0f} MiB, over Lambda's {LIMIT_MIB}; deploy it as a "
                "container image (docs/aws.md): walkdown deploy --parameter ImageUri=URI"
            )
        made = Path(name) / "functions.zip"
        _zip(stage, made)
        digest = hashlib.sha256(made.read_bytes()).hexdigest()
        path = folder / f"functions-{digest[:16]}.zip"
        made.replace(path)
    return Package(path, digest, round(size, 1), f"python{runtime}", compiled)


def _runtime() -> str:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    return own if own in RUNTIMES else RUNTIMES[0]


def pins() -> list[str]:
    """The libraries with their versions here: what is needed, and what that needs."""
    return [f"{name}=={version}" for name, version in closure().items()]


def closure(names: tuple[str, ...] = NEEDED) -> dict[str, str]:
    """Packages and what they need, each with its version here, sorted by name.

    What walkdown needs is not asked for again. Raises `StoreError` for one that is not installed.
    """
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = canonical(waiting.pop())
        if name in found or name == "walkdown":
            continue
        try:
            found[name] = version(name)
        except PackageNotFoundError as e:
            raise StoreError(f"{name} is not installed: pip install 'walkdown[aws]'") from e
        waiting += [
            needed.name
            for needed in map(Requirement, requires(name) or ())
            if needed.marker is None or needed.marker.evaluate(_LAMBDA)
        ]
    return dict(sorted(found.items()))


def canonical(name: str) -> str:
    """A package's name as the registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def fetch(pinned: list[str], stage: Path, runtime: str) -> None:
    """Put packages for Lambda's Linux below a folder. Raises `StoreError` where pip fails."""
    wanted = [f"--platform={platform}" for platform in PLATFORMS]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--implementation=cp"]
    command += [f"--python-version={runtime}", *wanted, f"--target={stage}", *pinned]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        why = next((line for line in said if "ERROR" in line), said[-1] if said else "no reason")
        raise StoreError(
            f"pip could not fetch the functions' libraries for Python {runtime} on Lambda: {why}; "
            "where pip itself is missing: python -m ensurepip"
        )


def _add_walkdown(stage: Path) -> None:
    own = Path(walkdown.__file__).parent
    left_out = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(own, stage / "walkdown", ignore=left_out)
    for part in WITHOUT:
        shutil.rmtree(stage / "walkdown" / part)


def _prune(stage: Path) -> None:
    for pattern in DROPPED:
        for path in list(stage.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    described = stage / "botocore" / "data"
    for path in described.iterdir():
        if path.is_dir() and path.name not in SERVICES:
            shutil.rmtree(path)


def _compile(stage: Path, runtime: str) -> bool:
    """Bytecode that is never checked against the source: its dates do not survive the zip."""
    interpreter = _interpreter(runtime)
    if interpreter is None:
        return False
    command = [interpreter, "-m", "compileall", "-q", "-j", "0"]
    command += ["--invalidation-mode", "unchecked-hash", "-s", str(stage), str(stage)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _interpreter(runtime: str) -> str | None:
    if runtime == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    return shutil.which(f"python{runtime}")


def _zip(stage: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as out:
        for path in sorted(stage.rglob("*")):
            if path.is_file():
                info = zipfile.ZipInfo(path.relative_to(stage).as_posix(), _DATE)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = (0o755 if path.suffix == ".so" else 0o644) << 16
                out.writestr(info, path.read_bytes())
