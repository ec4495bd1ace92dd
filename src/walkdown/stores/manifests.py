"""Manifests: captures as JSON lines in S3, the items of a Distributed Map.

A line names one version of one object: ``{"b": bucket, "k": key, "v": version, "r": how many
characters of the key come before its relative part}``, and ``"p"`` where it has a problem. Lines
are written and read in parts, so a million of them need no more memory than one part.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from walkdown.errors import NotFound, StoreError
from walkdown.sdk.aws import AwsError, explained
from walkdown.stores.fields import Fields, Json, present
from walkdown.stores.s3_reading import s3_place, s3_uri
from walkdown.types import ImageRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PART_BYTES = 8 * 2**20
"""How much of a manifest is in memory; S3 wants at least 5 MiB a part, and at most 10,000 parts."""

MAX_LINE_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Written:
    """What a manifest holds: its lines and bytes, and the sha256 of them all in hex."""

    lines: int
    size: int
    digest: str


def ref_to_json(ref: ImageRef) -> Json:
    """A capture as the fields of a line. Raises `StoreError` for one that is not in S3."""
    try:
        bucket, key = s3_place(ref.uri)
    except ValueError as error:
        raise StoreError(f"only photographs in S3 can be listed in a manifest: {error}") from error
    inside = key.endswith(ref.relative)
    relative = len(key) - len(ref.relative) if inside else ref.relative
    name = None if ref.name == s3_uri(bucket, key) else ref.name
    return present(b=bucket, k=key, v=ref.version, r=relative, n=name, p=ref.problem)


def ref_from_json(value: object) -> ImageRef:
    """The capture back from `ref_to_json`. Raises `StoreError`; fields of others are let be."""
    fields = Fields("line of a manifest", value)
    key = fields.text("k")
    uri = s3_uri(fields.text("b"), key)
    relative = fields.get("r", (int, str))
    return ImageRef(
        uri,
        fields.text("v"),
        fields.maybe("n", fields.text) or uri,
        key[relative:] if isinstance(relative, int) else fields.text("r"),
        fields.maybe("p", fields.text),
    )


def to_line(value: Json) -> str:
    """One line of JSON, without its end, as short as UTF-8 makes it.

    >>> to_line({"k": "Müller"})
    '{"k":"Müller"}'
    """
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def write_manifest(client: Any, bucket: str, key: str, refs: Iterable[ImageRef]) -> Written:
    """Write captures as a manifest, whole or not at all; see `write_lines`."""
    return write_lines(client, bucket, key, (to_line(ref_to_json(ref)) for ref in refs))


def read_manifest(client: Any, bucket: str, key: str) -> Iterator[ImageRef]:
    """The captures of a manifest, in order. Raises `StoreError` with the damaged line's number."""
    for number, value in read_lines(client, bucket, key):
        try:
            yield ref_from_json(value)
        except StoreError as error:
            raise _damaged(bucket, key, number, str(error)) from error


def write_lines(client: Any, bucket: str, key: str, lines: Iterable[str]) -> Written:
    """Write lines as one object, which appears when all of it is there, or not at all.

    A short one is one put; a longer one is a multipart upload, given up where anything fails.
    """
    sha = hashlib.sha256()
    parts = _parts(lines)
    first, count = next(parts, (b"", 0))
    size = len(first)
    sha.update(first)
    with explained(f"write {s3_uri(bucket, key)}"):
        if size < PART_BYTES:
            client.put_object(
                Bucket=bucket,
                Key=key,
                Body=first,
                ContentType="application/x-ndjson",
                ChecksumAlgorithm="CRC32",
            )
            return Written(count, size, sha.hexdigest())
    upload = _Upload(client, bucket, key)
    try:
        upload.add(first)
        for data, number in parts:
            sha.update(data)
            count, size = count + number, size + len(data)
            upload.add(data)
        upload.complete()
    except BaseException:
        upload.abandon()
        raise
    return Written(count, size, sha.hexdigest())


