"""Models that work by job, where a process waits and where three processes share the work."""

from __future__ import annotations

import numpy as np
import pytest

from walkdown.errors import ModelError
from walkdown.models.fake import Fake, fake_artefact
from walkdown.models.fake_job import FakeJob, fake_job_artefact
from walkdown.runners.jobs import Collecting, Submitting, runnable
from walkdown.types import Photo


def photo(brightness: int, content: str) -> Photo:
    return Photo(np.full((4, 6, 3), brightness, np.uint8), 6, 4, content)


PHOTOS = [photo(20, "dark"), photo(240, "bright")]


class Clock:
    """Time passes by sleeping alone."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def service(clock: Clock, *, seconds: float = 12.0) -> FakeJob:
    return FakeJob(fake_job_artefact(seconds=seconds), label="slow@1", clock=clock)


def test_a_job_is_waited_for() -> None:
    clock = Clock()
    model = runnable(service(clock), sleep=clock.sleep)
    at_once = Fake(fake_artefact(), label="fake@1")
    assert model.predict(PHOTOS) == at_once.predict(PHOTOS)
    assert clock.now >= 12
    assert runnable(at_once) is at_once


def test_what_was_submitted_is_collected_elsewhere() -> None:
    clock = Clock()
    submitting = Submitting(service(clock))
    submitting.predict(PHOTOS)
    submitting.predict(PHOTOS[:1])
    first = dict(submitting.jobs)
    submitting.predict(PHOTOS)
    assert submitting.jobs == first, "the same photos are one job"
    assert len(first) == 2

    elsewhere = Collecting(service(clock), first)
    with pytest.raises(ModelError, match="not done yet"):
        elsewhere.predict(PHOTOS)
    clock.sleep(12)
    assert [p.verdict for p in elsewhere.predict(PHOTOS)] == ["normal", "anomaly"]
    assert [p.verdict for p in elsewhere.predict(PHOTOS[::-1])] == ["anomaly", "normal"]
    (other,) = elsewhere.predict([photo(9, "other")])
    assert "was not asked about it" in (other.error or "")


def test_a_lost_job_is_told() -> None:
    with pytest.raises(ModelError, match="no such job"):
        service(Clock()).ready("nonsense")
