"""A model as files: `card.json` names every other file by sha256, and its own sha256 is the digest.

A model folder needs nothing else to run, and a changed byte anywhere is refused when it is loaded.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from walkdown.errors import ArtefactError, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from walkdown.ports import Blobs

FORMAT = "walkdown-model/1"
CARD = "card.json"
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")


@dataclass(frozen=True, slots=True)
class Artefact:
    """A checked model folder: its digest, its card without the files, and the files' bytes."""

    digest: str
    kind: str
    card: Mapping[str, Any]
    files: Mapping[str, bytes]


def pack(kind: str, card: Mapping[str, Any], files: Mapping[str, bytes]) -> Artefact:
    """Make an artefact of a card and files. The same content always has the same digest."""
    named = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in sorted(files.items())
    }
    whole = {"format": FORMAT, "kind": kind, "files": named, **card}
    return Artefact(hashlib.sha256(_card_bytes(whole)).hexdigest(), kind, whole, dict(files))


def save(artefact: Artefact, blobs: Blobs) -> None:
    """Write an artefact under its digest, the card last: a card that is there is complete."""
    for name, data in artefact.files.items():
        blobs.put(_key(artefact.digest, name), data)
    blobs.put(_key(artefact.digest, CARD), _card_bytes(artefact.card))


def load(digest: str, blobs: Blobs) -> Artefact:
    """Read and check an artefact. Raises `ArtefactError` where a file is missing or changed."""
    card_bytes = _read(digest, CARD, blobs)
    _same(card_bytes, digest, CARD, digest)
    try:
        card = json.loads(card_bytes)
        kind, named = str(card["kind"]), dict(card["files"])
        known = card["format"] == FORMAT and all(_FILE_NAME.match(n) for n in named)
    except (ValueError, TypeError, KeyError) as e:
        raise ArtefactError(f"model {digest[:12]}: {CARD} is not a model's card") from e
    if not known:
        raise ArtefactError(
            f"model {digest[:12]} has the format {card['format']!r}; this walkdown reads {FORMAT}: "
            "upgrade walkdown, or train the model again"
        )
    files = {name: _read(digest, name, blobs) for name in sorted(named)}
    for name, data in files.items():
        _same(data, str(named[name]["sha256"]), name, digest)
    return Artefact(digest, kind, card, files)


def _card_bytes(card: Mapping[str, Any]) -> bytes:
    return json.dumps(card, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"


def _key(digest: str, name: str) -> str:
    return f"models/{digest}/{name}"


def _read(digest: str, name: str, blobs: Blobs) -> bytes:
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