def read_lines(client: Any, bucket: str, key: str) -> Iterator[tuple[int, Json]]:
    """Line numbers from 1 and the objects on them; empty lines are passed over.

    The object is read in parts of one version: one that is replaced meanwhile is a `StoreError`,
    as is a line that is no JSON object; a missing one is `NotFound`.
    """
    rest = b""
    number = 0
    for chunk in _chunks(client, bucket, key):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            number += 1
            yield from _value(bucket, key, number, line)
        if len(rest) > MAX_LINE_BYTES:
            raise _damaged(bucket, key, number + 1, "it does not end")
    yield from _value(bucket, key, number + 1, rest)


class _Upload:
    """One multipart upload, from its beginning to its completion or its end."""

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        self._client = client
        self._what = f"write {s3_uri(bucket, key)}"
        self._parts: list[dict[str, object]] = []
        with explained(self._what):
            begun = client.create_multipart_upload(
                Bucket=bucket,
                Key=key,
                ContentType="application/x-ndjson",
                ChecksumAlgorithm="CRC32",
            )
        self._place = {"Bucket": bucket, "Key": key, "UploadId": begun["UploadId"]}

    def add(self, data: bytes) -> None:
        number = len(self._parts) + 1
        with explained(self._what):
            answer = self._client.upload_part(
                **self._place, PartNumber=number, Body=data, ChecksumAlgorithm="CRC32"
            )
        # S3 wants each part's checksum again where the upload was begun with one.
        told = {name: answer[name] for name in ("ETag", "ChecksumCRC32") if name in answer}
        self._parts.append({"PartNumber": number, **told})

    def complete(self) -> None:
        with explained(self._what):
            parts = {"Parts": self._parts}
            self._client.complete_multipart_upload(**self._place, MultipartUpload=parts)

    def abandon(self) -> None:
        """Free what was uploaded. What made it fail is the error that counts, not this one."""
        try:
            with explained(self._what):
                self._client.abort_multipart_upload(**self._place)
        except AwsError:
            return


def _parts(lines: Iterable[str]) -> Iterator[tuple[bytes, int]]:
    """The lines in parts of at least `PART_BYTES`, but for the last; and how many each holds."""
    buffer = bytearray()
    count = 0
    for line in lines:
        buffer += line.encode() + b"\n"
        count += 1
        if len(buffer) >= PART_BYTES:
            yield bytes(buffer), count
            buffer.clear()
            count = 0
    if buffer:
        yield bytes(buffer), count


def _chunks(client: Any, bucket: str, key: str) -> Iterator[bytes]:
    """The object's bytes by requests of their own, so that a slow reader loses no connection."""
    at = 0
    pinned: dict[str, str] = {}
    while True:
        try:
            with explained(f"read {s3_uri(bucket, key)}"):
                asked = f"bytes={at}-{at + PART_BYTES - 1}"
                answer = client.get_object(Bucket=bucket, Key=key, Range=asked, **pinned)
                data = bytes(answer["Body"].read())
        except AwsError as error:
            if error.code == "InvalidRange":
                return
            if error.code == "NoSuchKey":
                raise NotFound(f"there is no manifest {s3_uri(bucket, key)}") from error
            raise
        yield data
        at += len(data)
        pinned = {"IfMatch": answer["ETag"]}
        if len(data) < PART_BYTES:
            return


def _value(bucket: str, key: str, number: int, line: bytes) -> Iterator[tuple[int, Json]]:
    if not line.strip():
        return
    try:
        value = json.loads(line)
    except ValueError as error:
        raise _damaged(bucket, key, number, f"it is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise _damaged(bucket, key, number, f"it holds {value!r:.40} instead of fields")
    yield number, value


def _damaged(bucket: str, key: str, number: int, why: str) -> StoreError:
    where = s3_uri(bucket, key)
    return StoreError(f"line {number} of {where} is damaged: {why}; run the inspection again")
