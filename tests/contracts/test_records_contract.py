"""What every store of records, with its outbox, keeps to."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest

from walkdown.errors import NotFound, StoreError
from walkdown.ports import Outbox, Predictions, Records
from walkdown.stores.dynamodb import DynamoDbStore
from walkdown.stores.sqlite import SqliteStore
from walkdown.types import (
    Alert,
    Entry,
    Finding,
    HeatMap,
    ImageRef,
    Inspection,
    Prediction,
    Region,
    Result,
    ResultKey,
    Severity,
    StageResult,
    Status,
    Verdict,
)

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PREDICTION = Prediction(
    Verdict.ANOMALY, 0.7, 3.25, ("crack",), (Region((1, 2, 3, 4), 0.5, 0.75, "crack"),)
)
INSPECTION = Inspection("i1", "w", "cells", "plan", ("photos",), "ada", NOW)


class Store(Records, Predictions, Outbox, Protocol):
    """All ports of records, as one transaction spans them."""


def result(capture: str = "c1", *, status: Status = Status.DONE, content: str = "") -> Result:
    return Result(
        key=ResultKey("w", capture, "plan"),
        uri=f"file:///photos/{capture}.jpg",
        image=f"photos/{capture}.jpg",
        status=status,
        actor="ada",
        recorded_at=NOW,
        content=content or None,
        verdict=None if status is Status.FAILED else Verdict.ANOMALY,
        stages=(StageResult("look", "cells@1", "d", PREDICTION, "heatmaps/x.png"),),
        error="it is cut off" if status is Status.FAILED else None,
    )


def finding(*, revision: int = 1, name: str = "f1") -> Finding:
    return Finding(
        name, "w", "pole-1", "crack", Severity.HIGH, 0.7, 0.5, "x", "r", NOW, NOW, "ada", revision
    )


def alert(of: Finding, name: str = "a1") -> Alert:
    return Alert(name, "opened", of, "cells", "i1")


def entry(capture: str = "c1", *, status: Status = Status.DONE, content: str = "") -> Entry:
    return Entry(result(capture, status=status, content=content))


def lake(store: Store) -> list[str]:
    return [str(body) for _, body in store.pending("lake")]


def test_inspections_are_replaced_by_id_and_come_newest_first(store: Store) -> None:
    later = replace(INSPECTION, id="i0", started_at=NOW + timedelta(microseconds=1))
    for each in (INSPECTION, later):
        store.save_inspection(each)
    finished = replace(INSPECTION, finished_at=NOW + timedelta(hours=1), threshold=0.25)
    store.save_inspection(finished)
    assert store.inspections() == [later, finished]


def test_a_result_comes_back_as_it_was_recorded(store: Store) -> None:
    odd = replace(
        result(content="ab" * 32), image="photos/caf\udce9.jpg", asset="p\udcff", score=0.1
    )
    assert store.record("i1", [Entry(odd)]) == ["written"]
    assert list(store.results()) == [odd]
    assert list(store.results(image="photos/caf\udce9.jpg")) == [odd]


def test_a_done_result_is_never_replaced(store: Store) -> None:
    store.record("i1", [entry()])
    other = Entry(replace(result(), actor="bob"), (finding(),), (alert(finding()),))
    assert store.record("i1", [other]) == ["exists"]
    assert [each.actor for each in store.results()] == ["ada"]
    assert store.findings() == {}
    assert store.pending("alert") == []
    assert len(lake(store)) == 1


@pytest.mark.parametrize("status", [Status.FAILED, Status.PARTIAL])
def test_an_unfinished_result_is_replaced_and_moves_to_the_end(
    store: Store, status: Status
) -> None:
    store.record("i1", [entry("c1", status=status), entry("c2")])
    assert store.record("i1", [entry("c1"), entry("c2")]) == ["written", "exists"]
    assert [each.key.capture_id for each in store.results()] == ["c2", "c1"]
    assert {each.status for each in store.results()} == {Status.DONE}


def test_one_batch_sees_its_own_earlier_entries(store: Store) -> None:
    entries = [entry(status=Status.FAILED), entry(), entry()]
    assert store.record("i1", entries) == ["written", "written", "exists"]
    assert [each.status for each in store.results()] == [Status.DONE]
    first = Entry(result("c2"), (finding(revision=1),))
    second = Entry(result("c3"), (finding(revision=2),))
    assert store.record("i1", [first, second]) == ["written", "written"]
    assert store.findings()["f1"].revision == 2


@pytest.mark.parametrize(("stored", "new"), [(0, 0), (0, 2), (1, 1), (1, 3), (2, 1)])
def test_an_entry_whose_finding_moved_on_writes_nothing(
    store: Store, stored: int, new: int
) -> None:
    for revision in range(1, stored + 1):
        store.record("i1", [Entry(result(f"old{revision}"), (finding(revision=revision),))])
    before = list(store.results())
    batches = lake(store)
    fresh = finding(name="fresh")
    wrong = Entry(
        result("c9"),
        (fresh, finding(revision=new)),
        (alert(fresh),),
        (("cache key", PREDICTION, None),),
    )
    assert store.record("i1", [wrong]) == ["conflict"]
    assert list(store.results()) == before
    assert set(store.findings()) == ({"f1"} if stored else set())
    assert store.cached(["cache key"]) == {}
    assert store.pending("alert") == []
    assert lake(store) == batches


def test_a_conflict_does_not_stop_the_others(store: Store) -> None:
    wrong = Entry(result("c1"), (finding(revision=5),))
    assert store.record("i1", [wrong, entry("c2")]) == ["conflict", "written"]
    assert [each.key.capture_id for each in store.results()] == ["c2"]
    assert store.record("i1", [replace(wrong, findings=(finding(),))]) == ["written"]


def test_findings_are_found_by_id(store: Store) -> None:
    store.record("i1", [Entry(result(), (finding(), finding(name="f2")))])
    assert store.findings() == {"f1": finding(), "f2": finding(name="f2")}
    assert store.findings(["f2", "none"]) == {"f2": finding(name="f2")}
    assert store.findings([]) == {}


def test_predictions_are_cached_without_their_grid(store: Store) -> None:
    grid = HeatMap(np.zeros((2, 2), np.float32), 4, 4)
    with_map = replace(PREDICTION, heatmap=grid)
    cache = (("k1", with_map, "heatmaps/x.png"), ("k2", Prediction(None, None, None), None))
    store.record("i1", [Entry(result(), cache=cache)])
    found = store.cached(["k1", "k2", "k3"])
    assert found == {
        "k1": (PREDICTION, "heatmaps/x.png"),
        "k2": (Prediction(None, None, None), None),
    }
    assert found["k1"][0].heatmap is None


def test_a_prediction_is_remembered_without_a_result(store: Store) -> None:
    with_map = replace(PREDICTION, heatmap=HeatMap(np.zeros((2, 2), np.float32), 4, 4))
    store.remember([("k1", with_map, "heatmaps/x.png"), ("k2", PREDICTION, None)])
    store.remember([])
    assert store.cached(["k1", "k2"]) == {
        "k1": (PREDICTION, "heatmaps/x.png"),
        "k2": (PREDICTION, None),
    }
    again = replace(PREDICTION, note="once more", cost_usd=0.5)
    store.remember([("k1", again, None)])
    assert store.cached(["k1"]) == {"k1": (again, None)}
    assert list(store.results()) == []
    assert lake(store) == []


def test_members_point_at_results_done_or_still_to_come(store: Store) -> None:
    store.record("i0", [entry("c1"), entry("other")])
    members = [(ImageRef(f"file:///{c}", "1-1", c, c), result(c).key) for c in ("c1", "c2")]
    store.add_members("i1", members)
    store.add_members("i1", members)
    assert [each.key.capture_id for each in store.results(inspection_id="i1")] == ["c1"]
    store.record("i1", [entry("c2")])
    assert [each.key.capture_id for each in store.results(inspection_id="i1")] == ["c1", "c2"]
    assert list(store.results(inspection_id="none")) == []


def test_results_fit_all_given_filters(store: Store) -> None:
    store.record("i1", [entry("c1"), entry("c2")])
    (batch,) = lake(store)
    store.record("i1", [entry("c3")])
    keys = [result(c).key for c in ("c3", "c2", "none")]
    assert [each.key.capture_id for each in store.results(keys=keys)] == ["c2", "c3"]
    found = store.results(keys=keys, batch_id=batch, image="photos/c2.jpg")
    assert [each.key.capture_id for each in found] == ["c2"]
    assert list(store.results(keys=[])) == []
    assert list(store.results(batch_id="none")) == []
    assert list(store.results(keys=[replace(keys[0], run=1)])) == []


def test_thousands_of_keys_are_found(store: Store) -> None:
    # DynamoDB's own batches hold 100, and its stand-in takes milliseconds for each item.
    many = 500 if isinstance(store, DynamoDbStore) else 3000
    store.record("i1", [entry(f"c{number}") for number in range(many)])
    keys = (result(f"c{number}").key for number in range(many))
    assert len(list(store.results(keys=keys))) == many


def test_an_image_is_found_by_name_uri_and_hash(store: Store) -> None:
    one, two = "abcdef01" * 8, "abcdef02" * 8
    store.record("i1", [entry("c1", content=one), entry("c2", content=two), entry("c3")])

    def found(image: str) -> list[str]:
        return [each.key.capture_id for each in store.results(image=image)]

    assert found("photos/c1.jpg") == found("file:///photos/c1.jpg") == ["c1"]
    assert found(one) == found("abcdef01") == found("ABCDEF01") == ["c1"]
    assert found("abcde") == found("c1.jpg") == found("zzzzzz") == found("abcdef03") == []
    with pytest.raises(NotFound, match=r"more than one image.*abcdef01.*give more digits"):
        found("abcdef")


def test_the_same_photograph_twice_is_one_hash(store: Store) -> None:
    store.record("i1", [entry("c1", content="ab" * 32), entry("c2", content="ab" * 32)])
    assert len(list(store.results(image="ababab"))) == 2


def test_a_name_that_looks_like_a_hash_is_a_name_first(store: Store) -> None:
    named = replace(result("c1"), image="abcdef")
    store.record("i1", [Entry(named), entry("c2", content="abcdef" * 10 + "0000")])
    assert [each.key.capture_id for each in store.results(image="abcdef")] == ["c1"]


def test_every_batch_is_announced_once_with_its_own_id(store: Store) -> None:
    store.record("i1", [entry("c1", status=Status.FAILED), entry("c2")])
    store.record("i1", [entry("c1", status=Status.FAILED)])
    store.record("i1", [entry("c1")])
    store.record("i1", [entry("c1")])
    store.record("i1", [])
    batches = lake(store)
    assert len(set(batches)) == len(batches) == 3
    assert all(len(batch) == 32 for batch in batches)
    of_batch = [[r.key.capture_id for r in store.results(batch_id=b)] for b in batches]
    assert of_batch == [["c2"], [], ["c1"]]


def test_a_batch_id_is_made_of_what_is_written(store: Store, tmp_path: Path) -> None:
    other = SqliteStore(tmp_path / "other.sqlite", workspace="w", clock=lambda: NOW)
    store.record("i1", [entry("c1"), entry("c2")])
    other.record("i2", [entry("c2"), entry("c1")])
    assert lake(store) == lake(other)
    other.close()


def test_alerts_wait_until_they_are_settled_and_come_once(store: Store) -> None:
    for number in (1, 2, 3):
        of = finding(revision=number)
        told = (alert(of, f"a{number}"), alert(of, "a1"))
        store.record("i1", [Entry(result(f"c{number}"), (of,), told)])
    assert [key for key, _ in store.pending("alert")] == ["a1", "a2", "a3"]
    assert store.pending("alert", limit=1) == [("a1", alert(finding(revision=1)))]
    store.settle(["a1", "unknown"])
    store.settle(["a2"], error="the mail server is away")
    assert [key for key, _ in store.pending("alert")] == ["a2", "a3"]
    store.record("i1", [Entry(result("c4"), alerts=(alert(finding(), "a1"),))])
    store.settle(["a1"], error="late failure")
    assert [key for key, _ in store.pending("alert")] == ["a2", "a3"]
    store.settle(key for key, _ in store.pending("alert"))
    assert store.pending("alert") == []


def test_an_unknown_message_cannot_be_settled_in_advance(store: Store) -> None:
    store.settle(["a1"])
    store.record("i1", [Entry(result(), (finding(),), (alert(finding()),))])
    assert [key for key, _ in store.pending("alert")] == ["a1"]


def test_topics_are_apart(store: Store) -> None:
    store.record("i1", [Entry(result(), (finding(),), (alert(finding()),))])
    (message, batch) = store.pending("lake")[0]
    assert [each.key.capture_id for each in store.results(batch_id=str(batch))] == ["c1"]
    store.settle([message])
    assert store.pending("lake") == []
    assert len(store.pending("alert")) == 1


def test_nothing_of_another_workspace_is_stored(store: Store) -> None:
    foreign = replace(result(), key=ResultKey("theirs", "c1", "plan"))
    theirs = replace(finding(), workspace="theirs")
    for bad in (Entry(foreign), Entry(result(), (theirs,)), Entry(result(), (), (alert(theirs),))):
        with pytest.raises(StoreError, match="'theirs'"):
            store.record("i1", [entry("fine"), bad])
    with pytest.raises(StoreError, match="'theirs'"):
        store.save_inspection(replace(INSPECTION, workspace="theirs"))
    with pytest.raises(StoreError, match="'theirs'"):
        store.add_members("i1", [(ImageRef("u", "1", "n", "n"), foreign.key)])
    assert list(store.results()) == []


def test_results_can_be_recorded_while_they_are_read(store: Store) -> None:
    store.record("i1", [entry(f"c{number}", status=Status.FAILED) for number in range(50)])
    seen = []
    for each in store.results():
        seen.append(each.key.capture_id)
        store.record("i1", [entry(each.key.capture_id)])
    assert seen == [f"c{number}" for number in range(50)]
    assert {each.status for each in store.results()} == {Status.DONE}


def test_one_of_many_threads_moves_a_finding(store: Store) -> None:
    answers: list[str] = []

    def record(number: int) -> None:
        answers.extend(store.record("i1", [Entry(result(f"c{number}"), (finding(),))]))

    threads = [threading.Thread(target=record, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["conflict"] * 7 + ["written"]
    assert len(list(store.results())) == 1
