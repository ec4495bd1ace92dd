"""Models that work by job: submitted, asked for, collected. Each becomes an ordinary `Model`.

`Waiting` does all three at once, where a process can wait. In a workflow the three happen in
different processes: `Submitting` notes which photos went into which job, and `Collecting` finds
them there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from walkdown.pipeline.predictions import failed
from walkdown.types import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from walkdown.ports import JobModel, Model
    from walkdown.types import ModelInfo, Photo, Prediction

POLL_S = 5.0


def runnable(model: Model | JobModel, *, sleep: Callable[[float], None] = time.sleep) -> Model:
    """The model as something that answers at once, or after waiting for its jobs."""
    if model.info.kind != "job":
        return cast("Model", model)
    return Waiting(cast("JobModel", model), sleep)


def job_key(photos: Sequence[Photo]) -> str:
    """What a job is known by: the content of its photos, in order."""
    return digest_of("job", [photo.content for photo in photos])[:32]


@dataclass(frozen=True, slots=True)
class _Wrapped:
    model: JobModel

    @property
    def info(self) -> ModelInfo:
        """The model's own."""
        return self.model.info

    @property
    def knows_keep(self) -> bool:
        """The model's own."""
        return bool(getattr(self.model, "knows_keep", False))


@dataclass(frozen=True, slots=True)
class Waiting(_Wrapped):
    """Submits a job and waits for it."""

    sleep: Callable[[float], None]

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """As `Model.predict`; takes as long as the job does."""
        token = self.model.submit(photos)
        while not self.model.ready(token):
            self.sleep(POLL_S)
        return self.model.collect(token)


@dataclass(frozen=True, slots=True)
class Job:
    """A submitted job: how its service knows it, and the content of its photos in order."""

    token: str
    photos: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Submitting(_Wrapped):
    """Submits jobs and notes them in ``jobs``; what it predicts is of no use to anybody."""

    jobs: dict[str, Job] = field(default_factory=dict)

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """Submit these photos, unless they were."""
        key = job_key(photos)
        if key not in self.jobs:
            contents = tuple(photo.content for photo in photos)
            self.jobs[key] = Job(self.model.submit(photos), contents)
        return [failed("submitted")] * len(photos)


@dataclass(frozen=True, slots=True)
class Collecting(_Wrapped):
    """Answers with what ``jobs`` came to, photo by photo: their groups may be others by now."""

    jobs: dict[str, Job] = field(default_factory=dict)
    said: dict[str, list[Prediction]] = field(default_factory=dict)

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """The answers for photos that were submitted; of others, that they were not."""
        places = {
            content: (job.token, at)
            for job in self.jobs.values()
            for at, content in enumerate(job.photos)
        }
        return [self._of(places.get(photo.content)) for photo in photos]

    def _of(self, place: tuple[str, int] | None) -> Prediction:
        if place is None:
            return failed(f"{self.info.label} was not asked about it; inspect again")
        token, at = place
        if token not in self.said:
            self.said[token] = self.model.collect(token)
        answers = self.said[token]
        return answers[at] if at < len(answers) else failed(f"job {token[:40]} left it out")
