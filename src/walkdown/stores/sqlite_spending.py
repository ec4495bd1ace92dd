"""The port Spending over SQLite: one row for each inspection that has taken something."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from datetime import datetime

    from walkdown.stores.sqlite_database import Database

_SPENT = (
    "SELECT COALESCE(SUM(amount), 0) FROM spending "
    "WHERE workspace = ? AND pipeline = ? AND month = ?"
)


class SqliteSpending:
    """What pipelines have taken of their months' budgets, in millionths of a US dollar."""

    def __init__(self, database: Database, workspace: str, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._workspace = workspace
        self._clock = clock

    def reserve(
        self, pipeline: str, month: str, inspection_id: str, *, amount: int, limit: int
    ) -> bool:
        """Take an amount, once for each inspection; False, and nothing taken, beyond the limit."""
        place = (self._workspace, pipeline, month)
        with self._database.write() as connection:
            known = "SELECT 1 FROM spending WHERE workspace = ? AND pipeline = ? AND id = ?"
            if connection.execute(known, (*place[:2], inspection_id)).fetchone():
                return True
            if _total(connection, place) + amount > limit:
                return False
            row = (*place, inspection_id, amount)
            connection.execute("INSERT INTO spending VALUES (?, ?, ?, ?, ?)", row)
            return True

    def spent(self, pipeline: str, month: str) -> int:
        """What was taken of that month."""
        with self._database.read() as connection:
            return _total(connection, (self._workspace, pipeline, month))


def _total(connection: sqlite3.Connection, place: tuple[str, str, str]) -> int:
    return int(connection.execute(_SPENT, place).fetchone()[0])
