import threading
import time
from collections.abc import Iterator

import pytest

from walkdown.parallel import ordered_map


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
