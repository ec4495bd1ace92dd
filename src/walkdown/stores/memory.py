"""Every store port in memory: for tests, and for runs that keep nothing.

The records hold their state as immutable values behind one lock; what a batch changes is decided by
`recording.decide`, as in every store. A copy is made at the border only where a caller could
change what is stored.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from walkdown.errors import ImageError, NotFound
from walkdown.stores.keys import check_key, check_prefix
from walkdown.stores.recording import (
    Known,
    ambiguous,
    check_entries,
    check_workspace,
    decide,
    hash_prefix,
    missing_version,
)
from walkdown.types import ImageRef, Original

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from walkdown.ports import Recorded, Topic
    from walkdown.types import (
        Alert,
        Entry,
        Finding,
        Inspection,
        ModelVersion,
        Prediction,
        Result,
        ResultKey,
    )

T = TypeVar("T")


class MemorySource:
    """Photographs by relative path; its captures' version is the sha256 of their bytes."""

    def __init__(self, images: Mapping[str, bytes]) -> None:
        self._images = dict(images)

    def refs(self) -> Iterator[ImageRef]:
        """All images, sorted by path."""
        for path in sorted(self._images):
            yield self._ref(path)

    def read(self, ref: ImageRef) -> Original:
        """One image. Raises `ImageError`."""
        if ref.relative not in self._images or self._ref(ref.relative).uri != ref.uri:
            raise ImageError("the image is gone")
        if self._ref(ref.relative).version != ref.version:
            raise ImageError("the image changed while it was being inspected: run again")
        return Original(self._images[ref.relative])

    def left_out(self) -> list[tuple[str, str]]:
        """Nothing: all that was given counts as an image."""
        return []

    def _ref(self, path: str) -> ImageRef:
        uri = "memory:" + quote(path, errors="surrogateescape")
        version = hashlib.sha256(self._images[path]).hexdigest()
        return ImageRef(uri=uri, version=version, name=path, relative=path)


