"""The lake on AWS: batches as files in the data bucket, questions through Athena, days compacted.

A batch's file lies under the date of its earliest result, which a retry with fewer results may
change. A note per batch (``lake/raw/batches/ID``) therefore names the files that it may have: to
replace a batch costs one small read, whatever the size of the lake. Should two workers write one
batch at once, a file may stay behind that no note names: its rows are those of the other file, or
older than what a later batch holds, and the views show each result once.

`Compaction` merges a day's many small files, and what was compacted of that day before, into few
large ones under a prefix of their own, and removes what it merged only afterwards, and only what
has not changed meanwhile. Run twice, at once, or killed anywhere, it leaves rows twice in files but
never in an answer, loses none, and the next run merges the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from walkdown.errors import NotFound, StoreError
from walkdown.stores.athena_views import COMPACT, RAW, Tables, unload_day
from walkdown.stores.lake_rows import BATCH_FILE, batch_file, check_batch_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import date

    from walkdown.stores.athena_queries import AthenaQueries
    from walkdown.stores.s3 import S3Blobs
    from walkdown.types import Result

_LAKE = RAW.removesuffix("results/")
_NOTES = f"{_LAKE}batches/"
_DAY = re.compile(r"dt=([0-9]{4}-[0-9]{2}-[0-9]{2})")
_DAY_BATCH = re.compile(r"day-([0-9]{4}-[0-9]{2}-[0-9]{2})")


class AthenaLake:
    """Analytics over the data bucket; ``blobs`` has no prefix, as the tables' places are fixed."""

    def __init__(self, blobs: S3Blobs, queries: AthenaQueries) -> None:
        self._blobs = blobs
        self._queries = queries

    def project(self, batch_id: str, results: Sequence[Result]) -> None:
        """Write one batch; a retry replaces it, and one without results removes it."""
        note = _NOTES + check_batch_id(batch_id)
        before = self._noted(note)
        if not results:
            self._blobs.delete_many([*before, note] if before else [])
            return
        name, data = batch_file(batch_id, results)
        key = _LAKE + name
        # The note is written first: what a crash leaves behind is known to the next try.
        if key not in before:
            self._blobs.put(note, "\n".join((key, *before)).encode())
        self._blobs.put(key, data)
        stale = [each for each in before if each != key]
        if stale:
            self._blobs.delete_many(stale)
            self._blobs.put(note, key.encode())

    def query(self, sql: str) -> tuple[list[str], list[tuple[object, ...]]]:
        """Column names and rows of one SELECT on the documented views."""
        return self._queries.ask(sql)

    def batches(self) -> list[str]:
        """Ids of the batches that are there; a compacted day is one, ``day-YYYY-MM-DD``."""
        found = {batch for _, batch in self._files()}
        days = (_DAY.fullmatch(name) for name in self._blobs.folders(COMPACT))
        return sorted(found | {f"day-{day[1]}" for day in days if day})

    def drop(self, batch_ids: Iterable[str]) -> None:
        """Remove these batches, by one pass over the names of all files."""
        dropped = set(batch_ids)
        self._blobs.delete_many([key for key, batch in self._files() if batch in dropped])
        notes = self._blobs.list(_NOTES)
        self._blobs.delete_many([note for note in notes if note.rpartition("/")[2] in dropped])
        for batch in sorted(dropped):
            if day := _DAY_BATCH.fullmatch(batch):
                self._blobs.delete_many(self._blobs.list(f"{COMPACT}dt={day[1]}/"))

    def _files(self) -> Iterator[tuple[str, str]]:
        for key in self._blobs.list(RAW):
            if found := BATCH_FILE.fullmatch(key[len(_LAKE) :]):
                yield key, found["batch"]

    def _noted(self, note: str) -> list[str]:
        try:
            lines = self._blobs.get(note).decode().splitlines()
        except NotFound:
            return []
        return [key for key in lines if BATCH_FILE.fullmatch(key[len(_LAKE) :])]


@dataclass(frozen=True, slots=True)
class Compacted:
    """What was done with a day: how many files became how many, and how many bytes were read."""

    day: str
    merged: int
    made: int
    scanned_bytes: int


class Compaction:
    """Merges days of the lake. ``new_id`` gives 32 and more letters or digits, never the same."""

    def __init__(
        self,
        blobs: S3Blobs,
        queries: AthenaQueries,
        *,
        new_id: Callable[[], str],
        tables: Tables | None = None,
    ) -> None:
        self._blobs = blobs
        self._queries = queries
        self._new_id = new_id
        self._tables = tables

    def due(self, before: date) -> list[str]:
        """Days before a date that have raw files. Today's is still being written: leave it out."""
        days = (_DAY.fullmatch(name) for name in self._blobs.folders(RAW))
        return sorted(day[1] for day in days if day and day[1] < before.isoformat())

    def compact(self, day: str) -> Compacted:
        """Merge one day; nothing happens where there is nothing new. Raises `StoreError`."""
        raw, old = f"{RAW}dt={day}/", f"{COMPACT}dt={day}/"
        stamps = self._blobs.stamps(raw)
        seen = {key: stamp for key, stamp in stamps if BATCH_FILE.fullmatch(key[len(_LAKE) :])}
        if not seen:
            return Compacted(day, 0, 0, 0)
        seen |= dict(self._blobs.stamps(old))
        run = self._new_id()
        made = f"{old}merge-{run}/"
        # A prefix of its own: UNLOAD wants it empty, and it is no other run's to delete.
        sql = unload_day(day, self._blobs.address(made), self._tables)
        done = self._queries.run(sql, token=run)
        now = dict(self._blobs.stamps(raw)) | dict(self._blobs.stamps(old))
        written = sum(key.startswith(made) for key in now)
        if not written:
            raise StoreError(
                f"Athena merged {day} into {self._blobs.address(made)}, but nothing is there: "
                "nothing was removed; check the place of the table of compacted results"
            )
        merged = [key for key, stamp in seen.items() if now.get(key) == stamp]
        self._forget(merged)
        return Compacted(day, len(merged), written, done.scanned_bytes)

    def _forget(self, merged: list[str]) -> None:
        self._blobs.delete_many(merged)
        found = (BATCH_FILE.fullmatch(key[len(_LAKE) :]) for key in merged)
        self._blobs.delete_many([_NOTES + file["batch"] for file in found if file])
