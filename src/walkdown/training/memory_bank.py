"""Fitting a memory bank on normal photographs, and its threshold by cross-fitting.

Two passes over the photographs. The first extracts patches into a pool of bounded size, from which
the bank is chosen. The second scores each photograph by a bank that was chosen without it (and
scaled without it), by the very nodes that will judge later: from these scores comes the threshold.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from walkdown.errors import ImageError, TrainingError
from walkdown.evaluate import scores, thresholds
from walkdown.models import artefact, memory_bank
from walkdown.models.memory_bank import InputSize
from walkdown.parallel import ordered_map
from walkdown.training import backbones, coreset, graph

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from walkdown.models.artefact import Artefact
    from walkdown.models.memory_bank import Session
    from walkdown.ports import Progress
    from walkdown.types import ImageRef, Photo

    Load = Callable[[ImageRef, int | None], Photo]

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
    the bank of ``bank`` rows is chosen from, and so time and memory of the fit.
    """

    false_alarms: float = 0.01
    bank: int = 2000
    pool: int = 80_000
    folds: int = 5
    calibrate: int = 400
    worst_pct: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted model and what is worth telling of it.

    ``left_out`` are (name, reason) of photographs that could not be used, ``odd`` (name, raw score)
    of those so unlike all others that they were kept from moving the threshold.
    """

    artefact: Artefact
    threshold: thresholds.Threshold
    images: int
    calibration: tuple[float, ...]
    left_out: tuple[tuple[str, str], ...]
    odd: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class _Image:
    """What the first pass keeps of a photograph: some of its raw patches, (n, d)."""

    ref: ImageRef
    content: str
    cells: int
    patches: NDArray[np.float32]


def fit(
    refs: Sequence[ImageRef], load: Load, *, options: Options, workers: int, progress: Progress
) -> Fit:
    """Fit on photographs that are all normal. Raises `TrainingError` where they are too few.

    ``load(ref, at_least_px)`` decodes one photograph; what it can't decode is left out, and so is
    an exact copy of another photograph, which would make the cross-fitting lie.
    """
    size = InputSize(_long_side(refs, load), graph.MULTIPLE_PX)
    features = LARGE if size.long_side_px >= LARGE_FROM_PX else SMALL
    trunk = backbones.trunk(backbones.lite2(), strides=features.strides)
    session = memory_bank.open_graph(graph.extractor(trunk, features), threads=1)
    images, left_out = _extract(refs, load, session, size, options, workers, progress)
    if len(images) < MIN_IMAGES:
        raise TrainingError(_too_few(len(images), left_out))
    worst = max(1, round(float(np.median([i.cells for i in images])) * options.worst_pct / 100.0))
    channels = tuple(trunk.channels[s] for s in sorted(features.strides))
    banks = _Banks(channels, options)

    def score(judge: Session, ref: ImageRef) -> float:
        """A photograph's raw score by some bank."""
        pixels = memory_bank.scaled(load(ref, size.long_side_px), size)
        patches = session.run(["patches"], {"image": pixels})[0]
        return float(judge.run(["raw_score"], {"patches": patches})[0][0])

    judged = _cross_fit(images, score, banks, worst, workers, progress)
    progress.start("choosing the bank", 1)
    scaling, rows = banks.choose(images)
    whole = graph.detector(trunk, features, scaling, rows, worst_cells=worst)
    progress.advance()
    odd = [judged[i] for i in thresholds.odd_ones([raw for _, raw in judged])]
    threshold = thresholds.from_false_alarms(
        [raw for name, raw in judged if (name, raw) not in odd],
        options.false_alarms,
        set_aside=[raw for _, raw in odd],
    )
    raw = sorted(raw for _, raw in judged)
    card = _card(images, size, features, raw, threshold, options, worst)
    packed = artefact.pack(memory_bank.KIND, card, {memory_bank.GRAPH: whole})
    return Fit(packed, threshold, len(images), tuple(raw), tuple(left_out), tuple(odd))


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


