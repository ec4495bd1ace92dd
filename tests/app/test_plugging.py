"""A model of anybody's, brought in by a card."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from walkdown.app.plugging import plug_in
from walkdown.app.versions import open_version
from walkdown.errors import NotFound, SpecError
from walkdown.models import artefact
from walkdown.wiring import open_workspace

Card = Callable[[str], Path]


@pytest.fixture
def card(tmp_path: Path) -> Card:
    def write(text: str) -> Path:
        path = tmp_path / "cards" / "card.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_a_card_makes_a_version_that_opens_and_is_live(tmp_path: Path, card: Card) -> None:
    app = open_workspace(str(tmp_path))
    path = card("kind: fake\nsalt: a\nfiles: [weights.bin]\n")
    (path.parent / "weights.bin").write_bytes(b"numbers")
    version = plug_in(app, "mine", path)
    assert (version.label, version.aliases, version.facts) == (
        "mine@1",
        ("live",),
        {"kind": "fake"},
    )
    assert open_version(app, version).info.label == "mine@1"
    stored = artefact.load(version.digest, app.blobs)
    assert (stored.card["salt"], stored.files) == ("a", {"weights.bin": b"numbers"})
    assert plug_in(app, "mine", path) == version, "the same again adds nothing"
    (path.parent / "weights.bin").write_bytes(b"others")
    assert plug_in(app, "mine", path).version == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "card.yaml:1: a card needs at least a kind"),
        ("- kind", "card.yaml:1: a card needs at least a kind"),
        ("kind: 3", "card.yaml:1: a card needs at least a kind"),
        ("kind: fake\nfiles: x", "card.yaml:2: 'files' must be a list of paths"),
        ("kind: fake\nfiles: [gone.onnx]", "card.yaml:2: gone.onnx can't be read: No such file"),
        ("kind: fake\nfiles: [card.yaml, ../cards/card.yaml]", "two files are called 'card.yaml'"),
        ("kind: fake\nformat: 2", "can't hold 'format'"),
        ("kind: fake\nat: .nan", "card.yaml:2: 'at' must be a number (it is nan)"),
        ("kind: fake\na:\n  b: [1, .inf]", "card.yaml:3: 'a.b[2]' must be a number"),
        ("kind: fake\nfiles: {}", "card.yaml:2: 'files' must be a list of paths"),
        ("kind: fake\nfiles: 0", "card.yaml:2: 'files' must be a list of paths"),
        ("kind: fake\nfiles: ['']", "card.yaml:2:  is no file but a folder"),
        ("kind: fake\nfiles: [../secret]", "card.yaml:2: ../secret lies outside"),
        ("kind: fake\nfiles: [/etc/passwd]", "card.yaml:2: /etc/passwd lies outside"),
        ("kind: fake\nfiles: [link]", "card.yaml:2: link lies outside of the card's folder"),
        ("kind: fake\nfiles: [pipe]", "card.yaml:2: pipe is no file"),
        ('kind: fake\nfiles: ["a\\0b"]', "card.yaml:2: 'a\\x00b' can't be the name"),
        ('kind: fake\nfiles: ["a\\ud800"]', "card.yaml:2: 'a\\ud800' can't be the name"),
        ("kind: fake\nfiles: [large.bin]", "card.yaml:2: large.bin has more than 100 bytes"),
        ("#" * 1_000_001, "card.yaml has more than 1,000,000 bytes"),
    ],
)
def test_a_wrong_card_is_told_where_it_is_wrong(
    tmp_path: Path, card: Card, text: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_workspace(str(tmp_path))
    path = card(text)
    (tmp_path / "secret").write_text("mine")
    (path.parent / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(path.parent / "pipe")
    (path.parent / "large.bin").write_bytes(b"x" * 101)
    monkeypatch.setattr("walkdown.app.plugging.MAX_FILE_BYTES", 100)
    with pytest.raises(SpecError) as e:
        plug_in(app, "mine", path)
    assert words in str(e.value)
    assert app.versions.versions() == []


def test_what_does_not_open_is_not_stored(tmp_path: Path, card: Card) -> None:
    app = open_workspace(str(tmp_path))
    with pytest.raises(NotFound, match="provides models of kind 'sharpness'"):
        plug_in(app, "mine", card("kind: sharpness"))
    with pytest.raises(SpecError, match="can't be a model's name"):
        plug_in(app, "../mine", card("kind: fake"))
    with pytest.raises(SpecError, match="can't be read"):
        plug_in(app, "mine", tmp_path / "none.yaml")
    assert list(app.blobs.list("models/")) == []
