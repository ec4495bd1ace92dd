"""Folders as people have them: links, pipes, litter, odd names, and files that change."""

from __future__ import annotations

import inspect
import os
import socket
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from walkdown.errors import ImageError
from walkdown.stores.folders import FolderSource
from walkdown.stores.walking import natural

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from walkdown.types import ImageRef

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00 and the rest"


def make(root: Path, *names: str, data: bytes = JPEG) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def listed(*paths: Path | str, **options: tuple[str, ...]) -> list[str]:
    source = FolderSource([str(path) for path in paths], **options)
    return [ref.relative for ref in source.refs()]


def only(source: FolderSource) -> ImageRef:
    (ref,) = source.refs()
    return ref


def test_a_ref_says_where_it_is_and_as_what_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "site 1/pole/a b.jpg")
    os.utime(tmp_path / "site 1/pole/a b.jpg", ns=(1, 1_700_000_000_123_456_789))
    monkeypatch.chdir(tmp_path)
    for given_name in ("site 1", "site 1/", "./site 1"):
        ref = only(FolderSource([given_name]))
        assert ref.name == f"{given_name.rstrip('/')}/pole/a b.jpg"
        assert ref.relative == "pole/a b.jpg"
        assert ref.uri == (tmp_path / "site 1/pole/a b.jpg").as_uri()
        assert "%20" in ref.uri
        assert ref.version == f"{len(JPEG)}-1700000000123456789"
    alone = only(FolderSource(["site 1/pole/a b.jpg"]))
    assert (alone.name, alone.relative) == ("site 1/pole/a b.jpg", "a b.jpg")
    assert alone.capture_id == ref.capture_id


def test_names_are_sorted_as_people_count(tmp_path: Path) -> None:
    make(tmp_path, "img10.jpg", "img2.jpg", "IMG1.jpg", "b/1.jpg", "a/10.jpg", "a/9.jpg")
    assert listed(tmp_path) == [
        *("a/9.jpg", "a/10.jpg", "b/1.jpg"),
        *("IMG1.jpg", "img2.jpg", "img10.jpg"),
    ]


@given(st.lists(st.text(st.sampled_from("ab01٣²."), min_size=1, max_size=5)))
def test_the_natural_order_is_total(names: list[str]) -> None:
    backwards = names[::-1]
    assert sorted(backwards, key=natural) == sorted(names, key=natural)


def test_the_same_file_comes_once(tmp_path: Path) -> None:
    make(tmp_path, "a/1.jpg", "a/2.jpg")
    (tmp_path / "a/again.jpg").symlink_to(tmp_path / "a/1.jpg")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    first = tmp_path / "a/1.jpg"
    assert listed(first, tmp_path / "a", first, tmp_path / "b") == ["1.jpg", "2.jpg"]
    assert listed(tmp_path / "gone", tmp_path / "gone") == ["gone"]


