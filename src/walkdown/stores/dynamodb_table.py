"""One DynamoDB table as this package needs it: batches, pages, transactions, and patience.

Items are plain mappings of text, whole numbers and bytes. What DynamoDB leaves unprocessed is asked
again after a random, growing pause; its errors become `AwsError` (see `sdk.aws.explained`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from walkdown.errors import StoreError
from walkdown.parallel import chunks
from walkdown.sdk.aws import AwsError, explained
from walkdown.stores.dynamodb_keys import KEYS_OF
from walkdown.stores.dynamodb_values import key_of, received, sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from walkdown.stores.dynamodb_keys import Key
    from walkdown.stores.dynamodb_values import Item

Condition = tuple[str, int] | Literal["new"] | None
"""The item as it must be: an attribute's number, absent, or (None) anything at all."""

TRIES = 10
"""How often something is asked again before it counts as failed."""
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_KEYS_A_READ = 100
_ITEMS_A_WRITE = 25


@dataclass(frozen=True, slots=True)
class Put:
    """One item of a transaction, written where its condition holds."""

    item: Item
    condition: Condition = None


class Patience:
    """Random pauses that grow, up to `TRIES` of them in a row without progress."""

    def __init__(self, random: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._random = random
        self._sleep = sleep
        self._used = 0

    def again(self, *, progress: bool = False) -> bool:
        """Pause and return True, or return False where it was tried often enough."""
        self._used = 0 if progress else self._used
        if self._used >= TRIES:
            return False
        self._sleep(self._random() * min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**self._used))
        self._used += 1
        return True


