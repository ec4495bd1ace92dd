"""Entries become as few transactions as hold them, and none is too large for its table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.stores.dynamodb_entries import (
    FINDING,
    TRANSACT,
    captures,
    hook,
    items_of,
    large,
    result,
    told,
    whole,
)
from tests.stores.dynamodb_tables import NAME, dynamodb_client, store_of

from walkdown.errors import StoreError
from walkdown.stores.dynamodb import DynamoDbStore
from walkdown.types import Entry, StageResult, Status


@pytest.fixture
def client() -> Iterator[Any]:
    with dynamodb_client() as made:
        yield made


@pytest.fixture
def store(client: Any) -> DynamoDbStore:
    return store_of(client)


def test_many_entries_go_into_few_transactions_of_whole_entries(
    client: Any, store: DynamoDbStore
) -> None:
    sizes: list[int] = []

    def count(params: Any, **_: Any) -> None:
        sizes.append(len(params["TransactItems"]))

    with hook(client, "provide-client-params", TRANSACT, count):
        entries = [whole(number) for number in range(120)]
        assert store.record("i1", entries) == ["written"] * 120
    assert sizes == [100, 100, 100, 64]
    assert captures(store) == [f"c{number}" for number in range(120)]
    batches = [captures(store, batch_id=str(batch)) for _, batch in store.pending("lake")]
    assert [len(batch) for batch in batches] == [33, 33, 33, 21]
    assert sorted(capture for batch in batches for capture in batch) == sorted(
        f"c{number}" for number in range(120)
    )
    assert len(store.pending("alert")) == 120
    assert store.record("i1", entries) == ["exists"] * 120


def test_photographs_of_one_asset_share_a_transaction(client: Any, store: DynamoDbStore) -> None:
    moved = [replace(FINDING, revision=number, score=number / 64) for number in range(1, 33)]
    entries = [
        Entry(result(f"c{each.revision}"), (each,), (told(each, each.revision // 2),))
        for each in moved
    ]
    sizes: list[int] = []

    def count(params: Any, **_: Any) -> None:
        sizes.append(len(params["TransactItems"]))

    with hook(client, "provide-client-params", TRANSACT, count):
        assert store.record("i1", entries) == ["written"] * 32
    assert sizes == [32 + 1 + 17 + 1]
    assert store.findings() == {"f": moved[-1]}
    first = moved[0]
    assert store.record("i1", [Entry(result("late"), (first,))]) == ["conflict"]


def test_a_result_larger_than_an_item_is_kept_in_parts(client: Any, store: DynamoDbStore) -> None:
    big = large(900_000)
    stages = (StageResult("look", "cells@1", "d", big),)
    partial = replace(result("c1", status=Status.PARTIAL), stages=stages)
    done = replace(result("c1"), stages=stages)
    assert store.record("i1", [Entry(partial, cache=(("k", big, None),))]) == ["written"]
    assert store.record("i1", [Entry(done), Entry(result("c2"))]) == ["written", "written"]
    assert list(store.results(keys=[done.key])) == [done]
    assert captures(store) == ["c1", "c2"]
    assert store.cached(["k"]) == {}
    (item,) = [item for item in items_of(client) if "w#R#" + done.key.id == item["pk"]["S"]][-1:]
    assert int(item["parts"]["N"]) > 2
    assert max(len(each["doc"]["B"]) for each in items_of(client)) <= 350_000
    missing = {"pk": item["pk"], "sk": {"S": "part#00002#001"}}
    client.delete_item(TableName=NAME, Key=missing)
    with pytest.raises(StoreError, match="parts of it are missing"):
        list(store.results(keys=[done.key]))


def test_of_a_result_that_comes_twice_only_the_last_state_is_written(
    client: Any, store: DynamoDbStore
) -> None:
    stages = (StageResult("look", "cells@1", "d", large(900_000)),)
    partial = replace(result("c1", status=Status.PARTIAL), stages=stages)
    done = replace(result("c1"), stages=stages)
    entries = [Entry(partial, (FINDING,)), whole(2), Entry(done)]
    assert store.record("i1", entries) == ["written"] * 3
    assert list(store.results()) == [whole(2).result, done]
    assert store.findings(["f"]) == {"f": FINDING}
    parts = [item["sk"]["S"] for item in items_of(client) if item["sk"]["S"].startswith("part")]
    assert parts == ["part#00002#001", "part#00002#002"]


def test_large_results_are_spread_over_transactions(client: Any, store: DynamoDbStore) -> None:
    big = large(300_000)
    stages = (StageResult("look", "cells@1", "d", big),)
    entries = [Entry(replace(result(f"c{at}"), stages=stages)) for at in range(15)]
    assert store.record("i1", entries) == ["written"] * 15
    assert len(store.pending("lake")) == 2
    assert [each.stages for each in store.results()] == [stages] * 15


def test_what_no_transaction_can_hold_is_said_and_nothing_is_written(
    client: Any, store: DynamoDbStore
) -> None:
    stages = (StageResult("look", "cells@1", "d", large(5_000_000)),)
    huge = Entry(replace(result("c1"), stages=stages))
    with pytest.raises(StoreError, match=r"c1\.jpg is too large .* 50 regions, 0 findings"):
        store.record("i1", [whole(2), huge])
    findings = tuple(replace(FINDING, id=f"f{at}") for at in range(120))
    with pytest.raises(StoreError, match=r"c3\.jpg .* 120 findings .*fewer regions or labels"):
        store.record("i1", [Entry(result("c3"), findings)])
    assert items_of(client) == []
