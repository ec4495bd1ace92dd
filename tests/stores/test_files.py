"""What plain files add to the contract of blobs: atomic, safe from links, free of leftovers."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from walkdown.errors import NotFound, StoreError
from walkdown.stores.files import FileBlobs

# Opens an unfinished file as a put does, says so, and waits to be killed.
HANGING_PUT = """
import sys, time
from pathlib import Path
from walkdown.stores.files import FileBlobs
with FileBlobs(Path(sys.argv[1]))._unfinished() as (handle, path):
    print(path.name, flush=True)
    time.sleep(60)
"""


def start_put(root: Path) -> tuple[subprocess.Popen[str], Path]:
    command = [sys.executable, "-c", HANGING_PUT, str(root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, root / ".tmp" / process.stdout.readline().strip()


def stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_leftovers_of_the_dead_are_swept_and_those_of_the_living_are_not(tmp_path: Path) -> None:
    dead, left = start_put(tmp_path)
    living, at_work = start_put(tmp_path)
    stop(dead)
    try:
        assert left.is_file()
        FileBlobs(tmp_path).put("a", b"x")
        assert not left.exists()
        assert at_work.is_file()
        assert list(FileBlobs(tmp_path).list()) == ["a"]
    finally:
        stop(living)


def test_a_put_that_fails_keeps_the_old_bytes_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = FileBlobs(tmp_path)
    blobs.put("a", b"old")
    real_write = os.write
    calls = []

    def full(handle: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(handle, data[:3])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreError, match=r"cannot write 'a'.*the disk is full: make room"):
        blobs.put("a", b"new bytes")
    monkeypatch.undo()
    assert calls == [9, 6]
    assert blobs.get("a") == b"old"
    assert list((tmp_path / ".tmp").iterdir()) == []


def test_a_blob_that_was_cut_short_is_repaired_by_putting_it_again(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    blobs.put("images/ab", b"whole")
    (tmp_path / "images" / "ab").write_bytes(b"")
    blobs.put("images/ab", b"whole")
    assert blobs.get("images/ab") == b"whole"


@pytest.mark.parametrize("fsync", [False, True])
def test_fsync_waits_for_the_file_and_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsync: bool
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    FileBlobs(tmp_path, fsync=fsync).put("a/b", b"x")
    both = [(tmp_path / "a" / "b").stat().st_ino, (tmp_path / "a").stat().st_ino]
    assert synced == (both if fsync else [])


@pytest.mark.parametrize("key", ["link/secret", "alias"])
def test_symbolic_links_below_the_root_are_refused(tmp_path: Path, key: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(outside)
    (root / "alias").symlink_to(outside / "secret")
    blobs = FileBlobs(root)
    for use in (blobs.get, blobs.size, blobs.delete, blobs.locate):
        with pytest.raises(StoreError, match="symbolic link"):
            use(key)
    with pytest.raises(StoreError, match="symbolic link"):
        blobs.put(key, b"x")
    assert list(blobs.list()) == []
    assert (outside / "secret").read_bytes() == b"secret"


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    blobs = FileBlobs(tmp_path / "root")
    blobs.put("a/b", b"x")
    assert blobs.get("a/b") == b"x"
    assert list(blobs.list()) == ["a/b"]


def test_nothing_is_made_before_the_first_put(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path / "new")
    assert list(blobs.list()) == []
    assert blobs.size("a") is None
    with pytest.raises(NotFound):
        blobs.get("a")
    assert not (tmp_path / "new").exists()


def test_a_file_where_a_folder_must_be_is_said(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    blobs.put("a", b"x")
    with pytest.raises(StoreError, match="cannot write 'a/b'"):
        blobs.put("a/b", b"x")
    with pytest.raises(StoreError, match="its name is too long"):
        blobs.put("n" * 300, b"x")
    assert list(blobs.list()) == ["a"]


def test_an_absolute_path_is_where_a_person_finds_it(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    blobs.put("heatmaps/x.png", b"x")
    assert Path(blobs.locate("heatmaps/x.png")).read_bytes() == b"x"


def test_new_files_have_the_users_usual_permissions(tmp_path: Path) -> None:
    FileBlobs(tmp_path).put("a", b"x")
    (tmp_path / "usual").write_bytes(b"x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "usual").stat().st_mode
