"""A model as files: `card.json` names every other file by sha256, and its own sha256 is the digest.

A model folder needs nothing else to run, and a changed byte anywhere is refused when it is loaded.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from walkdown.errors import ArtefactError, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from walkdown.ports import Blobs

FORMAT = "walkdown-model/1"
CARD = "card.json"
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")


class Readable(Protocol):
    """The part of `Blobs` that reads."""

    def get(self, key: str) -> bytes:
        """The bytes of a key. Raises `NotFound`."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """A checked model folder: its digest, its card without the files, and the files' bytes."""

    digest: str
    kind: str
    card: Mapping[str, Any]
    files: Mapping[str, bytes]


def pack(kind: str, card: Mapping[str, Any], files: Mapping[str, bytes]) -> Artefact:
    """Make an artefact of a card and files. The same content always has the same digest.

    Raises `ArtefactError` for a file name that no folder could hold, and for a card that speaks of
    format, kind or files itself.
    """
    wrong = sorted({"format", "kind", "files"} & set(card)) + [n for n in files if not _fits(n)]
    if wrong:
        raise ArtefactError(
            f"a model of kind {kind!r} can't hold {wrong[0]!r}; give it another name"
        )
    named = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in sorted(files.items())
    }
    whole = _card_bytes({"format": FORMAT, "kind": kind, "files": named, **card})
    return Artefact(hashlib.sha256(whole).hexdigest(), kind, json.loads(whole), dict(files))


def contents(artefact: Artefact) -> dict[str, bytes]:
    """The files of an artefact's folder by name, the card last: one that is there is complete."""
    return {**artefact.files, CARD: _card_bytes(artefact.card)}


def save(artefact: Artefact, blobs: Blobs) -> None:
    """Write an artefact under its digest."""
    for name, data in contents(artefact).items():
        blobs.put(_key(artefact.digest, name), data)


def load_folder(folder: Path) -> Artefact:
    """Read and check the artefact that lies in a folder of its own. Raises `ArtefactError`."""

    class Folder:
        def get(self, key: str) -> bytes:
            try:
                return (folder / key.rpartition("/")[2]).read_bytes()
            except OSError as e:
                raise NotFound(key) from e

    try:
        card = (folder / CARD).read_bytes()
    except OSError as e:
        raise ArtefactError(f"{folder} holds no model: {CARD} is not there") from e
    return load(hashlib.sha256(card).hexdigest(), Folder())


def load(digest: str, blobs: Readable) -> Artefact:
    """Read and check an artefact. Raises `ArtefactError` where a file is missing or changed."""
    if not _DIGEST.match(digest):
        raise ArtefactError(f"{digest[:80]!r} is no model's digest; see `walkdown models`")
    card_bytes = _read(digest, CARD, blobs)
    _same(card_bytes, digest, CARD, digest)
    card = _card(card_bytes, digest)
    files = {}
    for name, sha256 in _named(card, digest).items():
        files[name] = _read(digest, name, blobs)
        _same(files[name], sha256, name, digest)
    return Artefact(digest, card["kind"], card, files)


def kind_of(digest: str, stores: Iterable[Blobs]) -> str:
    """The kind of an artefact in one of these stores, by its card alone. Raises `ArtefactError`."""
    error: ArtefactError | None = None
    for blobs in stores:
        try:
            data = _read(digest, CARD, blobs)
        except ArtefactError as e:
            error = e
            continue
        _same(data, digest, CARD, digest)
        return str(_card(data, digest)["kind"])
    raise error or ArtefactError(f"there is no model {digest[:12]}")


def _card(data: bytes, digest: str) -> dict[str, Any]:
    try:
        card = json.loads(data)
    except (ValueError, RecursionError) as e:
        raise ArtefactError(_no_card(digest)) from e
    if not isinstance(card, dict) or not isinstance(card.get("kind"), str):
        raise ArtefactError(_no_card(digest))
    if card.get("format") != FORMAT:
        raise ArtefactError(
            f"model {digest[:12]} has the format {str(card.get('format'))[:40]!r}; this walkdown "
            f"reads {FORMAT!r}: upgrade walkdown, or train the model again"
        )
    return card


def _named(card: Mapping[str, Any], digest: str) -> dict[str, str]:
    """The names of a card's files, each checked before it becomes part of a key, and sha256."""
    try:
        named = {str(name): str(entry["sha256"]) for name, entry in card["files"].items()}
    except (KeyError, TypeError, AttributeError) as e:
        raise ArtefactError(_no_card(digest)) from e
    wrong = next((name for name in named if not _fits(name)), None)
    if wrong is not None:
        raise ArtefactError(
            f"model {digest[:12]}: its {CARD} names a file {wrong[:80]!r}, which is no plain file "
            "name; don't use this model, train it again"
        )
    return named


def _fits(name: str) -> bool:
    return _FILE_NAME.match(name) is not None and name.lower() != CARD


def _no_card(digest: str) -> str:
    return f"model {digest[:12]}: {CARD} is not a model's card; train the model again"


def _card_bytes(card: Mapping[str, Any]) -> bytes:
    return json.dumps(card, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"


def _key(digest: str, name: str) -> str:
    return f"models/{digest}/{name}"


def _read(digest: str, name: str, blobs: Readable) -> bytes:
    try:
        return blobs.get(_key(digest, name))
    except NotFound as e:
        raise ArtefactError(
            f"model {digest[:12]}: the file {name} is missing; train the model again"
        ) from e


def _same(data: bytes, sha256: str, name: str, digest: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ArtefactError(
            f"model {digest[:12]}: the file {name} was changed since the model was made "
            f"(sha256 {found[:12]}, expected {sha256[:12]}); train the model again"
        )
