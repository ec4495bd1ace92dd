"""What arrives becomes inspections, once each; what a budget has no room for waits, and goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from walkdown.app.context import App
from walkdown.app.deployed import publish, read_deployed
from walkdown.app.intake import Arrival, Taken, resume_waiting, take_in
from walkdown.app.waiting import waiting
from walkdown.errors import StoreError
from walkdown.models import artefact
from walkdown.models.fake import Fake, fake_artefact
from walkdown.pipeline.budget import Charge
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
            blobs=MemoryBlobs(), records=records, predictions=records, outbox=records,
            versions=records, spending=records, analytics=nothing, clock=lambda: self.now,
            sources=nothing, notifiers=nothing, open_model=nothing, open_step=nothing, origins={},
            close=nothing, original=nothing,
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
            charge=Charge(0.0, CENT),
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

    def resume(self) -> list[tuple[str, int]]:
        """Which inspections began, and of how many images."""
        found = list(resume_waiting(self.app, self.workflows))
        assert not any(one.waits or one.error for one in found)
        return [(one.by or "", one.images) for one in found]

    def waits(self) -> int:
        return sum(one.images for one in waiting(self.app.blobs))

    def unfinished(self) -> set[str]:
        return {each.id for each in self.app.records.inspections() if not each.finished_at}


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


def test_without_room_in_the_budget_photographs_wait_and_it_is_said() -> None:
    place = Place(budget=0.03)
    assert place.arrive("a.jpg", "b.jpg").waiting == 0
    held = place.arrive("c.jpg", "d.jpg")
    assert (held.new, held.waiting, held.failed) == (2, 2, ())
    (words,) = held.errors
    assert "2 images wait: they would cost $0.020, and $0.020 of this month's $0.030" in words
    assert set(place.workflows.started) == place.unfinished()
    (one,) = waiting(place.app.blobs)
    assert (one.pipeline, one.images, one.cost) == ("cells", 2, 20_000)


def test_what_arrives_later_overtakes_nothing() -> None:
    place = Place(budget=0.03)
    place.arrive("a.jpg", "b.jpg")
    place.arrive("c.jpg", "d.jpg")
    assert place.arrive("e.jpg").waiting == 1, "though it would fit"
    place.now = JUNE
    assert [images for _, images in place.resume()] == [2, 1]


def test_what_costs_more_than_a_month_holds_up_nothing_else() -> None:
    place = Place(budget=0.03)
    assert place.arrive("a.jpg", "b.jpg", "c.jpg", "d.jpg").waiting == 4
    assert place.arrive("e.jpg").waiting == 0
    place.now = JUNE
    assert place.resume() == []
    assert place.waits() == 4


def test_events_that_come_twice_cost_the_budget_once_and_wait_once() -> None:
    place = Place(budget=0.03)
    for _ in range(3):
        assert place.arrive("a.jpg", "b.jpg").waiting == 0
        assert place.arrive("c.jpg", "d.jpg").waiting == 2
    assert place.app.spending.spent("cells", "2026-05") == 20_000
    assert place.waits() == 2


def test_what_runs_over_the_end_of_a_month_is_paid_for() -> None:
    place = Place(budget=0.03)
    place.arrive("a.jpg", "b.jpg")
    arrived, place.now = place.now, JUNE
    again = Arrival("m-a.jpg", "bucket", "cells/a.jpg", "v1", "etag", 100, arrived)
    other = replace(again, message="m-b.jpg", key="cells/b.jpg")
    assert take_in(place.app, place.workflows, [again, other], actor="ada").waiting == 0
    assert place.app.spending.spent("cells", "2026-06") == 0
    assert len(place.workflows.started) == 1


def test_what_waits_goes_on_in_the_next_month() -> None:
    place = Place(budget=0.02)
    place.arrive("a.jpg")
    place.arrive("b.jpg", "c.jpg")
    assert place.resume() == []
    place.now = JUNE
    ((begun, images),) = place.resume()
    assert images == place.workflows.started[begun]["images"] == 2
    assert place.resume() == []
    assert place.waits() == 0
    assert place.app.spending.spent("cells", "2026-06") == 20_000


@pytest.mark.parametrize("budget", [5.0, None])
def test_what_waits_goes_on_when_the_budget_is_raised_or_taken_out(budget: float | None) -> None:
    place = Place(budget=0.01)
    place.arrive("b.jpg", "c.jpg")
    place.arrive("d.jpg", "e.jpg")
    place.deploy(budget=budget, salt="dear")
    assert [images for _, images in place.resume()] == [2, 2]
    assert place.unfinished() == set(place.workflows.started)
    deployed = read_deployed(place.workflows.pipelines[0].plan_key, place.app.blobs)
    plans = {e.id: e.plan_digest for e in place.app.records.inspections()}
    assert {plans[name] for name in place.workflows.started} == {deployed.plan().digest}


def test_what_waits_outlives_the_files_of_running_inspections() -> None:
    place = Place(budget=0.01)
    place.arrive("b.jpg", "c.jpg")
    for key in list(place.app.blobs.list("work/")):
        place.app.blobs.delete(key)
    place.now = JUNE
    place.deploy(budget=0.02)
    assert [images for _, images in place.resume()] == [2]


def test_what_waits_for_a_pipeline_that_is_removed_is_kept() -> None:
    place = Place(budget=0.01)
    place.arrive("b.jpg", "c.jpg")
    pipelines, place.workflows.pipelines = place.workflows.pipelines, []
    assert place.resume() == []
    place.workflows.pipelines = pipelines
    assert place.waits() == 2


def test_a_pipeline_that_cannot_go_on_keeps_no_other_from_it() -> None:
    place = Place(budget=0.01)
    place.arrive("b.jpg", "c.jpg")
    place.deploy(budget=5.0)
    broken = replace(place.workflows.pipelines[0], machine="broken", name="broken")
    place.workflows.broken.add("broken")
    place.workflows.pipelines.insert(0, broken)
    found = list(resume_waiting(place.app, place.workflows))
    assert [one.error for one in found] == ["Step Functions does not answer", None]
    assert (found[1].images, place.waits()) == (2, 0)
