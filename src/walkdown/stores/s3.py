"""S3: named bytes in a bucket, and sources of photographs that lie in buckets.

The clients are given (`sdk.aws.Aws.client`), so that one connection pool serves all threads.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from walkdown.errors import ImageError, NotFound, StoreError
from walkdown.imaging.formats import HEAD_BYTES, sniff
from walkdown.sdk.aws import AwsError, explained
from walkdown.stores.keys import check_key, check_prefix, is_key
from walkdown.stores.manifests import write_lines
from walkdown.stores.s3_reading import S3Reader, s3_ref, s3_uri
from walkdown.stores.wanted import IMAGE_SUFFIXES, Filters, left_out
from walkdown.types import NOT_THERE, ImageRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from walkdown.types import Original

_MISSING = frozenset({"NoSuchKey", "404"})
_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".gz": "application/gzip",
    ".csv": "text/csv; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".zip": "application/zip",
    ".parquet": "application/vnd.apache.parquet",
}
# What often lies beside photographs; reading the first bytes of each would cost a request.
_COMPANIONS = frozenset(
    (
        *(".json", ".jsonl", ".ndjson", ".txt", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".md"),
        *(".html", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".log", ".parquet", ".db"),
        *(".zip", ".gz", ".tar", ".tgz", ".7z", ".mp4", ".mov", ".avi", ".mkv", ".srt", ".mp3"),
    )
)
_AT_ONCE = 1000
_SURROGATES = range(0xD800, 0xE000)
_STAND_INS = range(0x10D800, 0x10E000)
_SHIFT = _STAND_INS.start - _SURROGATES.start


class S3Blobs:
    """Blobs as objects of one bucket, below ``prefix``.

    A put is whole or not at all, and seen by every later read; S3 checks the bytes by CRC-32. A
    name that is not Unicode is kept with private-use characters (U+10D800 up) in place of the
    bytes that are not, since S3's keys are UTF-8.
    """

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def put(self, key: str, data: bytes) -> None:
        """Store whole or not at all; a second put of a key replaces it."""
        place = self._place(key)
        kind = _TYPES.get(PurePosixPath(key).suffix.lower(), "application/octet-stream")
        with explained(f"write {self.locate(key)}"):
            self._client.put_object(**place, Body=data, ContentType=kind, ChecksumAlgorithm="CRC32")

    def put_lines(self, key: str, lines: Iterable[str]) -> None:
        """Store lines, each with its end, whole or not at all, and no more in memory than a part.

        What fails while the lines are made is raised, and nothing is stored.
        """
        write_lines(self._client, self._bucket, self._place(key)["Key"], lines)

    def get(self, key: str) -> bytes:
        """The bytes of a key. Raises `NotFound`, or `StoreError` where S3 refuses."""
        place = self._place(key)
        try:
            with explained(f"read {self.locate(key)}"):
                return bytes(
                    self._client.get_object(**place, ChecksumMode="ENABLED")["Body"].read()
                )
        except AwsError as error:
            if error.code not in _MISSING:
                raise
            where = s3_uri(self._bucket, self._prefix)
            raise NotFound(f"nothing is stored as {key!r} in {where}") from error

    def size(self, key: str) -> int | None:
        """The object's length in bytes; None where there is none."""
        place = self._place(key)
        try:
            with explained(f"look for {self.locate(key)}"):
                return int(self._client.head_object(**place)["ContentLength"])
        except AwsError as error:
            if error.code not in _MISSING:
                raise
            return None

    def list(self, prefix: str = "") -> Iterator[str]:
        """All keys that start with the prefix, sorted; a page of 1,000 is held in memory."""
        for item in self._listed(prefix):
            key = _decoded(item["Key"].removeprefix(self._prefix))
            if is_key(key):
                yield key

    def delete(self, key: str) -> None:
        """Remove a key; removing a missing one changes nothing."""
        with explained(f"delete {self.locate(key)}"):
            self._client.delete_object(**self._place(key))

    def stamps(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Keys that start with the prefix, each with its ETag, which another content changes."""
        for item in self._listed(prefix):
            yield _decoded(item["Key"].removeprefix(self._prefix)), item["ETag"]

    def folders(self, prefix: str) -> Iterator[str]:
        """The folders directly below a prefix that ends with a slash, without the slashes."""
        below = self._prefix + _encoded(check_prefix(prefix))
        pages = self._client.get_paginator("list_objects_v2")
        asked = {"Bucket": self._bucket, "Prefix": below, "Delimiter": "/"}
        for item in _items(pages, "CommonPrefixes", **asked):
            yield _decoded(item["Prefix"].removeprefix(below).rstrip("/"))

    def delete_many(self, keys: Iterable[str]) -> None:
        """Remove keys, a thousand in one request; missing ones change nothing."""
        rest = [self._place(key)["Key"] for key in keys]
        for at in range(0, len(rest), _AT_ONCE):
            objects = [{"Key": key} for key in rest[at : at + _AT_ONCE]]
            with explained(f"delete objects in {s3_uri(self._bucket, self._prefix)}"):
                answer = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True}
                )
            for error in answer.get("Errors", []):
                raise StoreError(
                    f"cannot delete {s3_uri(self._bucket, error['Key'])}: AWS says "
                    f"{error['Code']}; let your AWS user or role do s3:DeleteObject"
                )

    def locate(self, key: str) -> str:
        """The ``s3://`` URI, whether it exists or not."""
        return s3_uri(self._bucket, self._place(key)["Key"])

    def address(self, prefix: str) -> str:
        """A prefix as other services of AWS take it: ``s3://``, and nothing encoded."""
        return f"s3://{self._bucket}/{self._prefix}{_encoded(check_prefix(prefix))}"

    def _listed(self, prefix: str) -> Iterator[Mapping[str, Any]]:
        below = self._prefix + _encoded(check_prefix(prefix))
        pages = self._client.get_paginator("list_objects_v2")
        return _items(pages, "Contents", Bucket=self._bucket, Prefix=below)

    def _place(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + _encoded(check_key(key))}


class S3Source:
    """The photographs at ``paths``: ``s3://BUCKET``, ``s3://BUCKET/FOLDER``, or one object's key.

    Paths are as people write keys, nothing encoded. A path stands for the object of that key and
    for all that lies below it as a folder. ``include`` and ``exclude`` are the patterns of
    `folders.FolderSource`. The newest version of each object counts, listed in S3's order (that of
    UTF-8 bytes) and never held in memory as a whole.
    """

    def __init__(
        self,
        client: Any,
        paths: Sequence[str],
        *,
        include: tuple[str, ...] = (),
        exclude: tuple[str, ...] = (),
        reader: S3Reader | None = None,
    ) -> None:
        self._client = client
        self._roots = tuple(_root(path) for path in paths)
        self._filters = Filters(include, exclude)
        self._reader = reader or S3Reader(client)
        self._left_out: list[tuple[str, str]] = []

    def refs(self) -> Iterator[ImageRef]:
        """All captures, each once. Raises `AwsError` where a bucket can't be listed.

        A path that leads nowhere, and an object without a known suffix whose beginning can't be
        read, carry their ``problem``.
        """
        self._left_out = []
        for at, (bucket, prefix) in enumerate(self._roots):
            before = [root for root in self._roots[:at] if root[0] == bucket]
            found = False
            for item in self._below(bucket, prefix):
                found = True
                if not any(_is_below(item["Key"], earlier) for _, earlier in before):
                    yield from self._wanted(bucket, prefix, item)
            if not found and prefix:
                uri = s3_uri(bucket, prefix)
                yield ImageRef(uri, "absent", uri, prefix.rpartition("/")[2], NOT_THERE)

    def read(self, ref: ImageRef) -> Original:
        """One capture in the version that `refs` listed. Raises `ImageError`."""
        roots = (s3_uri(bucket, prefix) for bucket, prefix in self._roots)
        if not any(_is_below(ref.uri, root) for root in roots):
            raise ImageError("the file is not in the buckets and folders that are being inspected")
        return self._reader.read(ref)

    def left_out(self) -> list[tuple[str, str]]:
        """Objects that are no photographs, as (name, reason), once `refs` has ended."""
        return list(self._left_out)

    def _below(self, bucket: str, prefix: str) -> Iterator[Mapping[str, Any]]:
        """The newest version of the object of that key, and of all in the folder of that name."""
        pages = self._client.get_paginator("list_object_versions")
        if prefix and not prefix.endswith("/"):
            with explained(f"list {s3_uri(bucket, prefix)}"):
                first = self._client.list_object_versions(Bucket=bucket, Prefix=prefix, MaxKeys=1)
            versions = first.get("Versions", [])
            yield from (v for v in versions if v["Key"] == prefix and v["IsLatest"])
            prefix += "/"
        for item in _items(pages, "Versions", Bucket=bucket, Prefix=prefix):
            if item["IsLatest"]:
                yield item

    def _wanted(self, bucket: str, prefix: str, item: Mapping[str, Any]) -> Iterator[ImageRef]:
        key = item["Key"]
        ref = s3_ref(bucket, key, version_id=item["VersionId"], etag=item["ETag"], prefix=prefix)
        if key == prefix and not key.endswith("/"):
            yield ref
        elif not key.endswith("/") and self._filters.passes(ref.relative):
            problem, other = self._judged(ref, int(item["Size"]))
            if other:
                self._left_out.append((ref.name, other))
            else:
                yield ImageRef(ref.uri, ref.version, ref.name, ref.relative, problem)

    def _judged(self, ref: ImageRef, size: int) -> tuple[str | None, str | None]:
        """Why it can't be read, and why it is no photograph: by its name, else its first bytes."""
        suffix = PurePosixPath(ref.relative).suffix
        if suffix.lower() in IMAGE_SUFFIXES:
            return None, None
        if not size or suffix.lower() in _COMPANIONS:
            return None, left_out(suffix)
        try:
            head = self._reader.head(ref, HEAD_BYTES)
        except ImageError as error:
            return str(error), None
        return None, None if sniff(head) else left_out(suffix)


class ManifestSource:
    """Captures that others have chosen, read from S3: what a worker in the cloud is given."""

    def __init__(self, reader: S3Reader, refs: Iterable[ImageRef]) -> None:
        self._reader = reader
        self._refs = refs

    def refs(self) -> Iterator[ImageRef]:
        """The captures as given; an iterable that can be walked once gives them once."""
        return iter(self._refs)

    def read(self, ref: ImageRef) -> Original:
        """One capture in the version of its reference. Raises `ImageError`."""
        return self._reader.read(ref)

    def left_out(self) -> list[tuple[str, str]]:
        """Nothing: all that was given counts as a photograph."""
        return []


def _items(pages: Any, field: str, **asked: str) -> Iterator[Mapping[str, Any]]:
    with explained(f"list {s3_uri(asked['Bucket'], asked['Prefix'])}"):
        for page in pages.paginate(**asked):
            yield from page.get(field, [])


def _root(path: str) -> tuple[str, str]:
    scheme, _, rest = path.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise StoreError(f"not a place in S3: {path!r}; write s3://BUCKET/FOLDER")
    return bucket, prefix


def _is_below(name: str, root: str) -> bool:
    return not root or name == root or name.startswith(f"{root.rstrip('/')}/")


def _encoded(key: str) -> str:
    if any(ord(letter) in _STAND_INS for letter in key):
        raise StoreError(f"not a name for stored data: {key!r} has private-use characters in it")
    return "".join(chr(ord(c) + _SHIFT) if ord(c) in _SURROGATES else c for c in key)


def _decoded(key: str) -> str:
    return "".join(chr(ord(c) - _SHIFT) if ord(c) in _STAND_INS else c for c in key)
