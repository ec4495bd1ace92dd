"""Asking a service: all are asked, in order, several at once, and each fails alone."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from walkdown.errors import ImageError, MissingExtra, ModelError
from walkdown.models.calling import AT_ONCE, Asking
from walkdown.types import Photo, Prediction, Verdict

PHOTOS = [Photo(np.full((1, 1, 3), i, np.uint8), 1, 1, str(i)) for i in range(12)]


def said(photo: Photo) -> Prediction:
    return Prediction(Verdict.NORMAL, 0.0, float(photo.content))


def test_each_has_its_answer_in_order_also_where_the_last_comes_first() -> None:
    def ask(photo: Photo) -> Prediction:
        time.sleep((12 - int(photo.content)) * 0.005)
        return said(photo)

    assert [p.raw_score for p in Asking().each(PHOTOS, ask)] == [float(i) for i in range(12)]
    assert Asking().each([], ask) == []
    assert Asking(at_once=1).each(PHOTOS[:3], said) == [said(p) for p in PHOTOS[:3]]


def test_so_many_are_under_way_at_once_and_no_more() -> None:
    under_way, most, lock = 0, 0, threading.Lock()
    all_there = threading.Barrier(3)

    def ask(photo: Photo) -> Prediction:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        all_there.wait(5)
        with lock:
            under_way -= 1
        return said(photo)

    Asking(at_once=3).each(PHOTOS, ask)
    assert most == 3 < AT_ONCE


@pytest.mark.parametrize("error", [ModelError("no"), ImageError("no"), MissingExtra("aws", "no")])
def test_one_that_fails_fails_alone(error: Exception) -> None:
    def ask(photo: Photo) -> Prediction:
        if photo.content == "1":
            raise error
        return said(photo)

    for asking in (Asking(), Asking(at_once=1)):
        found = asking.each(PHOTOS[:3], ask)
        assert [p.error for p in found] == [None, str(error), None]
        assert found[1].verdict is None


def test_what_nobody_has_thought_of_fails_its_photograph_alone_and_says_what_it_was() -> None:
    def ask(photo: Photo) -> Prediction:
        if photo.content == "1":
            raise OverflowError("too much")
        return said(photo)

    for asking in (Asking(), Asking(at_once=1)):
        found = asking.each(PHOTOS[:3], ask)
        assert [p.error for p in found] == [None, "OverflowError: too much", None]


def test_the_pace_is_kept_over_batches() -> None:
    asking = Asking(per_second=40.0)
    began = time.perf_counter()
    for _ in range(5):
        asking.each(PHOTOS, said)
    assert time.perf_counter() - began >= (60 - 40) / 40 * 0.9


def test_less_than_one_a_second_is_a_pace_too() -> None:
    asking = Asking(per_second=0.5)
    began = time.perf_counter()
    asking.each(PHOTOS[:2], said)
    assert time.perf_counter() - began >= 1.8
