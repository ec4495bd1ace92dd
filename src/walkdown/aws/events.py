"""What AWS hands to a function, as values; nothing here calls anything."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from walkdown.app.intake import Arrival
from walkdown.app.workflow import Batch
from walkdown.errors import StoreError
from walkdown.stores.fields import dumps

if TYPE_CHECKING:
    from collections.abc import Mapping


def arrivals(event: Mapping[str, Any]) -> tuple[list[Arrival], list[str]]:
    """From messages of the queue: the arrivals, and the ids of messages that are none."""
    good: list[Arrival] = []
    bad: list[str] = []
    for message in event["Records"]:
        try:
            good.append(arrival(message))
        except StoreError:
            bad.append(str(message["messageId"]))
    return good, bad


def arrival(message: Mapping[str, Any]) -> Arrival:
    """From a message of the queue, which holds EventBridge's event of S3.

    EventBridge gives the key as it is; only S3's own notifications quote it. Raises `StoreError`
    for a message that is no such event.
    """
    try:
        event = json.loads(message["body"])
        detail = event["detail"]
        thing = detail["object"]
        return Arrival(
            message=message["messageId"],
            bucket=detail["bucket"]["name"],
            key=thing["key"],
            version_id=thing.get("version-id"),
            etag=thing["etag"],
            size_bytes=int(thing.get("size", 1)),
            at=datetime.fromisoformat(event["time"]).astimezone(UTC),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise StoreError(f"a message of the queue is no event of S3: {e!r:.200}") from e


def batch(event: Mapping[str, Any]) -> tuple[Batch, str]:
    """From what a workflow gives a function: the batch, and the deployed plan's key."""
    about = event["batch"]
    lines = tuple(dumps(item) for item in event["items"])
    return Batch(about["inspection"], int(about["run"]), about["stage"], lines), about["plan"]


def why(event: Mapping[str, Any]) -> str | None:
    """What an image could not be looked at for, in words; None where nothing is said."""
    error = event.get("error")
    if not error:
        return None
    name, cause = str(error.get("Error", "")), str(error.get("Cause", ""))
    with suppress(ValueError, AttributeError):
        cause = json.loads(cause).get("errorMessage", cause)
    return _WORDS.get(name) or f"the function that looks at it broke ({name}: {cause:.300})"


_WORDS = {
    "Sandbox.Timedout": "looking at it took longer than the function may",
    "States.Timeout": "looking at it took longer than the function may",
    "Runtime.OutOfMemory": "looking at it needs more memory than the function has",
    "MemoryError": "looking at it needs more memory than the function has",
}
