import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from walkdown.parallel import ordered_groups, ordered_map


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    def slow_at_first(item: int) -> int:
        time.sleep(0.005 if item % 3 == 0 else 0)
        return item * item

    assert list(ordered_map(slow_at_first, range(20), workers=workers)) == [
        i * i for i in range(20)
    ]


def test_no_items_no_results() -> None:
    assert list(ordered_map(str, [], workers=3)) == []


def test_items_are_taken_only_as_far_ahead_as_the_workers_need() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for i in range(100):
            taken.append(i)
            yield i

    results = ordered_map(str, items(), workers=2)
    for done in range(1, 11):
        next(results)
        assert len(taken) <= done + 3
    assert list(results)[-1] == "99"


def test_an_error_comes_at_its_place_and_the_rest_is_dropped() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 3:
            raise ValueError("number three")
        return item

    results = ordered_map(work, range(1000), workers=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="number three"):
        next(results)
    assert len(begun) < 12


def test_an_error_of_the_items_is_not_swallowed() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(ordered_map(str, items(), workers=2))


def test_the_work_happens_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=10)
    assert list(ordered_map(lambda _: together.wait() >= 0, range(3), workers=3)) == [True] * 3


def test_whoever_stops_reading_leaves_no_thread_behind() -> None:
    results = ordered_map(str, range(1000), workers=2)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name.startswith("walkdown")]


def test_groups_are_in_order_and_of_the_size_that_was_asked_for() -> None:
    groups = list(ordered_groups(str, range(10), workers=3, most=4, hold_s=60))
    assert groups == [["0", "1", "2", "3"], ["4", "5", "6", "7"], ["8", "9"]]


def test_a_result_does_not_wait_for_a_slow_one_after_it() -> None:
    """Its group is there while the next item is still worked on."""
    go_on = threading.Event()

    def work(item: int) -> int:
        if item:
            assert go_on.wait(timeout=30)
        return item

    groups = ordered_groups(work, range(3), workers=1, most=10, hold_s=0.01)
    assert next(groups) == [0]
    go_on.set()
    assert [item for group in groups for item in group] == [1, 2]


def test_a_full_time_ends_a_group_even_where_more_is_ready() -> None:
    now = itertools.count()
    groups = ordered_groups(
        str, range(6), workers=2, most=100, hold_s=3.5, clock=lambda: float(next(now))
    )
    sizes = [len(group) for group in groups]
    assert sum(sizes) == 6
    assert max(sizes) < 4


def test_results_before_an_error_are_not_lost_with_it() -> None:
    def work(item: int) -> int:
        if item == 3:
            raise ValueError("the fourth")
        return item

    groups = ordered_groups(work, range(100), workers=2, most=10, hold_s=60)
    assert next(groups) == [0, 1, 2]
    with pytest.raises(ValueError, match="the fourth"):
        next(groups)
