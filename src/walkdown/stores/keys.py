"""Which names a blob may have: one rule for every store, so that a workspace can be moved."""

from __future__ import annotations

from walkdown.errors import StoreError

RESERVED = ".tmp"
"""The first part that no key may have: unfinished files of `files.FileBlobs` lie there."""


def check_key(key: str) -> str:
    """The key itself, where it is a relative path of plain names. Raises `StoreError`.

    >>> check_key("images/ab/abcd")
    'images/ab/abcd'
    """
    problem = _problem(key)
    if problem:
        raise StoreError(f"not a name for stored data: {key!r} {problem}")
    return key


def is_key(key: str) -> bool:
    """Whether `check_key` would let it pass.

    >>> is_key("images/ab"), is_key("folder/")
    (True, False)
    """
    return _problem(key) is None


def check_prefix(prefix: str) -> str:
    """The prefix itself, where its whole parts could begin a key. Raises `StoreError`."""
    folder, slash, _ = prefix.rpartition("/")
    if slash:
        check_key(folder)
    if "\0" in prefix or "\\" in prefix:
        check_key(prefix)
    return prefix


def _problem(key: str) -> str | None:
    parts = key.split("/")
    if not key:
        return "is empty"
    if "\0" in key or "\\" in key:
        return "has a NUL or a backslash in it"
    if key.startswith("/"):
        return "is absolute; it must be relative to the store"
    if "" in parts:
        return "has an empty part"
    if "." in parts or ".." in parts:
        return "has a '.' or '..' in it and could lead out of the store"
    if parts[0] == RESERVED:
        return f"begins with {RESERVED}, which is kept for unfinished files"
    return None
