"""The port Records over SQLite: what happened, written in one transaction a batch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from walkdown.stores.codec import (
    alert_to_json,
    finding_from_json,
    finding_to_json,
    inspection_from_json,
    inspection_to_json,
    prediction_from_json,
    prediction_to_json,
    result_from_json,
    result_to_json,
)
from walkdown.stores.fields import dumps, loads, time_to_json
from walkdown.stores.recording import (
    Known,
    ambiguous,
    check_entries,
    check_workspace,
    decide,
    hash_prefix,
)
from walkdown.types import Status

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from walkdown.ports import Recorded
    from walkdown.stores.recording import Decision
    from walkdown.stores.sqlite_database import Database
    from walkdown.types import (
        Alert,
        Entry,
        Finding,
        ImageRef,
        Inspection,
        Prediction,
        Result,
        ResultKey,
    )

Where = list[tuple[str, tuple[object, ...]]]


class SqliteRecords:
    """Inspections, members, results, findings and cached predictions of one workspace."""

    def __init__(self, database: Database, workspace: str, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._workspace = workspace
        self._clock = clock

    def save_inspection(self, inspection: Inspection) -> None:
        """Insert, or replace the one with the same id."""
        check_workspace(self._workspace, inspection.workspace, f"inspection {inspection.id}")
        started_at = time_to_json(inspection.started_at)
        row = (self._workspace, inspection.id, started_at, dumps(inspection_to_json(inspection)))
        with self._database.write() as connection:
            connection.execute("INSERT OR REPLACE INTO inspections VALUES (?, ?, ?, ?)", row)

    def inspections(self) -> list[Inspection]:
        """All inspections of the workspace, newest first."""
        sql = "SELECT doc FROM inspections WHERE workspace = ? ORDER BY started_at DESC, id"
        with self._database.read() as connection:
            rows = connection.execute(sql, (self._workspace,)).fetchall()
        return [inspection_from_json(loads(doc)) for (doc,) in rows]

    def add_members(
        self, inspection_id: str, members: Sequence[tuple[ImageRef, ResultKey]]
    ) -> None:
        """List images as members that point at results (done or still to come); repeatable."""
        for ref, key in members:
            check_workspace(self._workspace, key.workspace, ref.name)
        rows = [
            (
                self._workspace,
                inspection_id,
                key.id,
                key.capture_id,
                _as_bytes(ref.uri),
                _as_bytes(ref.name),
            )
            for ref, key in members
        ]
        with self._database.write() as connection:
            connection.executemany("INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?, ?, ?)", rows)

    def record(self, inspection_id: str, entries: Sequence[Entry]) -> list[Recorded]:
        """Write entries, each one whole or not at all (see `recording.decide`)."""
        check_entries(self._workspace, entries)
        if not entries:
            return []
        with self._database.write() as connection:
            decision = decide(entries, self._known(connection, entries))
            if decision.batch_id:
                self._write(connection, inspection_id, decision)
        return list(decision.outcomes)

    def results(
        self,
        *,
        keys: Iterable[ResultKey] | None = None,
        inspection_id: str | None = None,
        batch_id: str | None = None,
        image: str | None = None,
    ) -> Iterator[Result]:
        """Stored results that fit all given filters, in the order in which they were recorded.

        Rows are read as they are asked for, from one snapshot: what is recorded meanwhile is not
        seen. Raises `NotFound` where ``image`` is the beginning of several content hashes.
        """
        where: Where = [("workspace = ?", (self._workspace,))]
        if keys is not None:
            where.append((f"id IN {_LISTED}", (_list([key.id for key in keys]),)))
        if inspection_id is not None:
            where.append((f"id IN {_MEMBERS}", (self._workspace, inspection_id)))
        if batch_id is not None:
            where.append(("batch_id = ?", (batch_id,)))
        with self._database.snapshot() as connection:
            if image is not None:
                where.append(self._of_image(connection, image))
            sql = f"SELECT doc FROM results WHERE {_and(where)} ORDER BY seq"  # noqa: S608 (our own text)
            for (doc,) in connection.execute(sql, _values(where)):
                yield result_from_json(loads(doc))

    def findings(self, ids: Iterable[str] | None = None) -> dict[str, Finding]:
        """Findings by id; missing ids are left out."""
        rows = self._picked("SELECT id, doc FROM findings WHERE workspace = ?", "id", ids)
        return {str(key): finding_from_json(loads(str(doc))) for key, doc in rows}

    def cached(self, keys: Iterable[str]) -> dict[str, tuple[Prediction, str | None]]:
        """Predictions and heat map keys by cache key; missing ones are left out."""
        rows = self._picked("SELECT key, heatmap, doc FROM cache WHERE workspace = ?", "key", keys)
        return {
            str(key): (
                prediction_from_json(loads(str(doc))),
                None if heatmap is None else str(heatmap),
            )
            for key, heatmap, doc in rows
        }

    def remember(self, said: Sequence[tuple[str, Prediction, str | None]]) -> None:
        """Store predictions without their grids; one that is there already is replaced."""
        with self._database.write() as connection:
            connection.executemany(_INSERT_CACHED, self._cache_rows(said))

    def _picked(
        self, sql: str, column: str, keys: Iterable[str] | None
    ) -> list[tuple[object, ...]]:
        values: list[object] = [self._workspace]
        if keys is not None:
            sql += f" AND {column} IN {_LISTED}"
            values.append(_list(list(keys)))
        with self._database.read() as connection:
            return connection.execute(sql, values).fetchall()

    def _known(self, connection: sqlite3.Connection, entries: Sequence[Entry]) -> Known:
        results = _list([entry.result.key.id for entry in entries])
        findings = _list([finding.id for entry in entries for finding in entry.findings])
        statuses = connection.execute(
            f"SELECT id, status, attempt FROM results WHERE workspace = ? AND id IN {_LISTED}",  # noqa: S608
            (self._workspace, results),
        )
        revisions = connection.execute(
            f"SELECT id, revision FROM findings WHERE workspace = ? AND id IN {_LISTED}",  # noqa: S608
            (self._workspace, findings),
        )
        return Known(
            results={key: (Status(status), attempt) for key, status, attempt in statuses},
            revisions=dict(revisions.fetchall()),
        )

    def _write(
        self, connection: sqlite3.Connection, inspection_id: str, decision: Decision
    ) -> None:
        written = [entry for entry, _ in decision.written]
        connection.executemany(_INSERT_RESULT, self._result_rows(inspection_id, decision))
        connection.executemany(
            "INSERT OR REPLACE INTO findings VALUES (?, ?, ?, ?)", self._finding_rows(written)
        )
        connection.executemany(
            _INSERT_CACHED, self._cache_rows(said for entry in written for said in entry.cache)
        )
        alerts = [alert for entry in written for alert in entry.alerts]
        connection.executemany(_INSERT_MESSAGE, self._message_rows(alerts, decision.batch_id or ""))

    def _result_rows(self, inspection_id: str, decision: Decision) -> Iterator[tuple[object, ...]]:
        for entry, attempt in decision.written:
            result = entry.result
            yield (
                self._workspace,
                result.key.id,
                result.status,
                attempt,
                decision.batch_id,
                inspection_id,
                _as_bytes(result.uri),
                _as_bytes(result.image),
                result.content,
                dumps(result_to_json(result)),
            )

    def _finding_rows(self, written: Iterable[Entry]) -> Iterator[tuple[object, ...]]:
        for entry in written:
            for each in entry.findings:
                yield (self._workspace, each.id, each.revision, dumps(finding_to_json(each)))

    def _cache_rows(
        self, said: Iterable[tuple[str, Prediction, str | None]]
    ) -> Iterator[tuple[object, ...]]:
        for key, prediction, heatmap in said:
            yield (self._workspace, key, heatmap, dumps(prediction_to_json(prediction)))

    def _message_rows(self, alerts: Iterable[Alert], batch_id: str) -> Iterator[tuple[object, ...]]:
        now = time_to_json(self._clock())
        for alert in alerts:
            yield (self._workspace, alert.message_id, "alert", dumps(alert_to_json(alert)), now)
        yield (self._workspace, batch_id, "lake", dumps({"batch_id": batch_id}), now)

    def _of_image(
        self, connection: sqlite3.Connection, image: str
    ) -> tuple[str, tuple[object, ...]]:
        name = _as_bytes(image)
        exact = "(image = ? OR uri = ? OR content = ?)"
        values: tuple[object, ...] = (name, name, _as_text(image.lower()))
        prefix = hash_prefix(image)
        sql = f"SELECT 1 FROM results WHERE workspace = ? AND {exact} LIMIT 1"  # noqa: S608
        if prefix is None or connection.execute(sql, (self._workspace, *values)).fetchone():
            return exact, values
        # 'g' comes after every hexadecimal digit.
        between = ("content >= ? AND content < ?", (prefix, prefix + "g"))
        found = connection.execute(
            f"SELECT DISTINCT content FROM results WHERE workspace = ? AND {between[0]} LIMIT 4",  # noqa: S608
            (self._workspace, *between[1]),
        ).fetchall()
        if len(found) > 1:
            raise ambiguous(image, [content for (content,) in found])
        return between


_LISTED = "(SELECT value FROM json_each(?))"
_MEMBERS = "(SELECT result_id FROM members WHERE workspace = ? AND inspection_id = ?)"

# A replaced result gets a new seq: it was recorded later than what came before.
_INSERT_RESULT = """
INSERT OR REPLACE INTO results (workspace, id, status, attempt, batch_id, inspection_id, uri, image,
content, doc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_INSERT_CACHED = "INSERT OR REPLACE INTO cache VALUES (?, ?, ?, ?)"
_INSERT_MESSAGE = """
INSERT OR IGNORE INTO outbox (workspace, id, topic, doc, created_at) VALUES (?, ?, ?, ?, ?)
"""


def _list(values: list[str]) -> str:
    return json.dumps(values)


def _and(where: Where) -> str:
    return " AND ".join(f"({condition})" for condition, _ in where)


def _values(where: Where) -> tuple[object, ...]:
    return tuple(value for _, values in where for value in values)


def _as_bytes(text: str) -> bytes:
    """UTF-8 that also holds a file name in an old encoding, which Python has as surrogates."""
    return text.encode("utf-8", "surrogatepass")


def _as_text(text: str) -> str:
    """What SQLite can compare as text; where there is a surrogate, something that fits nothing."""
    return text.encode("utf-8", "replace").decode()
