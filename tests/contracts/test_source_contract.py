"""What every source of photographs keeps to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from walkdown.errors import ImageError
from walkdown.stores.folders import FolderSource
from walkdown.stores.memory import MemorySource
from walkdown.stores.s3 import ManifestSource, S3Source
from walkdown.stores.s3_reading import S3Reader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from walkdown.ports import Source

IMAGES = {"a.jpg": b"one", "site/b.png": b"two", "site/deep/c.tif": b"three"}


@pytest.fixture(params=["memory", "folders", "s3", "s3 with versions", "manifest"])
def make_source(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Source]:
    def make(images: dict[str, bytes]) -> Source:
        if request.param == "memory":
            return MemorySource(images)
        if request.param != "folders":
            return _in_s3(images, request)
        for path, data in images.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(data)
        return FolderSource([str(tmp_path)])

    return make


def _in_s3(images: dict[str, bytes], request: pytest.FixtureRequest) -> Source:
    client = request.getfixturevalue("moto_aws").client("s3")
    where = {"LocationConstraint": "eu-central-1"}
    if not client.list_buckets()["Buckets"]:
        client.create_bucket(Bucket="photos", CreateBucketConfiguration=where)
        if request.param == "s3 with versions":
            enabled = {"Status": "Enabled"}
            client.put_bucket_versioning(Bucket="photos", VersioningConfiguration=enabled)
        for path, data in images.items():
            client.put_object(Bucket="photos", Key=f"in/{path}", Body=data)
    listed = S3Source(client, ["s3://photos/in"])
    if request.param == "manifest":
        return ManifestSource(S3Reader(client), list(listed.refs()))
    return listed


def test_every_image_is_listed_and_read(make_source: Callable[..., Source]) -> None:
    source = make_source(IMAGES)
    assert {ref.relative: source.read(ref).data for ref in source.refs()} == IMAGES
    assert all(ref.problem is None for ref in source.refs())
    assert source.left_out() == []


def test_the_order_and_the_identities_are_stable(make_source: Callable[..., Source]) -> None:
    first, second = (list(make_source(IMAGES).refs()) for _ in range(2))
    assert [ref.relative for ref in first] == [ref.relative for ref in second]
    assert len({ref.uri for ref in first}) == len({ref.capture_id for ref in first}) == len(IMAGES)
    assert [ref.uri for ref in first] == [ref.uri for ref in second]


def test_another_version_is_not_read(make_source: Callable[..., Source]) -> None:
    source = make_source(IMAGES)
    ref = replace(next(source.refs()), version="older")
    with pytest.raises(ImageError, match="changed while it was being inspected: run again"):
        source.read(ref)


def test_what_is_not_there_is_not_read(make_source: Callable[..., Source]) -> None:
    source = make_source(IMAGES)
    ref = next(source.refs())
    with pytest.raises(ImageError):
        source.read(replace(ref, uri=ref.uri + "x", relative=ref.relative + "x"))
