"""Entries to record in a DynamoDB of `dynamodb_tables`, and hooks into the requests to it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ReadTimeoutError
from tests.stores.dynamodb_tables import NAME, NOW

from walkdown.stores.dynamodb import DynamoDbStore
from walkdown.types import (
    Alert,
    Entry,
    Finding,
    ModelVersion,
    Prediction,
    Region,
    Result,
    ResultKey,
    Severity,
    StageResult,
    Status,
    Verdict,
    digest_of,
)

PREDICTION = Prediction(Verdict.ANOMALY, 0.7, 3.25)
FINDING = Finding("f", "w", "a", "l", Severity.LOW, 0.6, 0.1, "x", "r", NOW, NOW, "ada")
CELLS = ModelVersion("cells", 0, "d1", NOW, "ada", ("live",))
TRANSACT = "TransactWriteItems"


def result(capture: str, *, status: Status = Status.DONE, workspace: str = "w") -> Result:
    return Result(
        key=ResultKey(workspace, capture, "plan"),
        uri=f"s3://photos/{capture}.jpg",
        image=f"s3://photos/{capture}.jpg",
        status=status,
        actor="ada",
        recorded_at=NOW,
        content=digest_of(capture),
        verdict=None if status is Status.FAILED else Verdict.ANOMALY,
        stages=(StageResult("look", "cells@1", "d", PREDICTION),),
        error="it is cut off" if status is Status.FAILED else None,
    )


def whole(number: int) -> Entry:
    """An entry that writes an item of each kind: result, finding, alert and cache."""
    found = replace(FINDING, id=f"f{number}")
    return Entry(
        result(f"c{number}"), (found,), (told(found, number),), ((f"k{number}", PREDICTION, None),)
    )


def told(finding: Finding, number: int) -> Alert:
    return Alert(f"a{number}", "opened", finding, "cells", "i1")


def large(stored_bytes: int) -> Prediction:
    """A prediction that takes about so many bytes, however well it is compressed."""
    chance = random.Random(stored_bytes)
    labels = (chance.randbytes(stored_bytes // 50).hex() for _ in range(50))
    regions = tuple(Region((at, 1, 7, 9), 0.1, 0.9, label) for at, label in enumerate(labels))
    return replace(PREDICTION, regions=regions)


def captures(store: DynamoDbStore, **filters: Any) -> list[str]:
    return [each.key.capture_id for each in store.results(**filters)]


def items_of(client: Any) -> list[dict[str, Any]]:
    pages = client.get_paginator("scan").paginate(TableName=NAME)
    items = [item for page in pages for item in page["Items"]]
    return sorted(items, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))


@contextmanager
def hook(client: Any, event: str, operation: str, call: Callable[..., Any]) -> Iterator[None]:
    """``call`` is called with botocore's event of an operation while the block runs."""
    name = f"{event}.dynamodb.{operation}"
    client.meta.events.register_first(name, call)
    try:
        yield
    finally:
        client.meta.events.unregister(name, call)


def times(count: int, call: Callable[..., Any]) -> Callable[..., Any]:
    """The call, for the first so many events."""
    left = iter(range(count))

    def limited(**event: Any) -> Any:
        return call(**event) if next(left, None) is not None else None

    return limited


def lose_the_answer(**_: Any) -> None:
    raise ReadTimeoutError(endpoint_url="https://dynamodb")


def refuse(code: str, status: int = 400) -> Callable[..., Any]:
    """An answer of DynamoDB without doing anything."""

    def answer(**_: Any) -> Any:
        metadata = {"HTTPStatusCode": status, "RequestId": "1"}
        body = {"Error": {"Code": code, "Message": "slower"}, "ResponseMetadata": metadata}
        return SimpleNamespace(status_code=status), body

    return answer


def after(count: int, call: Callable[..., Any]) -> Callable[..., Any]:
    """The call, but for the first so many events."""
    passed = iter(range(count))
    return lambda **event: call(**event) if next(passed, None) is None else None
