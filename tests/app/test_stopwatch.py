"""Steps of an inspection are told apart by the calls of ports, and by what lies between them."""

from __future__ import annotations

import threading

import pytest

from walkdown.app import stopwatch
from walkdown.app.stopwatch import Stopwatch


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> None:
        self.now += seconds


def test_what_follows_a_read_is_decoding_and_what_follows_the_model_is_its_heat_map() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    read, look = watch.timed("read", clock.work), watch.timed("model", clock.work)
    read(1.0)
    clock.work(10.0)
    look(2.0)
    clock.work(20.0)
    watch.timed("record", clock.work)(4.0)
    clock.work(40.0)
    read(0.5)
    told = {step: watch.seconds(step) for step in stopwatch.STEPS}
    assert told == {
        "read": 1.5, "decode": 10.0, "model": 2.0, "heat map": 20.0, "record": 4.0,
        "everything else": 40.0, "copy of the image": 0.0, "lake and alerts": 0.0,
    }  # fmt: skip
    assert watch.total() == pytest.approx(77.5)


def test_a_call_that_fails_is_counted_and_its_error_comes_through() -> None:
    clock = Clock()
    watch = Stopwatch(clock)

    def fail() -> None:
        clock.work(3.0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        watch.timed("read", fail)()
    assert watch.seconds("read") == 3.0


def test_what_one_thread_does_after_another_ones_call_is_not_between_them() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    read = watch.timed("read", clock.work)
    thread = threading.Thread(target=read, args=(1.0,))
    thread.start()
    thread.join()
    clock.work(100.0)
    read(1.0)
    assert watch.seconds("decode") == 0.0
    assert watch.total() == 2.0