class Table:
    """A table; ``client`` is boto3's for DynamoDB, ``random`` gives 0..1 for the pauses."""

    def __init__(
        self,
        client: object,
        name: str,
        *,
        random: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._client = client
        self._name = name
        self._random = random
        self._sleep = sleep

    @property
    def name(self) -> str:
        """As it is called in AWS, for messages."""
        return self._name

    def patience(self) -> Patience:
        """New patience, with this table's chance and pauses."""
        return Patience(self._random, self._sleep)

    def get(self, keys: Iterable[Key], *, attributes: Sequence[str] = ()) -> dict[Key, Item]:
        """Items by key, read consistently; missing ones are left out.

        With ``attributes`` only those (and the keys) are sent, at the same price.
        """
        found: dict[Key, Item] = {}
        for some in chunks(dict.fromkeys(keys), _KEYS_A_READ):
            for item in self._get(some, attributes):
                found[key_of(item)] = item
        return found

    def query(
        self,
        partition: str,
        *,
        index: str = "",
        begins: str = "",
        newest_first: bool = False,
        page: int | None = None,
    ) -> Iterator[Item]:
        """A partition's items by sort key; an index gives keys only, and may lag by a second.

        ``page`` is how many are asked for at once, where fewer than a megabyte will do.
        """
        of_partition, of_sort = KEYS_OF[index]
        names = {"#p": of_partition} | ({"#s": of_sort} if begins else {})
        values = {":p": partition} | ({":s": begins} if begins else {})
        request: dict[str, object] = {
            "KeyConditionExpression": "#p = :p" + (" AND begins_with(#s, :s)" if begins else ""),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": sent(values),
            "ScanIndexForward": not newest_first,
        }
        request |= {"IndexName": index} if index else {"ConsistentRead": True}
        request |= {"Limit": page} if page else {}
        return self._pages("query", request)

    def scan(self, *, begins: str, sort: str) -> Iterator[Item]:
        """All items whose ``pk`` begins so and whose ``sk`` is this: reads the whole table."""
        request: dict[str, object] = {
            "FilterExpression": "begins_with(#p, :p) AND #s = :s",
            "ExpressionAttributeNames": {"#p": "pk", "#s": "sk"},
            "ExpressionAttributeValues": sent({":p": begins, ":s": sort}),
            "ConsistentRead": True,
        }
        return self._pages("scan", request)

    def write(self, items: Iterable[Item]) -> None:
        """Put items, replacing what is there; not in one transaction. The last of a key counts."""
        last = {key_of(item): item for item in items}
        for some in chunks(last.values(), _ITEMS_A_WRITE):
            waiting = [{"PutRequest": {"Item": sent(item)}} for item in some]
            patience = self.patience()
            while waiting:
                answer = self._call("batch_write_item", RequestItems={self._name: waiting})
                left = answer.get("UnprocessedItems", {}).get(self._name, [])
                self._pause(patience, before=len(waiting), left=len(left))
                waiting = left

    def update(
        self, key: Key, *, put: Item, drop: Sequence[str] = (), count: str, unless: str
    ) -> bool:
        """Change attributes of an item that exists and lacks ``unless``; False where that fails.

        ``count`` names the attribute that grows by one.
        """
        names = {f"#p{at}": name for at, name in enumerate(put)}
        gone = {f"#d{at}": name for at, name in enumerate(drop)}
        values = {f":p{at}": value for at, value in enumerate(put.values())}
        sets = ", ".join(f"#p{at} = :p{at}" for at in range(len(put)))
        expression = f"SET {sets}" + (f" REMOVE {', '.join(gone)}" if gone else "")
        return self._update(
            Key=_as_key(key),
            UpdateExpression=f"{expression} ADD #count :one",
            ConditionExpression="attribute_exists(pk) AND attribute_not_exists(#unless)",
            ExpressionAttributeNames={**names, **gone, "#count": count, "#unless": unless},
            ExpressionAttributeValues=sent({**values, ":one": 1}),
        )

    def transact(self, puts: Sequence[Put]) -> None:
        """All of at most 100 puts, or none. Raises `AwsError`; see `worth_repeating`."""
        actions = [{"Put": {"TableName": self._name, **_conditional(put)}} for put in puts]
        self._call("transact_write_items", TransactItems=actions)

    def _get(self, keys: Sequence[Key], attributes: Sequence[str]) -> Iterator[Item]:
        request: dict[str, object] = {"ConsistentRead": True}
        if attributes:
            names = {f"#a{at}": name for at, name in enumerate(("pk", "sk", *attributes))}
            request |= {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
        waiting: Sequence[object] = [_as_key(key) for key in keys]
        patience = self.patience()
        while waiting:
            asked = {self._name: {"Keys": waiting, **request}}
            answer = self._call("batch_get_item", RequestItems=asked)
            yield from (received(item) for item in answer["Responses"].get(self._name, ()))
            left = answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", [])
            self._pause(patience, before=len(waiting), left=len(left))
            waiting = left

    def _update(self, **request: object) -> bool:
        """Whether the condition held; a transaction that is writing the same item is waited for."""
        patience = self.patience()
        while True:
            try:
                self._call("update_item", TableName=self._name, **request)
            except AwsError as error:
                if error.code == "ConditionalCheckFailedException":
                    return False
                if not worth_repeating(error) or not patience.again():
                    raise
            else:
                return True

    def _pages(self, operation: str, request: Mapping[str, object]) -> Iterator[Item]:
        start: dict[str, object] = {}
        while True:
            answer = self._call(operation, TableName=self._name, **request, **start)
            yield from (received(item) for item in answer["Items"])
            if not answer.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _pause(self, patience: Patience, *, before: int, left: int) -> None:
        if left and not patience.again(progress=left < before):
            raise StoreError(
                f"the DynamoDB table {self._name} answers more slowly than it is asked: run again "
                "in a minute, or with fewer at once; what was recorded before is safe"
            )

    def _call(self, operation: str, **request: object) -> dict[str, Any]:
        doing = "read" if operation in ("batch_get_item", "query", "scan") else "write"
        with explained(f"{doing} the records (DynamoDB table {self._name})"):
            answer: dict[str, Any] = getattr(self._client, operation)(**request)
            return answer


def worth_repeating(error: AwsError) -> bool:
    """Whether a transaction may succeed when it is tried again: it lost a race, or AWS was busy."""
    if error.code == "TransactionCanceledException":
        return cancelled_by(error) <= _PASSING
    if error.status is None:
        bases = {kind.__name__ for kind in type(error.__cause__).__mro__}
        return bool(bases & {"HTTPClientError", "ConnectionError"})
    return error.status >= 500 or error.code in _BUSY


def cancelled_by(error: AwsError) -> set[str]:
    """The reasons for which a transaction was cancelled, in DynamoDB's words."""
    response = getattr(error.__cause__, "response", {})
    codes = {str(reason.get("Code")) for reason in response.get("CancellationReasons", ())}
    return codes - {"None"}


_PASSING = {
    "ConditionalCheckFailed",
    "TransactionConflict",
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
}
_BUSY = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
}


def _as_key(key: Key) -> dict[str, dict[str, object]]:
    return sent({"pk": key[0], "sk": key[1]})


def _conditional(put: Put) -> dict[str, object]:
    item: dict[str, object] = {"Item": sent(put.item)}
    if put.condition is None:
        return item
    if put.condition == "new":
        return {**item, "ConditionExpression": "attribute_not_exists(pk)"}
    name, value = put.condition
    return {
        **item,
        "ConditionExpression": "#known = :known",
        "ExpressionAttributeNames": {"#known": name},
        "ExpressionAttributeValues": sent({":known": value}),
    }