def test_links_that_go_in_a_circle_end(tmp_path: Path) -> None:
    make(tmp_path, "a/b/1.jpg")
    (tmp_path / "a/b/up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    source = FolderSource([str(tmp_path)])
    found = {ref.relative: ref.problem for ref in source.refs()}
    assert found == {
        "a/b/1.jpg": None,
        "self": "it cannot be read: its symbolic links go in a circle",
    }


def test_a_path_with_dots_means_what_the_system_means(tmp_path: Path) -> None:
    make(tmp_path, "real/deep/x.jpg", "real/photo.jpg", "photo.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "real/deep")
    ref = only(FolderSource([f"{tmp_path}/link/../photo.jpg"]))
    assert ref.uri == (tmp_path / "real/photo.jpg").as_uri()
    assert FolderSource([f"{tmp_path}/link/../photo.jpg"]).read(ref).data == JPEG


def test_what_cannot_be_an_image_carries_its_problem_and_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "broken.jpg").symlink_to(tmp_path / "gone.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        paths = [str(tmp_path), "/dev/zero", str(tmp_path / "missing.jpg"), "", "a\0b"]
        source = FolderSource(paths)
        found = {ref.relative: ref for ref in source.refs()}
    assert {relative: ref.problem for relative, ref in found.items()} == {
        "broken.jpg": "it is a link to a file that does not exist",
        "pipe.jpg": "it is a named pipe, not a file",
        "socket": "it is a socket, not a file",
        "zero": "it is a device, not a file",
        "missing.jpg": "it does not exist",
        "": "the path is empty",
        "a\0b": "it is not a possible path",
    }
    assert len({ref.capture_id for ref in found.values()}) == len(found)
    with pytest.raises(ImageError, match="named pipe"):
        source.read(found["pipe.jpg"])


def test_a_file_that_became_a_pipe_does_not_hang(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    source = FolderSource([str(tmp_path)])
    ref = only(source)
    (tmp_path / "a.jpg").unlink()
    os.mkfifo(tmp_path / "a.jpg")
    said: list[str] = []

    def read() -> None:
        with pytest.raises(ImageError) as raised:
            source.read(ref)
        said.append(str(raised.value))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(timeout=5)
    assert said == ["it is not a file that holds an image"]


def test_files_that_are_no_images_are_left_out_with_a_reason(tmp_path: Path) -> None:
    make(tmp_path, "notes.md", "data", data=b"Dear all,")
    make(tmp_path, "hidden-photo.bin", "upper.JPG", "sub/noext")
    make(tmp_path, "empty.txt", data=b"")
    make(tmp_path, "cut.png", data=b"")
    source = FolderSource([str(tmp_path)])
    found = [ref.relative for ref in source.refs()]
    assert found == ["cut.png", "hidden-photo.bin", "sub/noext", "upper.JPG"]
    assert source.left_out() == [
        (f"{tmp_path}/data", "not an image file (no extension)"),
        (f"{tmp_path}/empty.txt", "not an image file (.txt)"),
        (f"{tmp_path}/notes.md", "not an image file (.md)"),
    ]
    assert [ref.relative for ref in source.refs()] == found
    assert len(source.left_out()) == 3


def test_a_file_given_directly_is_always_a_ref(tmp_path: Path) -> None:
    make(tmp_path, "notes.md", ".hidden.jpg", data=b"Dear all,")
    source = FolderSource([str(tmp_path / "notes.md"), str(tmp_path / ".hidden.jpg")])
    assert [ref.problem for ref in source.refs()] == [None, None]
    assert source.left_out() == []


def test_litter_and_hidden_things_are_not_mentioned(tmp_path: Path) -> None:
    litter = (".DS_Store", "Thumbs.db", "desktop.ini", "._a.jpg", ".trash/a.jpg", "__MACOSX/a.jpg")
    make(tmp_path, *litter, ".walkdown/blobs/images/ab", "sub/.walkdown/a.jpg", "a.jpg")
    source = FolderSource([str(tmp_path)])
    assert [ref.relative for ref in source.refs()] == ["a.jpg"]
    assert source.left_out() == []


def test_include_and_exclude_look_at_name_and_path(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "b.PNG", "site/c.jpg", "site/thumbs/d.jpg", "old/e.jpg")
    assert listed(tmp_path, include=("*.png",)) == ["b.PNG"]
    assert listed(tmp_path, include=("site/*",)) == ["site/c.jpg", "site/thumbs/d.jpg"]
    assert listed(tmp_path, exclude=("thumbs", "OLD")) == ["a.jpg", "b.PNG", "site/c.jpg"]
    assert listed(tmp_path, include=("*.jpg",), exclude=("site/t*", "a.*")) == [
        *("old/e.jpg", "site/c.jpg")
    ]
    assert listed(tmp_path / "a.jpg", exclude=("*",)) == ["a.jpg"]


def test_names_that_are_not_unicode_are_read(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)  # noqa: PTH102 (bytes)
    with open(folder + b"/\xff#?%41.jpg", "wb") as file:  # noqa: PTH123 (bytes)
        file.write(JPEG)
    source = FolderSource([str(tmp_path)])
    ref = only(source)
    assert ref.relative == "caf\udce9/\udcff#?%41.jpg"
    assert ref.uri.isascii()
    assert ref.uri.endswith("/caf%E9/%FF%23%3F%2541.jpg")
    assert len(ref.capture_id) == 32
    assert source.read(ref).data == JPEG


def test_no_permission_is_a_problem_in_words(
    open_folder: Path, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    make(open_folder, "ok.jpg", "no.jpg", "notes.md", "locked/a.jpg")
    (open_folder / "elsewhere.jpg").symlink_to(open_folder / "locked/a.jpg")
    (open_folder / "folder").symlink_to(open_folder / "locked/sub")
    for name in ("no.jpg", "notes.md", "locked"):
        (open_folder / name).chmod(0)
    source = FolderSource([str(open_folder)])
    with unprivileged():
        found = {ref.relative: ref.problem for ref in source.refs()}
    (open_folder / "locked").chmod(0o700)
    assert found == {
        "elsewhere.jpg": "it cannot be read: no permission",
        "folder": "it cannot be read: no permission",
        "locked": "the folder cannot be opened: no permission",
        "no.jpg": "the file cannot be read: no permission",
        "notes.md": "the file cannot be read: no permission",
        "ok.jpg": None,
    }


def test_a_file_that_changed_or_went_is_not_read(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    source = FolderSource([str(tmp_path)])
    a, b, c = source.refs()
    make(tmp_path, "a.jpg", data=JPEG + b"more")
    (tmp_path / "b.jpg").unlink()
    (tmp_path / "c.jpg").unlink()
    (tmp_path / "c.jpg").mkdir()
    with pytest.raises(ImageError, match="changed while it was being inspected: run again"):
        source.read(a)
    with pytest.raises(ImageError, match="the file is gone"):
        source.read(b)
    with pytest.raises(ImageError, match="it is a folder"):
        source.read(c)


def test_permission_lost_after_listing_is_said(
    open_folder: Path, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    make(open_folder, "a.jpg")
    source = FolderSource([str(open_folder)])
    ref = only(source)
    (open_folder / "a.jpg").chmod(0)
    with unprivileged(), pytest.raises(ImageError, match="cannot be read: no permission"):
        source.read(ref)


def test_only_what_was_given_is_read(tmp_path: Path) -> None:
    make(tmp_path, "photos/a.jpg", "photos-private/a.jpg", "b.jpg")
    source = FolderSource([str(tmp_path / "photos")])
    ref = only(source)
    inside = (tmp_path / "photos").as_uri()
    for uri in (
        (tmp_path / "b.jpg").as_uri(),
        (tmp_path / "photos-private/a.jpg").as_uri(),
        f"{inside}/../b.jpg",
        f"{inside}/%2E%2E/b.jpg",
        "https://example.org/a.jpg",
        f"file://host{tmp_path}/photos/a.jpg",
    ):
        with pytest.raises(ImageError, match="not in the folders"):
            source.read(replace(ref, uri=uri))


def test_folders_deeper_than_python_calls_are_walked(tmp_path: Path) -> None:
    relative = "d/" * 200 + "deep.jpg"
    make(tmp_path, relative)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        assert listed(tmp_path) == [relative]
    finally:
        sys.setrecursionlimit(limit)


def test_real_images_are_all_found(test_data: Path) -> None:
    folder = test_data / "robustness"
    source = FolderSource([str(folder)])
    refs = list(source.refs())
    assert len(refs) > 20
    assert all(ref.problem is None for ref in refs)
    assert all(source.read(ref).data == (folder / ref.relative).read_bytes() for ref in refs[:5])
