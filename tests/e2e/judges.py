"""A kind of model for tests: judges by brightness, as its card says, and tells who asked.

Each look is noted in `LOOKS`, so that a test can say what was looked at and what was remembered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest

from walkdown import registry
from walkdown.app.context import App
from walkdown.clock import utc_now
from walkdown.models import artefact
from walkdown.models.artefact import Artefact, pack
from walkdown.pipeline.predictions import failed
from walkdown.types import HeatMap, ModelInfo, ModelVersion, Photo, Prediction, Region, Verdict

LOOKS: list[tuple[str, str]] = []
"""(label, content) of every look."""


class Judge:
    """Brightness against ``middle`` (0..255); other keys say what else it does.

    ``usd`` is charged for each look, ``says`` is its note, ``unusable`` the grey that it can't use,
    ``broken`` the grey on which it fails, ``most`` after how many looks someone presses Ctrl-C.
    """

    def __init__(self, made: Artefact, *, label: str) -> None:
        self._card = made.card
        usd = float(made.card.get("usd", 0.0))
        kind = made.card.get("work", "call" if usd else "inline")
        self.usd_per_unit_hour = float(made.card.get("usd_per_unit_hour", 0.0))
        self.info = ModelInfo(label, made.digest, kind, max_batch=4, usd_per_image=usd)

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        return [self._judged(photo) for photo in photos]

    def _judged(self, photo: Photo) -> Prediction:
        if len(LOOKS) >= self._card.get("most", 10**9):
            raise KeyboardInterrupt
        LOOKS.append((self.info.label, photo.content))
        grey, card = float(photo.pixels.mean()), self._card
        usd = card.get("usd")
        if round(grey) == card.get("broken"):
            return failed("it broke on this one")
        score = min(1.0, 0.5 * grey / card["middle"])
        verdict = Verdict.ANOMALY if score >= 0.5 else Verdict.NORMAL
        if round(grey) == card.get("unusable"):
            verdict = Verdict.UNUSABLE
        whole = Region((0, 0, photo.width_px, photo.height_px), 100.0, score)
        return Prediction(
            verdict,
            score,
            grey,
            regions=(whole,) if verdict is Verdict.ANOMALY else (),
            heatmap=HeatMap(np.full((1, 1), score, np.float32), photo.width_px, photo.height_px),
            note=card.get("says"),
            cost_usd=usd,
        )


@contextmanager
def known(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """The kind ``judge`` is known, and nobody has looked yet."""
    LOOKS.clear()
    patch.setitem(registry.BUILT_IN, "judge", ("tests.e2e.judges:Judge", None))
    yield


def add_judge(app: App, name: str, **card: object) -> ModelVersion:
    """Register a judge as the next version of a name, and make it live."""
    made = pack("judge", {"middle": 127.5, **card}, {})
    artefact.save(made, app.blobs)
    return app.versions.add(ModelVersion(name, 0, made.digest, utc_now(), "test", ("live",)))


def looks(label: str) -> int:
    """How often a version has looked."""
    return sum(each == label for each, _ in LOOKS)
