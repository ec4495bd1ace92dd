"""Which things below a folder or prefix are photographs, by their names: one rule for all sources.

Names are relative to what the user gave, with ``/`` between folders.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

IMAGE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".tif", ".tiff"),
        *(".bmp", ".dib", ".webp", ".heic", ".heif", ".avif", ".gif"),
    )
)
_LITTER = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db", "$recycle.bin", "__macosx"})


@dataclass(frozen=True, slots=True)
class Filters:
    """Which files of a folder are wanted: shell patterns, see `folders.FolderSource`."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def skips(self, relative: str, *, is_folder: bool) -> bool:
        """Whether a file, or a folder with all below it, is not wanted."""
        if _fits(relative, self.exclude):
            return True
        return bool(self.include) and not is_folder and not _fits(relative, self.include)

    def passes(self, relative: str) -> bool:
        """Whether a walk from the root would come to this file: no folder on the way is skipped.

        >>> Filters(exclude=("old",)).passes("site/old/a.jpg")
        False
        """
        parts = relative.split("/")
        if any(is_hidden(part) for part in parts):
            return False
        folders = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        if any(self.skips(folder, is_folder=True) for folder in folders):
            return False
        return not self.skips(relative, is_folder=False)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is one that programs leave behind.

    >>> is_hidden(".DS_Store"), is_hidden("Thumbs.db"), is_hidden("pole.jpg")
    (True, True, False)
    """
    return name.startswith(".") or name.lower() in _LITTER


def left_out(suffix: str) -> str:
    """Why a file with this suffix, which does not begin like an image, is left out."""
    return f"not an image file ({suffix or 'no extension'})"


def _fits(relative: str, patterns: Sequence[str]) -> bool:
    path = relative.lower()
    name = path.rpartition("/")[2]
    return any(fnmatchcase(each, p.lower()) for p in patterns for each in (path, name))
