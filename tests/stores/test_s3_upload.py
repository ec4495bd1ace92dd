"""Photographs that are put into a bucket: once, whole, and with what is known of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from walkdown.errors import ImageError, SpecError
from walkdown.sdk.aws import Aws
from walkdown.stores.s3_reading import S3Reader, s3_ref
from walkdown.stores.s3_upload import Hints, S3Uploads, check_suffix, key_of, time_of

BUCKET = "photographs"
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def uploads(moto_aws: Aws) -> S3Uploads:
    client = moto_aws.client("s3")
    client.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return S3Uploads(client, BUCKET)


def versions(aws: Aws, key: str) -> int:
    found = aws.client("s3").list_object_versions(Bucket=BUCKET, Prefix=key)
    return len(found.get("Versions", []))


def test_the_same_photograph_is_sent_once(
    moto_aws: Aws, uploads: S3Uploads, tmp_path: Path
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"one")
    sent = [uploads.put(path, "p/a.jpg", Hints()) for _ in range(2)]
    assert sent == [True, False]
    assert versions(moto_aws, "p/a.jpg") == 1
    path.write_bytes(b"two")
    assert uploads.put(path, "p/a.jpg", Hints()), "as long as before, but another"
    assert uploads.put(path, "p/a.jpg", Hints(asset="pole 7")), "and now it is known of what"
    assert not uploads.put(path, "p/a.jpg", Hints(asset="pole 7"))


@pytest.mark.parametrize("size", [10, 20 * 2**20], ids=["one put", "in parts"])
def test_what_is_said_of_it_comes_back_when_it_is_read(
    moto_aws: Aws, uploads: S3Uploads, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x" * size)
    assert uploads.put(path, "a.jpg", Hints("Mast Müller 7", "北", NOON))
    head = moto_aws.client("s3").head_object(Bucket=BUCKET, Key="a.jpg")
    ref = s3_ref(BUCKET, "a.jpg", version_id=head["VersionId"], etag=head["ETag"])
    read = S3Reader(moto_aws.client("s3")).read(ref)
    assert (read.asset, read.viewpoint, read.taken_at) == ("Mast Müller 7", "北", NOON)
    assert read.data == path.read_bytes()
    assert head["ContentType"] == "image/jpeg"


def test_a_file_that_changes_while_it_is_sent_is_told(
    moto_aws: Aws, uploads: S3Uploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"one")
    send = uploads._send

    def changing(*args: object) -> None:
        send(*args)  # type: ignore[arg-type]
        path.write_bytes(b"longer")

    monkeypatch.setattr(uploads, "_send", changing)
    with pytest.raises(ImageError, match="changed"):
        uploads.put(path, "a.jpg", Hints())
    with pytest.raises(ImageError, match="does not exist"):
        uploads.put(tmp_path / "gone.jpg", "gone.jpg", Hints())


@pytest.mark.parametrize(
    "name", ["", "/a.jpg", "a//b.jpg", "../a.jpg", "a/../b.jpg", ".a/b.jpg", "a\n.jpg", "a\\b.jpg"]
)
def test_names_that_are_no_photographs_are_refused(name: str) -> None:
    with pytest.raises(SpecError, match="photograph's name"):
        key_of("p/", name)


def test_a_key_has_1024_bytes_and_not_as_many_letters() -> None:
    assert key_of("p/", "x" * 1022)
    with pytest.raises(SpecError, match="too long"):
        key_of("p/", "ü" * 600)


def test_hints_that_would_not_come_back_as_they_are_are_refused() -> None:
    for odd in ("", " a", "a\nb", "x" * 257, "=?utf-8?b?eA==?="):
        with pytest.raises(SpecError, match="is no asset"):
            Hints(asset=odd)
    with pytest.raises(SpecError, match="is no time"):
        time_of("yesterday")
    with pytest.raises(SpecError, match="must end in"):
        check_suffix("a.txt")