class MemoryBlobs:
    """Named bytes in a dict."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    def put(self, key: str, data: bytes) -> None:
        """Store a copy; a second put of a key replaces it."""
        self._blobs[check_key(key)] = bytes(data)

    def get(self, key: str) -> bytes:
        """The bytes of a key. Raises `NotFound`."""
        found = self._blobs.get(check_key(key))
        if found is None:
            raise NotFound(f"nothing is stored as {key!r} in memory")
        return found

    def size(self, key: str) -> int | None:
        """How many bytes `get` would find; None for a missing key."""
        data = self._blobs.get(check_key(key))
        return None if data is None else len(data)

    def list(self, prefix: str = "") -> Iterator[str]:
        """All keys that start with the prefix, sorted, as they are now."""
        check_prefix(prefix)
        return iter(sorted(key for key in tuple(self._blobs) if key.startswith(prefix)))

    def delete(self, key: str) -> None:
        """Remove a key; removing a missing one changes nothing."""
        self._blobs.pop(check_key(key), None)

    def locate(self, key: str) -> str:
        """A ``memory:`` URI."""
        return "memory:" + quote(check_key(key), errors="surrogateescape")


class MemoryRecords:
    """All of one workspace (ports Records, Predictions, Outbox, Versions, Spending)."""

    def __init__(self, *, workspace: str) -> None:
        self._workspace = workspace
        self._lock = threading.RLock()
        self._inspections: dict[str, Inspection] = {}
        self._members: dict[str, dict[str, ImageRef]] = {}
        # Result, attempt and batch id by result id, in the order of recording.
        self._results: dict[str, tuple[Result, int, str]] = {}
        self._findings: dict[str, Finding] = {}
        self._cache: dict[str, tuple[Prediction, str | None]] = {}
        self._outbox: dict[str, tuple[Topic, Alert | str]] = {}
        self._settled: set[str] = set()
        self._versions: dict[str, list[ModelVersion]] = {}
        self._aliases: dict[str, dict[str, int]] = {}
        self._spent: dict[tuple[str, str], dict[str, int]] = {}

    def reserve(
        self, pipeline: str, month: str, inspection_id: str, *, amount: int, limit: int
    ) -> bool:
        """Take an amount, once for each inspection; False, and nothing taken, beyond the limit."""
        with self._lock:
            if any(inspection_id in of for (p, _), of in self._spent.items() if p == pipeline):
                return True
            taken = self._spent.setdefault((pipeline, month), {})
            if sum(taken.values()) + amount > limit:
                return False
            taken[inspection_id] = amount
            return True

    def spent(self, pipeline: str, month: str) -> int:
        """What was taken of that month."""
        with self._lock:
            return sum(self._spent.get((pipeline, month), {}).values())

    def save_inspection(self, inspection: Inspection) -> None:
        """Insert, or replace the one with the same id."""
        check_workspace(self._workspace, inspection.workspace, f"inspection {inspection.id}")
        with self._lock:
            self._inspections[inspection.id] = inspection

    def inspections(self) -> list[Inspection]:
        """All inspections of the workspace, newest first."""
        with self._lock:
            found = sorted(self._inspections.values(), key=lambda each: each.id)
        return sorted(found, key=lambda each: each.started_at, reverse=True)

    def add_members(
        self, inspection_id: str, members: Sequence[tuple[ImageRef, ResultKey]]
    ) -> None:
        """List images as members that point at results; repeatable."""
        for ref, key in members:
            check_workspace(self._workspace, key.workspace, ref.name)
        with self._lock:
            listed = self._members.setdefault(inspection_id, {})
            listed.update({key.id: ref for ref, key in members})

    def record(self, inspection_id: str, entries: Sequence[Entry]) -> list[Recorded]:
        """Write entries, each one whole or not at all (see `recording.decide`)."""
        check_entries(self._workspace, entries)
        with self._lock:
            decision = decide(entries, self._known(entries))
            for entry, attempt in decision.written:
                self._write(entry, attempt, decision.batch_id or "")
            if decision.batch_id:
                self._outbox.setdefault(decision.batch_id, ("lake", decision.batch_id))
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

        Raises `NotFound` where ``image`` is the beginning of several content hashes.
        """
        ids = None if keys is None else {key.id for key in keys}
        with self._lock:
            listed = None if inspection_id is None else set(self._members.get(inspection_id, ()))
            of_image = None if image is None else self._of_image(image)
            stored = list(self._results.items())
        for result_id, (result, _, batch) in stored:
            wanted = all(some is None or result_id in some for some in (ids, listed, of_image))
            if wanted and batch_id in (None, batch):
                yield result

    def findings(self, ids: Iterable[str] | None = None) -> dict[str, Finding]:
        """Findings by id; missing ids are left out."""
        with self._lock:
            return _picked(self._findings, ids)

    def cached(self, keys: Iterable[str]) -> dict[str, tuple[Prediction, str | None]]:
        """Predictions and heat map keys by cache key; missing ones are left out."""
        with self._lock:
            return _picked(self._cache, keys)

    def remember(self, said: Sequence[tuple[str, Prediction, str | None]]) -> None:
        """Store predictions without their grids; one that is there already is replaced."""
        with self._lock:
            for key, prediction, heatmap in said:
                self._cache[key] = (replace(prediction, heatmap=None), heatmap)

    def pending(self, topic: Topic, limit: int = 1000) -> list[tuple[str, Alert | str]]:
        """Messages not yet settled, oldest first."""
        with self._lock:
            waiting = [
                (message_id, body)
                for message_id, (of_topic, body) in self._outbox.items()
                if of_topic == topic and message_id not in self._settled
            ]
        return waiting[:limit]

    def settle(self, ids: Iterable[str], *, error: str | None = None) -> None:
        """Mark as delivered; with ``error`` they stay pending (memory keeps no note of it)."""
        if error is None:
            with self._lock:
                self._settled.update(key for key in ids if key in self._outbox)

    def add(self, version: ModelVersion) -> ModelVersion:
        """Number and store a version, unless the newest one has its digest already."""
        with self._lock:
            numbered = self._versions.setdefault(version.name, [])
            if not numbered or numbered[-1].digest != version.digest:
                number = len(numbered) + 1
                numbered.append(replace(version, version=number, aliases=()))
                aliases = self._aliases.setdefault(version.name, {})
                aliases.update(dict.fromkeys(version.aliases, number))
            return self._with_aliases(numbered[-1])

    def versions(self, name: str | None = None) -> list[ModelVersion]:
        """All versions (of one name), by name and number."""
        with self._lock:
            names = sorted(self._versions) if name is None else [name]
            found = [version for each in names for version in self._versions.get(each, ())]
            return [self._with_aliases(version) for version in found]

    def point(self, name: str, alias: str, version: int) -> None:
        """Move an alias. Raises `NotFound` for a version that does not exist."""
        with self._lock:
            numbers = [each.version for each in self._versions.get(name, ())]
            if version not in numbers:
                raise missing_version(name, version, numbers)
            self._aliases.setdefault(name, {})[alias] = version

    def _known(self, entries: Sequence[Entry]) -> Known:
        results = _picked(self._results, [entry.result.key.id for entry in entries])
        findings = _picked(
            self._findings, [each.id for entry in entries for each in entry.findings]
        )
        return Known(
            results={
                key: (result.status, attempt) for key, (result, attempt, _) in results.items()
            },
            revisions={key: finding.revision for key, finding in findings.items()},
        )

    def _write(self, entry: Entry, attempt: int, batch_id: str) -> None:
        result_id = entry.result.key.id
        self._results.pop(result_id, None)
        self._results[result_id] = (entry.result, attempt, batch_id)
        self._findings.update({finding.id: finding for finding in entry.findings})
        for alert in entry.alerts:
            self._outbox.setdefault(alert.message_id, ("alert", alert))
        self.remember(entry.cache)

    def _of_image(self, image: str) -> set[str]:
        results = [(result_id, each[0]) for result_id, each in self._results.items()]
        exact = {
            result_id
            for result_id, result in results
            if image in (result.image, result.uri) or image.lower() == result.content
        }
        prefix = hash_prefix(image)
        if exact or prefix is None:
            return exact
        fits = {
            result_id: result.content
            for result_id, result in results
            if result.content and result.content.startswith(prefix)
        }
        if len(set(fits.values())) > 1:
            raise ambiguous(image, set(fits.values()))
        return set(fits)

    def _with_aliases(self, version: ModelVersion) -> ModelVersion:
        pointing = self._aliases.get(version.name, {}).items()
        aliases = sorted(alias for alias, number in pointing if number == version.version)
        return replace(version, aliases=tuple(aliases))


def _picked(stored: Mapping[str, T], keys: Iterable[str] | None) -> dict[str, T]:
    return dict(stored) if keys is None else {key: stored[key] for key in keys if key in stored}
