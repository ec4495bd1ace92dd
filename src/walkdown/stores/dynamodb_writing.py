"""Entries as items, and the fewest transactions that hold them.

A transaction has at most 100 items and 4 MB, and no item twice. Entries that change the same
finding within one transaction (photographs of one asset) therefore leave only its last state, under
the condition that it is still as it was before the first of them. A result whose document is larger
than one item may be (400 KB) is cut into parts, which are written with it, once for each attempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from walkdown.errors import StoreError
from walkdown.stores.codec import (
    alert_to_json,
    finding_to_json,
    prediction_to_json,
    result_to_json,
)
from walkdown.stores.dynamodb_keys import TTL
from walkdown.stores.dynamodb_table import Put
from walkdown.stores.dynamodb_values import key_of, pack, size_of
from walkdown.stores.fields import time_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from walkdown.stores.dynamodb_keys import Key, Keys
    from walkdown.stores.dynamodb_values import Item
    from walkdown.stores.recording import Known
    from walkdown.types import Alert, Entry, Finding, Prediction, Result

PART_BYTES = 350_000
"""How much of a document goes into one item; keys and attributes need little of the rest."""
_MOST_ITEMS = 99
"""One of DynamoDB's 100 is the message to the lake."""
_MOST_BYTES = 3_900_000
_SPARE_BYTES = 400
"""What an entry gains when it is written: attempt, batch, sequences, its id in a message."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry's items, but for what is known only when they are written."""

    entry: Entry
    result: Item
    pieces: tuple[bytes, ...]
    second_name: Item | None
    findings: tuple[tuple[Finding, Item], ...]
    messages: Mapping[str, Item]
    items: frozenset[Key]
    size: int


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who writes, and when: ``token`` tells one call of `record` from all others."""

    token: str
    now: datetime
    batch_id: str
    sequence: Callable[[], str]


def draft(keys: Keys, entry: Entry) -> Draft:
    """The items of an entry. Raises `StoreError` where they don't fit into one transaction."""
    result = entry.result
    doc = pack(result_to_json(result))
    pieces = tuple(doc[at : at + PART_BYTES] for at in range(0, len(doc), PART_BYTES))
    item = _result_item(keys, result, pieces)
    second = _second_name(keys, result)
    findings = tuple((finding, _finding_item(keys, finding)) for finding in entry.findings)
    messages = {alert.message_id: _alert_item(keys, alert) for alert in entry.alerts}
    beside = [second] if second else []
    items = [item, *beside, *(each for _, each in findings), *messages.values()]
    parts = [(item["pk"], f"part {at}") for at in range(1, len(pieces))]
    drafted = Draft(
        entry=entry,
        result=item,
        pieces=pieces,
        second_name=second,
        findings=findings,
        messages=messages,
        items=frozenset([*map(key_of, items), *((str(pk), sk) for pk, sk in parts)]),
        size=sum(map(size_of, items)) + sum(map(len, pieces[1:])) + _SPARE_BYTES,
    )
    return _checked(drafted)


def grouped(drafts: Iterable[Draft]) -> Iterator[list[Draft]]:
    """The drafts in order, in lists that each fit into one transaction."""
    group: list[Draft] = []
    items: set[Key] = set()
    size = 0
    for each in drafts:
        if group and (len(items | each.items) > _MOST_ITEMS or size + each.size > _MOST_BYTES):
            yield group
            group, items, size = [], set(), 0
        group.append(each)
        items |= each.items
        size += each.size
    if group:
        yield group


def transaction(
    keys: Keys,
    written: Sequence[tuple[Draft, int]],
    *,
    known: Known,
    told: Container[str],
    stamp: Stamp,
) -> list[Put]:
    """The puts that record these drafts, each with its attempt, and announce their batch.

    Messages whose ids are in ``told`` are in the outbox already.
    """
    puts: dict[Key, Put] = {}
    last = {each.entry.result.key.id: at for at, (each, _) in enumerate(written)}
    for at, (each, attempt) in enumerate(written):
        if last[each.entry.result.key.id] == at:
            _add(puts, _result_puts(each, attempt, known, stamp))
        _add(puts, _finding_puts(each, known))
        for message_id, item in each.messages.items():
            if message_id not in told and key_of(item) not in puts:
                _add(puts, [Put(_waiting(item, stamp), "new")])
    # No condition: the same batch can only be written where all of its results' conditions hold.
    _add(puts, [Put(_waiting(_lake_item(keys, stamp, list(last)), stamp))])
    return list(puts.values())


def cache_items(keys: Keys, entries: Iterable[Entry], expires_s: int) -> Iterator[Item]:
    """The entries' predictions for the cache, without those that are too large for one item."""
    said = (each for entry in entries for each in entry.cache)
    return prediction_items(keys, said, expires_s)


