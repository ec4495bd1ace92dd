"""The model of `fake`, as a service that works by job: what a token says is ready after a while.

The service is the token itself, which holds the photos' brightness and when it may be asked for: no
state is left anywhere, so that any process can collect what another has submitted.
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from walkdown.errors import ModelError
from walkdown.models.artefact import Artefact, pack
from walkdown.models.fake import Fake, judged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from walkdown.types import ModelInfo, Photo, Prediction

KIND = "fake_job"


def fake_job_artefact(*, seconds: float = 1.0, salt: str = "") -> Artefact:
    """An artefact of this kind, whose jobs take so long."""
    return pack(KIND, {"seconds": seconds, "salt": salt}, {})


class FakeJob:
    """The `JobModel` port by brightness."""

    def __init__(
        self, artefact: Artefact, *, label: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._info = replace(Fake(artefact, label=label).info, kind="job")
        self._seconds = float(artefact.card["seconds"])
        self._clock = clock

    @property
    def info(self) -> ModelInfo:
        """By job; small batches, so that splitting is exercised."""
        return self._info

    def submit(self, photos: Sequence[Photo]) -> str:
        """A token that is ready after the artefact's seconds."""
        seen = [(float(p.pixels.mean()), p.width_px, p.height_px) for p in photos]
        text = json.dumps({"due": self._clock() + self._seconds, "seen": seen})
        return base64.urlsafe_b64encode(text.encode()).decode()

    def ready(self, token: str) -> bool:
        """Whether its time has come."""
        return self._clock() >= _read(token).due

    def collect(self, token: str) -> list[Prediction]:
        """What brightness says of each photo."""
        if not self.ready(token):
            raise ModelError(f"{self._info.label}: the job is not done yet")
        return [judged(*seen) for seen in _read(token).seen]


@dataclass(frozen=True, slots=True)
class _Job:
    due: float
    seen: tuple[tuple[float, int, int], ...]


def _read(token: str) -> _Job:
    try:
        value = json.loads(base64.urlsafe_b64decode(token))
        seen = tuple((float(raw), int(width), int(height)) for raw, width, height in value["seen"])
        return _Job(float(value["due"]), seen)
    except (ValueError, KeyError, TypeError) as e:
        raise ModelError("there is no such job") from e
