"""Settings from arguments, environment and file: the only place that reads the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from walkdown.errors import SpecError
from walkdown.spec import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    layers = (
        (str(home / FILE), _file(home / FILE)),
        ("environment", _variables(env)),
        ("argument", {k: v for k, v in given.items() if v is not None}),
    )
    for origin, layer in layers:
        values |= layer
        origins |= dict.fromkeys(layer, origin)
    return Effective(home, _checked(values, origins), origins)


def _checked(values: Mapping[str, object], origins: Mapping[str, str]) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as e:
        first = e.errors(include_url=False)[0]
        key = str(first["loc"][0]) if first["loc"] else "settings"
        raise SpecError(
            f"setting '{key}' (from {origins.get(key, 'file')}): {first['msg']}; "
            f"known settings: {', '.join(Settings.model_fields)}"
        ) from e


def _variables(env: Mapping[str, str]) -> dict[str, object]:
    named = {"ACTOR": "actor", "WORKERS": "workers"}
    return {key: env[PREFIX + name] for name, key in named.items() if env.get(PREFIX + name)}


def _file(path: Path) -> dict[str, object]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as e:
        raise SpecError(f"cannot read the settings file {path}: {e}") from e
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as e:
        raise SpecError(f"{path}: not valid YAML: {e}") from e
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise SpecError(f"{path}: settings are 'name: value' lines")
    return {str(k): v for k, v in data.items()}


def _person(env: Mapping[str, str]) -> str:
    return env.get("USER") or env.get("LOGNAME") or env.get("USERNAME") or "unknown"


def _processors() -> int:
    """Processors that this process may use, which a container may have limited."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:
        return max(1, os.cpu_count() or 1)
