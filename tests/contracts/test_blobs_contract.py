"""What every store of named bytes keeps to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from walkdown.errors import NotFound, StoreError
from walkdown.stores.files import FileBlobs
from walkdown.stores.memory import MemoryBlobs
from walkdown.stores.s3 import S3Blobs

if TYPE_CHECKING:
    from pathlib import Path

    from walkdown.ports import Blobs


@pytest.fixture(params=["memory", "files", "files with fsync", "s3", "s3 below a prefix"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "memory":
        return MemoryBlobs()
    if request.param.startswith("s3"):
        client = request.getfixturevalue("moto_aws").client("s3")
        where = {"LocationConstraint": "eu-central-1"}
        client.create_bucket(Bucket="data", CreateBucketConfiguration=where)
        if request.param == "s3":
            return S3Blobs(client, "data")
        client.put_object(Bucket="data", Key="my/data.txt", Body=b"not below the prefix")
        return S3Blobs(client, "data", "my/data")
    return FileBlobs(tmp_path / "blobs", fsync=request.param == "files with fsync")


def test_what_was_put_is_got(blobs: Blobs) -> None:
    blobs.put("images/ab/abcd", b"\x00\xffdata")
    blobs.put("empty", b"")
    assert blobs.get("images/ab/abcd") == b"\x00\xffdata"
    assert blobs.get("empty") == b""
    assert blobs.size("images/ab/abcd") == 6
    assert blobs.size("empty") == 0


def test_missing_keys_are_not_found_and_folders_are_no_keys(blobs: Blobs) -> None:
    blobs.put("images/ab/abcd", b"x")
    for key in ("nothing", "images", "images/ab", "images/ab/abcd/deeper"):
        assert blobs.size(key) is None
        with pytest.raises(NotFound, match=key):
            blobs.get(key)


def test_a_second_put_replaces(blobs: Blobs) -> None:
    blobs.put("a", b"a long first value")
    blobs.put("a", b"second")
    assert blobs.get("a") == b"second"
    assert list(blobs.list()) == ["a"]


def test_delete_is_repeatable(blobs: Blobs) -> None:
    blobs.put("a/b", b"x")
    blobs.delete("a/b")
    blobs.delete("a/b")
    blobs.delete("never/was")
    assert blobs.size("a/b") is None
    assert list(blobs.list()) == []


def test_list_is_sorted_as_text_and_filtered_by_any_beginning(blobs: Blobs) -> None:
    keys = ["a-b", "a/b", "a/c/d", "a0", "ab/x", "b", "images/ab/abc", "images/ac/acd"]
    for key in reversed(keys):
        blobs.put(key, b"x")
    assert list(blobs.list()) == sorted(keys)
    assert list(blobs.list("a")) == ["a-b", "a/b", "a/c/d", "a0", "ab/x"]
    assert list(blobs.list("a/")) == ["a/b", "a/c/d"]
    assert list(blobs.list("a/c")) == ["a/c/d"]
    assert list(blobs.list("images/a")) == ["images/ab/abc", "images/ac/acd"]
    assert list(blobs.list("no/such")) == []


def test_names_that_are_not_unicode_are_kept(blobs: Blobs) -> None:
    blobs.put("caf\udce9/ü", b"x")
    assert list(blobs.list()) == ["caf\udce9/ü"]
    assert blobs.get("caf\udce9/ü") == b"x"


@pytest.mark.parametrize(
    "key",
    ["", "/etc/passwd", "..", "a/../../b", "a//b", "a/", "./a", "a/.", "a\\b", "a\0b", ".tmp/x"],
)
def test_keys_that_are_no_plain_relative_paths_are_refused(blobs: Blobs, key: str) -> None:
    for use in (blobs.get, blobs.size, blobs.delete, blobs.locate):
        with pytest.raises(StoreError, match="not a name for stored data"):
            use(key)
    with pytest.raises(StoreError, match="not a name for stored data"):
        blobs.put(key, b"x")


@pytest.mark.parametrize("prefix", ["../", "/", "a/../", "a\0", "\\"])
def test_prefixes_that_lead_out_are_refused(blobs: Blobs, prefix: str) -> None:
    with pytest.raises(StoreError, match="not a name for stored data"):
        list(blobs.list(prefix))


def test_locate_names_the_key(blobs: Blobs) -> None:
    blobs.put("heatmaps/x.png", b"x")
    assert blobs.locate("heatmaps/x.png").endswith("heatmaps/x.png")


@given(
    st.dictionaries(
        st.lists(st.text("ab-.0", min_size=1, max_size=3), min_size=1, max_size=3).map("/".join),
        st.binary(max_size=8),
        max_size=6,
    ),
    st.text("ab-0", max_size=2),
)
def test_memory_lists_like_a_sorted_dict(stored: dict[str, bytes], prefix: str) -> None:
    blobs = MemoryBlobs()
    kept = {}
    for key, data in stored.items():
        try:
            blobs.put(key, data)
        except StoreError:
            assert {".", ".."} & set(key.split("/"))
        else:
            kept[key] = data
    assert list(blobs.list(prefix)) == sorted(key for key in kept if key.startswith(prefix))
    assert {key: blobs.get(key) for key in kept} == kept
