"""What lies in files and folders, in a stable order: photographs, problems, and other files.

Each file and folder is visited once by its real path, so links can make no circle and no double.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from walkdown.imaging.decode import sniff
from walkdown.stores.reasons import reason
from walkdown.stores.wanted import IMAGE_SUFFIXES, Filters, is_hidden, left_out
from walkdown.types import NOT_THERE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HEAD_BYTES = 64
_KINDS = (
    (stat.S_ISFIFO, "it is a named pipe, not a file"),
    (stat.S_ISSOCK, "it is a socket, not a file"),
    (stat.S_ISCHR, "it is a device, not a file"),
    (stat.S_ISBLK, "it is a device, not a file"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """One thing on the way: a photograph, or why it can't be read, or why it was left out.

    ``path`` is absolute, ``name`` as the user wrote it, ``relative`` below the given folder.
    """

    path: str
    name: str
    relative: str
    status: os.stat_result | None = None
    problem: str | None = None
    left_out: str | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk goes next; ``real`` is the path without links. The user named a ``given``."""

    path: str
    real: str
    name: str
    relative: str
    given: bool = False


def absolute(path: str) -> str:
    """The absolute path, links kept, except where ``..`` may lead out of one.

    >>> absolute("/photos/./site/a.jpg")
    '/photos/site/a.jpg'
    """
    if ".." in Path(path).parts and "\0" not in path:
        return os.path.realpath(path)
    return str(Path(path).absolute())


def walk(paths: Sequence[str], filters: Filters) -> Iterator[Found]:
    """All that is found at the paths, depth first, each folder in `natural` order."""
    visited: set[str] = set()
    for path in paths:
        # A stack instead of recursion: folders may lie deeper than Python's calls may go.
        stack = [_given(path)]
        while stack:
            place = stack.pop()
            if place.real not in visited:
                visited.add(place.real)
                found = _visit(place, filters)
                if isinstance(found, Found):
                    yield found
                else:
                    stack += reversed(found)


def _visit(place: _Place, filters: Filters) -> Found | list[_Place]:
    """What is found at a place, or where to go next where it is a folder."""
    status = _status(place)
    if isinstance(status, Found):
        return status
    if not stat.S_ISDIR(status.st_mode):
        return _file(place, status)
    try:
        return _below(place, filters)
    except OSError as error:
        return _problem(place, f"the folder cannot be opened: {reason(error)}", status)


def natural(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sort key in which numbers count: img2 before img10.

    >>> sorted(["img10", "img2", "Img1"], key=natural)
    ['Img1', 'img2', 'img10']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    key = tuple((0, int(p), "") if p[0] in "0123456789" else (1, 0, p.casefold()) for p in parts)
    return key, name


def _given(path: str) -> _Place:
    whole = absolute(path) if path else ""
    real = whole if "\0" in whole or not whole else os.path.realpath(whole)
    return _Place(whole, real, path, "", given=True)


def _status(place: _Place) -> os.stat_result | Found:
    """The status of what a path leads to, or the problem."""
    if not place.path:
        return _problem(place, "the path is empty")
    path = Path(place.path)
    try:
        return path.stat()
    except FileNotFoundError:
        broken = path.is_symlink()
        return _problem(
            place, "it is a link to a file that does not exist" if broken else NOT_THERE
        )
    except OSError as error:
        return _problem(place, f"it cannot be read: {reason(error)}")
    except ValueError:
        return _problem(place, "it is not a possible path")


def _below(folder: _Place, filters: Filters) -> list[_Place]:
    """The wanted things directly in a folder, sorted. Raises OSError."""
    places = []
    with os.scandir(folder.path) as entries:
        for entry in entries:
            relative = f"{folder.relative}/{entry.name}" if folder.relative else entry.name
            if is_hidden(entry.name):
                continue
            if not filters.skips(relative, is_folder=_is_folder(entry)):
                name = f"{folder.name.rstrip('/')}/{entry.name}"
                places.append(_Place(entry.path, _real(folder, entry), name, relative))
    return sorted(places, key=lambda place: natural(place.path.rpartition("/")[2]))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # A link into a folder without permission: the visit will say so.
    try:
        return entry.is_dir()
    except OSError:
        return False


def _real(folder: _Place, entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return os.path.realpath(entry.path)
    return f"{folder.real.rstrip('/')}/{entry.name}"


def _file(place: _Place, status: os.stat_result) -> Found:
    for is_kind, words in _KINDS:
        if is_kind(status.st_mode):
            return _problem(place, words, status)
    if not os.access(place.path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        return _problem(place, "the file cannot be read: no permission", status)
    suffix = Path(place.path).suffix
    if place.given or suffix.lower() in IMAGE_SUFFIXES:
        return _found(place, status)
    try:
        is_image = sniff(_head(place.path)) is not None
    except OSError as error:
        return _problem(place, f"the file cannot be read: {reason(error)}", status)
    if is_image:
        return _found(place, status)
    return _found(place, status, left_out=left_out(suffix))


def _head(path: str) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        is_file = stat.S_ISREG(os.fstat(handle).st_mode)
        return os.read(handle, _HEAD_BYTES) if is_file else b""
    finally:
        os.close(handle)


def _found(
    place: _Place,
    status: os.stat_result | None,
    *,
    problem: str | None = None,
    left_out: str | None = None,
) -> Found:
    relative = place.relative or Path(place.path).name
    return Found(place.path, place.name, relative, status, problem, left_out)


def _problem(place: _Place, words: str, status: os.stat_result | None = None) -> Found:
    return _found(place, status, problem=words)
