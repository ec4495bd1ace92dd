"""Where photographs wait for SageMaker and answers for us: objects below a prefix of a bucket."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from walkdown.errors import ModelError, WalkdownError
from walkdown.sdk.aws import Aws, AwsError, explained

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from walkdown.models.mapping import Sent

A = TypeVar("A")
B = TypeVar("B")

MOST_BYTES = 20_000_000
_PIECE = 1_000_000
_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})


class Readable(Protocol):
    """What a service answers, while it comes."""

    def read(self, size: int, /) -> bytes:
        """So many bytes; none at the end."""

    def close(self) -> None:
        """Take no more of it."""


class Shelf:
    """Objects below ``root`` (``s3://bucket/prefix``), by name; and any other by its URI."""

    def __init__(self, aws: Aws, root: str, *, at_once: int) -> None:
        self._aws, self._at_once = aws, at_once
        self._root = root.rstrip("/")

    def uri(self, name: str) -> str:
        """Where an object of that name is."""
        return f"{self._root}/{name}"

    def put(self, name: str, data: bytes, content_type: str) -> str:
        """Store an object, and say where it is."""
        uri = self.uri(name)
        bucket, key = _split(uri)
        with explained(f"write {uri}"):
            self._aws.client("s3").put_object(
                Bucket=bucket, Key=key, Body=data, ContentType=content_type
            )
        return uri

    def get(self, uri: str) -> bytes | None:
        """The bytes of an object; None while there is none."""
        bucket, key = _split(uri)
        try:
            with explained(f"read {uri}"):
                answer = self._aws.client("s3").get_object(Bucket=bucket, Key=key)
                return bounded(answer["Body"], uri)
        except AwsError as e:
            if e.code in _ABSENT:
                return None
            raise

    def has(self, uri: str) -> bool:
        """Whether there is such an object."""
        bucket, key = _split(uri)
        try:
            with explained(f"look for {uri}"):
                self._aws.client("s3").head_object(Bucket=bucket, Key=key)
                return True
        except AwsError as e:
            if e.code in _ABSENT:
                return False
            raise

    def note(self, name: str, value: dict[str, Any]) -> None:
        """Store what a job has to remember."""
        self.put(name, json.dumps(value).encode(), "application/json")

    def noted(self, name: str) -> dict[str, Any]:
        """What a job has remembered. Raises `ModelError` for a job that is lost."""
        data = self.get(self.uri(name))
        try:
            value = json.loads(data or b"")
        except ValueError as e:
            raise ModelError(
                f"the job is lost: {self.uri(name)} is not there, or damaged; inspect again"
            ) from e
        if not isinstance(value, dict):
            raise ModelError(f"the job is lost: {self.uri(name)} is damaged; inspect again")
        return value

    def each(self, do: Callable[[A], B], many: Sequence[A]) -> list[B]:
        """Several at once, in order."""
        if len(many) <= 1:
            return [do(one) for one in many]
        with ThreadPoolExecutor(min(self._at_once, len(many))) as pool:
            return list(pool.map(do, many))


def bounded(body: Readable, what: str) -> bytes:
    """All of an answer. Raises `ModelError` for one that is larger than any should be."""
    data = bytearray()
    while piece := body.read(_PIECE):
        data += piece
        if len(data) > MOST_BYTES:
            body.close()
            raise ModelError(f"{what} has more than {MOST_BYTES:,} bytes; have the model say less")
    return bytes(data)


def attempted(do: Callable[[], Sent]) -> Sent | str:
    """What is sent of a photo, or why it can't be."""
    try:
        return do()
    except WalkdownError as e:
        return str(e)


def ending(content_type: str) -> str:
    """The end of a file's name: some containers go by it."""
    known = {"image/jpeg": ".jpg", "image/png": ".png", "application/json": ".json"}
    return known.get(content_type, ".npy" if content_type.endswith("npy") else ".bin")


def _split(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
