"""What arrives becomes inspections, once each; what a budget has no room for waits, and goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from walkdown.app.context import App
from walkdown.app.deployed import publish
from walkdown.app.intake import Arrival, Taken, resume_waiting, take_in
from walkdown.app.waiting import waiting
from walkdown.errors import StoreError
from walkdown.models import artefact
from walkdown.models.fake import Fake, fake_artefact
from walkdown.runners.executions import Deployment
from walkdown.runners.stepfunctions import Shape
from walkdown.spec import BudgetSpec, PipelineSpec, Settings, StageSpec
from walkdown.stores.memory import MemoryBlobs, MemoryRecords

MAY = datetime(2026, 5, 31, 23, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, 1, tzinfo=UTC)
CENT = 0.01
"""What an image costs here."""


class Workflows:
    """The pipelines of a stack, and the executions that were started."""

    def __init__(self) -> None:
        self.pipelines: list[Deployment] = []
        self.started: dict[str, Mapping[str, Any]] = {}
        self.broken: set[str] = set()

    def deployments(self) -> list[Deployment]:
        return self.pipelines

    def start(self, machine: str, name: str, given: Mapping[str, Any]) -> str:
        if machine in self.broken:
            raise StoreError("Step Functions does not answer")
        assert self.started.setdefault(name, given) == given
        return name


class Place:
    """A stack in memory with one pipeline, ``cells``."""

    def __init__(self, budget: float | None = None) -> None:
        self.now = MAY
        records = MemoryRecords(workspace="w")
        nothing: Any = None
        self.app = App(
            home=Path("unused"), place="aws://s", settings=Settings(workspace="w", actor="ada"),
            blobs=MemoryBlobs(), records=records, outbox=records, versions=records,
            spending=records, analytics=nothing, clock=lambda: self.now, sources=nothing,
            notifiers=nothing, open_model=nothing, origins={}, close=nothing, original=nothing,
        )  # fmt: skip
        self.workflows: Any = Workflows()
        self.deploy(budget)

    def deploy(self, budget: float | None, salt: str = "cheap") -> None:
        model = fake_artefact(salt=salt)
        artefact.save(model, self.app.blobs)
        limit = BudgetSpec(usd_per_month=budget) if budget else None
        spec = PipelineSpec(
            name="cells", stages=(StageSpec(name="screen", model="m"),), budget=limit
        )
        deployed = publish(
            spec,
            {"m": Fake(model, label="m@1").info},
            prefix="cells/",
            shape=Shape({stage.name: 10 for stage in spec.stages}, 5, 10),
            usd_per_image=CENT,
            here=self.app.blobs,
            there=self.app.blobs,
        )
        self.workflows.pipelines = [Deployment("cells", "cells/", "machine", deployed.key)]

    def arrive(self, *names: str) -> Taken:
        arrivals = [
            Arrival(f"m-{name}", "bucket", f"cells/{name}", "v1", "etag", 100, self.now)
            for name in names
        ]
        return take_in(self.app, self.workflows, arrivals, actor="ada")

    def resume(self) -> list[tuple[str, bool]]:
        """Which inspections went on, and whether they wait still."""
        found = list(resume_waiting(self.app, self.workflows))
        return [(one.by or "", one.waits is not None) for one in found]


def test_the_same_arrivals_start_one_inspection() -> None:
    place = Place()
    first, second = place.arrive("a.jpg", "b.jpg"), place.arrive("b.jpg", "a.jpg")
    assert first.inspections == second.inspections
    assert (first.new, first.waiting, first.failed) == (2, 0, ())
    assert len(place.workflows.started) == len(place.app.records.inspections()) == 1


def test_what_no_pipeline_takes_is_counted_and_a_broken_start_comes_again() -> None:
    place = Place()
    odd = Arrival("m", "bucket", "elsewhere/a.jpg", "v1", "etag", 100, MAY)
    empty = replace(odd, key="cells/empty.jpg", size_bytes=0)
    assert take_in(place.app, place.workflows, [odd, empty], actor="ada").unrouted == 2
    place.workflows.broken.add("machine")
    taken = place.arrive("a.jpg")
    assert taken.failed == ("m-a.jpg",)
    assert taken.errors == ("cells: Step Functions does not answer",)


def test_without_room_in_the_budget_an_inspection_waits_and_says_so() -> None:
    place = Place(budget=0.03)
    assert place.arrive("a.jpg", "b.jpg").waiting == 0
    held = place.arrive("c.jpg", "d.jpg")
    assert (held.new, held.waiting, held.failed) == (2, 2, ())
    (words,) = held.errors
    assert "2 images wait: they cost about $0.02, and $0.02 of this month's $0.03" in words
    assert len(place.workflows.started) == 1
    (one,) = waiting(place.app.blobs)
    assert (one.pipeline, one.images, one.cost) == ("cells", 2, 20_000)
    assert place.arrive("e.jpg").waiting == 0, "what still fits, goes on"


def test_events_that_come_twice_cost_the_budget_once() -> None:
    place = Place(budget=0.03)
    for _ in range(3):
        assert place.arrive("a.jpg", "b.jpg").waiting == 0
    assert place.app.spending.spent("cells", "2026-05") == 20_000


def test_what_waits_goes_on_in_the_next_month() -> None:
    place = Place(budget=0.02)
    place.arrive("a.jpg")
    (held,) = place.arrive("b.jpg", "c.jpg").inspections
    assert place.resume() == [(held, True)]
    place.now = JUNE
    assert place.resume() == [(held, False)]
    assert held in place.workflows.started
    assert place.workflows.started[held]["images"] == 2
    assert place.resume() == []
    assert place.app.spending.spent("cells", "2026-06") == 20_000


def test_what_waits_goes_on_when_the_budget_is_raised() -> None:
    place = Place(budget=0.01)
    (held,) = place.arrive("b.jpg", "c.jpg").inspections
    place.deploy(budget=5.0)
    assert place.resume() == [(held, False)]
    assert list(waiting(place.app.blobs)) == []


def test_what_waits_is_inspected_by_the_pipeline_as_it_is_by_then() -> None:
    place = Place(budget=0.01)
    (held,) = place.arrive("b.jpg", "c.jpg").inspections
    place.deploy(budget=5.0, salt="dear")
    ((by, waits),) = place.resume()
    assert by != held
    assert not waits
    assert list(place.workflows.started) == [by]
    closed = {each.id for each in place.app.records.inspections() if each.finished_at}
    assert closed == {held}


def test_another_pipeline_that_still_has_no_room_keeps_one_note() -> None:
    place = Place(budget=0.01)
    place.arrive("b.jpg", "c.jpg")
    place.deploy(budget=0.015, salt="dear")
    ((by, waits),) = place.resume()
    assert waits
    assert [one.inspection for one in waiting(place.app.blobs)] == [by]
    assert place.workflows.started == {}


@pytest.mark.parametrize("removed", [True, False])
def test_what_cannot_go_on_is_kept_or_named(removed: bool) -> None:
    place = Place(budget=0.01)
    (held,) = place.arrive("b.jpg", "c.jpg").inspections
    if removed:
        place.workflows.pipelines = []
        assert place.resume() == []
        assert len(list(waiting(place.app.blobs))) == 1
        return
    for key in list(place.app.blobs.list(f"work/{held}/")):
        place.app.blobs.delete(key)
    (one,) = resume_waiting(place.app, place.workflows)
    assert (one.old, one.gone) == (held, True)
    assert list(waiting(place.app.blobs)) == []
