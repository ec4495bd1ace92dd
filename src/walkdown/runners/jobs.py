"""Models that work by job: submitted, asked for, collected. Each becomes an ordinary `Model`.

`Waiting` does all three at once, where a process can wait. In a workflow the three happen in
different processes: `Submitting` and `Collecting` are given the same photos, and find each job
again by what is in them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from walkdown.errors import ModelError
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
class Submitting(_Wrapped):
    """Submits jobs and notes them in ``tokens``; what it predicts is of no use to anybody."""

    tokens: dict[str, str] = field(default_factory=dict)

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """Submit these photos, unless they were."""
        key = job_key(photos)
        if key not in self.tokens:
            self.tokens[key] = self.model.submit(photos)
        return [failed("submitted")] * len(photos)


@dataclass(frozen=True, slots=True)
class Collecting(_Wrapped):
    """Answers with what the jobs in ``tokens`` came to."""

    tokens: dict[str, str] = field(default_factory=dict)

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """The answers for photos that were submitted so. Raises `ModelError` for others."""
        token = self.tokens.get(job_key(photos))
        if token is None:
            raise ModelError(f"{self.info.label}: these images were not submitted; inspect again")
        return self.model.collect(token)
