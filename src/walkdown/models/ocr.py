"""Text on plates and labels, read on this machine: is it what should stand there?

Read by PP-OCR through the package ``rapidocr``, which brings its weights: nothing is downloaded.
What the text should be, and what is said where it is not, is `models.texts`.
"""

from __future__ import annotations

import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic import Field

from walkdown.errors import MissingExtra, ModelError
from walkdown.models.calling import Asking
from walkdown.models.cards import read_card
from walkdown.models.rules import Detected, pixels
from walkdown.models.texts import TextRule, judged_text
from walkdown.types import ModelInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from walkdown.models.artefact import Artefact
    from walkdown.types import Photo, Prediction

    Line = tuple[str, float, NDArray[np.float32]]
    """A text, how surely it was read, and the corners of its box: (4, 2) in px."""

    Read = Callable[[NDArray[np.uint8]], list[Line]]
    """Reads (H, W, 3) uint8 RGB, line by line."""

EXTRA: Final = "ocr"
_PACKAGE: Final = "rapidocr"
_MOST_SLENDER: Final = 12
"""The reader enlarges the shorter side: of something long and thin it would make very much."""


class OcrCard(TextRule):
    """The card of this kind: what should stand there, and the longer side that is read (px)."""

    look_px: int = Field(2000, ge=256, le=8192)


class Ocr:
    """The `Model` port by reading. One photograph is read at a time, with all cores."""

    def __init__(self, artefact: Artefact, *, label: str) -> None:
        self._card = read_card(OcrCard, artefact, label=label)
        if find_spec(_PACKAGE) is None:
            raise MissingExtra(EXTRA, f"a model of kind {artefact.kind!r}")
        self._label = label
        self._lock = threading.Lock()
        self._reader: Read | None = None
        self._info = ModelInfo(
            label,
            artefact.digest,
            max_batch=4,
            input_px=self._card.look_px,
            threshold=0.5,
            capabilities=frozenset({"verdict", "labels", "boxes"}),
        )

    @property
    def info(self) -> ModelInfo:
        """Inline; no network."""
        return self._info

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """What was read, and whether it is what should stand there."""
        return Asking(at_once=1).each(photos, self._look)

    def _look(self, photo: Photo) -> Prediction:
        height, width = photo.pixels.shape[:2]
        part = pixels(self._card.region or (0.0, 0.0, 1.0, 1.0), width_px=width, height_px=height)
        if part is None:
            raise ModelError(f"{self._label}: the region lies outside of the photograph")
        x, y, across, down = part
        if max(across, down) > _MOST_SLENDER * min(across, down):
            raise ModelError(
                f"{self._label} reads what is up to {_MOST_SLENDER} times as long as wide, not "
                f"{across} x {down} px: give it a region"
            )
        lines = self._read(photo.pixels[y : y + down, x : x + across])
        read = [_detected(line, (x, y), (width, height)) for line in lines]
        return judged_text(self._card, read, width_px=photo.width_px, height_px=photo.height_px)

    def _read(self, part: NDArray[np.uint8]) -> list[Line]:
        with self._lock:
            if self._reader is None:
                self._reader = _open(self._card.look_px)
            try:
                return self._reader(part)
            except Exception as e:  # another package may raise anything on an odd image
                raise ModelError(
                    f"{self._label} can't read this photograph: {type(e).__name__}: {e}"
                ) from e


def _open(look_px: int) -> Read:
    """Its weights are loaded at the first photograph."""
    from rapidocr import RapidOCR

    said: dict[str, Any] = {
        "Global.log_level": "critical",
        "Global.max_side_len": look_px,
        # What counts is the card's to say.
        "Global.text_score": 0.0,
    }
    # It gives one of several classes, by what it was asked for.
    engine: Any = RapidOCR(params=said)

    def read(part: NDArray[np.uint8]) -> list[Line]:
        found: Any = engine(np.ascontiguousarray(part[..., ::-1]))
        if found.txts is None or found.boxes is None:
            return []
        return list(zip(found.txts, map(float, found.scores), found.boxes, strict=True))

    return read


def _detected(line: Line, start: tuple[int, int], size: tuple[int, int]) -> Detected:
    """In shares of the whole photograph."""
    text, confidence, corners = line
    ends = np.clip(np.asarray(corners, np.float64) + start, 0, size) / size
    (left, top), (right, bottom) = ends.min(axis=0).tolist(), ends.max(axis=0).tolist()
    return Detected(text, confidence, (left, top, right - left, bottom - top))
