"""Photographs on their way: which are sent, under which keys, and how progress is told."""

from __future__ import annotations

from pathlib import Path

from walkdown.app.uploading import upload
from walkdown.errors import ImageError
from walkdown.stores.folders import FolderSource
from walkdown.stores.s3_upload import Hints

HINTS = Hints(asset="pole 7")


class Uploads:
    """Remembers what it was given; refuses what is named so."""

    def __init__(self) -> None:
        self.got: dict[str, tuple[bytes, Hints]] = {}

    def put(self, path: Path, key: str, hints: Hints) -> bool:
        if "refused" in key:
            raise ImageError("it cannot be read")
        is_new = key not in self.got
        self.got[key] = path.read_bytes(), hints
        return is_new


class Told:
    """What a progress bar would show."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int | None]] = []
        self.done = 0

    def start(self, what: str, total: int | None) -> None:
        self.phases.append((what, total))

    def advance(self, count: int = 1) -> None:
        self.done += count

    def note(self, text: str) -> None:
        raise AssertionError(text)


def test_folders_keep_their_structure_below_the_prefix(tmp_path: Path) -> None:
    files = {"a.jpg": b"1", "row 1/b.png": b"22", "row 1/refused.jpg": b"333", "notes.txt": b"4"}
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    source, uploads, told = FolderSource([str(tmp_path)]), Uploads(), Told()
    sent = list(upload(source, uploads, prefix="cells/", hints=HINTS, workers=2, progress=told))
    assert uploads.got == {"cells/a.jpg": (b"1", HINTS), "cells/row 1/b.png": (b"22", HINTS)}
    assert [(Path(s.name).name, s.status, s.error) for s in sent] == [
        ("a.jpg", "sent", None),
        ("b.png", "sent", None),
        ("refused.jpg", "failed", "it cannot be read"),
    ]
    assert told.phases[-1] == ("uploading", 6)
    assert told.done == 6
    assert [Path(name).name for name, _ in source.left_out()] == ["notes.txt"]
    again = upload(source, uploads, prefix="cells/", hints=HINTS, workers=2, progress=told)
    assert [s.status for s in again] == ["there", "there", "failed"]


def test_what_is_not_there_is_a_failed_one(tmp_path: Path) -> None:
    source = FolderSource([str(tmp_path / "gone")])
    (sent,) = upload(source, Uploads(), prefix="", hints=Hints(), workers=1, progress=Told())
    assert (sent.status, sent.size_bytes) == ("failed", 0)
