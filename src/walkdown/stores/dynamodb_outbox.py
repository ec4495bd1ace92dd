"""The port Outbox over DynamoDB: an index finds the messages that wait.

A message is written with what causes it (`dynamodb_writing`). A settled one leaves the index, and
30 days later the table. The same alert written again after that is kept out by the revision of its
finding, which has moved on.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from walkdown.parallel import chunks
from walkdown.stores.codec import alert_from_json
from walkdown.stores.dynamodb_keys import LISTING, TTL, message_id
from walkdown.stores.dynamodb_values import data, key_of, unpack
from walkdown.stores.fields import Fields, time_to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from walkdown.ports import Topic
    from walkdown.stores.dynamodb_setting import Setting
    from walkdown.stores.dynamodb_values import Item
    from walkdown.types import Alert

SETTLED_DAYS = 30
"""How long a settled message is kept."""
_DAY_S = 86_400
_LONGEST_NOTE = 1000


class DynamoDbOutbox:
    """Messages of one workspace that wait to be delivered."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._table = setting.table
        self._keys = setting.keys

    def pending(self, topic: Topic, limit: int = 1000) -> list[tuple[str, Alert | str]]:
        """Messages not yet settled, oldest first, as (id, body).

        Found through an index: one that was written within the last second may be missing.
        """
        return list(islice(self._pending(topic, limit), limit))

    def settle(self, ids: Iterable[str], *, error: str | None = None) -> None:
        """Mark as delivered; with ``error``, count and note a failed attempt and leave them."""
        now = self._setting.clock()
        put: Item = {"settled_at": time_to_json(now)}
        drop = ["lpk", "lsk", "error"]
        put = {**put, TTL: int(now.timestamp()) + SETTLED_DAYS * _DAY_S}
        if error is not None:
            put, drop = {"error": _printable(error)}, []
        for each in ids:
            key = self._keys.message(each)
            self._table.update(key, put=put, drop=drop, count="attempts", unless="settled_at")

    def _pending(self, topic: Topic, limit: int) -> Iterator[tuple[str, Alert | str]]:
        listed = self._table.query(self._keys.waiting(topic), index=LISTING, page=min(limit, 1000))
        for some in chunks(map(key_of, listed), min(limit, 100)):
            stored = self._table.get(some)
            for key in some:
                if key in stored and "settled_at" not in stored[key]:
                    yield message_id(key[0]), _body(topic, stored[key])


def _body(topic: Topic, item: Item) -> Alert | str:
    value = unpack(data(item, "doc"))
    return alert_from_json(value) if topic == "alert" else Fields("message", value).text("batch_id")


def _printable(error: str) -> str:
    """DynamoDB takes no surrogates, which a message about a file name may hold."""
    return error.encode("utf-8", "backslashreplace").decode()[:_LONGEST_NOTE]
