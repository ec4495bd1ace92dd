"""Photographs in S3 by reference: their URIs, their versions, and one of them read whole.

A capture's URI is ``s3://BUCKET/`` and the key, per cent encoded, so that every key comes back
exactly. Its version is S3's version id, or the ETag (without quotes) where the bucket keeps none;
reading asks for that very version.
"""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from walkdown.errors import ImageError
from walkdown.sdk.aws import AwsError, explained
from walkdown.types import ImageRef, Original

if TYPE_CHECKING:
    from collections.abc import Mapping

CHANGED = "the file changed while it was being inspected: run again"
MAX_BYTES = 2**30

_URI = re.compile(r"s3://([^/?#]+)/([^?#]+)")
_ETAG = re.compile(r"[0-9a-f]{32}(-[0-9]{1,5})?")
_HINT_CHARACTERS = 256
_BROKEN_OFF = frozenset({"IncompleteReadError", "ReadTimeoutError", "ResponseStreamingError"})
_ATTEMPTS = 3


def s3_uri(bucket: str, key: str) -> str:
    """The URI of an object, whatever its key holds.

    >>> s3_uri("photos", "site 1/50%+ü.jpg")
    's3://photos/site%201/50%25%2B%C3%BC.jpg'
    """
    return f"s3://{bucket}/{quote(key, safe='/')}"


def s3_place(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3_uri`. Raises ValueError for any other text.

    >>> s3_place("s3://photos/site%201/a.jpg")
    ('photos', 'site 1/a.jpg')
    """
    found = _URI.fullmatch(uri)
    if found is None:
        raise ValueError(f"not the URI of an object in S3: {uri!r:.200}")
    return found[1], unquote(found[2], errors="strict")


def s3_ref(
    bucket: str,
    key: str,
    *,
    version_id: str | None,
    etag: str,
    prefix: str = "",
    problem: str | None = None,
) -> ImageRef:
    """The capture of one version of an object, the same from a listing and from an event.

    ``prefix`` is the source's; what follows it in the key is the part that asset templates see.
    """
    uri = s3_uri(bucket, key)
    relative = key.removeprefix(prefix).lstrip("/") or key.rpartition("/")[2]
    return ImageRef(uri, version_of(version_id, etag), uri, relative, problem)


def version_of(version_id: str | None, etag: str) -> str:
    """A capture's version: the version id, or the ETag where S3 gives none (or ``null``).

    >>> version_of("null", '"9dd4e461268c8034f5c8564e155c67a6"')
    '9dd4e461268c8034f5c8564e155c67a6'
    """
    return version_id if version_id and version_id != "null" else etag.strip('"')


class S3Reader:
    """Reads captures with one S3 client; safe to use from many threads.

    An object of more than ``max_bytes`` is refused before it is read: it would fill the memory.
    """

    def __init__(self, client: Any, *, max_bytes: int = MAX_BYTES) -> None:
        self._client = client
        self._max_bytes = max_bytes

    def read(self, ref: ImageRef) -> Original:
        """One capture. Raises `ImageError` where it is gone, closed to us, archived, or too large.

        What may pass by itself (no network, AWS asked too often) is an `AwsError`: the same read
        can succeed later, so it must not become the photograph's result.
        """
        if ref.problem:
            raise ImageError(ref.problem)
        try:
            bucket, key = s3_place(ref.uri)
        except ValueError as error:
            raise ImageError(str(error)) from error
        try:
            return self._whole(ref, _asked(bucket, key, ref.version))
        except AwsError as error:
            words = _words(error, bucket, key, ref.version)
            if words is None:
                raise
            raise ImageError(words) from error

    def head(self, ref: ImageRef, count: int) -> bytes:
        """The first bytes of a capture. Raises `ImageError` and `AwsError` as `read` does."""
        bucket, key = s3_place(ref.uri)
        try:
            with explained(f"read {ref.uri}"):
                asked = _asked(bucket, key, ref.version)
                answer = self._client.get_object(**asked, Range=f"bytes=0-{count - 1}")
                return bytes(answer["Body"].read())
        except AwsError as error:
            if error.code == "InvalidRange":
                return b""
            words = _words(error, bucket, key, ref.version)
            if words is None:
                raise
            raise ImageError(words) from error

    def _whole(self, ref: ImageRef, asked: Mapping[str, str]) -> Original:
        # boto3 repeats a request that was refused, not one whose answer broke off.
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with explained(f"read {ref.uri}"):
                    return self._once(asked)
            except AwsError as error:
                if error.code not in _BROKEN_OFF or attempt == _ATTEMPTS:
                    raise
        raise AssertionError

    def _once(self, asked: Mapping[str, str]) -> Original:
        answer = self._client.get_object(**asked, ChecksumMode="ENABLED")
        size = int(answer["ContentLength"])
        if size > self._max_bytes:
            answer["Body"].close()
            limit = f"{self._max_bytes / 1e6:,.0f} MB"
            raise ImageError(f"the file is too large: {size / 1e6:,.0f} MB, at most {limit}")
        return _original(bytes(answer["Body"].read()), answer.get("Metadata", {}))


def _asked(bucket: str, key: str, version: str) -> dict[str, str]:
    """The object in that very version: an ETag is asked for as a condition."""
    pinned = {"IfMatch": f'"{version}"'} if _ETAG.fullmatch(version) else {"VersionId": version}
    return {"Bucket": bucket, "Key": key, **pinned}


def _words(error: AwsError, bucket: str, key: str, version: str) -> str | None:
    """Why this object can't be read, in a person's words; None where it may work later."""
    if error.code == "InvalidObjectState":
        place = f"--bucket {shlex.quote(bucket)} --key {shlex.quote(key)}"
        exact = "" if _ETAG.fullmatch(version) else f" --version-id {shlex.quote(version)}"
        command = f"aws s3api restore-object {place}{exact} --restore-request Days=7"
        return f"it is in the archive (S3 Glacier); restore it, then run again: {command}"
    if error.code in ("PreconditionFailed", "412"):
        return CHANGED
    if error.code == "NoSuchVersion" or (error.code == "InvalidArgument" and error.status == 400):
        return f"{CHANGED} (the version that was listed has been deleted)"
    if error.code in ("NoSuchKey", "NoSuchBucket", "MethodNotAllowed", "404"):
        return "the file is gone: moved, renamed or deleted meanwhile"
    if error.code in ("AccessDenied", "403"):
        return f"the file cannot be read, or is gone: {error}"
    return None


def _original(data: bytes, said: Mapping[str, str]) -> Original:
    """What the uploader wrote as ``x-amz-meta-walkdown-asset``, ``-viewpoint``, ``-taken-at``."""
    return Original(
        data,
        asset=_hint(said.get("walkdown-asset")),
        viewpoint=_hint(said.get("walkdown-viewpoint")),
        taken_at=_time(_hint(said.get("walkdown-taken-at"))),
    )


def _hint(text: str | None) -> str | None:
    """S3 gives what is not ASCII as encoded words (RFC 2047)."""
    if text and "=?" in text:
        try:
            text = str(make_header(decode_header(text)))
        except (HeaderParseError, LookupError, ValueError):
            return None
    shown = " ".join((text or "").split())
    return shown[:_HINT_CHARACTERS] if shown.isprintable() and shown else None


def _time(text: str | None) -> datetime | None:
    """An ISO-8601 time in UTC; one without a zone is taken as UTC, a wrong one is no hint."""
    try:
        time = datetime.fromisoformat(text or "")
        return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
