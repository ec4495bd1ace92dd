"""The memory bank at work: one ONNX graph from RGB bytes to patch distances, and their reading.

The graph holds backbone, projection and bank, so that a score is the same wherever it runs. It
looks at one image at a time: a batch of other images can't change a score, and memory stays flat.
After PatchCore: Roth et al., Towards Total Recall in Industrial Anomaly Detection, CVPR 2022.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import onnxruntime as ort

from walkdown.errors import ArtefactError
from walkdown.evaluate import scores
from walkdown.imaging.regions import regions
from walkdown.imaging.resize import resize
from walkdown.types import HeatMap, ModelInfo, Photo, Prediction, Region, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from walkdown.models.artefact import Artefact


class Session(Protocol):
    """The part of onnxruntime's session that is used here."""

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]
    ) -> list[NDArray[np.float32]]:
        """Run the graph; thread-safe."""


KIND = "memory_bank"
GRAPH = "model.onnx"
EDGE = 0.3
"""The score down to which a region is drawn around a place that passes the threshold."""


@dataclass(frozen=True, slots=True)
class InputSize:
    """How an image is scaled: longest side to ``long_side_px``, both sides to multiples.

    Raises ValueError for sizes that are not whole numbers above 0, the longest side a multiple.
    """

    long_side_px: int
    multiple_px: int

    def __post_init__(self) -> None:
        """A card may have been written by hand."""
        for side in (self.long_side_px, self.multiple_px):
            if type(side) is not int or side < 1:
                raise ValueError(f"an input size in px: {side!r}")
        if self.long_side_px % self.multiple_px:
            raise ValueError(f"an input size in px: {self.long_side_px}")

    def of(self, width_px: int, height_px: int) -> tuple[int, int]:
        """(width, height) in px for an image; no side is ever under two multiples.

        >>> InputSize(320, 32).of(640, 480)
        (320, 256)
        """
        scale = self.long_side_px / max(width_px, height_px)
        low, high = 2 * self.multiple_px, self.long_side_px
        return (
            min(max(self._round(width_px * scale), low), max(low, high)),
            min(max(self._round(height_px * scale), low), max(low, high)),
        )

    def _round(self, side_px: float) -> int:
        return int(side_px / self.multiple_px + 0.5) * self.multiple_px


@dataclass(frozen=True, slots=True)
class Reading:
    """How raw scores of one model are read: its threshold, its scale, its normal scores."""

    threshold: float
    exponent: float
    calibration: tuple[float, ...]


class MemoryBank:
    """The `Model` port over a packed memory bank."""

    def __init__(self, artefact: Artefact, *, label: str) -> None:
        """Check the card and open the graph. Raises `ArtefactError`."""
        card = artefact.card
        try:
            self.size = InputSize(**card["input"])
            self._reading = reading(card)
            graph = artefact.files[GRAPH]
        except (KeyError, TypeError, ValueError) as e:
            raise ArtefactError(
                f"model {label}: its card or its files lack or garble {e}; train the model again"
            ) from e
        self._info = ModelInfo(
            label,
            artefact.digest,
            max_batch=1,
            input_px=self.size.long_side_px,
            threshold=self._reading.threshold,
        )
        self._session = open_graph(graph, threads=1)

    @property
    def info(self) -> ModelInfo:
        """Inline, any batch, and the longest side that it looks at."""
        return self._info

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """One prediction per photo; a normal one has a heat map but no regions."""
        return [self._predict_one(photo) for photo in photos]

    def _predict_one(self, photo: Photo) -> Prediction:
        try:
            raw, distances = look(self._session, photo, self.size)
        except Exception as e:  # onnxruntime raises bare types of its own
            return _failed(f"model {self._info.label} failed on this image: {e}")
        if not (math.isfinite(raw) and np.isfinite(distances).all()):
            return _failed(f"model {self._info.label} answered with no number; train it again")
        return read(raw, distances, photo, self._reading)


def _failed(error: str) -> Prediction:
    return Prediction(verdict=None, score=None, raw_score=None, error=error)


def reading(card: Mapping[str, Any]) -> Reading:
    """The part of a card that says how raw scores are read.

    Raises KeyError, TypeError or ValueError where it is not there or makes no sense.
    """
    score = card["score"]
    found = Reading(
        threshold=float(score["threshold"]),
        exponent=float(score["exponent"]),
        calibration=tuple(sorted(float(v) for v in score["calibration"])),
    )
    if not all(math.isfinite(v) and v > 0.0 for v in (found.threshold, found.exponent)):
        raise ValueError("threshold and exponent")
    return found


def open_graph(graph: bytes, *, threads: int) -> Session:
    """A session on the CPU. With one thread it runs in its caller's: callers are the workers."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Image sizes vary: a plan per size costs memory and is not reused.
    options.enable_mem_pattern = False
    try:
        session: Session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as e:
        raise ArtefactError(f"the model's graph can't be opened: {e}") from e
    return session


def scaled(photo: Photo, size: InputSize) -> NDArray[np.uint8]:
    """A photo as a graph takes it: (1, h, w, 3) uint8 RGB."""
    width, height = size.of(photo.width_px, photo.height_px)
    return resize(photo.pixels, width_px=width, height_px=height)[None]


def look(session: Session, photo: Photo, size: InputSize) -> tuple[float, NDArray[np.float32]]:
    """Raw score and (h, w) float32 patch distances of one photo."""
    raw, distances = session.run(["raw_score", "distances"], {"image": scaled(photo, size)})
    return float(raw[0]), np.asarray(distances[0], dtype=np.float32)


def read(raw: float, distances: NDArray[np.float32], photo: Photo, how: Reading) -> Prediction:
    """What raw numbers mean under a threshold."""
    scale = {"threshold": how.threshold, "exponent": how.exponent}
    verdict = Verdict.ANOMALY if raw >= how.threshold else Verdict.NORMAL
    heatmap = HeatMap(scores.scores(distances, **scale), photo.width_px, photo.height_px)
    return Prediction(
        verdict=verdict,
        score=scores.score(raw, **scale),
        raw_score=raw,
        regions=_places(heatmap) if verdict is Verdict.ANOMALY else (),
        heatmap=heatmap,
        p_normal=scores.p_normal(raw, how.calibration),
    )


def _places(heatmap: HeatMap) -> tuple[Region, ...]:
    """What passes the threshold; and the worst place at least, which rounding may keep below it."""
    return regions(heatmap, level=EDGE, peak=min(0.5, float(heatmap.grid.max())))
