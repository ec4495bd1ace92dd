"""Photographs put into a bucket, each once: its sha256 lies with it, as what is known of it does.

What is said of a photograph (asset, viewpoint, time) is written as `s3_reading` reads it.
"""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from pathlib import Path, PurePosixPath
from typing import Any

from walkdown.errors import ImageError, SpecError
from walkdown.sdk.aws import AwsError, explained
from walkdown.stores.folders import CHANGED
from walkdown.stores.reasons import reason
from walkdown.stores.s3_reading import MAX_BYTES, s3_uri
from walkdown.stores.wanted import IMAGE_SUFFIXES, is_hidden

SHA256 = "walkdown-sha256"
"""The metadata that an upload is known again by: S3's own checksum is another for large files."""

MAX_KEY_BYTES = 1024
_HINT_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class Hints:
    """What is known of photographs before they are looked at. Raises `SpecError` for odd words.

    ``taken_at`` is aware.
    """

    asset: str | None = None
    viewpoint: str | None = None
    taken_at: datetime | None = None

    def __post_init__(self) -> None:
        for name, text in (("asset", self.asset), ("viewpoint", self.viewpoint)):
            if text is not None and not _is_plain(text):
                raise SpecError(
                    f"{text!r:.80} is no {name}: 1 to {_HINT_CHARACTERS} letters, digits and signs"
                )

    def metadata(self) -> dict[str, str]:
        """As S3 keeps it, by name; without ``x-amz-meta-``.

        >>> Hints(asset="pole 7").metadata()
        {'walkdown-asset': 'pole 7'}
        """
        said = {
            "walkdown-asset": self.asset,
            "walkdown-viewpoint": self.viewpoint,
            "walkdown-taken-at": self.taken_at and self.taken_at.astimezone(UTC).isoformat(),
        }
        return {name: _ascii(text) for name, text in said.items() if text}


def time_of(text: str) -> datetime:
    """When a photograph was taken, in ISO 8601; without a zone it is UTC. Raises `SpecError`.

    >>> time_of("2026-05-01T12:00").isoformat()
    '2026-05-01T12:00:00+00:00'
    """
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise SpecError(f"{text!r:.40} is no time: write it as 2026-05-01T12:00:00Z") from e


def key_of(prefix: str, name: str) -> str:
    """The key of a photograph of that name below a prefix. Raises `SpecError` for another name.

    >>> key_of("cells/", "row 1/17.jpg")
    'cells/row 1/17.jpg'
    """
    parts = name.split("/")
    if not all(parts) or any(part in (".", "..") or is_hidden(part) for part in parts):
        raise SpecError(f"{name!r:.80} is no photograph's name: no part may be empty or hidden")
    if not name.isprintable() or "\\" in name:
        raise SpecError(f"{name!r:.80} is no photograph's name: it has signs that do not print")
    key = prefix + name
    if len(key.encode("utf-8", "surrogatepass")) > MAX_KEY_BYTES:
        raise SpecError(f"{name!r:.80} is too long: with {prefix!r} before it, over 1,024 bytes")
    return key


def check_suffix(name: str) -> None:
    """Raises `SpecError` for a name that does not end as a photograph's does."""
    if PurePosixPath(name).suffix.lower() not in IMAGE_SUFFIXES:
        known = ", ".join(sorted(IMAGE_SUFFIXES))
        raise SpecError(f"{name!r:.80} is no photograph: its name must end in one of {known}")


class S3Uploads:
    """Uploads into one bucket with one S3 client; safe to use from many threads."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, path: Path, key: str, hints: Hints) -> bool:
        """Upload a file; False where the same is there already, with the same hints.

        Raises `ImageError` for a file that can't be read or changes meanwhile, and `AwsError`.
        """
        try:
            before = path.stat()
            if before.st_size > MAX_BYTES:
                raise ImageError(f"it is too large: over {MAX_BYTES / 2**30:.0f} GiB")
            said = hints.metadata() | {SHA256: _sha256(path)}
            if self._has(key, before.st_size, said):
                return False
            self._send(path, key, said)
            after = path.stat()
        except OSError as error:
            raise ImageError(f"it cannot be read: {reason(error)}") from error
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise ImageError(CHANGED)
        return True

    def _has(self, key: str, size: int, said: dict[str, str]) -> bool:
        try:
            with explained(f"look for {s3_uri(self._bucket, key)}"):
                found = self._client.head_object(Bucket=self._bucket, Key=key)
        except AwsError as error:
            if error.status == 404:
                return False
            raise
        return bool(found["ContentLength"] == size and found.get("Metadata", {}) == said)

    def _send(self, path: Path, key: str, said: dict[str, str]) -> None:
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        with path.open("rb") as file, explained(f"upload {s3_uri(self._bucket, key)}"):
            self._client.upload_fileobj(
                file, self._bucket, key, ExtraArgs={"Metadata": said, "ContentType": kind}
            )


def _is_plain(text: str) -> bool:
    """Whether it comes back from S3 as it is."""
    same = " ".join(text.split()) == text
    return 0 < len(text) <= _HINT_CHARACTERS and same and text.isprintable() and "=?" not in text


def _ascii(text: str) -> str:
    """S3's metadata is ASCII: other letters travel as encoded words (RFC 2047)."""
    return text if text.isascii() else Header(text, "utf-8").encode(maxlinelen=0)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
