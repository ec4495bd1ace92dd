"""DynamoDB in this process for tests: moto, made to keep the promises that transactions rely on.

moto lets two requests change a table at once, and copies the whole table for every item of a
transaction. Here one request follows the other, as DynamoDB isolates them, a transaction copies
what it may have to undo once, and a cancelled one leaves nothing in the stream.
"""

from __future__ import annotations

import copy
import threading
from collections import defaultdict
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import boto3
import moto
import pytest
from botocore.config import Config
from moto.dynamodb import models, responses
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import Table

from walkdown.stores.dynamodb import DynamoDbStore
from walkdown.stores.dynamodb_keys import TABLE, TTL

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "walkdown-test"
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@contextmanager
def dynamodb_client() -> Iterator[Any]:
    """boto3's client of a DynamoDB with one empty table, `NAME`; it never retries by itself."""
    config = Config(retries={"total_max_attempts": 1, "mode": "standard"}, max_pool_connections=32)
    with pytest.MonkeyPatch.context() as patch, moto.mock_aws():
        _isolate(patch)
        client = _session().client("dynamodb", config=config)
        client.create_table(TableName=NAME, **cast("dict[str, Any]", TABLE))
        specification = {"Enabled": True, "AttributeName": TTL}
        client.update_time_to_live(TableName=NAME, TimeToLiveSpecification=specification)
        yield client
        client.close()


@contextmanager
def dynamodb_store(*, workspace: str = "w") -> Iterator[DynamoDbStore]:
    """A store over a table of its own that never really sleeps."""
    with dynamodb_client() as client:
        yield store_of(client, workspace=workspace)


def store_of(client: object, *, workspace: str = "w", **options: Any) -> DynamoDbStore:
    """A store over `NAME`; chance counts up, so that no two stores have the same tokens."""
    chances = (number / 2**31 for number in _NUMBERS)
    settings: dict[str, Any] = {
        "clock": lambda: NOW,
        "random": lambda: next(chances),
        "sleep": lambda _: None,
    }
    return DynamoDbStore(client, NAME, workspace=workspace, **{**settings, **options})


_NUMBERS = count()


@cache
def _session() -> Any:
    """Reads the description of DynamoDB's interface once; its clients are made in milliseconds."""
    return boto3.Session("testing", "testing", region_name="eu-central-1")


def _isolate(patch: pytest.MonkeyPatch) -> None:
    one_at_a_time = threading.RLock()
    call_action = responses.DynamoHandler.call_action
    transact = DynamoDBBackend.transact_write_items

    def call_alone(self: responses.DynamoHandler) -> Any:
        with one_at_a_time:
            return call_action(self)

    def transact_whole(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        patch.setattr(models, "copy", _Copies())
        try:
            transact(self, transact_items)
        finally:
            patch.setattr(models, "copy", copy)

    patch.setattr(responses.DynamoHandler, "call_action", call_alone)
    patch.setattr(DynamoDBBackend, "transact_write_items", transact_whole)


class _Copies:
    """Stands for the module `copy` during one transaction: a table is copied once, by its items."""

    def __init__(self) -> None:
        self._tables: dict[int, Table] = {}

    def deepcopy(self, value: Any) -> Any:
        if not isinstance(value, Table):
            return copy.deepcopy(value)
        if id(value) not in self._tables:
            twin = copy.copy(value)
            twin.items = defaultdict(dict, {key: dict(of) for key, of in value.items.items()})
            self._tables[id(value)] = twin
        return self._tables[id(value)]
