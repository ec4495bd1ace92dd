"""One SQLite file: how it is opened, its tables, its transactions, and its errors in our words.

WAL lets readers go on while one writer writes; ``BEGIN IMMEDIATE`` takes the write lock at once, so
that two processes never both read, then both write. ``synchronous=NORMAL``: after a power cut the
last transactions may be missing, but never a part of one.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING

from walkdown.errors import StoreError
from walkdown.stores.reasons import reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 30.0

# Names that a user or a file system gave (uri, image) are bytes, because a file name need not be
# Unicode. ``doc`` is the JSON of stores.codec: the truth; the other columns are there to be found.
_TABLES = """
CREATE TABLE inspections (
    workspace TEXT NOT NULL, id TEXT NOT NULL, started_at TEXT NOT NULL, doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)) WITHOUT ROWID;
CREATE TABLE members (
    workspace TEXT NOT NULL, inspection_id TEXT NOT NULL, result_id TEXT NOT NULL,
    capture_id TEXT NOT NULL, uri BLOB NOT NULL, image BLOB NOT NULL,
    PRIMARY KEY (workspace, inspection_id, result_id)) WITHOUT ROWID;
CREATE TABLE results (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL, id TEXT NOT NULL, status TEXT NOT NULL, attempt INTEGER NOT NULL,
    batch_id TEXT NOT NULL, inspection_id TEXT NOT NULL, uri BLOB NOT NULL, image BLOB NOT NULL,
    content TEXT, doc TEXT NOT NULL);
CREATE UNIQUE INDEX results_id ON results (workspace, id);
CREATE INDEX results_batch ON results (workspace, batch_id);
CREATE INDEX results_content ON results (workspace, content);
CREATE INDEX results_image ON results (workspace, image);
CREATE INDEX results_uri ON results (workspace, uri);
CREATE TABLE findings (
    workspace TEXT NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL, doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)) WITHOUT ROWID;
CREATE TABLE cache (
    workspace TEXT NOT NULL, key TEXT NOT NULL, heatmap TEXT, doc TEXT NOT NULL,
    PRIMARY KEY (workspace, key)) WITHOUT ROWID;
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL, id TEXT NOT NULL, topic TEXT NOT NULL, doc TEXT NOT NULL,
    created_at TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, error TEXT, settled_at TEXT);
CREATE UNIQUE INDEX outbox_id ON outbox (workspace, id);
CREATE INDEX outbox_pending ON outbox (workspace, topic, seq) WHERE settled_at IS NULL;
CREATE TABLE versions (
    workspace TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, digest TEXT NOT NULL,
    doc TEXT NOT NULL, PRIMARY KEY (workspace, name, version)) WITHOUT ROWID;
CREATE TABLE aliases (
    workspace TEXT NOT NULL, name TEXT NOT NULL, alias TEXT NOT NULL, version INTEGER NOT NULL,
    moved_at TEXT NOT NULL, PRIMARY KEY (workspace, name, alias)) WITHOUT ROWID;
"""
# What came later, and changes no table that was there.
_LATER = (
    """
CREATE TABLE IF NOT EXISTS spending (
    workspace TEXT NOT NULL, pipeline TEXT NOT NULL, month TEXT NOT NULL, id TEXT NOT NULL,
    amount INTEGER NOT NULL, PRIMARY KEY (workspace, pipeline, id)) WITHOUT ROWID
""",
    """
CREATE INDEX IF NOT EXISTS results_asset
    ON results (workspace, json_extract(doc, '$.asset'), seq)
""",
)


class Database:
    """One file, used by any number of threads and processes.

    Short reads and all writes of this process share one connection behind a lock; a long read has
    its own (`snapshot`). Opened at first use, so that building the object graph touches no disk.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._lock = threading.RLock()
        self._shared: sqlite3.Connection | None = None

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """The shared connection, for one statement whose rows are fetched at once."""
        with self._lock, self._explained():
            yield self._connection()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """The shared connection in a write transaction: committed, or undone by any exception."""
        with self._lock, self._explained():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # A full disk ends the transaction by itself.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection of one's own that sees the file as it is now, however long that takes."""
        with self._explained():
            with self._lock:
                self._connection()
            connection = self._connect()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                connection.close()

    def close(self) -> None:
        """Close the shared connection; the next use opens it again."""
        with self._lock, self._explained():
            if self._shared:
                self._shared.close()
            self._shared = None

    def _connection(self) -> sqlite3.Connection:
        if self._shared is None:
            self._make_folder()
            connection = self._connect()
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._shared = connection
            # Whoever forgets `close` leaves no open file behind, and no warning at a later moment.
            weakref.finalize(self, connection.close)
        return self._shared

    def _make_folder(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make {self._path.parent}: {reason(error)}") from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=self._busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA synchronous=NORMAL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        self._switch_to_wal(connection)
        if self._version(connection) == SCHEMA_VERSION:
            _later(connection)
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have made the tables while this one waited for the lock.
            if self._version(connection) == 0:
                for statement in _TABLES.split(";"):
                    connection.execute(statement)
                _later(connection)
                connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _version(self, connection: sqlite3.Connection) -> int:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self._path} was written by a newer walkdown (format {version}; this one knows "
                f"{SCHEMA_VERSION}): upgrade with pip install --upgrade walkdown"
            )
        return version

    def _switch_to_wal(self, connection: sqlite3.Connection) -> None:
        """SQLite does not wait for its busy timeout here, so two first openers must try again."""
        deadline = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {_words(error)}") from error
        except UnicodeEncodeError as error:
            raise StoreError(
                f"{self._path}: {error.object!r} is not Unicode text and cannot be a name here"
            ) from error


def _later(connection: sqlite3.Connection) -> None:
    for statement in _LATER:
        connection.execute(statement)


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _words(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "") or ""
    known = next((words for start, words in _WORDS.items() if name.startswith(start)), None)
    return known or f"the records cannot be read or written ({error})"


_WORDS = {
    "SQLITE_BUSY": (
        "another process has been writing to it for too long: wait until it ends, or stop it"
    ),
    "SQLITE_LOCKED": (
        "another process has been writing to it for too long: wait until it ends, or stop it"
    ),
    "SQLITE_READONLY": "no permission to write: make the file and its folder writable",
    "SQLITE_PERM": "no permission: make the file and its folder readable and writable",
    "SQLITE_CANTOPEN": "it cannot be opened: check that its folder exists and can be written to",
    "SQLITE_FULL": "the disk is full: make room and run again; what was recorded before is safe",
    "SQLITE_IOERR": (
        "the disk or the network drive failed: check it and its free space, then run again"
    ),
    "SQLITE_NOTADB": (
        "it is not a walkdown database: restore it from a backup, or move it away and inspect again"
    ),
    "SQLITE_CORRUPT": (
        "the database is damaged: restore it from a backup, or move it away and inspect again"
    ),
}
