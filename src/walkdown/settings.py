"""Settings from arguments, environment and file: the only place that reads the environment."""

from __future__ import annotations

import os
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

FILE = "settings.yaml"
PREFIX = "WALKDOWN_"


@dataclass(frozen=True, slots=True)
class Effective:
    """The settings that hold, and where each one comes from."""

    home: Path
    settings: Settings
    origins: Mapping[str, str]


def environment() -> dict[str, str]:
    """The process's environment; nothing else in walkdown asks for it."""
    return dict(os.environ)


def load_settings(
    folder: str | None, given: Mapping[str, object], env: Mapping[str, str]
) -> Effective:
    """Argument over environment over file over default. Raises `SpecError`.

    ``folder`` holds the workspace: the current folder, unless the argument or the variable
    WALKDOWN_WORKSPACE says otherwise.
    """
    where = folder or env.get(f"{PREFIX}WORKSPACE") or "."
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
    return Effective(home, _checked(values, origins, lines, str(home / FILE)), origins)


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
