"""What a stage's service may cost in a month."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from walkdown.app.context import App
from walkdown.app.stage_budgets import refusing
from walkdown.errors import StoreError
from walkdown.pipeline.plan import Stage
from walkdown.stores.memory import MemoryRecords
from walkdown.types import ModelInfo

MAY = datetime(2026, 5, 31, 23, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, 1, tzinfo=UTC)
STAGE = Stage("confirm", ModelInfo("dear@1", "d", usd_per_image=0.5), usd_per_month=1.2)


class Place:
    """The two parts of a workspace that are asked."""

    def __init__(self) -> None:
        self.spending = MemoryRecords(workspace="w")
        self.now = MAY

    def clock(self) -> datetime:
        return self.now


def app(place: Place) -> App:
    return cast("App", cast("Any", place))


def test_a_look_is_paid_once_until_the_month_is_spent() -> None:
    place = Place()
    refuse = refusing(app(place), "poles", "i1")
    assert refuse(STAGE, 0.5, "a") is None
    assert refuse(STAGE, 0.5, "a") is None
    assert refuse(STAGE, 0.5, "b") is None
    why = refuse(STAGE, 0.5, "c")
    assert why is not None
    assert why.startswith("its budget of $1.2 for this month is spent; raise ")
    assert refuse(STAGE, 0.2, "d") is None
    place.now = JUNE
    assert refuse(STAGE, 0.5, "c") is None


def test_what_is_tried_again_was_paid_and_what_is_asked_for_again_was_not() -> None:
    place = Place()
    assert refusing(app(place), "poles", "i1")(STAGE, 0.7, "a") is None
    assert refusing(app(place), "poles", "i2")(STAGE, 0.7, "a") is None
    assert refusing(app(place), "poles", "i3", run=1)(STAGE, 0.7, "a") is not None
    assert refusing(app(place), "masts", "i2")(STAGE, 0.7, "b") is None


def test_a_store_that_does_not_answer_refuses_and_loses_nothing() -> None:
    class Down(MemoryRecords):
        def reserve(self, *args: object, **more: object) -> bool:
            raise StoreError("the table does not answer")

    place = Place()
    place.spending = Down(workspace="w")
    why = refusing(app(place), "poles", "i1")(STAGE, 0.7, "a")
    assert why == "its budget can't be asked: the table does not answer"


def test_a_stage_without_a_budget_is_never_refused() -> None:
    free = Stage("look", ModelInfo("cheap@1", "c"))
    assert refusing(app(Place()), "poles", "i1")(free, 1e9, "a") is None
