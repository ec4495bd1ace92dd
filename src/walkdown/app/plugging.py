"""A model of anybody's, brought into the workspace by a card: what kind it is, and its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from walkdown import yaml_lines
from walkdown.app.versions import LIVE, check_name
from walkdown.errors import ArtefactError, SpecError
from walkdown.models import artefact
from walkdown.types import ModelVersion

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from walkdown.app.context import App
    from walkdown.models.artefact import Artefact

EXAMPLE = "kind: sharpness"


def plug_in(app: App, name: str, card: Path) -> ModelVersion:
    """Store what a card describes as the live version of ``name``; the same again adds nothing.

    The card is a YAML file: ``kind``, which an installed package provides; ``files``, paths from
    where the card lies; everything else is for the model. It is opened once before it is stored.
    Raises `SpecError` for what is wrong with the card, `NotFound` for a kind that nobody provides,
    `ModelError` where the model does not open.
    """
    check_name(name)
    packed = _packed(card)
    app.open_model(packed, f"{name}@new")
    artefact.save(packed, app.blobs)
    return app.versions.add(
        ModelVersion(
            name=name,
            version=0,
            digest=packed.digest,
            created_at=app.clock(),
            actor=app.settings.actor,
            aliases=(LIVE,),
            facts={"kind": packed.kind},
        )
    )


def _packed(card: Path) -> Artefact:
    where = str(card)
    data, lines = yaml_lines.parse(_read(card, where).decode("utf-8", "replace"), where)
    if not isinstance(data, dict) or not isinstance(data.get("kind"), str):
        raise SpecError(f"{where}:1: a card needs at least a kind (example: {EXAMPLE})")
    names = data.get("files") or []
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        line = lines.get(("files",), 1)
        raise SpecError(f"{where}:{line}: 'files' must be a list of paths")
    files = {}
    for number, each in enumerate(names):
        path = card.parent / each
        if path.name in files:
            line = lines.get(("files", number), 1)
            raise SpecError(f"{where}:{line}: two files are called {path.name!r}; rename one")
        files[path.name] = _read(path, f"{where}:{lines.get(('files', number), 1)}: {each}")
    settings: Mapping[str, Any] = {k: v for k, v in data.items() if k not in ("kind", "files")}
    try:
        return artefact.pack(data["kind"], settings, files)
    except (ArtefactError, TypeError, ValueError) as e:
        raise SpecError(f"{where}: {e}") from e


def _read(path: Path, where: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise SpecError(f"{where} can't be read: {e.strerror}") from e
