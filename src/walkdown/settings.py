"""Settings from arguments, environment and file: the only place that reads the environment."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from walkdown import yaml_lines
from walkdown.complaints import complaints
from walkdown.errors import SpecError
from walkdown.spec import MAX_WORKERS, PATTERNS, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from walkdown.yaml_lines import Lines

HOME = ".walkdown"
"""The folder that makes a folder a workspace."""

STACK = "aws://"
"""What the name of a workspace on AWS begins with; a stack's name follows."""

FILE = "settings.yaml"
PREFIX = "WALKDOWN_"


@dataclass(frozen=True, slots=True)
class Effective:
    """The settings that hold, and where each one comes from.

    ``stack`` is named where the workspace is one on AWS; ``home`` is then the current folder's.
    """

    home: Path
    settings: Settings
    origins: Mapping[str, str]
    stack: str | None = None


def environment() -> dict[str, str]:
    """The process's environment; nothing else in walkdown asks for it."""
    return dict(os.environ)


def load_settings(
    folder: str | None, given: Mapping[str, object], env: Mapping[str, str]
) -> Effective:
    """Argument over environment over file over default. Raises `SpecError`.

    ``folder`` holds the workspace: the current folder, unless the argument or the variable
    WALKDOWN_WORKSPACE says otherwise. ``aws://STACK`` is that of a stack on AWS.
    """
    where = folder or env.get(f"{PREFIX}WORKSPACE") or "."
    stack = _stack(where)
    where = "." if stack else where
    home = Path(where).absolute() / HOME
    values: dict[str, object] = {"actor": _person(env), "workers": _processors()}
    origins = dict.fromkeys(Settings.model_fields, "default")
    file, lines = _file(home / FILE)
    layers = (
        (str(home / FILE), file),
        ("environment", _variables(env)),
        ("argument", {k: v for k, v in given.items() if v is not None}),
    )
    for origin, layer in layers:
        values |= layer
        origins |= dict.fromkeys(layer, origin)
    settings = _checked(values, origins, lines, str(home / FILE))
    return Effective(home, settings, origins, stack)


def _stack(where: str) -> str | None:
    """The name in ``aws://STACK``; None for a folder. Raises `SpecError` for no stack's name."""
    if not where.startswith(STACK):
        return None
    name = where.removeprefix(STACK).rstrip("/")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,127}", name):
        raise SpecError(
            f"{where!r} names no stack on AWS: write aws://NAME, in letters, digits and '-'"
        )
    return name


def _checked(
    values: Mapping[str, object], origins: Mapping[str, str], lines: Lines, file: str
) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as e:
        first = str(e.errors(include_url=False)[0]["loc"][0])
        origin = origins[first]
        where = file if origin == file else f"settings ({origin})"
        found = complaints(
            e,
            {at: line for at, line in lines.items() if origin == file},
            where,
            allowed=lambda at: frozenset() if at else frozenset(Settings.model_fields),
            patterns=PATTERNS,
        )
        raise SpecError(found[0]) from e


def _variables(env: Mapping[str, str]) -> dict[str, object]:
    named = {"ACTOR": "actor", "WORKERS": "workers"}
    return {key: env[PREFIX + name] for name, key in named.items() if env.get(PREFIX + name)}


def _file(path: Path) -> tuple[dict[str, object], Lines]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}, {}
    except (OSError, UnicodeDecodeError) as e:
        reason = "it is not UTF-8 text" if isinstance(e, UnicodeDecodeError) else e.strerror
        raise SpecError(f"cannot read the settings file {path}: {reason}") from e
    data, lines = yaml_lines.parse(text, str(path))
    if data is None:
        return {}, {}
    if not isinstance(data, dict):
        raise SpecError(f"{path}:1: settings are 'name: value' lines, such as 'workers: 2'")
    return data, lines


def _person(env: Mapping[str, str]) -> str:
    names = (env.get(name, "").strip() for name in ("USER", "LOGNAME", "USERNAME"))
    return next((name for name in names if name), "unknown")


def _processors() -> int:
    """Processors that this process may use, which a container may have limited."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:
        count = os.cpu_count() or 1
    return min(max(1, count), MAX_WORKERS)


@dataclass(frozen=True, slots=True)
class Stack:
    """Where a stack on AWS keeps things: what its functions are told, and what others look up.

    What a function has no use for is empty.
    """

    name: str
    workspace: str
    table: str = ""
    bucket: str = ""
    source_bucket: str = ""
    database: str = ""
    workgroup: str = ""
    topics: str = ""


def stack_of_environment(env: Mapping[str, str]) -> Stack:
    """The stack that a function belongs to. Raises `SpecError` outside of a function."""
    name = env.get(f"{PREFIX}STACK")
    if not name:
        raise SpecError(f"the environment variable {PREFIX}STACK is not set: this runs on AWS only")
    return Stack(
        name=name,
        workspace=env.get(f"{PREFIX}STORE_WORKSPACE", name),
        table=env.get(f"{PREFIX}STORE_TABLE", ""),
        bucket=env.get(f"{PREFIX}STORE_BUCKET", ""),
        source_bucket=env.get(f"{PREFIX}SOURCE_BUCKET", ""),
        database=env.get(f"{PREFIX}STORE_DATABASE", ""),
        workgroup=env.get(f"{PREFIX}STORE_WORKGROUP", ""),
        topics=env.get(f"{PREFIX}TOPICS", ""),
    )


@dataclass(frozen=True, slots=True)
class Container:
    """Where a container of SageMaker finds and leaves things, and what it may use."""

    model: Path
    input: Path
    output: Path
    port: int
    processors: int


def container_of_environment(env: Mapping[str, str]) -> Container:
    """What a container is told, with SageMaker's own places where it is not. Raises `SpecError`."""
    port = env.get("SAGEMAKER_BIND_TO_PORT") or "8080"
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise SpecError(f"the environment variable SAGEMAKER_BIND_TO_PORT is no port: {port[:20]}")
    return Container(
        model=Path(env.get("SM_MODEL_DIR") or "/opt/ml/model"),
        input=Path(env.get("SM_INPUT_DIR") or "/opt/ml/input"),
        output=Path(env.get("SM_OUTPUT_DIR") or "/opt/ml/output"),
        port=int(port),
        processors=_processors(),
    )