def _extract(
    refs: Sequence[ImageRef],
    load: Load,
    session: Session,
    size: InputSize,
    options: Options,
    workers: int,
    progress: Progress,
) -> tuple[list[_Image], list[tuple[str, str]]]:
    quota = max(1, options.pool // max(1, len(refs)))

    def one(numbered: tuple[int, ImageRef]) -> _Image | tuple[str, str]:
        number, ref = numbered
        try:
            photo = load(ref, size.long_side_px)
        except ImageError as e:
            return ref.name, str(e)
        pixels = memory_bank.scaled(photo, size)
        patches = session.run(["patches"], {"image": pixels})[0].T
        some = np.random.default_rng((options.seed, number)).permutation(len(patches))[:quota]
        return _Image(ref, photo.content, len(patches), np.ascontiguousarray(patches[some]))

    progress.start("looking at normal photographs", len(refs))
    images: dict[str, _Image] = {}
    left_out: list[tuple[str, str]] = []
    for found in ordered_map(one, enumerate(refs), workers=workers):
        progress.advance()
        if isinstance(found, tuple):
            left_out.append(found)
        elif found.content in images:
            twin = images[found.content].ref.name
            left_out.append((found.ref.name, f"an exact copy of {twin}"))
        else:
            images[found.content] = found
    return list(images.values()), left_out


def _too_few(count: int, left_out: Sequence[tuple[str, str]]) -> str:
    text = f"{count} normal photographs can be used; at least {MIN_IMAGES} are needed"
    if left_out:
        name, reason = left_out[0]
        text += f" ({len(left_out)} were left out, the first: {name}: {reason})"
    return f"{text}; 20 or more give a threshold that means something"


@dataclass(frozen=True, slots=True)
class _Banks:
    """Chooses banks from the patches of some images."""

    channels: tuple[int, ...]
    options: Options

    def choose(self, images: Sequence[_Image]) -> tuple[graph.Scaling, NDArray[np.float32]]:
        raw = np.concatenate([image.patches for image in images])
        scaling = graph.scaling_of(raw, self.channels)
        patches = scaling.apply(raw)
        return scaling, patches[coreset.select(patches, self.options.bank, seed=self.options.seed)]


def _cross_fit(
    images: Sequence[_Image],
    score: Callable[[Session, ImageRef], float],
    banks: _Banks,
    worst_cells: int,
    workers: int,
    progress: Progress,
) -> list[tuple[str, float]]:
    """(name, raw score) of normal images, each by a bank that holds nothing of it."""
    options = banks.options
    folds = min(options.folds, len(images))
    order = np.random.default_rng(options.seed).permutation(len(images))
    step = max(1, -(-len(images) // options.calibrate))
    fold_of = {int(i): at % folds for at, i in enumerate(order)}
    judged = {int(i) for i in order[::step]}
    progress.start("cross-fitting the threshold", len(judged))
    raw: list[tuple[str, float]] = []
    for fold in range(folds):
        inside = [image for i, image in enumerate(images) if fold_of[i] != fold]
        held_out = [im.ref for i, im in enumerate(images) if fold_of[i] == fold and i in judged]
        scaling, rows = banks.choose(inside)
        judge = memory_bank.open_graph(
            graph.judge(scaling, rows, worst_cells=worst_cells), threads=1
        )
        scored = ordered_map(partial(score, judge), held_out, workers=workers)
        for ref, number in zip(held_out, scored, strict=True):
            raw.append((ref.name, number))
            progress.advance()
    return raw


def _card(
    images: Sequence[_Image],
    size: InputSize,
    features: graph.Features,
    raw: Sequence[float],
    threshold: thresholds.Threshold,
    options: Options,
    worst_cells: int,
) -> dict[str, object]:
    """All that the model needs to be read, and all that went into it; no time, no path."""
    backbone = backbones.lite2()
    return {
        "input": asdict(size),
        "score": {
            "threshold": threshold.value,
            "exponent": scores.exponent_for(raw, threshold.value),
            "calibration": list(raw),
            "worst_cells": worst_cells,
        },
        "false_alarms": asdict(threshold),
        "features": asdict(features),
        "backbone": {
            "name": backbone.name,
            "licence": backbone.licence,
            "weights_sha256": backbone.sha256,
        },
        "training": {
            "options": asdict(options),
            "images": sorted(image.content for image in images),
        },
    }
