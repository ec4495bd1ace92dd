"""Messages in the index, in the table's stream, and after they were settled."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.stores.dynamodb_entries import hook, items_of, refuse, times, whole
from tests.stores.dynamodb_tables import NAME, NOW, dynamodb_client, store_of

from walkdown.errors import StoreError
from walkdown.stores.dynamodb import DynamoDbStore
from walkdown.stores.dynamodb_outbox import SETTLED_DAYS, body_of_stream_image


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


def test_the_stream_tells_of_every_message_once(client: Any, store: DynamoDbStore) -> None:
    entries = [whole(number) for number in range(3)]
    store.record("i1", entries)
    store.record("i1", entries)
    store.settle(["a1"])
    images = [
        record["dynamodb"]["NewImage"]
        for record in stream_of(client)
        if record["eventName"] == "INSERT" and "topic" in record["dynamodb"]["NewImage"]
    ]
    found = [body_of_stream_image(image) for image in images]
    ((batch, _),) = store.pending("lake")
    alerts = [(f"a{at}", "alert", entry.alerts[0]) for at, entry in enumerate(entries)]
    assert sorted(found[:-1], key=lambda each: each[0]) == alerts
    assert found[-1] == (batch, "lake", batch)
    doc = base64.b64encode(bytes(images[0]["doc"]["B"])).decode()
    as_lambda_has_it: Any = {**images[0], "doc": {"B": doc}}
    assert body_of_stream_image(as_lambda_has_it) == found[0]


def stream_of(client: Any) -> list[dict[str, Any]]:
    arn = client.describe_table(TableName=NAME)["Table"]["LatestStreamArn"]
    session = boto3.Session("testing", "testing", region_name="eu-central-1")
    # moto does not know the streams' address that has the account in it.
    streams = session.client("dynamodbstreams", config=Config(account_id_endpoint_mode="disabled"))
    (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(
        StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records: list[dict[str, Any]] = streams.get_records(ShardIterator=iterator)["Records"]
    return records


def test_what_is_no_message_of_the_stream_is_said() -> None:
    result_image: dict[str, dict[str, str | bytes]] = {
        "pk": {"S": "w#R#1"},
        "sk": {"S": "result"},
        "doc": {"B": b""},
    }
    with pytest.raises(StoreError, match="not a message to deliver: let the event source mapping"):
        body_of_stream_image(result_image)
    message: dict[str, dict[str, str | bytes]] = {
        "pk": {"S": "w#O#1"},
        "topic": {"S": "alert"},
    }
    for doc in ("not base64", b"not compressed"):
        message["doc"] = {"B": doc}
        with pytest.raises(StoreError, match="damaged"):
            body_of_stream_image(message)
