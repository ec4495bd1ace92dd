"""DynamoDB transactions that cost what they touch.

moto copies the whole table, with its stream, before each transaction, so that a test of a thousand
items takes minutes. Here only the items that the transaction names are kept, and put back together
with the stream's length when it is cancelled.
"""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass
from typing import Any

from tests.aws.emulator.patching import moto


@dataclass(frozen=True, slots=True)
class _Kept:
    """One item as it was; ``item`` None: there was none."""

    table: Any
    hash_key: Any
    range_key: Any
    item: Any

    def put_back(self) -> None:
        items = self.table.items
        if self.range_key is None:
            items, key = items, self.hash_key
        else:
            items, key = items[self.hash_key], self.range_key
        if self.item is None:
            items.pop(key, None)
        else:
            items[key] = self.item


class _Undo:
    """What it takes to go back to before a transaction."""

    def __init__(self, tables: dict[str, Any], operations: list[dict[str, Any]]) -> None:
        self._kept: list[_Kept] = []
        self._streams: dict[str, int] = {}
        for operation in operations:
            given = next(iter(operation.values()))
            table = tables.get(given.get("TableName"))
            if table is not None:
                self._keep(table, given)
        self._tables = tables

    def _keep(self, table: Any, given: dict[str, Any]) -> None:
        value = moto("dynamodb.models.dynamo_type").DynamoType
        key = given.get("Key") or given.get("Item") or {}
        if table.hash_key_attr not in key:
            return
        hash_key = value(key[table.hash_key_attr])
        range_key = value(key[table.range_key_attr]) if table.has_range_key else None
        found = copy.deepcopy(table.get_item(hash_key, range_key))
        self._kept.append(_Kept(table, hash_key, range_key, found))
        if table.stream_shard is not None:
            self._streams[table.name] = len(table.stream_shard.items)

    def undo(self) -> None:
        for kept in reversed(self._kept):
            kept.put_back()
        for name, length in self._streams.items():
            del self._tables[name].stream_shard.items[length:]


def patch_transactions() -> None:
    models = moto("dynamodb.models")
    table = moto("dynamodb.models.table").Table
    backend = models.DynamoDBBackend
    plain = backend.transact_write_items
    within = threading.local()

    class Copies:
        """Stands for the module `copy` in moto's: within a transaction tables are not copied."""

        copy = staticmethod(copy.copy)

        @staticmethod
        def deepcopy(value: Any, *memo: Any) -> Any:
            if getattr(within, "transaction", False) and isinstance(value, table):
                return value
            return copy.deepcopy(value, *memo)

    def transact(self: Any, transact_items: list[dict[str, Any]]) -> None:
        undo = _Undo(self.tables, transact_items)
        within.transaction = True
        try:
            plain(self, transact_items)
        except Exception:
            undo.undo()
            raise
        finally:
            within.transaction = False

    models.copy = Copies
    backend.transact_write_items = transact
