"""A cancelled transaction of the emulator leaves the table as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.aws.workshop import table

if TYPE_CHECKING:
    from tests.aws.emulator.handle import Handle


def key(name: str) -> dict[str, Any]:
    return {"TableName": "table", "Key": {"pk": {"S": name}}}


def written(aws: Handle, *operations: dict[str, Any]) -> None:
    aws.client("dynamodb").transact_write_items(TransactItems=list(operations))


def contents(aws: Handle) -> list[dict[str, Any]]:
    found = aws.client("dynamodb").scan(TableName="table")["Items"]
    return sorted(found, key=lambda item: str(item["pk"]["S"]))


def records(aws: Handle, stream: str) -> int:
    client = aws.client("dynamodbstreams")
    shards = client.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]
    iterator = client.get_shard_iterator(
        StreamArn=stream, ShardId=shards[0]["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )
    return len(client.get_records(ShardIterator=iterator["ShardIterator"])["Records"])


def test_puts_updates_and_deletes_are_undone(aws: Handle) -> None:
    stream = table(aws)
    for name in ("changed", "deleted", "there"):
        put = {"TableName": "table", "Item": {"pk": {"S": name}, "n": {"N": "1"}}}
        written(aws, {"Put": put})
    before, told = contents(aws), records(aws, stream)
    more = {
        "UpdateExpression": "SET n = n + :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    new = {"TableName": "table", "Item": {"pk": {"S": "new"}}}
    check = {**key("there"), "ConditionExpression": "attribute_not_exists(pk)"}

    error = aws.client("dynamodb").exceptions.TransactionCanceledException
    with pytest.raises(error) as cancelled:
        written(
            aws,
            {"Update": {**key("changed"), **more}},
            {"Delete": key("deleted")},
            {"Put": new},
            {"ConditionCheck": check},
        )

    reasons = [each["Code"] for each in cancelled.value.response["CancellationReasons"]]
    assert reasons == ["None", "None", "None", "ConditionalCheckFailed"]
    assert (contents(aws), records(aws, stream)) == (before, told)


def test_what_holds_is_written_whole(aws: Handle) -> None:
    stream = table(aws)
    puts = [{"Put": {"TableName": "table", "Item": {"pk": {"S": str(n)}}}} for n in range(100)]

    written(aws, *puts)

    assert (len(contents(aws)), records(aws, stream)) == (100, 100)
