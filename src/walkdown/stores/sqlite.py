"""The records of a workspace in one SQLite file, on the user's own disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walkdown.stores.sqlite_database import BUSY_TIMEOUT_S, Database
from walkdown.stores.sqlite_outbox import SqliteOutbox
from walkdown.stores.sqlite_records import SqliteRecords
from walkdown.stores.sqlite_spending import SqliteSpending
from walkdown.stores.sqlite_versions import SqliteVersions

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path


class SqliteStore(SqliteRecords, SqliteOutbox, SqliteVersions, SqliteSpending):
    """All of one workspace (ports Records, Predictions, Outbox, Versions, Spending).

    Any number of threads and processes may use one file; each write waits up to
    ``busy_timeout_s`` for the others. The file is made at the first use. It must lie on a disk of
    this machine: SQLite's shared memory does not work over a network drive.
    """

    def __init__(
        self,
        path: Path,
        *,
        workspace: str,
        clock: Callable[[], datetime],
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        super().__init__(Database(path, busy_timeout_s=busy_timeout_s), workspace, clock)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._database.close()
