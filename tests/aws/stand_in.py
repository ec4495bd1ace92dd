"""A kind of model as another package would bring it: what it suffers is told by the photograph.

It scores by brightness, as the shipped fake does. The width of a photograph says what looking at it
does to the process. Of the folder ``doors`` in the card, the file ``shut`` makes the model refuse
for as long as it exists, and the file ``wait`` makes it wait.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from walkdown.errors import ModelError
from walkdown.models.fake import Fake

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.models.artefact import Artefact
    from walkdown.types import ModelInfo, Photo, Prediction

KIND = "stand_in"
PLAIN, ENDS, HANGS, SWELLS = 16, 17, 18, 19
"""Widths in pixels: nothing happens, the process ends, never answers, takes all memory."""

PIECE_BYTES = 1 << 24


class StandIn:
    """The `Model` port by brightness, for as long as the process lives."""

    def __init__(self, artefact: Artefact, *, label: str) -> None:
        self._fake = Fake(artefact, label=label)
        self._doors = Path(artefact.card["doors"])

    @property
    def info(self) -> ModelInfo:
        """That of the fake."""
        return self._fake.info

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """Brightness as score, unless a photograph prevents it."""
        while (self._doors / "wait").exists():
            time.sleep(0.05)
        if (self._doors / "shut").exists():
            raise ModelError("the service does not answer")
        for photo in photos:
            _suffer(photo.width_px)
        return self._fake.predict(photos)


def _suffer(width_px: int) -> None:
    if width_px == ENDS:
        os._exit(3)
    if width_px == HANGS:
        time.sleep(3600)
    held = []
    while width_px == SWELLS:
        held.append(b"\1" * PIECE_BYTES)
