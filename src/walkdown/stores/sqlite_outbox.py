"""The port Outbox over SQLite. `sqlite_records` writes the messages; here they are settled.

A settled message stays as a row: that is how the same alert, written again, is known as sent.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from walkdown.stores.codec import alert_from_json
from walkdown.stores.fields import Fields, loads, time_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from walkdown.ports import Topic
    from walkdown.stores.sqlite_database import Database
    from walkdown.types import Alert


class SqliteOutbox:
    """Messages of one workspace that wait to be delivered."""

    def __init__(self, database: Database, workspace: str, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._workspace = workspace
        self._clock = clock

    def pending(self, topic: Topic, limit: int = 1000) -> list[tuple[str, Alert | str]]:
        """Messages not yet settled, oldest first, as (id, body)."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT id, doc FROM outbox WHERE workspace = ? AND topic = ? "
                "AND settled_at IS NULL ORDER BY seq LIMIT ?",
                (self._workspace, topic, limit),
            ).fetchall()
        return [(message_id, _body(topic, doc)) for message_id, doc in rows]

    def settle(self, ids: Iterable[str], *, error: str | None = None) -> None:
        """Mark as delivered; with ``error``, count and note a failed attempt and leave them."""
        settled_at = None if error else time_to_json(self._clock())
        with self._database.write() as connection:
            connection.execute(
                "UPDATE outbox SET attempts = attempts + 1, error = ?, settled_at = ? "
                "WHERE workspace = ? AND settled_at IS NULL "
                "AND id IN (SELECT value FROM json_each(?))",
                (_printable(error), settled_at, self._workspace, json.dumps(list(ids))),
            )


def _body(topic: Topic, doc: str) -> Alert | str:
    value = loads(doc)
    return alert_from_json(value) if topic == "alert" else Fields("message", value).text("batch_id")


def _printable(error: str | None) -> str | None:
    """SQLite refuses surrogates, which a message about a file name may hold."""
    return None if error is None else error.encode("utf-8", "backslashreplace").decode()
