"""Photographs that were inspected, read again from the bucket where they lie: no copy is kept."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from walkdown.errors import ImageError, NotFound
from walkdown.sdk.aws import AwsError, explained
from walkdown.stores.s3_reading import S3Reader, s3_place, version_of
from walkdown.types import ImageRef

if TYPE_CHECKING:
    from collections.abc import Iterator


_GONE = frozenset({"NoSuchKey", "NoSuchBucket", "MethodNotAllowed", "404"})


class S3Originals:
    """Finds the version of an object that a result is about; safe to use from many threads."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._reader = S3Reader(client)

    def read(self, uri: str, *, capture_id: str, content: str | None) -> bytes:
        """The bytes with that sha256. Raises `NotFound` where they are gone."""
        for version in self._versions(uri):
            ref = ImageRef(uri, version, uri, uri)
            if ref.capture_id == capture_id:
                data = self._read(ref)
                if content in (None, hashlib.sha256(data).hexdigest()):
                    return data
        raise NotFound(f"{uri} is not there any more as it was inspected")

    def unchanged(self, uri: str, *, content: str | None) -> bytes:
        """The bytes of an object as it is now, without asking for its versions.

        Raises `NotFound` where it is gone, or has another sha256 by now.
        """
        try:
            bucket, key = s3_place(uri)
        except ValueError as error:
            raise NotFound(str(error)) from error
        try:
            with explained(f"read {uri}"):
                data = bytes(self._client.get_object(Bucket=bucket, Key=key)["Body"].read())
        except AwsError as error:
            if error.code not in _GONE:
                raise
            raise NotFound(f"{uri} is not there any more") from error
        if content != hashlib.sha256(data).hexdigest():
            raise NotFound(f"{uri} is not there any more as it was inspected")
        return data

    def _read(self, ref: ImageRef) -> bytes:
        try:
            return self._reader.read(ref).data
        except ImageError as error:
            raise NotFound(f"{ref.uri}: {error}") from error

    def _versions(self, uri: str) -> Iterator[str]:
        """The newest first."""
        try:
            bucket, key = s3_place(uri)
        except ValueError as error:
            raise NotFound(str(error)) from error
        pages = self._client.get_paginator("list_object_versions")
        with explained(f"list the versions of {uri}"):
            for page in pages.paginate(Bucket=bucket, Prefix=key):
                for one in page.get("Versions", ()):
                    if one["Key"] != key:
                        return
                    yield version_of(one["VersionId"], one["ETag"])
