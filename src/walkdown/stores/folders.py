"""Photographs in files and folders that the user named.

`walking` decides what below a folder is a photograph; here a capture gets its identity (file URI,
size and time of change) and is read. Nothing but a regular file is ever opened: a pipe would hang.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit

from walkdown.errors import ImageError
from walkdown.stores.reasons import reason
from walkdown.stores.walking import Found, absolute, walk
from walkdown.stores.wanted import Filters
from walkdown.types import ImageRef, Original

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHANGED = "the file changed while it was being inspected: run again"


class FolderSource:
    """The photographs at ``paths``, in the order given; folders with all that is below them.

    ``include`` and ``exclude`` are shell patterns (``*``, ``?``, ``[...]``; upper and lower case
    are the same) for files in folders: each is compared with a file's name and with its path below
    the given folder, where ``*`` also stands for ``/``. An excluded folder is not entered.
    """

    def __init__(
        self,
        paths: Sequence[str],
        *,
        include: tuple[str, ...] = (),
        exclude: tuple[str, ...] = (),
    ) -> None:
        self._paths = tuple(paths)
        self._roots = tuple(absolute(path) for path in paths if path)
        self._filters = Filters(include, exclude)
        self._left_out: list[tuple[str, str]] = []

    def refs(self) -> Iterator[ImageRef]:
        """All captures, each file once; names are sorted as people count (2 before 10).

        What can't be read (missing, broken link, pipe, no permission) carries its ``problem``.
        """
        self._left_out = []
        for found in walk(self._paths, self._filters):
            if found.left_out:
                self._left_out.append((found.name, found.left_out))
            else:
                yield _ref(found)

    def left_out(self) -> list[tuple[str, str]]:
        """Files in folders that are no photographs, as (name, reason), once `refs` has ended."""
        return list(self._left_out)

    def read(self, ref: ImageRef) -> Original:
        """One capture, exactly as `refs` listed it. Raises `ImageError`."""
        if ref.problem:
            raise ImageError(ref.problem)
        path = self._path(ref)
        try:
            return Original(_read_unchanged(path, ref.version))
        except FileNotFoundError as error:
            raise ImageError("the file is gone: moved, renamed or deleted meanwhile") from error
        except OSError as error:
            raise ImageError(f"the file cannot be read: {reason(error)}") from error

    def _path(self, ref: ImageRef) -> str:
        """The path in the URI, where it is one of the given files or below a given folder."""
        parts = urlsplit(ref.uri)
        path = os.fsdecode(unquote_to_bytes(parts.path))
        inside = any(_is_below(path, root) for root in self._roots)
        if parts.scheme != "file" or parts.netloc or ".." in Path(path).parts or not inside:
            raise ImageError("the file is not in the folders that are being inspected")
        return path


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _ref(found: Found) -> ImageRef:
    return ImageRef(
        uri=Path(found.path or "/").as_uri(),
        version=_version(found.status) if found.status else "absent",
        name=found.name,
        relative=found.relative,
        problem=found.problem,
    )


def _version(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _read_unchanged(path: str, version: str) -> bytes:
    # O_NONBLOCK: what was a file may have become a pipe, whose opening would wait for a writer.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb", buffering=0) as file:  # noqa: PTH123 (a handle, not a path)
        before = os.fstat(handle)
        if stat.S_ISDIR(before.st_mode):
            raise ImageError("it is a folder, not a file")
        if not stat.S_ISREG(before.st_mode):
            raise ImageError("it is not a file that holds an image")
        data = file.readall()
        if not _version(before) == _version(os.fstat(handle)) == version:
            raise ImageError(CHANGED)
    if len(data) != before.st_size:
        raise ImageError(CHANGED)
    return data
