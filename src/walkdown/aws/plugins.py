"""Packages of others that a stack's pipelines need, put into the functions' code.

A package that provides a kind of model or a step is taken as it is installed here, with the
libraries that it needs beside those in the code already; these come from pip, for Lambda's Linux.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from dataclasses import replace
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Final

from walkdown.aws.package import LIMIT_MIB, Package, canonical, closure, fetch
from walkdown.errors import SpecError, StoreError, WalkdownError
from walkdown.models import artefact
from walkdown.registry import provider, step_provider

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from walkdown.app.deployed import Deployed
    from walkdown.app.preparations import OpenStep
    from walkdown.ports import Blobs

TOO_LARGE: Final = frozenset({"ocr", "openvino"})
"""Kinds of model whose libraries do not fit into a zip of functions."""

_DATE: Final = (1980, 1, 1, 0, 0, 0)
_NATIVE: Final = frozenset({".so", ".pyd", ".dylib"})


def needed(pipelines: Iterable[Deployed], stores: Iterable[Blobs]) -> tuple[str, ...]:
    """The packages that provide the models and steps of these pipelines, sorted.

    Models lie in one of the stores. Raises `NotFound` where a kind is provided by none of the
    packages that are installed here.
    """
    found: set[str | None] = set()
    places = list(stores)
    for pipeline in pipelines:
        found |= {step_provider(step.use) for step in pipeline.spec.prepare.steps}
        for info in pipeline.models.values():
            found.add(provider(artefact.kind_of(info.digest, places)))
    return tuple(sorted(name for name in found if name))


def check(
    pipelines: Iterable[Deployed],
    stores: Iterable[Blobs],
    open_step: OpenStep,
    *,
    new: Deployed | None,
) -> None:
    """Raises `SpecError` for a pipeline that the functions of a zip could not run.

    One whose models need libraries too large for it, and one but the ``new`` one that was deployed
    with another version of a step than is installed here, which the code would hold from now on.
    """
    places = list(stores)
    for pipeline in pipelines:
        kinds = {artefact.kind_of(each.digest, places) for each in pipeline.models.values()}
        if too_large := kinds & TOO_LARGE:
            raise SpecError(
                f"the pipeline {pipeline.spec.name!r} has a model of kind {min(too_large)!r}, and "
                "its libraries do not fit into a zip of functions: deploy a container image "
                "(docs/aws.md), with --parameter ImageUri=URI"
            )
        if pipeline.spec.prepare.steps and pipeline is not new:
            _check_steps(pipeline, places, open_step)


def _check_steps(pipeline: Deployed, places: Iterable[Blobs], open_step: OpenStep) -> None:
    why: WalkdownError | None = None
    for blobs in places:
        try:
            pipeline.preparation(blobs, open_step)
        except WalkdownError as e:
            why = e
        else:
            return
    raise SpecError(
        f"the pipeline {pipeline.spec.name!r} of this stack was deployed with other versions of "
        f"its steps: remove it, deploy this one, and deploy it again; or install those ({why})"
    )


def with_plugins(package: Package, names: Iterable[str]) -> Package:
    """The functions' code with these packages in it; the same packages give the same bytes.

    Raises `StoreError` for one that can't be taken along.
    """
    names = list(names)
    if not names:
        return package
    with tempfile.TemporaryDirectory(dir=package.path.parent) as folder:
        stage = Path(folder) / "code"
        stage.mkdir()
        _add_libraries(names, stage, package.runtime.removeprefix("python"))
        for name in names:
            _add(distribution(name), stage)
        made = Path(folder) / "functions.zip"
        shutil.copyfile(package.path, made)
        size = _append(stage, made)
        digest = hashlib.sha256(made.read_bytes()).hexdigest()
        path = package.path.with_name(f"functions-{digest[:16]}.zip")
        made.replace(path)
    unpacked = round(package.unpacked_mib + size / 2**20, 1)
    if unpacked > LIMIT_MIB:
        raise StoreError(
            f"with {', '.join(names)} the functions' code is {unpacked:.0f} MiB, over Lambda's "
            f"{LIMIT_MIB}; deploy it as a container image (docs/aws.md)"
        )
    return replace(package, path=path, digest=digest, unpacked_mib=unpacked)


def _add_libraries(names: list[str], stage: Path, runtime: str) -> None:
    """What the packages need, and neither they nor the code hold."""
    there = set(closure()) | {canonical(name) for name in names} | {"walkdown"}
    wanted = closure(tuple(names))
    pins = [f"{name}=={version}" for name, version in wanted.items() if name not in there]
    if pins:
        fetch(pins, stage, runtime)


def _add(package: Distribution, stage: Path) -> None:
    """A package's own files as they are installed here."""
    for path in _files(package):
        source = Path(str(package.locate_file(str(path))))
        leaves = path.is_absolute() or ".." in path.parts
        if leaves or not source.is_file() or "__pycache__" in path.parts:
            continue
        if _NATIVE & set(path.suffixes):
            raise StoreError(
                f"the package {package.name} holds {path.name}, which is made for this machine: "
                "deploy it as a container image (docs/aws.md)"
            )
        target = stage / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _files(package: Distribution) -> Iterator[Path]:
    if not package.files:
        raise StoreError(
            f"the package {package.name} does not say which files it has: install it again, with "
            f"pip and not as editable: pip install --force-reinstall --no-deps {package.name}"
        )
    paths = [Path(str(each)) for each in package.files]
    if any(path.suffix == ".pth" or path.name.startswith("__editable__") for path in paths):
        raise StoreError(
            f"the package {package.name} is installed as editable, from a folder of this machine: "
            "install it as it will run: pip install FOLDER"
        )
    return iter(paths)


def _append(stage: Path, target: Path) -> int:
    """Files into a zip, which keeps what it has; returns their bytes."""
    total = 0
    with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED, compresslevel=6) as out:
        known = set(out.namelist())
        for path in sorted(stage.rglob("*")):
            name = path.relative_to(stage).as_posix()
            if path.is_file() and name not in known:
                info = zipfile.ZipInfo(name, _DATE)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = (0o755 if path.suffix == ".so" else 0o644) << 16
                out.writestr(info, path.read_bytes())
                total += path.stat().st_size
    return total
