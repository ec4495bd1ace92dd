"""The photograph of a result, found again in the version that was inspected."""

from __future__ import annotations

import hashlib

import pytest

from walkdown.errors import NotFound
from walkdown.sdk.aws import Aws
from walkdown.stores.s3_originals import S3Originals
from walkdown.stores.s3_reading import s3_ref
from walkdown.types import ImageRef

BUCKET = "photographs"


def put(aws: Aws, key: str, data: bytes) -> ImageRef:
    told = aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=data)
    return s3_ref(BUCKET, key, version_id=told.get("VersionId"), etag=told["ETag"])


def test_an_older_version_is_found(moto_aws: Aws) -> None:
    client = moto_aws.client("s3")
    client.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    old = put(moto_aws, "a b+ü.jpg", b"old")
    new = put(moto_aws, "a b+ü.jpg", b"new")
    put(moto_aws, "a b+ü.jpg.bak", b"other")
    originals = S3Originals(client)
    for ref, data in ((old, b"old"), (new, b"new")):
        content = hashlib.sha256(data).hexdigest()
        assert originals.read(ref.uri, capture_id=ref.capture_id, content=content) == data
    with pytest.raises(NotFound, match="not there any more"):
        originals.read(old.uri, capture_id="0" * 32, content=None)
    with pytest.raises(NotFound, match="not there any more"):
        originals.read(new.uri, capture_id=new.capture_id, content="0" * 64)
    with pytest.raises(NotFound):
        originals.read("file:///a.jpg", capture_id="0" * 32, content=None)


def test_one_of_a_bucket_without_versions_is_found(moto_aws: Aws) -> None:
    client = moto_aws.client("s3")
    client.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    ref = put(moto_aws, "a.jpg", b"one")
    originals = S3Originals(client)
    assert originals.read(ref.uri, capture_id=ref.capture_id, content=None) == b"one"


def test_one_that_is_as_it_was_needs_no_listing(moto_aws: Aws) -> None:
    client = moto_aws.client("s3")
    client.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    ref = put(moto_aws, "a b+ü.jpg", b"one")
    originals = S3Originals(client)
    content = hashlib.sha256(b"one").hexdigest()
    assert originals.unchanged(ref.uri, content=content) == b"one"
    put(moto_aws, "a b+ü.jpg", b"two")
    for uri in (ref.uri, f"s3://{BUCKET}/gone.jpg", "file:///a.jpg"):
        with pytest.raises(NotFound):
            originals.unchanged(uri, content=content)
