"""The port Versions over SQLite: numbered model versions, and aliases that point at them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from walkdown.stores.codec import version_from_json, version_to_json
from walkdown.stores.fields import dumps, loads, time_to_json
from walkdown.stores.recording import missing_version

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from datetime import datetime

    from walkdown.stores.sqlite_database import Database
    from walkdown.types import ModelVersion


class SqliteVersions:
    """The model registry of one workspace."""

    def __init__(self, database: Database, workspace: str, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._workspace = workspace
        self._clock = clock

    def add(self, version: ModelVersion) -> ModelVersion:
        """Number and store a version, unless the newest one has its digest already."""
        with self._database.write() as connection:
            newest = connection.execute(
                "SELECT version, digest FROM versions WHERE workspace = ? AND name = ? "
                "ORDER BY version DESC LIMIT 1",
                (self._workspace, version.name),
            ).fetchone()
            number = newest[0] if newest else 0
            if not newest or newest[1] != version.digest:
                number += 1
                self._insert(connection, replace(version, version=number))
            (stored,) = self._select(connection, version.name, number)
        return stored

    def versions(self, name: str | None = None) -> list[ModelVersion]:
        """All versions (of one name), by name and number."""
        with self._database.read() as connection:
            return self._select(connection, name)

    def point(self, name: str, alias: str, version: int) -> None:
        """Move an alias. Raises `NotFound` for a version that does not exist."""
        with self._database.write() as connection:
            numbers = [each.version for each in self._select(connection, name)]
            if version not in numbers:
                raise missing_version(name, version, numbers)
            self._point(connection, name, alias, version)

    def _insert(self, connection: sqlite3.Connection, version: ModelVersion) -> None:
        connection.execute(
            "INSERT INTO versions VALUES (?, ?, ?, ?, ?)",
            (
                self._workspace,
                version.name,
                version.version,
                version.digest,
                dumps(version_to_json(version)),
            ),
        )
        for alias in version.aliases:
            self._point(connection, version.name, alias, version.version)

    def _point(self, connection: sqlite3.Connection, name: str, alias: str, version: int) -> None:
        connection.execute(
            "INSERT OR REPLACE INTO aliases VALUES (?, ?, ?, ?, ?)",
            (self._workspace, name, alias, version, time_to_json(self._clock())),
        )

    def _select(
        self, connection: sqlite3.Connection, name: str | None, number: int | None = None
    ) -> list[ModelVersion]:
        """One statement, so that versions and aliases are of the same moment."""
        rows = connection.execute(
            "SELECT v.doc, a.alias FROM versions v LEFT JOIN aliases a "
            "ON a.workspace = v.workspace AND a.name = v.name AND a.version = v.version "
            "WHERE v.workspace = :workspace AND (:name IS NULL OR v.name = :name) "
            "AND (:number IS NULL OR v.version = :number) ORDER BY v.name, v.version, a.alias",
            {"workspace": self._workspace, "name": name, "number": number},
        ).fetchall()
        aliases: dict[str, list[str]] = {}
        for doc, alias in rows:
            aliases.setdefault(doc, []).extend([alias] if alias else [])
        return [version_from_json(loads(doc), aliases=tuple(on)) for doc, on in aliases.items()]
