"""Blobs as plain files below one folder: what a person can open, copy and back up.

A put writes an unfinished file in ``.tmp`` beside the data (the same file system) and moves it over
the key, so a reader or a crash sees the old bytes or the new ones. Every writer holds a lock on its
unfinished file; the kernel drops it when the process dies, which is how leftovers are known.
"""

from __future__ import annotations

import fcntl
import itertools
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from walkdown.errors import NotFound, StoreError
from walkdown.stores.keys import RESERVED, check_key, check_prefix
from walkdown.stores.reasons import reason

if TYPE_CHECKING:
    from collections.abc import Iterator


class FileBlobs:
    """Blobs below ``root``, which is made at the first put.

    With ``fsync`` each put waits until the bytes are on the disk. Without it (the default; waiting
    costs 1 to 20 ms a file, more than looking at a small image) a power cut, not a crash of the
    program, may leave a file of the last half minute empty or cut short. A blob whose key is made
    of its content is repaired by putting it again: `put` always writes, even where the key exists.

    Symbolic links below ``root`` are refused, as they may lead out of it; ``root`` may be one.
    """

    def __init__(self, root: Path, *, fsync: bool = False) -> None:
        self._root = Path(os.path.realpath(root))
        self._fsync = fsync
        self._numbers = itertools.count()
        self._swept = False

    def put(self, key: str, data: bytes) -> None:
        """Store whole or not at all; a second put of a key replaces it."""
        target = self._path(key)
        with _explained(key, "write"):
            self._sweep_once()
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._unfinished() as (handle, path):
                _write_all(handle, data)
                if self._fsync:
                    os.fsync(handle)
                path.replace(target)
            if self._fsync:
                _sync_folder(target.parent)

    def get(self, key: str) -> bytes:
        """The bytes of a key. Raises `NotFound`, or `StoreError` where it can't be read."""
        path = self._path(key)
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise NotFound(f"nothing is stored as {key!r} in {self._root}") from error
        except OSError as error:
            raise StoreError(f"cannot read {path}: {reason(error)}") from error

    def size(self, key: str) -> int | None:
        """The file's length in bytes; None where the key is no file."""
        path = self._path(key)
        with _explained(key, "look for"):
            return path.stat().st_size if path.is_file() else None

    def list(self, prefix: str = "") -> Iterator[str]:
        """All keys that start with the prefix, sorted; one folder at a time is held in memory."""
        folder, slash, _ = check_prefix(prefix).rpartition("/")
        return self._walk(folder + slash, prefix)

    def delete(self, key: str) -> None:
        """Remove a key; removing a missing one changes nothing."""
        path = self._path(key)
        with (
            _explained(key, "delete"),
            suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError),
        ):
            path.unlink()

    def locate(self, key: str) -> str:
        """The absolute path of the file, whether it exists or not."""
        return str(self._path(key))

    def _path(self, key: str) -> Path:
        path = self._root / check_key(key)
        if os.path.realpath(path) != str(path):
            raise StoreError(
                f"{path} is, or lies behind, a symbolic link, which could lead out of the store: "
                "replace the link by the folder or file itself"
            )
        return path

    def _walk(self, folder: str, prefix: str) -> Iterator[str]:
        try:
            with os.scandir(self._root / folder) as found:
                # A folder sorts with its slash, as its keys do.
                names = sorted(
                    folder + entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "")
                    for entry in found
                    if not entry.is_symlink()
                )
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            where = self._root / folder
            raise StoreError(f"cannot list {where}: {reason(error)}") from error
        for name in names:
            if not name.startswith(prefix) or name == f"{RESERVED}/":
                continue
            if name.endswith("/"):
                yield from self._walk(name, prefix)
            else:
                yield name

    @contextmanager
    def _unfinished(self) -> Iterator[tuple[int, Path]]:
        """A new locked file in ``.tmp``; what the block did not move away is removed."""
        handle, path = self._open_unfinished()
        try:
            yield handle, path
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(handle)

    def _open_unfinished(self) -> tuple[int, Path]:
        folder = self._root / RESERVED
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            path = folder / f"{os.getpid()}-{next(self._numbers)}"
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            except FileExistsError:
                continue
            fcntl.flock(handle, fcntl.LOCK_EX)
            # Another process may have swept the file between its birth and its lock.
            if os.fstat(handle).st_nlink:
                return handle, path
            os.close(handle)

    def _sweep_once(self) -> None:
        """Remove what dead processes left: before the first put, when a run begins."""
        if self._swept:
            return
        self._swept = True
        with suppress(FileNotFoundError):
            for path in _files_of(self._root / RESERVED):
                _remove_if_abandoned(path)


def _files_of(folder: Path) -> list[Path]:
    """The files of one folder, without symbolic links, sorted. Raises OSError."""
    with os.scandir(folder) as found:
        return sorted(Path(entry.path) for entry in found if entry.is_file(follow_symlinks=False))


def _remove_if_abandoned(path: Path) -> None:
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(handle)


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _explained(key: str, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise StoreError(f"cannot {what} {key!r}{where}: {reason(error)}") from error
