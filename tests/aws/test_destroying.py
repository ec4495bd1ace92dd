"""Buckets that are deleted with every version of everything in them."""

from __future__ import annotations

import pytest

from walkdown.aws.destroying import delete_bucket, delete_table
from walkdown.errors import StoreError
from walkdown.sdk.aws import Aws

BUCKET = "photographs"
WHERE = {"LocationConstraint": "eu-central-1"}


def test_all_versions_and_marks_go(moto_aws: Aws) -> None:
    s3 = moto_aws.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=WHERE)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for key in ("a", "ü +&<", "deep/er"):
        for body in (b"1", b"2"):
            s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        s3.delete_object(Bucket=BUCKET, Key=key)
    deleted: list[int] = []
    delete_bucket(s3, BUCKET, deleted=deleted.append)
    assert sum(deleted) == 9
    assert s3.list_buckets()["Buckets"] == []
    delete_bucket(s3, BUCKET, deleted=deleted.append)
    delete_table(moto_aws.client("dynamodb"), "gone")


def test_what_may_not_be_deleted_is_told(moto_aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = moto_aws.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=WHERE)
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"1")
    refused = {"Errors": [{"Key": "a", "Code": "AccessDenied"}]}
    monkeypatch.setattr(s3, "delete_objects", lambda **_: refused)
    with pytest.raises(StoreError, match="s3:DeleteObjectVersion"):
        delete_bucket(s3, BUCKET, deleted=lambda _: None)
    assert s3.list_buckets()["Buckets"]