def prediction_items(
    keys: Keys, said: Iterable[tuple[str, Prediction, str | None]], expires_s: int
) -> Iterator[Item]:
    """These predictions for the cache, as `cache_items`."""
    for key, prediction, heatmap in said:
        pk, sk = keys.cached(key)
        doc = pack({"prediction": prediction_to_json(prediction), "heatmap": heatmap})
        if len(doc) <= PART_BYTES:
            yield {"pk": pk, "sk": sk, "doc": doc, TTL: expires_s}


def part_key(result: Item, attempt: int, number: int) -> Key:
    """The key of one of the further parts of a result's document, from 1."""
    return str(result["pk"]), f"part#{attempt:05d}#{number:03d}"


def _add(puts: dict[Key, Put], more: Iterable[Put]) -> None:
    """A later state of an item replaces an earlier one; the condition of both is what is known."""
    puts.update((key_of(put.item), put) for put in more)


def _result_puts(each: Draft, attempt: int, known: Known, stamp: Stamp) -> Iterator[Put]:
    _, before = known.results.get(each.entry.result.key.id, (None, 0))
    sequence = stamp.sequence()
    found = {"nsk": sequence} | ({"lsk": sequence} if "lpk" in each.result else {})
    item = {**each.result, **found, "attempt": attempt, "batch": stamp.batch_id}
    yield Put(item, ("attempt", before) if before else "new")
    for at, piece in enumerate(each.pieces[1:], start=1):
        pk, sk = part_key(item, attempt, at)
        yield Put({"pk": pk, "sk": sk, "doc": piece})
    if each.second_name and not before:
        yield Put({**each.second_name, "nsk": sequence})


def _finding_puts(each: Draft, known: Known) -> Iterator[Put]:
    for finding, item in each.findings:
        revision = known.revisions.get(finding.id, 0)
        yield Put(item, ("revision", revision) if revision else "new")


def _result_item(keys: Keys, result: Result, pieces: Sequence[bytes]) -> Item:
    pk, sk = keys.result(result.key.id)
    item: dict[str, str | int | bytes] = {"pk": pk, "sk": sk, "status": str(result.status)}
    item |= {"npk": keys.named(result.image), "doc": pieces[0], "parts": len(pieces)}
    if result.content:
        item |= {"cpk": keys.hashed(result.content), "csk": result.content}
    if result.asset:
        item |= {"lpk": keys.of_asset(result.asset)}
    return item


def _second_name(keys: Keys, result: Result) -> Item | None:
    """What finds a result by its URI, where that isn't also its name: one item is in an index once.

    It never changes: a result's key is made of the URI.
    """
    if result.uri == result.image:
        return None
    pk, _ = keys.result(result.key.id)
    return {"pk": pk, "sk": "uri", "npk": keys.named(result.uri)}


def _finding_item(keys: Keys, finding: Finding) -> Item:
    pk, sk = keys.finding(finding.id)
    return {
        "pk": pk,
        "sk": sk,
        "revision": finding.revision,
        "doc": pack(finding_to_json(finding)),
        "lpk": keys.of_severity(finding.severity),
        "lsk": time_to_json(finding.seen_at),
    }


def _alert_item(keys: Keys, alert: Alert) -> Item:
    pk, sk = keys.message(alert.message_id)
    doc = pack(alert_to_json(alert))
    return {"pk": pk, "sk": sk, "doc": doc, "lpk": keys.waiting("alert")}


def _lake_item(keys: Keys, stamp: Stamp, result_ids: Sequence[str]) -> Item:
    pk, sk = keys.message(stamp.batch_id)
    doc = pack({"batch_id": stamp.batch_id, "results": list(result_ids)})
    lpk = keys.waiting("lake")
    return {"pk": pk, "sk": sk, "doc": doc, "lpk": lpk, "token": stamp.token}


def _waiting(item: Item, stamp: Stamp) -> Item:
    return {**item, "lsk": stamp.sequence(), "created_at": time_to_json(stamp.now), "attempts": 0}


def _checked(drafted: Draft) -> Draft:
    if len(drafted.items) <= _MOST_ITEMS and drafted.size <= _MOST_BYTES:
        return drafted
    entry = drafted.entry
    regions = sum(len(stage.prediction.regions) for stage in entry.result.stages)
    raise StoreError(
        f"the result of {entry.result.image} is too large for one transaction of DynamoDB: it has "
        f"{regions} regions, {len(entry.findings)} findings and {len(entry.alerts)} alerts, in "
        f"{drafted.size / 1e6:.1f} MB and {len(drafted.items)} items of at most "
        f"{_MOST_BYTES / 1e6:.1f} MB and {_MOST_ITEMS}; have the model report fewer regions "
        "or labels"
    )
