"""Fitting a memory bank on normal photographs, and its threshold by cross-fitting.

Two passes over the photographs. The first extracts patches into a pool of bounded size, from which
banks are chosen. The second scores each photograph by a bank that was chosen without it (and scaled
without it), by the very nodes that will judge later: from these scores comes the threshold.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from walkdown.errors import ImageError, TrainingError
from walkdown.evaluate import scores, thresholds
from walkdown.models import artefact, memory_bank
from walkdown.models.memory_bank import InputSize
from walkdown.training import backbones, graph
from walkdown.training.crossfit import Banks, cross_fit
from walkdown.training.extraction import Extractor, Work, extract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.models.artefact import Artefact
    from walkdown.ports import Progress
    from walkdown.training.extraction import Load
    from walkdown.types import ImageRef

MIN_IMAGES = 5
MIN_SIDE_PX, MAX_SIDE_PX = 384, 1024

SMALL = graph.Features(strides=(8, 16, 32), neighbourhood=1)
LARGE = graph.Features(strides=(4, 8, 16), neighbourhood=3)
LARGE_FROM_PX = 640
"""What a patch sees should be a like share of the image: a small image needs the wide-eyed deep
maps as they are, a large one the shallow maps, smoothed (docs/experiments.md)."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a bank is fitted. The defaults were chosen on training images only: docs/experiments.md.

    ``worst_pct`` of a typical image's cells make the raw score. ``pool`` bounds the patches that
    the bank is chosen from, and so time and memory of the fit; small images need fewer rows.
    """

    false_alarms: float = 0.05
    small_bank: int = 800
    large_bank: int = 1500
    pool: int = 80_000
    folds: int = 5
    calibrate: int = 400
    worst_pct: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Calibration:
    """The threshold, the sorted raw scores it comes from, and what was kept from moving it.

    ``odd`` are (name, raw score) of photographs unlike all others.
    """

    threshold: thresholds.Threshold
    scores: tuple[float, ...]
    odd: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted model and what is worth telling of it.

    ``left_out`` are (name, reason) of photographs that could not be used.
    """

    artefact: Artefact
    images: int
    calibration: Calibration
    left_out: tuple[tuple[str, str], ...] = ()


def fit(
    refs: Sequence[ImageRef], load: Load, *, options: Options, workers: int, progress: Progress
) -> Fit:
    """Fit on photographs that are all normal. Raises `TrainingError` where they are too few.

    ``load(ref, at_least_px)`` decodes one photograph. What can't be decoded is left out, and so
    are exact copies.
    """
    size = InputSize(_long_side(refs, load), graph.MULTIPLE_PX)
    is_large = size.long_side_px >= LARGE_FROM_PX
    features = LARGE if is_large else SMALL
    trunk = backbones.trunk(backbones.lite2(), strides=features.strides)
    session = memory_bank.open_graph(graph.extractor(trunk, features), threads=1)
    work = Work(
        extractor=Extractor(session, load, size),
        quota=max(1, options.pool // max(1, len(refs))),
        seed=options.seed,
        workers=workers,
        progress=progress,
    )
    images, left_out = extract(refs, work)
    if len(images) < MIN_IMAGES:
        raise TrainingError(_too_few(len(images), left_out))
    cells = float(np.median([image.cells for image in images]))
    banks = Banks(
        channels=tuple(trunk.channels[s] for s in sorted(features.strides)),
        rows=options.large_bank if is_large else options.small_bank,
        worst_cells=max(1, round(cells * options.worst_pct / 100.0)),
        seed=options.seed,
    )
    judged = cross_fit(images, banks, work, folds=options.folds, at_most=options.calibrate)
    progress.start("building the model", 1)
    scaling, rows = banks.choose(images)
    whole = graph.detector(trunk, features, scaling, rows, worst_cells=banks.worst_cells)
    progress.advance()
    calibration = _calibrate(judged, options.false_alarms)
    card = _card(calibration, size, features, options)
    card["training"]["images"] = sorted(image.content for image in images)
    packed = artefact.pack(memory_bank.KIND, card, {memory_bank.GRAPH: whole})
    return Fit(packed, len(images), calibration, tuple(left_out))


def _calibrate(scored: Sequence[tuple[str, float]], budget: float) -> Calibration:
    """Scores of held-out normal photographs, and the threshold that they support."""
    raw = [score for _, score in scored]
    odd = thresholds.odd_ones(raw)
    threshold = thresholds.from_false_alarms(
        [score for i, score in enumerate(raw) if i not in odd],
        budget,
        set_aside=[raw[i] for i in odd],
    )
    return Calibration(threshold, tuple(sorted(raw)), tuple(scored[i] for i in odd))


def _long_side(refs: Sequence[ImageRef], load: Load) -> int:
    """The side to scale to: that of the typical photograph, within what is worth its time."""
    sides = []
    for ref in refs[:: max(1, len(refs) // 16)]:
        try:
            photo = load(ref, MAX_SIDE_PX)
        except ImageError:
            continue
        sides.append(max(photo.width_px, photo.height_px))
    typical = float(np.median(sides)) if sides else float(MIN_SIDE_PX)
    multiple = graph.MULTIPLE_PX
    return int(np.clip(round(typical / multiple) * multiple, MIN_SIDE_PX, MAX_SIDE_PX))


def _too_few(count: int, left_out: Sequence[tuple[str, str]]) -> str:
    text = f"{count} normal photographs can be used; at least {MIN_IMAGES} are needed"
    if left_out:
        name, reason = left_out[0]
        text += f" ({len(left_out)} were left out, the first: {name}: {reason})"
    return f"{text}; 20 or more give a threshold that means something"


def _card(
    calibration: Calibration, size: InputSize, features: graph.Features, options: Options
) -> dict[str, Any]:
    """All that the model needs to be read, and what it was made with; no time, no path."""
    backbone = backbones.lite2()
    threshold = calibration.threshold
    return {
        "input": asdict(size),
        "score": {
            "threshold": threshold.value,
            "exponent": scores.exponent_for(calibration.scores, threshold.value),
            "calibration": list(calibration.scores),
        },
        "false_alarms": asdict(threshold),
        "features": asdict(features),
        "backbone": {
            "name": backbone.name,
            "licence": backbone.licence,
            "weights_sha256": backbone.sha256,
        },
        "training": {"options": asdict(options)},
    }
