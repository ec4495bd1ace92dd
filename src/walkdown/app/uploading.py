"""Photographs of this machine on their way to where a pipeline waits for them.

Folders keep their structure below the prefix; what is there already is not sent again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import unquote_to_bytes, urlsplit

from walkdown.errors import ImageError, SpecError
from walkdown.parallel import ordered_map
from walkdown.stores.s3_upload import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walkdown.ports import Progress, Source
    from walkdown.stores.s3_upload import Hints
    from walkdown.types import ImageRef


class Uploads(Protocol):
    """Where photographs are put."""

    def put(self, path: Path, key: str, hints: Hints) -> bool:
        """Whether it was sent: False where the same is there. Raises `ImageError`."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a photograph. ``size_bytes`` is its file's; ``error`` says why it failed."""

    name: str
    status: Literal["sent", "there", "failed"]
    size_bytes: int
    error: str | None = None


def upload(
    source: Source,
    uploads: Uploads,
    *,
    prefix: str,
    hints: Hints,
    workers: int,
    progress: Progress,
) -> Iterator[Sent]:
    """Put all photographs of files and folders below a prefix, telling progress in bytes.

    A photograph that can't be read or named is a failed one; a store that refuses is an error.
    The files are walked twice, first for their sizes, so that a million are never in memory.
    """
    progress.start("looking for photographs", None)
    total = sum(_size(ref) for ref in source.refs())
    progress.start("uploading", total)

    def put(ref: ImageRef) -> Sent:
        return _put(ref, uploads, prefix=prefix, hints=hints)

    for sent in ordered_map(put, source.refs(), workers=workers):
        progress.advance(sent.size_bytes)
        yield sent


def _put(ref: ImageRef, uploads: Uploads, *, prefix: str, hints: Hints) -> Sent:
    size = _size(ref)
    try:
        if ref.problem:
            raise ImageError(ref.problem)
        is_new = uploads.put(_path(ref), key_of(prefix, ref.relative), hints)
    except (ImageError, SpecError) as e:
        return Sent(ref.name, "failed", size, str(e))
    return Sent(ref.name, "sent" if is_new else "there", size)


def _path(ref: ImageRef) -> Path:
    return Path(os.fsdecode(unquote_to_bytes(urlsplit(ref.uri).path)))


def _size(ref: ImageRef) -> int:
    try:
        return 0 if ref.problem else _path(ref).stat().st_size
    except OSError:
        return 0
