"""S3: keys of any shape, exact versions, and reasons that a person understands."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from walkdown.errors import ImageError, StoreError
from walkdown.sdk.aws import AwsError
from walkdown.stores.s3 import ManifestSource, S3Blobs, S3Source
from walkdown.stores.s3_reading import S3Reader, s3_place, s3_ref, s3_uri, version_of
from walkdown.types import NOT_THERE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walkdown.sdk.aws import Aws
    from walkdown.types import ImageRef

PNG = b"\x89PNG\r\n\x1a\n and so on"
ODD = [
    "a b+c.jpg",
    "50%25.jpg",
    "über ☃.jpg",
    "q?x=1#y&z.jpg",
    "x//y.jpg",
    " lead.jpg",
    "two\nlines.jpg",
    "\U0001f600.jpg",
]


@pytest.fixture
def client(moto_aws: Aws) -> Any:
    client = moto_aws.client("s3")
    for bucket in ("photos", "kept"):
        where = {"LocationConstraint": "eu-central-1"}
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    client.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    return client


@pytest.fixture
def stubbed(client: Any) -> Iterator[Stubber]:
    """What S3 would answer where moto has no such state."""
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def put(client: Any, *keys: str, bucket: str = "photos", data: bytes = PNG, **more: Any) -> None:
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=data, **more)


def relatives(source: S3Source) -> list[str]:
    return [ref.relative for ref in source.refs()]


def only(source: S3Source) -> ImageRef:
    (ref,) = source.refs()
    return ref


@given(st.text(min_size=1).filter(lambda key: not any(0xD800 <= ord(c) < 0xE000 for c in key)))
def test_every_key_comes_back_from_its_uri(key: str) -> None:
    uri = s3_uri("photos", key)
    assert uri.isascii()
    assert uri.isprintable()
    assert s3_place(uri) == ("photos", key)


@pytest.mark.parametrize("uri", ["s3://photos", "s3:///a", "https://photos/a", "s3://b/a?v=1", ""])
def test_what_is_no_object_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="not the URI of an object in S3"):
        s3_place(uri)


@pytest.mark.parametrize("bucket", ["photos", "kept"])
def test_keys_of_any_shape_are_listed_and_read(client: Any, bucket: str) -> None:
    for number, key in enumerate(ODD):
        put(client, key, bucket=bucket, data=b"%d" % number)
    source = S3Source(client, [f"s3://{bucket}"])
    read = {s3_place(ref.uri)[1]: source.read(ref).data for ref in source.refs()}
    assert read == {key: b"%d" % number for number, key in enumerate(ODD)}
    assert list(read) == sorted(ODD, key=str.encode)


def test_a_listing_and_an_event_name_the_same_capture(client: Any) -> None:
    put(client, "poles/a b.jpg", bucket="kept")
    head = client.head_object(Bucket="kept", Key="poles/a b.jpg")
    event = s3_ref(
        "kept",
        "poles/a b.jpg",
        version_id=head["VersionId"],
        etag=head["ETag"].strip('"'),
        prefix="poles/",
    )
    assert only(S3Source(client, ["s3://kept/poles"])) == event
    assert (event.name, event.relative) == ("s3://kept/poles/a%20b.jpg", "a b.jpg")


def test_the_newest_version_is_listed_and_that_very_one_is_read(client: Any) -> None:
    put(client, "a.jpg", bucket="kept", data=b"old")
    put(client, "a.jpg", bucket="kept", data=b"new")
    put(client, "gone.jpg", bucket="kept")
    client.delete_object(Bucket="kept", Key="gone.jpg")
    source = S3Source(client, ["s3://kept"])
    ref = only(source)
    assert source.read(ref).data == b"new"
    put(client, "a.jpg", bucket="kept", data=b"newer")
    assert source.read(ref).data == b"new"
    assert only(source).capture_id != ref.capture_id
    client.delete_object(Bucket="kept", Key="a.jpg", VersionId=ref.version)
    with pytest.raises(ImageError, match=r"run again .*has been deleted"):
        source.read(ref)


def test_without_versions_a_changed_object_is_not_read(client: Any) -> None:
    put(client, "a.jpg", data=b"old")
    source = S3Source(client, ["s3://photos"])
    ref = only(source)
    assert ref.version == version_of(None, client.head_object(Bucket="photos", Key="a.jpg")["ETag"])
    put(client, "a.jpg", data=b"new")
    with pytest.raises(ImageError, match="changed while it was being inspected: run again"):
        source.read(ref)
    client.delete_object(Bucket="photos", Key="a.jpg")
    with pytest.raises(ImageError, match="the file is gone"):
        source.read(ref)


def test_a_path_is_an_object_or_a_folder_and_never_half_a_name(client: Any) -> None:
    put(client, "site/a.jpg", "site/b/c.jpg", "site2/d.jpg", "site", "notes.unknown")
    assert relatives(S3Source(client, ["s3://photos/site"])) == ["site", "a.jpg", "b/c.jpg"]
    assert relatives(S3Source(client, ["s3://photos/site/"])) == ["a.jpg", "b/c.jpg"]
    assert relatives(S3Source(client, ["s3://photos/notes.unknown"])) == ["notes.unknown"]
    overlapping = S3Source(client, ["s3://photos/site/b", "s3://photos/site/", "s3://photos/site"])
    assert relatives(overlapping) == ["c.jpg", "a.jpg", "site"]


def test_a_path_that_leads_nowhere_carries_its_problem(client: Any) -> None:
    ref = only(S3Source(client, ["s3://photos/no/such"]))
    assert ref.problem == NOT_THERE
    with pytest.raises(ImageError, match=NOT_THERE):
        S3Source(client, ["s3://photos/no/such"]).read(ref)
    assert relatives(S3Source(client, ["s3://photos"])) == []
    put(client, "empty/", data=b"")
    assert relatives(S3Source(client, ["s3://photos/empty/"])) == []


@pytest.mark.parametrize("path", ["photos/a", "s3://", "/tmp/a", "https://photos/a"])
def test_a_path_elsewhere_is_refused(client: Any, path: str) -> None:
    with pytest.raises(StoreError, match="write s3://BUCKET/FOLDER"):
        S3Source(client, [path])


def test_names_decide_as_they_do_in_folders(client: Any) -> None:
    put(client, *("a.jpg", "old/b.jpg", "c.PNG", ".hidden/d.jpg", "e/Thumbs.db", "e/.f.jpg"))
    put(client, "upload", "strange.bin")
    put(client, "text.bin", "notes.txt", "empty", data=b"Dear all")
    put(client, "folder/", "nothing", data=b"")
    source = S3Source(client, ["s3://photos"], exclude=("old",))
    assert relatives(source) == ["a.jpg", "c.PNG", "strange.bin", "upload"]
    assert source.left_out() == [
        ("s3://photos/empty", "not an image file (no extension)"),
        ("s3://photos/notes.txt", "not an image file (.txt)"),
        ("s3://photos/nothing", "not an image file (no extension)"),
        ("s3://photos/text.bin", "not an image file (.bin)"),
    ]
    assert relatives(S3Source(client, ["s3://photos"], include=("*.PNG",))) == ["c.PNG"]


def test_many_pages_are_listed(client: Any) -> None:
    put(client, *(f"p/{number:04}.jpg" for number in range(1003)), data=b"x")
    assert len(set(relatives(S3Source(client, ["s3://photos/p"])))) == 1003
    assert len(list(S3Blobs(client, "photos", "p").list())) == 1003


def test_a_source_reads_nothing_outside_its_paths(client: Any) -> None:
    put(client, "in/a.jpg", "inside/a.jpg")
    inside = only(S3Source(client, ["s3://photos/inside"]))
    with pytest.raises(ImageError, match="not in the buckets and folders"):
        S3Source(client, ["s3://photos/in"]).read(inside)
    assert ManifestSource(S3Reader(client), [inside]).read(inside).data == PNG


def test_what_the_uploader_wrote_is_told(client: Any) -> None:
    said = {
        "walkdown-asset": "=?UTF-8?B?TWFzdCDDvA==?=",
        "walkdown-viewpoint": " north  side ",
        "walkdown-taken-at": "2026-05-01T12:00:00+02:00",
        "other": "x",
    }
    put(client, "a.jpg", Metadata=said)
    source = S3Source(client, ["s3://photos"])
    original = source.read(only(source))
    assert (original.asset, original.viewpoint) == ("Mast ü", "north side")
    assert original.taken_at == datetime(2026, 5, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "said",
    [
        {"walkdown-asset": "", "walkdown-viewpoint": "  ", "walkdown-taken-at": "yesterday"},
        {"walkdown-asset": "=?nothing?B?TWFz?=", "walkdown-taken-at": "0001-01-01T00:00:00+14:00"},
        {"walkdown-asset": "=?UTF-8?B?AAEC?="},
        {},
    ],
)
def test_a_wrong_hint_is_none(client: Any, said: dict[str, str]) -> None:
    put(client, "a.jpg", Metadata=said)
    source = S3Source(client, ["s3://photos"])
    original = source.read(only(source))
    assert (original.asset, original.viewpoint, original.taken_at) == (None, None, None)


def test_an_archived_object_says_how_to_restore_it(client: Any) -> None:
    put(client, "it's.jpg", bucket="kept", StorageClass="GLACIER")
    source = S3Source(client, ["s3://kept"])
    ref = only(source)
    with pytest.raises(ImageError) as raised:
        source.read(ref)
    place = f"--bucket kept --key 'it'\"'\"'s.jpg' --version-id {ref.version}"
    assert f"aws s3api restore-object {place} --restore-request Days=7" in str(raised.value)


def test_a_closed_object_is_a_problem_and_a_busy_service_is_none(stubbed: Stubber) -> None:
    reader = S3Reader(stubbed.client)
    ref = s3_ref("photos", "a.jpg", version_id="v1", etag="")
    stubbed.add_client_error("get_object", "AccessDenied", http_status_code=403)
    with pytest.raises(ImageError, match="let your AWS user or role do s3:GetObject"):
        reader.read(ref)
    stubbed.add_client_error("get_object", "SlowDown", http_status_code=503)
    with pytest.raises(AwsError, match="run again in a minute"):
        reader.read(ref)


class _Body:
    """An answer that breaks off, and after `failures` of them comes whole."""

    failures = 0

    def read(self) -> bytes:
        from botocore.exceptions import IncompleteReadError

        if type(self).failures:
            type(self).failures -= 1
            raise IncompleteReadError(actual_bytes=1, expected_bytes=3)
        return b"abc"

    def close(self) -> None:
        pass


class _BreaksOff:
    def __init__(self, failures: int) -> None:
        _Body.failures = failures
        self.calls = 0

    def get_object(self, **_: str) -> dict[str, Any]:
        self.calls += 1
        return {"Body": _Body(), "ContentLength": 3}


def test_an_answer_that_breaks_off_is_asked_for_again() -> None:
    ref = s3_ref("photos", "a.jpg", version_id="v1", etag="")
    client = _BreaksOff(2)
    assert S3Reader(client).read(ref).data == b"abc"
    assert client.calls == 3
    with pytest.raises(AwsError):
        S3Reader(_BreaksOff(3)).read(ref)


def test_an_object_that_would_fill_the_memory_is_refused(client: Any) -> None:
    put(client, "a.jpg", data=b"x" * 2_000_001)
    ref = only(S3Source(client, ["s3://photos"]))
    with pytest.raises(ImageError, match="too large: 2 MB, at most 1 MB"):
        S3Reader(client, max_bytes=1_000_000).read(ref)


def test_a_reference_with_a_problem_is_not_asked_for(client: Any) -> None:
    ref = s3_ref("photos", "a.jpg", version_id="v1", etag="", problem="no permission")
    with pytest.raises(ImageError, match="no permission"):
        S3Reader(client).read(ref)
    with pytest.raises(ImageError, match="not the URI of an object"):
        S3Reader(client).read(replace(ref, uri="file:///etc/passwd", problem=None))


def test_a_bucket_that_cannot_be_listed_is_an_error(client: Any) -> None:
    with pytest.raises(AwsError, match=r"cannot list s3://nobodys/.*no such bucket"):
        list(S3Source(client, ["s3://nobodys"]).refs())
    with pytest.raises(AwsError, match="no such bucket"):
        S3Blobs(client, "nobodys").get("a")


def test_a_blob_has_a_type_and_a_checksum(client: Any) -> None:
    S3Blobs(client, "photos").put("heatmaps/x.png", PNG)
    head = client.head_object(Bucket="photos", Key="heatmaps/x.png", ChecksumMode="ENABLED")
    assert head["ContentType"] == "image/png"
    assert head["ChecksumCRC32"]
    S3Blobs(client, "photos").put("x", PNG)
    assert client.head_object(Bucket="photos", Key="x")["ContentType"] == "application/octet-stream"


def test_objects_that_others_put_are_no_blobs(client: Any) -> None:
    put(client, "a/", "a//b", "a/../b", "good")
    assert list(S3Blobs(client, "photos").list()) == ["good"]


def test_a_key_that_would_read_as_another_is_refused(client: Any) -> None:
    with pytest.raises(StoreError, match="private-use"):
        S3Blobs(client, "photos").put("caf\U0010dce9", b"x")


def test_many_are_deleted_at_once_and_a_refusal_is_said(client: Any) -> None:
    blobs = S3Blobs(client, "photos", "p")
    put(client, "p/a", "p/b c", "p/d/e", "q")
    blobs.delete_many(iter(["a", "b c", "missing"]))
    assert list(blobs.list()) == ["d/e"]
    blobs.delete_many([])
    with Stubber(client) as stubber:
        refused = {"Errors": [{"Key": "p/d/e", "Code": "AccessDenied"}]}
        stubber.add_response("delete_objects", refused)
        with pytest.raises(StoreError, match=r"cannot delete s3://photos/p/d/e: .*s3:DeleteObject"):
            blobs.delete_many(["d/e"])


def test_folders_and_stamps_below_a_prefix(client: Any) -> None:
    put(client, "p/x/dt=1/a", "p/x/dt=2/b", "p/x/dt=2/c", "p/x/file", "p/y/dt=3/d")
    blobs = S3Blobs(client, "photos", "p")
    assert list(blobs.folders("x/")) == ["dt=1", "dt=2"]
    before = dict(blobs.stamps("x/dt=2/"))
    assert list(before) == ["x/dt=2/b", "x/dt=2/c"]
    put(client, "p/x/dt=2/c", data=b"other")
    after = dict(blobs.stamps("x/dt=2/"))
    assert [key for key in after if after[key] != before[key]] == ["x/dt=2/c"]
    assert blobs.address("x/dt=2/") == "s3://photos/p/x/dt=2/"


def test_a_refused_put_is_said(stubbed: Stubber) -> None:
    stubbed.add_client_error("put_object", "AccessDenied", http_status_code=403)
    with pytest.raises(AwsError, match=r"cannot write s3://photos/a.png: .*do s3:PutObject"):
        S3Blobs(stubbed.client, "photos").put("a.png", b"x")
