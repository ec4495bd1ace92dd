"""The port Records over DynamoDB: what happened, in one table for all workspaces of a stack.

Results are read from the table itself, consistently; what is found through an index (an image, an
asset, all findings) may lag behind a write by about a second. How entries are written is told in
`dynamodb_committing`.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from walkdown.errors import StoreError
from walkdown.parallel import ordered_map
from walkdown.stores.codec import (
    finding_from_json,
    inspection_from_json,
    inspection_to_json,
    prediction_from_json,
    result_from_json,
)
from walkdown.stores.dynamodb_committing import commit
from walkdown.stores.dynamodb_keys import CONTENTS, LISTING, NAMES, SHARDS, TTL, shard_of
from walkdown.stores.dynamodb_values import data, key_of, number, pack, text, unpack
from walkdown.stores.dynamodb_writing import (
    cache_items,
    draft,
    grouped,
    part_key,
    prediction_items,
)
from walkdown.stores.fields import Fields
from walkdown.stores.recording import ambiguous, check_entries, check_workspace, hash_prefix
from walkdown.types import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from walkdown.ports import Recorded
    from walkdown.stores.dynamodb_setting import Setting
    from walkdown.stores.dynamodb_values import Item
    from walkdown.types import Entry, Finding, ImageRef, Inspection, Prediction, Result, ResultKey

_READERS = 8
_DAY_S = 86_400
_HASH_DIGITS = 64


class DynamoDbRecords:
    """Inspections, members, results, findings and cached predictions of one workspace."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._table = setting.table
        self._keys = setting.keys

    def save_inspection(self, inspection: Inspection) -> None:
        """Insert, or replace the one with the same id."""
        check_workspace(self._keys.workspace, inspection.workspace, f"inspection {inspection.id}")
        pk, sk = self._keys.inspection(inspection.id)
        self._table.write([{"pk": pk, "sk": sk, "doc": pack(inspection_to_json(inspection))}])

    def inspections(self) -> list[Inspection]:
        """All inspections of the workspace, newest first."""
        items = self._table.query(self._keys.inspections)
        found = [inspection_from_json(unpack(data(item, "doc"))) for item in items]
        by_id = sorted(found, key=lambda each: each.id)
        return sorted(by_id, key=lambda each: each.started_at, reverse=True)

    def add_members(
        self, inspection_id: str, members: Sequence[tuple[ImageRef, ResultKey]]
    ) -> None:
        """List images as members that point at results (done or still to come); repeatable."""
        for ref, key in members:
            check_workspace(self._keys.workspace, key.workspace, ref.name)
        self._table.write(self._member_item(inspection_id, ref, key) for ref, key in members)

    def record(self, inspection_id: str, entries: Sequence[Entry]) -> list[Recorded]:
        """Write entries, each one whole or not at all (see `recording.decide`).

        As many as fit go into one transaction, which is one batch of the lake. Where an error ends
        it, the transactions before stay: give the same entries again. Predictions are remembered
        afterwards; they may be missing after a crash, which costs a second look.
        """
        check_entries(self._keys.workspace, entries)
        drafts = [draft(self._keys, entry) for entry in entries]
        outcomes: list[Recorded] = []
        for group in grouped(drafts):
            decision = commit(self._setting, group)
            written = [entry for entry, _ in decision.written]
            self._table.write(cache_items(self._keys, written, self._expires_s()))
            outcomes += decision.outcomes
        return outcomes

    def results(
        self,
        *,
        keys: Iterable[ResultKey] | None = None,
        inspection_id: str | None = None,
        batch_id: str | None = None,
        image: str | None = None,
    ) -> Iterator[Result]:
        """Stored results that fit all given filters, in the order in which they were recorded.

        They are held in memory, compressed, and without a filter the whole table is read: ask the
        lake instead, where that is possible. A batch is known until 30 days after it was settled.
        Raises `NotFound` where ``image`` is the beginning of several content hashes.
        """
        wanted: list[set[str]] = []
        if keys is not None:
            wanted.append({key.id for key in keys})
        if inspection_id is not None:
            wanted.append(self._members(inspection_id))
        if batch_id is not None:
            wanted.append(self._batch(batch_id))
        if image is not None:
            wanted.append(self._of_image(image))
        items = self._items(set.intersection(*wanted)) if wanted else self._all_items()
        for item in sorted(items, key=_order):
            if batch_id is None or item.get("batch") == batch_id:
                yield self._result(item)

    def findings(self, ids: Iterable[str] | None = None) -> dict[str, Finding]:
        """Findings by id; missing ids are left out."""
        if ids is not None:
            keys = (self._keys.finding(finding_id) for finding_id in ids)
        else:
            keys = (key_of(item) for each in Severity for item in self._of_severity(each))
        found = (_finding(item) for item in self._table.get(keys).values())
        return {finding.id: finding for finding in found}

    def cached(self, keys: Iterable[str]) -> dict[str, tuple[Prediction, str | None]]:
        """Predictions and heat map keys by cache key; missing and expired ones are left out."""
        by_item = {self._keys.cached(key): key for key in keys}
        now_s = self._now_s()
        return {
            by_item[at]: _cached(item)
            for at, item in self._table.get(by_item).items()
            if number(item, TTL) > now_s
        }

    def open_findings(self, *, limit: int = 100) -> list[Finding]:
        """The worst findings, and of one severity those seen last."""
        found: list[Finding] = []
        for severity in reversed(Severity):
            if len(found) >= limit:
                break
            listed = islice(self._of_severity(severity, limit), limit - len(found))
            keys = [key_of(item) for item in listed]
            stored = self._table.get(keys)
            of_it = [_finding(stored[key]) for key in keys if key in stored]
            found += [finding for finding in of_it if finding.severity is severity]
        return found

    def results_of_asset(self, asset: str, *, limit: int = 100) -> list[Result]:
        """An asset's results, newest first."""
        partition = self._keys.of_asset(asset)
        listed = self._table.query(partition, index=LISTING, newest_first=True, page=limit)
        ids = {self._keys.result_id(text(item, "pk")) for item in islice(listed, limit)}
        items = sorted(self._items(ids), key=_order, reverse=True)
        results = [self._result(item) for item in items]
        return [result for result in results if result.asset == asset]

    def remember(self, said: Sequence[tuple[str, Prediction, str | None]]) -> None:
        """Store predictions for as long as the cache keeps them, but those that are too large."""
        self._table.write(prediction_items(self._keys, said, self._expires_s()))

    def _expires_s(self) -> int:
        return self._now_s() + self._setting.cache_days * _DAY_S

    def _now_s(self) -> int:
        return int(self._setting.clock().timestamp())

    def _member_item(self, inspection_id: str, ref: ImageRef, key: ResultKey) -> Item:
        doc = pack({"capture_id": key.capture_id, "uri": ref.uri, "name": ref.name})
        pk = self._keys.members(inspection_id, shard_of(key.id))
        return {"pk": pk, "sk": key.id, "doc": doc}

    def _members(self, inspection_id: str) -> set[str]:
        def read(shard: str) -> list[str]:
            items = self._table.query(self._keys.members(inspection_id, shard))
            return [text(item, "sk") for item in items]

        shards = ordered_map(read, SHARDS, workers=_READERS)
        return {result_id for shard in shards for result_id in shard}

    def _batch(self, batch_id: str) -> set[str]:
        """The results that the batch's message names; some may belong to a later one by now."""
        key = self._keys.message(batch_id)
        message = self._table.get([key]).get(key)
        if message is None:
            return set()
        return set(Fields("message", unpack(data(message, "doc"))).texts("results"))

    def _of_image(self, image: str) -> set[str]:
        content = image.lower()
        prefix = hash_prefix(image)
        named = self._table.query(self._keys.named(image), index=NAMES)
        found = [text(item, "pk") for item in named]
        if len(content) == _HASH_DIGITS:
            found += [pk for pk, _ in self._of_content(content)]
        if not found and prefix:
            of_content = self._of_content(prefix)
            contents = {each for _, each in of_content}
            if len(contents) > 1:
                raise ambiguous(image, contents)
            found = [pk for pk, _ in of_content]
        return {self._keys.result_id(pk) for pk in found}

    def _of_content(self, beginning: str) -> list[tuple[str, str]]:
        """Keys of results and their content hashes, for those that begin so."""
        partition = self._keys.hashed(beginning)
        items = self._table.query(partition, index=CONTENTS, begins=beginning)
        return [(text(item, "pk"), text(item, "csk")) for item in items]

    def _items(self, ids: Iterable[str]) -> Iterable[Item]:
        return self._table.get(self._keys.result(each) for each in ids).values()

    def _all_items(self) -> Iterable[Item]:
        _, sort = self._keys.result("")
        return self._table.scan(begins=self._keys.all_results, sort=sort)

    def _of_severity(self, severity: Severity, page: int | None = None) -> Iterator[Item]:
        partition = self._keys.of_severity(severity)
        return self._table.query(partition, index=LISTING, newest_first=True, page=page)

    def _result(self, item: Item) -> Result:
        doc = data(item, "doc")
        attempt, parts = number(item, "attempt"), number(item, "parts")
        others = [part_key(item, attempt, at) for at in range(1, parts)]
        stored = self._table.get(others)
        if len(stored) < len(others):
            raise StoreError(
                f"a stored result is damaged: parts of it are missing ({item['pk']!r})"
            )
        return result_from_json(unpack(doc + b"".join(data(stored[at], "doc") for at in others)))


def _order(item: Item) -> tuple[str, str]:
    return text(item, "nsk"), text(item, "pk")


def _finding(item: Item) -> Finding:
    return finding_from_json(unpack(data(item, "doc")))


def _cached(item: Item) -> tuple[Prediction, str | None]:
    fields = Fields("cached prediction", unpack(data(item, "doc")))
    prediction = prediction_from_json(fields.get("prediction", dict))
    return prediction, fields.maybe("heatmap", fields.text)
