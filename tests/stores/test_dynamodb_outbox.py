"""Messages in the index, and after they were settled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.stores.dynamodb_entries import hook, items_of, refuse, times, whole
from tests.stores.dynamodb_tables import NAME, NOW, dynamodb_client, store_of

from walkdown.errors import StoreError
from walkdown.stores.dynamodb import DynamoDbStore
from walkdown.stores.dynamodb_outbox import SETTLED_DAYS


@pytest.fixture
def client() -> Iterator[Any]:
    with dynamodb_client() as made:
        yield made


@pytest.fixture
def store(client: Any) -> DynamoDbStore:
    return store_of(client)


def test_many_messages_come_page_by_page_without_the_settled(
    client: Any, store: DynamoDbStore
) -> None:
    store.record("i1", [whole(number) for number in range(60)])
    ids = [key for key, _ in store.pending("alert")]
    assert ids == [f"a{number}" for number in range(60)]
    store.settle(ids[::2])
    assert [key for key, _ in store.pending("alert", limit=7)] == ids[1:15:2]
    assert [key for key, _ in store.pending("alert")] == ids[1::2]
    # A message that the index still lists, though it is settled by now, is not given again.
    for item in items_of(client):
        if item["pk"]["S"] == "w#O#a1":
            late = {**item, "settled_at": {"S": "now"}}
            client.put_item(TableName=NAME, Item=late)
    assert [key for key, _ in store.pending("alert", limit=2)] == ["a3", "a5"]


def test_a_settled_message_leaves_the_index_and_later_the_table(
    client: Any, store: DynamoDbStore
) -> None:
    store.record("i1", [whole(1)])
    store.settle(["a1"], error="no route to caf\udce9")
    store.settle(["a1"], error="still none")
    key = {"pk": {"S": "w#O#a1"}, "sk": {"S": "message"}}
    noted = client.get_item(TableName=NAME, Key=key)["Item"]
    assert (noted["attempts"], noted["error"]) == ({"N": "2"}, {"S": "still none"})
    assert [key for key, _ in store.pending("alert")] == ["a1"]
    store.settle(["a1", "none"])
    settled = client.get_item(TableName=NAME, Key=key)["Item"]
    assert settled["settled_at"] == {"S": "2026-05-01T12:00:00.000000Z"}
    assert int(settled["ttl"]["N"]) == int(NOW.timestamp()) + SETTLED_DAYS * 86_400
    assert not {"lpk", "lsk", "error"} & set(settled)
    before = items_of(client)
    store.settle(["a1"])
    store.settle(["a1"], error="late")
    assert items_of(client) == before


def test_a_message_in_another_transaction_is_settled_after_it(
    client: Any, store: DynamoDbStore
) -> None:
    store.record("i1", [whole(1)])
    busy = refuse("TransactionConflictException")
    with hook(client, "before-call", "UpdateItem", times(2, busy)):
        store.settle(["a1"])
    assert store.pending("alert") == []
    with (
        hook(client, "before-call", "UpdateItem", refuse("AccessDeniedException")),
        pytest.raises(StoreError, match="cannot write the records"),
    ):
        store.settle(["a1"])
