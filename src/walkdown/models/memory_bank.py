"""The memory bank at work: one ONNX graph from RGB bytes to cells, and how they are read.

The graph holds backbone, bank and head, so that a score is the same wherever it runs. It looks
at one image or tile at a time: other images can't change a score, and memory stays flat.
After PatchCore: Roth et al., Towards Total Recall in Industrial Anomaly Detection, CVPR 2022.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from walkdown.errors import ArtefactError
from walkdown.evaluate import scores
from walkdown.imaging.regions import regions
from walkdown.models.bank import Bank
from walkdown.models.graphs.session import open_graph
from walkdown.models.looking import CELL_PX, InputSize, counting, scaled
from walkdown.models.whole import quarters
from walkdown.types import HeatMap, ModelInfo, Photo, Prediction, Region, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from walkdown.models.artefact import Artefact
    from walkdown.models.graphs.session import Session
    from walkdown.models.looking import Window
    from walkdown.models.whole import Whole


KIND = "memory_bank"
GRAPH, BANK, PICTURE = "model.onnx", "bank.npz", "patches.jpg"
EDGE = 0.3
"""The score down to which a region is drawn around a place that passes the threshold."""

SCORE_DIGITS = 4
"""Digits of a score; what is beyond them is noise of the arithmetic."""

EXPLAINED = 3
"""How many regions of an image, from the worst on, name the normal patch nearest to them."""

KEPT = 64
"""Of so many of the worst cells of a window the patches are kept, to explain regions by."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How raw scores of one model are read: its threshold, its scale, its normal scores."""

    threshold: float
    exponent: float
    calibration: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a model sees in one image: its raw score, (h, w) values, and patches of bad cells."""

    raw: float
    cells: NDArray[np.float32]
    patches: Mapping[tuple[int, int], NDArray[np.float32]] = field(default_factory=dict)


class MemoryBank:
    """The `Model` port over a packed memory bank."""

    knows_keep = True

    def __init__(self, artefact: Artefact, *, label: str) -> None:
        """Check the card and open the graph. Raises `ArtefactError`."""
        card = artefact.card
        try:
            self.size = InputSize(**card["input"])
            self._reading = reading(card)
            self._worst_cells = int(card["worst_cells"])
            self._bank = Bank.of(artefact.files[BANK], card, f"models/{artefact.digest}/{PICTURE}")
            graph = artefact.files[GRAPH]
        except (KeyError, TypeError, ValueError, BadZipFile) as e:
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
        """Inline, one image at a time, and the longest side that it looks at."""
        return self._info

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """One prediction per photo; a normal one has a heat map but no regions."""
        return [self._predict_one(photo) for photo in photos]

    def _predict_one(self, photo: Photo) -> Prediction:
        try:
            seen = look(
                self._session,
                photo,
                self.size,
                worst_cells=self._worst_cells,
                whole=self._bank.whole,
            )
        except Exception as e:  # onnxruntime raises bare types of its own
            return _failed(f"model {self._info.label} failed on this image: {e}")
        if not (math.isfinite(seen.raw) and np.isfinite(seen.cells).all()):
            return _failed(f"model {self._info.label} answered with no number; train it again")
        prediction = read(seen.raw, seen.cells, photo, self._reading)
        return self._explained(prediction, seen, photo) if prediction.regions else prediction

    def _explained(self, prediction: Prediction, seen: Look, photo: Photo) -> Prediction:
        """The worst regions with the patch that each was compared to, and the defect's name."""
        worst = sorted(prediction.regions, key=lambda region: -region.score)[:EXPLAINED]
        named = [
            self._bank.explain(region, seen.cells, seen.patches, (photo.width_px, photo.height_px))
            if region in worst
            else region
            for region in prediction.regions
        ]
        labels = tuple(dict.fromkeys(region.label for region in named))
        return replace(prediction, regions=tuple(named), labels=labels if self._bank.types else ())


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


