import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from walkdown.errors import ArtefactError
from walkdown.models.artefact import CARD, FORMAT, Artefact, load, pack, save
from walkdown.stores.memory import MemoryBlobs

FILES = {"model.onnx": b"graph", "notes.txt": b""}


def stored(files: dict[str, bytes] = FILES) -> tuple[Artefact, MemoryBlobs]:
    artefact, blobs = pack("fake", {"input": {"side": 3}}, files), MemoryBlobs()
    save(artefact, blobs)
    return artefact, blobs


def forged(card: object, files: dict[str, bytes] | None = None) -> tuple[str, MemoryBlobs]:
    """A card that was never packed, under the digest that it really has."""
    data = card if isinstance(card, bytes) else json.dumps(card).encode()
    digest, blobs = hashlib.sha256(data).hexdigest(), MemoryBlobs()
    blobs.put(f"models/{digest}/{CARD}", data)
    for name, content in (files or {}).items():
        blobs.put(f"models/{digest}/{name}", content)
    return digest, blobs


def card(**changes: Any) -> dict[str, Any]:
    return {"format": FORMAT, "kind": "fake", "files": {}} | changes


def entry(data: bytes) -> dict[str, object]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


@given(st.dictionaries(st.from_regex(r"\A[a-z][a-z0-9_-]{0,8}\Z"), st.binary(max_size=50)))
def test_what_was_saved_is_loaded(files: dict[str, bytes]) -> None:
    artefact, blobs = stored(files)
    assert load(artefact.digest, blobs) == artefact
    assert artefact.files == files


def test_the_same_content_has_the_same_digest() -> None:
    one = pack("k", {"a": 1, "b": (2, 3)}, {"x": b"1", "y": b"2"})
    other = pack("k", {"b": [2, 3], "a": 1}, {"y": b"2", "x": b"1"})
    assert one == other


def test_everything_counts_for_the_digest() -> None:
    digests = {
        pack("k", {"a": 1}, {"x": b"1"}).digest,
        pack("l", {"a": 1}, {"x": b"1"}).digest,
        pack("k", {"a": 2}, {"x": b"1"}).digest,
        pack("k", {"a": 1}, {"x": b"2"}).digest,
        pack("k", {"a": 1}, {"y": b"1"}).digest,
    }
    assert len(digests) == 5


def test_a_digest_is_the_sha256_of_the_card() -> None:
    artefact, blobs = stored()
    data = blobs.get(f"models/{artefact.digest}/{CARD}")
    assert hashlib.sha256(data).hexdigest() == artefact.digest


def test_every_changed_byte_of_the_card_is_refused() -> None:
    artefact, blobs = stored()
    key = f"models/{artefact.digest}/{CARD}"
    whole = blobs.get(key)
    for i in range(len(whole)):
        blobs.put(key, whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :])
        with pytest.raises(ArtefactError, match=r"the file card\.json was changed since"):
            load(artefact.digest, blobs)
    for other in (whole + b" ", whole[:-1], b"", whole * 2):
        blobs.put(key, other)
        with pytest.raises(ArtefactError, match=r"the file card\.json was changed since"):
            load(artefact.digest, blobs)


@given(st.binary(min_size=1, max_size=40), st.binary(max_size=40))
def test_every_change_of_a_file_is_refused(data: bytes, other: bytes) -> None:
    artefact, blobs = stored({"x": data})
    blobs.put(f"models/{artefact.digest}/x", other)
    if data == other:
        assert load(artefact.digest, blobs) == artefact
    else:
        with pytest.raises(ArtefactError, match=r"the file x was changed .*; train the model"):
            load(artefact.digest, blobs)


@pytest.mark.parametrize("name", [CARD, *FILES])
def test_a_missing_file_is_named(name: str) -> None:
    artefact, blobs = stored()
    blobs.delete(f"models/{artefact.digest}/{name}")
    with pytest.raises(ArtefactError) as e:
        load(artefact.digest, blobs)
    start = f"model {artefact.digest[:12]}: the file {name} is missing"
    assert str(e.value) == f"{start}; train the model again"


def test_a_file_that_the_card_does_not_name_is_not_part_of_the_model() -> None:
    artefact, blobs = stored()
    blobs.put(f"models/{artefact.digest}/extra", b"?")
    assert load(artefact.digest, blobs) == artefact


def test_the_card_comes_last_so_that_a_broken_save_is_no_model() -> None:
    class Dying(MemoryBlobs):
        def put(self, key: str, data: bytes) -> None:
            if key.endswith("notes.txt"):
                raise OSError("no space left")
            super().put(key, data)

    artefact, blobs = pack("fake", {}, FILES), Dying()
    with pytest.raises(OSError, match="no space"):
        save(artefact, blobs)
    assert blobs.size(f"models/{artefact.digest}/{CARD}") is None


TRICKS = ["../x", "a/b", "/etc/passwd", "..", ".", ".hidden", "", "a\\b", "x\x00", "x\n", "a" * 101]


@pytest.mark.parametrize("name", [*TRICKS, "card.json", "Card.JSON"])
def test_a_card_whose_file_names_lead_elsewhere_is_refused(name: str) -> None:
    digest, blobs = forged(card(files={name: entry(b"x")}))
    with pytest.raises(ArtefactError, match="which is no plain file name"):
        load(digest, blobs)


@pytest.mark.parametrize("name", [*TRICKS, "card.json", "Card.JSON"])
def test_nor_can_such_a_name_be_packed(name: str) -> None:
    with pytest.raises(ArtefactError, match="give it another name"):
        pack("fake", {}, {name: b"x"})


@pytest.mark.parametrize("key", ["format", "kind", "files"])
def test_a_card_cannot_overrule_what_packing_writes(key: str) -> None:
    with pytest.raises(ArtefactError, match=f"can't hold '{key}'"):
        pack("fake", {key: "x"}, {})


@pytest.mark.parametrize("digest", ["", "../../etc", "ab", "g" * 64, "A" * 64, "a" * 64 + "\n"])
def test_a_digest_that_is_none_is_refused_before_anything_is_read(digest: str) -> None:
    with pytest.raises(ArtefactError, match="is no model's digest"):
        load(digest, MemoryBlobs())


@pytest.mark.parametrize("found", ["walkdown-model/2", 1, None, ["walkdown-model/1"]])
def test_an_unknown_format_says_what_to_do(found: object) -> None:
    digest, blobs = forged(card(format=found))
    with pytest.raises(ArtefactError) as e:
        load(digest, blobs)
    assert str(e.value) == (
        f"model {digest[:12]} has the format {str(found)!r}; this walkdown reads "
        "'walkdown-model/1': upgrade walkdown, or train the model again"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"3",
        b'"card"',
        b"[" * 100_000,
        b"{",
        card(kind=None),
        card(files=None),
        card(files=[["x", {"sha256": "0"}]]),
        card(files={"x": "0"}),
        card(files={"x": {}}),
        {"format": FORMAT, "kind": "fake"},
    ],
    ids=range(14),
)
def test_what_is_no_card_is_refused(data: object) -> None:
    digest, blobs = forged(data)
    with pytest.raises(ArtefactError, match=r"card\.json is not a model's card"):
        load(digest, blobs)


def test_a_forged_card_with_honest_files_is_a_model() -> None:
    """The digest is what is trusted, not who wrote the card."""
    digest, blobs = forged(card(files={"x": entry(b"1")}), {"x": b"1"})
    assert load(digest, blobs).files == {"x": b"1"}
