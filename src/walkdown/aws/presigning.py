"""Signed addresses to which cameras and phones send photographs: one address, one photograph.

Who may ask is who may call the function; what is asked for is checked here. The key is new each
time, so that no upload can replace another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from walkdown.errors import NotFound, SpecError
from walkdown.sdk.aws import explained
from walkdown.stores.s3_reading import MAX_BYTES
from walkdown.stores.s3_upload import Hints, check_suffix, key_of, time_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from walkdown.runners.executions import Deployment

EXPIRES: Final = timedelta(minutes=15)

MAX_NAME: Final = 200
"""Characters of a photograph's name, its folders included."""

_IMAGE_TYPE: Final = re.compile(r"image/[a-z0-9.+-]{1,60}")
_FIELDS: Final = frozenset(
    {"pipeline", "name", "asset", "viewpoint", "taken_at", "content_type", "size"}
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A photograph that somebody wants to send to a pipeline."""

    pipeline: str
    name: str
    hints: Hints
    content_type: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """Where and how to send it: a PUT with exactly these headers, before it expires."""

    url: str
    headers: Mapping[str, str]
    key: str
    expires_at: datetime


def wanted(event: Mapping[str, Any]) -> Wanted:
    """What an event asks for. Raises `SpecError` in words for whoever sent it."""
    unknown = sorted(set(event) - _FIELDS)
    if unknown:
        raise SpecError(f"unknown: {', '.join(unknown)}; there are {', '.join(sorted(_FIELDS))}")
    taken_at = _text(event, "taken_at")
    hints = Hints(
        asset=_text(event, "asset"),
        viewpoint=_text(event, "viewpoint"),
        taken_at=time_of(taken_at) if taken_at else None,
    )
    pipeline, name = _text(event, "pipeline"), _text(event, "name")
    if not pipeline or not name:
        raise SpecError("give the pipeline and the photograph's name")
    return Wanted(pipeline, _checked(name), hints, _content_type(event), _size(event))


def sign(
    asked: Wanted,
    deployments: Sequence[Deployment],
    *,
    client: Any,
    bucket: str,
    mark: str,
    now: datetime,
) -> Signed:
    """The address. ``mark`` makes the key a new one; ``client`` is that of `Aws.signer`.

    Raises `NotFound` for a pipeline that the stack has not.
    """
    found = {each.name: each for each in deployments}.get(asked.pipeline)
    if found is None:
        known = ", ".join(each.name for each in deployments) or "none yet"
        raise NotFound(f"the stack has no pipeline {asked.pipeline!r}; it has {known}")
    key = key_of(found.prefix, _unique(asked.name, mark))
    given: dict[str, Any] = {"Metadata": asked.hints.metadata()} if asked.hints != Hints() else {}
    if asked.content_type:
        given["ContentType"] = asked.content_type
    if asked.size_bytes:
        given["ContentLength"] = asked.size_bytes
    with explained(f"sign an address for {key}"):
        url = client.generate_presigned_url(
            "put_object",
            Params={"Bucket": bucket, "Key": key, **given},
            ExpiresIn=int(EXPIRES.total_seconds()),
        )
    return Signed(str(url), _headers(asked), key, now + EXPIRES)


def _headers(asked: Wanted) -> dict[str, str]:
    """What the signature binds: another value is refused."""
    headers = {f"x-amz-meta-{name}": text for name, text in asked.hints.metadata().items()}
    if asked.content_type:
        headers["content-type"] = asked.content_type
    if asked.size_bytes:
        headers["content-length"] = str(asked.size_bytes)
    return headers


def _unique(name: str, mark: str) -> str:
    """Another key each time, in the same folders and with the same suffix.

    >>> _unique("row 1/17.jpg", "5f3a")
    'row 1/17-5f3a.jpg'
    """
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}-{mark}{path.suffix}"))


def _checked(name: str) -> str:
    if len(name) > MAX_NAME:
        raise SpecError(f"{name!r:.80} is too long: over {MAX_NAME} characters")
    key_of("", name)
    check_suffix(name)
    return name


def _text(event: Mapping[str, Any], name: str) -> str | None:
    value = event.get(name)
    if value is not None and not isinstance(value, str):
        raise SpecError(f"{name} is a text, not {value!r:.40}")
    return value


def _content_type(event: Mapping[str, Any]) -> str | None:
    kind = _text(event, "content_type")
    if kind is not None and not _IMAGE_TYPE.fullmatch(kind):
        raise SpecError(f"{kind!r:.40} is no type of a photograph, such as image/jpeg")
    return kind


def _size(event: Mapping[str, Any]) -> int | None:
    size = event.get("size")
    if size is None:
        return None
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= MAX_BYTES:
        raise SpecError(f"size is in bytes, 1 to {MAX_BYTES}, not {size!r:.40}")
    return size
