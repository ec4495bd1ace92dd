"""Races, lost answers and a busy table: what is recorded is recorded once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError
from tests.stores.dynamodb_entries import (
    CELLS,
    FINDING,
    TRANSACT,
    after,
    captures,
    hook,
    items_of,
    lose_the_answer,
    refuse,
    result,
    times,
    told,
    whole,
)
from tests.stores.dynamodb_tables import NAME, NOW, dynamodb_client, store_of

from walkdown.errors import StoreError
from walkdown.stores.dynamodb import DynamoDbStore
from walkdown.stores.dynamodb_table import TRIES
from walkdown.types import Entry, ImageRef, Status


@pytest.fixture
def client() -> Iterator[Any]:
    with dynamodb_client() as made:
        yield made


@pytest.fixture
def store(client: Any) -> DynamoDbStore:
    return store_of(client)


FAILED = Entry(result("c1", status=Status.FAILED))
FOUND = Entry(result("c0"), (FINDING,))
MOVED = replace(FINDING, revision=2)


@pytest.mark.parametrize(
    ("before", "theirs", "ours", "answer"),
    [
        ([], Entry(result("c1")), Entry(result("c1")), "exists"),
        ([FAILED], Entry(result("c1")), Entry(result("c1")), "exists"),
        ([], Entry(result("c1"), (FINDING,)), Entry(result("c2"), (FINDING,)), "conflict"),
        ([FOUND], Entry(result("c1"), (MOVED,)), Entry(result("c2"), (MOVED,)), "conflict"),
    ],
    ids=["new result", "failed result", "new finding", "known finding"],
)
def test_a_rival_between_reading_and_writing_makes_it_decide_again(
    client: Any, before: list[Entry], theirs: Entry, ours: Entry, answer: str
) -> None:
    store, rival = store_of(client), store_of(client)
    store.record("i1", before)
    theirs = replace(theirs, result=replace(theirs.result, actor="bob"))

    def first(**_: Any) -> None:
        assert rival.record("i1", [theirs]) == ["written"]

    with hook(client, "before-call", TRANSACT, times(1, first)):
        assert store.record("i1", [ours, Entry(result("c3"))]) == [answer, "written"]
    assert captures(store)[-2:] == ["c1", "c3"]
    assert list(store.results(keys=[theirs.result.key])) == [theirs.result]
    assert store.findings() == {finding.id: finding for finding in theirs.findings}


def test_of_two_who_write_the_same_only_one_says_so(client: Any) -> None:
    store, rival = store_of(client), store_of(client)

    def first(**_: Any) -> None:
        assert rival.record("i1", [whole(1)]) == ["written"]

    with hook(client, "before-call", TRANSACT, times(1, first)):
        assert store.record("i1", [whole(1)]) == ["exists"]
    assert len(store.pending("alert")) == len(store.pending("lake")) == 1


def test_a_rival_with_the_same_alert_sends_it_once(client: Any) -> None:
    ours, rival = store_of(client), store_of(client)
    alert = told(FINDING, 1)

    def first(**_: Any) -> None:
        assert rival.record("i1", [Entry(result("c1"), (), (alert,))]) == ["written"]

    with hook(client, "before-call", TRANSACT, times(1, first)):
        assert ours.record("i1", [Entry(result("c2"), (), (alert,))]) == ["written"]
    assert ours.pending("alert") == [("a1", alert)]
    assert captures(ours) == ["c1", "c2"]


def test_many_writers_move_one_finding_step_by_step(client: Any) -> None:
    def write(name: str) -> None:
        store = store_of(client)
        for number in range(5):
            answer = ["conflict"]
            while answer == ["conflict"]:
                now = store.findings(["f"]).get("f", replace(FINDING, revision=0))
                moved = replace(now, revision=now.revision + 1)
                alert = replace(told(moved, 0), id=f"moved to {moved.revision}")
                entry = Entry(result(f"{name}{number}"), (moved,), (alert,))
                answer = [str(outcome) for outcome in store.record("i1", [entry])]
            assert answer == ["written"]

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = store_of(client)
    assert store.findings()["f"].revision == len(captures(store)) == 20
    alerts = sorted(key for key, _ in store.pending("alert"))
    assert alerts == sorted(f"moved to {number}" for number in range(1, 21))


@pytest.mark.parametrize("status", list(Status))
def test_what_was_written_although_the_answer_was_lost_is_known(
    client: Any, store: DynamoDbStore, status: Status
) -> None:
    entry = replace(whole(1), result=result("c1", status=status))
    with hook(client, "after-call", TRANSACT, times(1, lose_the_answer)):
        assert store.record("i1", [entry]) == ["written"]
    (item,) = [item for item in items_of(client) if item["sk"]["S"] == "result"]
    assert item["attempt"] == {"N": "1"}
    assert len(store.pending("alert")) == len(store.pending("lake")) == 1
    assert store.cached(["k1"])
    assert store.findings() == {"f1": replace(FINDING, id="f1")}


def test_a_lost_answer_is_known_also_after_another_replaced_the_result(client: Any) -> None:
    ours, rival = store_of(client), store_of(client)
    partial = replace(whole(1), result=result("c1", status=Status.PARTIAL))

    def lose(**event: Any) -> None:
        assert rival.record("i1", [Entry(result("c1"))]) == ["written"]
        lose_the_answer(**event)

    # The rival's own answer comes through: only the first event is ours.
    with hook(client, "after-call", TRANSACT, times(1, lose)):
        assert ours.record("i1", [partial]) == ["written"]
    assert [each.status for each in ours.results()] == [Status.DONE]
    assert [key for key, _ in ours.pending("alert")] == ["a1"]


def test_a_request_that_never_arrived_is_sent_again(client: Any, store: DynamoDbStore) -> None:
    def unreachable(**_: Any) -> None:
        raise ConnectTimeoutError(endpoint_url="https://dynamodb")

    with hook(client, "before-call", TRANSACT, times(3, unreachable)):
        assert store.record("i1", [whole(1)]) == ["written"]
    with (
        hook(client, "before-call", TRANSACT, unreachable),
        pytest.raises(StoreError, match=rf"{NAME}.*cannot be reached: check the network"),
    ):
        store.record("i1", [whole(2)])
    assert captures(store) == ["c1"]
    assert store.record("i1", [whole(2)]) == ["written"]


def test_an_error_after_the_write_loses_nothing(client: Any, store: DynamoDbStore) -> None:
    with (
        hook(client, "after-call", TRANSACT, lose_the_answer),
        hook(client, "before-call", "BatchGetItem", after(1, refuse("InternalServerError", 500))),
        pytest.raises(StoreError, match="AWS has a fault at the moment"),
    ):
        store.record("i1", [whole(1)])
    assert store.record("i1", [whole(1)]) == ["exists"]
    assert len(store.pending("alert")) == len(store.pending("lake")) == 1


@pytest.mark.parametrize(
    ("code", "status"),
    [("ThrottlingException", 400), ("ProvisionedThroughputExceededException", 400), ("X", 503)],
)
def test_a_busy_table_is_asked_again_after_growing_pauses(
    client: Any, code: str, status: int
) -> None:
    pauses: list[float] = []
    store = store_of(client, random=lambda: 1.0, sleep=pauses.append)
    with hook(client, "before-call", TRANSACT, times(4, refuse(code, status))):
        assert store.record("i1", [whole(1)]) == ["written"]
    assert pauses == [0.05, 0.1, 0.2, 0.4]
    pauses.clear()
    with hook(client, "before-call", TRANSACT, refuse(code, status)), pytest.raises(StoreError):
        store.record("i1", [whole(2)])
    assert len(pauses) == TRIES
    assert max(pauses) == 2.0
    assert captures(store) == ["c1"]


def test_a_refusal_is_not_repeated(client: Any) -> None:
    pauses: list[float] = []
    store = store_of(client, sleep=pauses.append)
    with (
        hook(client, "before-call", TRANSACT, refuse("AccessDeniedException")),
        pytest.raises(StoreError, match=r"cannot write the records .*dynamodb:PutItem"),
    ):
        store.record("i1", [whole(1)])
    assert pauses == []


def test_a_transaction_that_can_never_fit_is_not_repeated(client: Any) -> None:
    pauses: list[float] = []
    store = store_of(client, sleep=pauses.append)

    def cancelled(**event: Any) -> Any:
        http, body = refuse("TransactionCanceledException")(**event)
        reasons = [{"Code": "None"}, {"Code": "ValidationError"}]
        return http, {**body, "CancellationReasons": reasons}

    with hook(client, "before-call", TRANSACT, cancelled), pytest.raises(StoreError):
        store.record("i1", [whole(1)])
    assert pauses == []


def test_a_race_that_never_ends_is_said(client: Any, store: DynamoDbStore) -> None:
    def cancelled(**event: Any) -> Any:
        http, body = refuse("TransactionCanceledException")(**event)
        return http, {**body, "CancellationReasons": [{"Code": "TransactionConflict"}]}

    with (
        hook(client, "before-call", TRANSACT, cancelled),
        pytest.raises(StoreError, match=r"too many at once.*what was recorded before is safe"),
    ):
        store.record("i1", [whole(1)])
    with (
        hook(client, "before-call", TRANSACT, cancelled),
        pytest.raises(StoreError, match=r"'cells' could not be numbered.*run the same command"),
    ):
        store.add(CELLS)


def test_the_same_entries_again_change_nothing(client: Any, store: DynamoDbStore) -> None:
    entries = [whole(number) for number in range(12)]
    members = [(ImageRef("u", "1", "n", "n"), entry.result.key) for entry in entries]
    store.record("i1", entries[:5])
    store.record("i1", entries)
    store.add_members("i1", members)
    before = items_of(client)
    again = store_of(client, clock=lambda: NOW + timedelta(hours=1))
    assert again.record("i1", entries) == ["exists"] * 12
    again.add_members("i1", members)
    assert items_of(client) == before


def test_a_version_whose_answer_was_lost_is_added_once(client: Any) -> None:
    ours, rival = store_of(client), store_of(client)

    def lose(**event: Any) -> None:
        rival.add(replace(CELLS, digest="d2"))
        lose_the_answer(**event)

    with hook(client, "after-call", TRANSACT, times(1, lose)):
        assert ours.add(CELLS) == replace(CELLS, version=1, aliases=())
    assert [each.digest for each in ours.versions()] == ["d1", "d2"]
    assert ours.versions()[1].aliases == ("live",)
