"""Names and numbers of models: from what a user wrote to one immutable version."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from walkdown.errors import NotFound, SpecError
from walkdown.models import artefact
from walkdown.spec import NAME

if TYPE_CHECKING:
    from walkdown.app.context import App
    from walkdown.ports import Model
    from walkdown.types import ModelVersion

LIVE = "live"

DEPLOYED_AS = "deployed as"
"""The fact of a model's version in a stack that says what it is called where it was trained."""


KIND = "kind"
"""The fact that says of which kind a model is that was brought in by a card."""


def kind_of(version: ModelVersion) -> str:
    """Of which kind it is; what was trained here is a memory bank."""
    return version.facts.get(KIND, "memory_bank")


def pointed(app: App, name: str, alias: str = LIVE) -> ModelVersion | None:
    """The version that has an alias now."""
    return next((v for v in app.versions.versions(name) if alias in v.aliases), None)


def point(app: App, name: str, alias: str) -> tuple[ModelVersion, ModelVersion | None]:
    """Move an alias to a version, ``name@3``: that version, and the one that had it before.

    Raises `NotFound` for a version that is not there, `SpecError` for what can't be an alias.
    """
    if not re.fullmatch(NAME, alias) or alias.isdigit():
        raise SpecError(f"{alias!r} can't be an alias: a name with a letter in it, such as {LIVE}")
    version = resolve(app, name)
    before = pointed(app, version.name, alias)
    app.versions.point(version.name, alias, version.version)
    return version, before


def check_name(name: str) -> None:
    """Raises `SpecError` for what can't be a model's name."""
    if not re.fullmatch(NAME, name):
        raise SpecError(
            f"{name!r} can't be a model's name: letters, digits, '.', '_' and '-', at most 63"
        )


def resolve(app: App, name: str) -> ModelVersion:
    """The version behind ``name``, ``name@alias`` or ``name@3``. Raises `NotFound` with what is."""
    base, _, which = name.partition("@")
    versions = app.versions.versions(base)
    if not versions:
        known = sorted({v.name for v in app.versions.versions()})
        there = f"there are: {', '.join(known)}" if known else "there are none yet"
        raise NotFound(
            f"no model {base!r} in this workspace ({app.place}); {there}. "
            f"Train it: walkdown train {base} --normal FOLDER"
        )
    which = which or LIVE
    for version in versions:
        if which in (str(version.version), *version.aliases):
            return version
    have = ", ".join(f"{base}@{a}" for v in versions for a in (str(v.version), *v.aliases))
    raise NotFound(f"no version {name!r}; there are: {have}")


def open_version(app: App, version: ModelVersion) -> Model:
    """The model of a version, checked byte by byte. Raises `ArtefactError`."""
    return app.open_model(artefact.load(version.digest, app.blobs), version.label)
