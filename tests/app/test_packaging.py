"""A model as an archive: the same bytes each time, and nothing in it but its files."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from walkdown.app.packaging import archive
from walkdown.cli.entry import run
from walkdown.errors import ArtefactError
from walkdown.models import artefact
from walkdown.models.artefact import pack


def test_an_archive_is_made_of_the_content_alone() -> None:
    one = pack("fake", {"salt": "a"}, {"b.bin": b"2", "a.bin": b"1"})
    other = pack("fake", {"salt": "a"}, {"a.bin": b"1", "b.bin": b"2"})
    assert archive(one) == archive(other)
    assert archive(one)[4:8] == b"\0\0\0\0", "no time is in it"
    assert archive(one) != archive(pack("fake", {"salt": "b"}, {"a.bin": b"1", "b.bin": b"2"}))


def test_the_members_are_plain_files_that_make_the_model_again(tmp_path: Path) -> None:
    packed = pack("fake", {"salt": "a"}, {"w.bin": b"numbers"})
    with tarfile.open(fileobj=io.BytesIO(archive(packed))) as tar:
        members = tar.getmembers()
        tar.extractall(tmp_path / "model", filter="data")
    assert [each.name for each in members] == ["card.json", "w.bin"]
    assert all(each.isfile() and each.mode == 0o644 and each.mtime == 0 for each in members)
    assert artefact.load_folder(tmp_path / "model") == packed


def test_a_folder_without_a_file_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="holds no model"):
        artefact.load_folder(tmp_path)
    packed = pack("fake", {"salt": "a"}, {"w.bin": b"numbers"})
    (tmp_path / "card.json").write_bytes(artefact.contents(packed)["card.json"])
    with pytest.raises(ArtefactError, match=r"the file w\.bin is missing"):
        artefact.load_folder(tmp_path)


def test_the_command_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("card.yaml").write_text("kind: fake\nsalt: a\n")
    assert run(["models", "add", "mine", "card.yaml"]) == 0
    assert run(["models", "package", "mine", "--to", "model.tar.gz"]) == 0
    assert Path("model.tar.gz").read_bytes() == archive(pack("fake", {"salt": "a"}, {}))
    assert "mine@1 in model.tar.gz" in capsys.readouterr().out
    assert run(["models", "package", "nobody", "--to", "x.tar.gz"]) == 1
