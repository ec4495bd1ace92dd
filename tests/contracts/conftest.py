"""Every kind of store of records, in turn."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.stores.dynamodb_tables import dynamodb_store

from walkdown.stores.dynamodb import DynamoDbStore
from walkdown.stores.memory import MemoryRecords
from walkdown.stores.sqlite import SqliteStore

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)

AnyStore = MemoryRecords | SqliteStore | DynamoDbStore


@pytest.fixture(params=["memory", "sqlite", "dynamodb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyStore]:
    if request.param == "memory":
        yield MemoryRecords(workspace="w")
        return
    if request.param == "dynamodb":
        with dynamodb_store() as dynamodb:
            yield dynamodb
        return
    sqlite = SqliteStore(tmp_path / "records.sqlite", workspace="w", clock=lambda: NOW)
    yield sqlite
    sqlite.close()
