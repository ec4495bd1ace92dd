"""No more calls than a service wants: counted on a clock that the test turns."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from walkdown.sdk.pace import Pace


class Clock:
    """Seconds that pass only when someone sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def turns(pace: Pace, clock: Clock, count: int) -> list[float]:
    found = []
    for _ in range(count):
        pace.wait()
        found.append(round(clock.now - 100.0, 6))
    return found


def test_calls_come_evenly() -> None:
    clock = Clock()
    pace = Pace(4, clock=clock, sleep=clock.sleep)
    assert turns(pace, clock, 4) == [0.0, 0.25, 0.5, 0.75]


def test_so_many_may_come_at_once_and_then_evenly() -> None:
    clock = Clock()
    pace = Pace(2, burst=3, clock=clock, sleep=clock.sleep)
    assert turns(pace, clock, 5) == [0.0, 0.0, 0.0, 0.5, 1.0]


def test_a_rest_earns_the_burst_again_and_no_more() -> None:
    clock = Clock()
    pace = Pace(2, burst=3, clock=clock, sleep=clock.sleep)
    turns(pace, clock, 5)
    clock.now = 1100.0
    assert turns(pace, clock, 5) == [1000.0, 1000.0, 1000.0, 1000.5, 1001.0]


def test_who_comes_slowly_never_waits() -> None:
    clock = Clock()
    pace = Pace(1, clock=clock, sleep=clock.sleep)
    for _ in range(5):
        pace.wait()
        clock.now += 1.5
    assert clock.slept == []


@given(st.floats(0.5, 50), st.integers(1, 10), st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_no_second_ever_has_more_than_its_share(
    per_second: float, burst: int, pauses: list[float]
) -> None:
    clock = Clock()
    pace = Pace(per_second, burst=burst, clock=clock, sleep=clock.sleep)
    at = []
    for pause in pauses:
        clock.now += pause
        pace.wait()
        at.append(clock.now)
    for first, began in enumerate(at):
        for last in range(first, len(at)):
            allowed = burst + (at[last] - began) * per_second
            assert last - first + 1 <= allowed + 1e-6


def test_threads_share_one_pace() -> None:
    slept, lock = [], threading.Lock()

    def sleep(seconds: float) -> None:
        with lock:
            slept.append(seconds)

    pace = Pace(10, clock=lambda: 5.0, sleep=sleep)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: pace.wait(), range(20)))
    assert sorted(round(s, 6) for s in slept) == [round(0.1 * i, 6) for i in range(1, 20)]


def test_waiting_does_not_hold_up_others() -> None:
    """One that sleeps must not keep the lock: the next may have to be told its turn meanwhile."""
    pace = Pace(0.5, burst=1, sleep=lambda _: time.sleep(0.2))
    pace.wait()
    began = time.perf_counter()
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: pace.wait(), range(5)))
    assert time.perf_counter() - began < 0.8


@pytest.mark.parametrize(("per_second", "burst"), [(0, 1), (-1, 1), (1, 0), (float("nan"), 1)])
def test_nonsense_is_refused(per_second: float, burst: int) -> None:
    with pytest.raises(ValueError, match="calls a second"):
        Pace(per_second, burst=burst)