def look(
    session: Session,
    photo: Photo,
    size: InputSize,
    *,
    worst_cells: int,
    whole: Whole | None = None,
) -> Look:
    """What the graph sees in one photo, tile by tile where it is looked at in tiles.

    ``whole`` is what the graph adds to the raw score of a photo in one piece.
    """
    image = scaled(photo, size)
    height, width = image.shape[1:3]
    windows = size.windows(width, height)
    cells = np.empty((height // CELL_PX, width // CELL_PX), dtype=np.float32)
    patches: dict[tuple[int, int], NDArray[np.float32]] = {}
    keep = counting(photo, (height, width))
    in_parts = len(windows) > 1 or keep is not None
    cores = []
    raw = math.nan
    for window in windows:
        found = session.run(["raw_score", "cells", "patches"], {"image": window.of_image(image)})
        raw = float(found[0][0])
        core = found[1][0][window.core]
        cells[window.of_grid] = core
        patches |= _worst_patches(core, found[2], window)
        if whole and in_parts:
            cores.append((window.of_grid, _deep(found[2], window, whole)))
    if keep is not None:
        cells *= keep
    if in_parts:
        raw = raw_score(cells, worst_cells)
        if whole:
            channels = 0, whole.channels[1] - whole.channels[0]
            vector = quarters(cores, cells.shape, channels=channels, keep=keep)
            raw = max(0.0, raw + whole(vector))
    return Look(raw, cells, patches)


def _deep(patches: NDArray[np.float32], window: Window, whole: Whole) -> NDArray[np.float32]:
    """The (c, rows, columns) of a window's core that a photo is known by as a whole."""
    grid = patches[slice(*whole.channels)].reshape(
        -1, window.height // CELL_PX, window.width // CELL_PX
    )
    return grid[:, *window.core].copy()


def raw_score(cells: NDArray[np.float32], worst_cells: int) -> float:
    """The mean over the worst cells, as the graph takes it of an image in one piece."""
    flat = cells.ravel()
    count = min(worst_cells, len(flat))
    return float(np.sort(np.partition(flat, -count)[-count:])[::-1].mean(dtype=np.float32))


def _worst_patches(
    core: NDArray[np.float32], patches: NDArray[np.float32], window: Window
) -> dict[tuple[int, int], NDArray[np.float32]]:
    """Patches (d,) of the worst cells of a window's core, by their place in the whole grid."""
    count = min(KEPT, core.size)
    worst = np.argpartition(core.ravel(), -count)[-count:]
    rows, columns = np.unravel_index(worst, core.shape)
    above, left = window.core
    wide = window.width // CELL_PX
    at = (rows + above.start) * wide + columns + left.start
    vectors = patches[:, at].T
    top, first = window.rows[0], window.columns[0]
    return {
        (int(row) + top, int(column) + first): vector
        for row, column, vector in zip(rows, columns, vectors, strict=True)
    }


def read(raw: float, cells: NDArray[np.float32], photo: Photo, how: Reading) -> Prediction:
    """What raw numbers mean under a threshold.

    The score is rounded before it is compared, so that the last bits of a float, which differ
    between machines and runtimes, can't turn a verdict.
    """
    scale = {"threshold": how.threshold, "exponent": how.exponent}
    score = round(scores.score(raw, **scale), SCORE_DIGITS)
    verdict = Verdict.ANOMALY if score >= 0.5 else Verdict.NORMAL
    heatmap = HeatMap(scores.scores(cells, **scale), photo.width_px, photo.height_px)
    return Prediction(
        verdict=verdict,
        score=score,
        raw_score=raw,
        regions=_places(heatmap) if verdict is Verdict.ANOMALY else (),
        heatmap=heatmap,
        p_normal=scores.p_normal(raw, how.calibration),
    )


def _places(heatmap: HeatMap) -> tuple[Region, ...]:
    """What passes the threshold; and the worst place at least.

    It may lie below: a photo can be unlike all normal ones as a whole, and no place of it be odd.
    """
    peak = min(0.5, float(heatmap.grid.max()))
    return regions(heatmap, level=min(EDGE, 2 * EDGE * peak), peak=peak)
