"""What a table adds to the contract of records: pages, order, workspaces, damage."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.stores.dynamodb_entries import (
    CELLS,
    FINDING,
    captures,
    hook,
    items_of,
    large,
    result,
    whole,
)
from tests.stores.dynamodb_tables import NAME, NOW, dynamodb_client, store_of

from walkdown.errors import StoreError
from walkdown.stores.dynamodb import DynamoDbStore
from walkdown.stores.dynamodb_setting import Sequence
from walkdown.stores.dynamodb_table import TRIES
from walkdown.types import Entry, ImageRef, Inspection, Severity, StageResult, Status, digest_of


@pytest.fixture
def client() -> Iterator[Any]:
    with dynamodb_client() as made:
        yield made


@pytest.fixture
def store(client: Any) -> DynamoDbStore:
    return store_of(client)


def test_what_dynamodb_leaves_undone_is_asked_again(client: Any, store: DynamoDbStore) -> None:
    held: list[Any] = []

    def take_five(params: Any, **_: Any) -> None:
        held[:] = params["RequestItems"][NAME][5:]
        params["RequestItems"][NAME] = params["RequestItems"][NAME][:5]

    def leave_the_rest(parsed: Any, **_: Any) -> None:
        parsed["UnprocessedItems"] = {NAME: [*held]} if held else {}

    def answer_one(parsed: Any, **_: Any) -> None:
        kept, rest = parsed["Responses"][NAME][:1], parsed["Responses"][NAME][1:]
        keys = [{name: item[name] for name in ("pk", "sk")} for item in rest]
        parsed["Responses"][NAME] = kept
        parsed["UnprocessedKeys"] = {NAME: {"Keys": keys}} if keys else {}

    entries = [whole(number) for number in range(20)]
    members = [(ImageRef("u", "1", "n", "n"), entry.result.key) for entry in entries]
    with (
        hook(client, "provide-client-params", "BatchWriteItem", take_five),
        hook(client, "after-call", "BatchWriteItem", leave_the_rest),
        hook(client, "after-call", "BatchGetItem", answer_one),
    ):
        store.record("i1", entries)
        store.add_members("i1", members)
        assert len(captures(store, inspection_id="i1")) == 20
        assert len(store.cached(f"k{number}" for number in range(20))) == 20


def test_a_read_that_makes_no_progress_ends(client: Any) -> None:
    pauses: list[float] = []
    store = store_of(client, sleep=pauses.append)
    store.record("i1", [whole(1)])

    def answer_nothing(parsed: Any, **_: Any) -> None:
        pk, sk = "w#F#f1", "finding"
        parsed["Responses"] = {NAME: []}
        parsed["UnprocessedKeys"] = {NAME: {"Keys": [{"pk": {"S": pk}, "sk": {"S": sk}}]}}

    with (
        hook(client, "after-call", "BatchGetItem", answer_nothing),
        pytest.raises(StoreError, match=f"{NAME} answers more slowly than it is asked"),
    ):
        store.findings(["f1"])
    assert len(pauses) == TRIES


def test_more_than_a_page_is_read_to_its_end(client: Any, store: DynamoDbStore) -> None:
    pages: list[str] = []
    chance = random.Random(1)
    long = [tuple(chance.randbytes(40_000).hex() for _ in range(2)) for _ in range(20)]
    for at, sources in enumerate(long):
        store.save_inspection(Inspection(f"i{at:02d}", "w", "p", "d", sources, "ada", NOW))
    stages = (StageResult("look", "cells@1", "d", large(180_000)),)
    entries = [Entry(replace(result(f"c{at}"), stages=stages)) for at in range(8)]
    store.record("i1", entries)
    with (
        hook(client, "before-call", "Query", lambda **_: pages.append("query")),
        hook(client, "before-call", "Scan", lambda **_: pages.append("scan")),
    ):
        assert [each.sources for each in store.inspections()] == long
        assert len(captures(store)) == 8
    assert pages.count("query") > 1
    assert pages.count("scan") > 1


def test_a_cached_prediction_expires(client: Any) -> None:
    store_of(client, cache_days=2).record("i1", [whole(1)])
    for days, there in ((0.0, True), (1.9, True), (2.1, False)):
        later = NOW + timedelta(days=days)
        store = store_of(client, clock=lambda later=later: later)
        assert bool(store.cached(["k1"])) is there


def test_open_findings_come_worst_first_then_newest_first(store: DynamoDbStore) -> None:
    seen = [
        replace(FINDING, id=f"{severity}{day}", severity=severity, seen_at=NOW + timedelta(day))
        for severity in Severity
        for day in (2, 1, 3)
    ]
    store.record("i1", [Entry(result(each.id), (each,)) for each in seen])
    order = ["critical3", "critical2", "critical1", "high3", "high2"]
    assert [each.id for each in store.open_findings(limit=5)] == order
    assert len(store.open_findings()) == 12
    assert store.open_findings(limit=0) == []
    raised = replace(seen[0], severity=Severity.CRITICAL, revision=2, seen_at=NOW)
    store.record("i1", [Entry(result("again"), (raised,))])
    assert [each.id for each in store.open_findings()][3] == "low2"
    assert len(store.open_findings()) == 12


def test_an_assets_results_come_newest_first(store: DynamoDbStore) -> None:
    of_pole = [replace(result(f"c{at}"), asset="p\udcffole #1") for at in range(5)]
    other = [replace(result(f"o{at}"), asset="pole #2") for at in range(3)]
    store.record("i1", [Entry(each) for each in (*of_pole, *other, result("none"))])
    assert store.results_of_asset("p\udcffole #1", limit=3) == of_pole[:1:-1]
    assert store.results_of_asset("p\udcffole #1") == of_pole[::-1]
    assert store.results_of_asset("pole") == []


def test_what_an_index_still_lists_is_checked(client: Any, store: DynamoDbStore) -> None:
    store.record("i1", [Entry(replace(result("c1"), asset="pole"), (FINDING,))])
    for item in items_of(client):
        if item["sk"]["S"] == "finding":
            client.put_item(TableName=NAME, Item={**item, "lpk": {"S": "w#F#critical"}})
        if item["sk"]["S"] == "result":
            moved = store_of(client)._keys.of_asset("mast")
            client.put_item(TableName=NAME, Item={**item, "lpk": {"S": moved}})
    assert store.open_findings() == []
    assert store.results_of_asset("mast") == []


def test_an_image_is_found_by_a_uri_that_is_not_its_name(client: Any, store: DynamoDbStore) -> None:
    named = replace(result("c1"), image="photos/caf\udce9.jpg")
    store.record("i1", [Entry(replace(named, status=Status.FAILED, verdict=None)), whole(2)])
    before = {item["pk"]["S"]: item for item in items_of(client) if item["sk"]["S"] == "uri"}
    store.record("i1", [Entry(named)])
    again = {item["pk"]["S"]: item for item in items_of(client) if item["sk"]["S"] == "uri"}
    assert before == again
    for image in (named.uri, named.image):
        assert list(store.results(image=image)) == [named]
    assert list(store.results(image=named.uri, inspection_id="none")) == []


def test_workspaces_in_one_table_do_not_see_each_other(client: Any) -> None:
    ours = store_of(client)
    ours.record("i1", [whole(1)])
    ours.save_inspection(Inspection("i1", "w", "p", "d", (), "ada", NOW))
    ours.add(CELLS)
    for name in ("v", "w#", "w#R", "w#I", "W"):
        theirs = store_of(client, workspace=name)
        assert captures(theirs) == captures(theirs, image=digest_of("c1")[:8]) == []
        lists: list[object] = [theirs.inspections(), theirs.versions(), theirs.open_findings()]
        assert [*lists, theirs.pending("alert"), theirs.pending("lake")] == [[]] * 5
        assert theirs.findings() == theirs.findings(["f1"]) == {}
        assert theirs.cached(["k1"]) == {}
        theirs.settle(["a1"])
        assert theirs.record("i1", [Entry(result("c1", workspace=name))]) == ["written"]
    assert len(ours.pending("alert")) == len(captures(ours)) == 1


def test_the_order_of_recording_outlives_a_clock_that_goes_back() -> None:
    times_told = iter([3, 3, 1, 2, 4])
    sequence = Sequence(lambda: NOW + timedelta(seconds=next(times_told)))
    made = [sequence() for _ in range(5)]
    assert made == sorted(set(made))
    assert made[0].startswith("2026-05-01T12:00:03")


def test_damage_and_a_missing_table_are_said(client: Any, store: DynamoDbStore) -> None:
    store.record("i1", [whole(1)])
    (item,) = [item for item in items_of(client) if item["sk"]["S"] == "result"]
    for damage, words in (
        ({"doc": {"B": b"Dear all"}}, "cannot be unpacked"),
        ({"doc": {"S": "Dear all"}}, "'doc' is 'Dear all'"),
    ):
        client.put_item(TableName=NAME, Item={**item, **damage})
        with pytest.raises(StoreError, match=f"damaged.*{words}"):
            list(store.results())
    client.put_item(TableName=NAME, Item={**item, "status": {"S": "odd"}})
    with pytest.raises(StoreError, match="damaged: its 'status' is 'odd'"):
        store.record("i1", [whole(1)])
    client.delete_table(TableName=NAME)
    with pytest.raises(StoreError, match=rf"cannot read the records .*{NAME}.*does not exist"):
        list(store.results())


def test_the_store_is_imported_without_boto3() -> None:
    there = "'boto3' in sys.modules, 'numpy' in sys.modules"
    code = f"import sys, walkdown.stores.dynamodb; print({there})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["False", "False"]
