"""A model of anybody's, brought into the workspace by a card: what kind it is, and its files."""

from __future__ import annotations

import math
import stat
from typing import TYPE_CHECKING, Any, Final

from walkdown import yaml_lines
from walkdown.app.versions import LIVE, check_name
from walkdown.errors import ArtefactError, SpecError
from walkdown.models import artefact
from walkdown.types import ModelVersion
from walkdown.yaml_lines import dotted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from walkdown.app.context import App
    from walkdown.models.artefact import Artefact
    from walkdown.yaml_lines import At, Lines

EXAMPLE = "kind: sharpness"
MAX_CARD_BYTES: Final = 1_000_000
MAX_FILE_BYTES: Final = 2_000_000_000


def plug_in(app: App, name: str, card: Path) -> ModelVersion:
    """Store what a card describes as the live version of ``name``; the same again adds nothing.

    The card is a YAML file: ``kind``, which an installed package provides; ``files``, paths within
    the folder where the card lies; everything else is for the model. It is opened once before it is
    stored. Raises `SpecError` for what is wrong with the card, `NotFound` for a kind that nobody
    provides, `ModelError` where the model does not open.
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
    data, lines = yaml_lines.parse(_text(card, where), where)
    if not isinstance(data, dict) or not isinstance(data.get("kind"), str):
        raise SpecError(f"{where}:1: a card needs at least a kind (example: {EXAMPLE})")
    _check_numbers(data, lines, where)
    settings: Mapping[str, Any] = {k: v for k, v in data.items() if k not in ("kind", "files")}
    try:
        return artefact.pack(data["kind"], settings, _files(data.get("files"), card, lines))
    except (ArtefactError, TypeError, ValueError) as e:
        raise SpecError(f"{where}: {e}") from e


def _files(names: object, card: Path, lines: Lines) -> dict[str, bytes]:
    """The bytes of all that the card names, by name without the folder."""
    if names is not None and not (
        isinstance(names, list) and all(isinstance(each, str) for each in names)
    ):
        raise SpecError(f"{card}:{lines.get(('files',), 1)}: 'files' must be a list of paths")
    files: dict[str, bytes] = {}
    for number, each in enumerate(names or []):
        at = f"{card}:{lines.get(('files', number), 1)}"
        path = _within(card, each, at)
        if path.name in files:
            raise SpecError(f"{at}: two files are called {path.name!r}; rename one")
        files[path.name] = _read(path, f"{at}: {each}", MAX_FILE_BYTES)
    return files


def _within(card: Path, name: str, at: str) -> Path:
    """The file of a card that may be a stranger's: nothing outside of the card's folder is read."""
    folder = card.parent.resolve()
    try:
        # A name with half a character, say, is none that a file can have.
        name.encode()
        path = card.parent / name
        real = path.resolve()
    except (OSError, RuntimeError, ValueError) as e:
        raise SpecError(f"{at}: {name!a} can't be the name of a file; correct it") from e
    if not real.is_relative_to(folder):
        raise SpecError(
            f"{at}: {name} lies outside of the card's folder; copy it there, beside the card"
        )
    return path


def _text(card: Path, where: str) -> str:
    try:
        return _read(card, where, MAX_CARD_BYTES).decode()
    except UnicodeDecodeError as e:
        raise SpecError(f"{where} is no text in UTF-8; save it as such") from e


def _check_numbers(value: object, lines: Lines, where: str, at: At = ()) -> None:
    """What is no number, and infinity, can't be kept: the key is told."""
    if isinstance(value, float) and not math.isfinite(value):
        line = lines.get(at, 1)
        raise SpecError(f"{where}:{line}: '{dotted(at)}' must be a number (it is {value})")
    parts = value.items() if isinstance(value, dict) else ()
    for key, each in enumerate(value) if isinstance(value, list) else parts:
        _check_numbers(each, lines, where, (*at, key))


def _read(path: Path, where: str, most: int) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SpecError(f"{where} is no file but a folder, a device or the like")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except (OSError, ValueError) as e:
        why = getattr(e, "strerror", None) or "its name is none that a file can have"
        raise SpecError(f"{where} can't be read: {why}") from e
    if len(data) > most:
        raise SpecError(f"{where} has more than {most:,} bytes; make it smaller")
    return data
