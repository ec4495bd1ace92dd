"""What every store of what budgets have spent keeps to."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from walkdown.ports import Spending

MAY, JUNE = "2026-05", "2026-06"


def test_what_fits_is_taken_and_what_does_not_takes_nothing(store: Spending) -> None:
    assert store.spent("cells", MAY) == 0
    assert store.reserve("cells", MAY, "i1", amount=60, limit=100)
    assert not store.reserve("cells", MAY, "i2", amount=41, limit=100)
    assert store.spent("cells", MAY) == 60
    assert store.reserve("cells", MAY, "i3", amount=40, limit=100)
    assert store.spent("cells", MAY) == 100


def test_an_inspection_takes_once(store: Spending) -> None:
    for _ in range(3):
        assert store.reserve("cells", MAY, "i1", amount=60, limit=100)
    assert store.spent("cells", MAY) == 60
    assert store.reserve("cells", MAY, "i1", amount=60, limit=10), "what it has, it keeps"


def test_months_and_pipelines_are_apart(store: Spending) -> None:
    places = [("cells", MAY, "i1"), ("cells", JUNE, "i2"), ("poles", MAY, "i1"), ("c#x", MAY, "i1")]
    for pipeline, month, inspection in places:
        assert store.reserve(pipeline, month, inspection, amount=100, limit=100)
        assert store.spent(pipeline, month) == 100


def test_what_took_of_one_month_takes_nothing_of_the_next(store: Spending) -> None:
    """It is asked again after midnight while it runs."""
    assert store.reserve("cells", MAY, "i1", amount=60, limit=100)
    assert store.reserve("cells", JUNE, "i1", amount=60, limit=100)
    assert store.spent("cells", JUNE) == 0


def test_a_raised_limit_lets_more_in(store: Spending) -> None:
    assert not store.reserve("cells", MAY, "i1", amount=60, limit=50)
    assert store.reserve("cells", MAY, "i1", amount=60, limit=70)


def test_however_many_ask_at_once_they_stay_within_it(store: Spending) -> None:
    taken: list[bool] = []

    def ask(number: int) -> None:
        taken.append(store.reserve("cells", MAY, f"i{number}", amount=10, limit=35))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 3
    assert store.spent("cells", MAY) == 30
