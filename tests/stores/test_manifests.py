"""Manifests: every capture comes back, damage has a line number, and memory stays flat."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from walkdown.errors import NotFound, StoreError
from walkdown.sdk.aws import AwsError
from walkdown.stores import manifests
from walkdown.stores.manifests import (
    Written,
    read_lines,
    read_manifest,
    ref_from_json,
    ref_to_json,
    to_line,
    write_lines,
    write_manifest,
)
from walkdown.stores.s3_reading import s3_ref
from walkdown.types import ImageRef

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walkdown.sdk.aws import Aws

text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@pytest.fixture
def client(moto_aws: Aws) -> Any:
    client = moto_aws.client("s3")
    where = {"LocationConstraint": "eu-central-1"}
    client.create_bucket(Bucket="data", CreateBucketConfiguration=where)
    return client


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 1,000 bytes, which S3 itself would refuse."""
    monkeypatch.setattr(manifests, "PART_BYTES", 1000)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)


def captures(count: int) -> list[ImageRef]:
    return [
        s3_ref("photos", f"in/über {at}.jpg", version_id=f"v{at}", etag="", prefix="in/")
        for at in range(count)
    ]


def body(client: Any) -> bytes:
    return bytes(client.get_object(Bucket="data", Key="m.jsonl")["Body"].read())


@given(text, text, text, st.none() | text, st.none() | text)
def test_every_capture_comes_back_from_its_line(
    key: str, version: str, prefix: str, relative: str | None, problem: str | None
) -> None:
    ref = s3_ref("photos", key, version_id=version, etag="e", prefix=prefix, problem=problem)
    for each in (ref, ImageRef(ref.uri, version, "photo 7", relative or "", problem)):
        line = to_line(ref_to_json(each))
        assert "\n" not in line
        assert ref_from_json(json.loads(line)) == each


def test_the_longest_key_makes_a_short_line() -> None:
    ref = s3_ref("b" * 63, "site/" + "ü" * 509, version_id="v" * 32, etag="", prefix="site/")
    assert len(to_line(ref_to_json(ref)).encode()) < 1024 + 63 + 32 + 60


def test_a_photograph_elsewhere_is_refused() -> None:
    with pytest.raises(StoreError, match="only photographs in S3"):
        ref_to_json(ImageRef("file:///a.jpg", "1", "a.jpg", "a.jpg"))


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_what_was_written_is_read(client: Any, count: int, small_parts: None) -> None:
    written = write_manifest(client, "data", "m.jsonl", iter(captures(count)))
    assert list(read_manifest(client, "data", "m.jsonl")) == captures(count)
    data = body(client)
    assert written == Written(count, len(data), hashlib.sha256(data).hexdigest())


def test_a_part_that_ends_with_a_line_is_no_end(client: Any, small_parts: None) -> None:
    write_lines(client, "data", "m.jsonl", [f'{{"a":"{"x" * 241}"}}'] * 8)
    assert len(body(client)) == 2 * manifests.PART_BYTES
    assert [number for number, _ in read_lines(client, "data", "m.jsonl")] == list(range(1, 9))


def test_the_same_captures_make_the_same_manifest(client: Any) -> None:
    first = write_manifest(client, "data", "m.jsonl", captures(5))
    assert write_manifest(client, "data", "m.jsonl", captures(5)) == first
    assert write_manifest(client, "data", "m.jsonl", captures(6)) != first


def test_what_fails_half_way_leaves_nothing(client: Any, small_parts: None) -> None:

    def lines() -> Iterator[str]:
        yield from ["x" * 1200] * 3
        raise KeyError("half way")

    with pytest.raises(KeyError):
        write_lines(client, "data", "m.jsonl", lines())
    assert "Uploads" not in client.list_multipart_uploads(Bucket="data")
    with pytest.raises(NotFound, match=r"there is no manifest s3://data/m\.jsonl"):
        list(read_lines(client, "data", "m.jsonl"))


def test_a_manifest_that_changes_while_it_is_read_is_said(client: Any, small_parts: None) -> None:
    write_manifest(client, "data", "m.jsonl", captures(50))
    reading = read_manifest(client, "data", "m.jsonl")
    next(reading)
    write_manifest(client, "data", "m.jsonl", captures(49))
    with pytest.raises(AwsError, match="PreconditionFailed"):
        list(reading)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "it is not JSON"),
        ("[1]", "instead of fields"),
        ("{}", "its 'k' is None"),
        ('{"b":"b","k":"k","v":"v","r":true}', "its 'r' is True"),
        ('{"b":"b","k":"k","v":5,"r":0}', "its 'v' is 5"),
        (b"\xff".decode("latin-1"), "it is not JSON"),
    ],
)
def test_a_damaged_line_has_its_number(client: Any, line: str, words: str) -> None:
    good = to_line(ref_to_json(captures(1)[0]))
    write_lines(client, "data", "m.jsonl", [good, "", line, good])
    reading = read_manifest(client, "data", "m.jsonl")
    assert next(reading) == captures(1)[0]
    with pytest.raises(StoreError, match=rf"line 3 of s3://data/m\.jsonl is damaged: .*{words}"):
        next(reading)


def test_a_line_without_an_end_is_refused(
    client: Any, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "MAX_LINE_BYTES", 300)
    client.put_object(Bucket="data", Key="m.jsonl", Body=b"{}\n" + b"x" * 2000)
    with pytest.raises(StoreError, match=r"line 2 of .* it does not end"):
        list(read_lines(client, "data", "m.jsonl"))


def test_a_long_manifest_goes_to_s3_in_parts_that_s3_takes(client: Any) -> None:
    lines = (f'{{"n":{number},"x":"{"y" * 9_000}"}}' for number in range(2_000))
    written = write_lines(client, "data", "m.jsonl", lines)
    head = client.head_object(Bucket="data", Key="m.jsonl")
    assert written.size == head["ContentLength"] > 2 * manifests.PART_BYTES
    assert head["ETag"].endswith('-3"')
    values = [value["n"] for _, value in read_lines(client, "data", "m.jsonl")]
    assert values == list(range(2_000))


class _Counting:
    """S3 that keeps nothing: only its calls and their sizes."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def create_multipart_upload(self, **_: object) -> dict[str, str]:
        return {"UploadId": "u"}

    def upload_part(self, *, Body: bytes, **_: object) -> dict[str, str]:  # noqa: N803 (boto3's)
        self.sizes.append(len(Body))
        return {"ETag": "e"}

    def complete_multipart_upload(self, **_: object) -> None:
        self.sizes.append(-1)


def test_memory_does_not_grow_with_the_lines() -> None:
    line = "x" * 999
    tracemalloc.start()
    written = write_lines(counting := _Counting(), "data", "m", (line for _ in range(60_000)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert written.size == 60_000_000
    assert all(size >= manifests.PART_BYTES for size in counting.sizes[:-2])
    assert counting.sizes[-1] == -1
    assert peak < 5 * manifests.PART_BYTES
