"""Judging photographs by banks that were chosen without them.

From this come the threshold, the usual level of a normal photograph, and whether its orientation
matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from walkdown.evaluate.metrics import auroc
from walkdown.models import memory_bank
from walkdown.parallel import ordered_map
from walkdown.training import coreset, graph
from walkdown.training.extraction import TURNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from walkdown.models.memory_bank import Session
    from walkdown.training.extraction import Extractor, Image, Work

FORGIVEN_LEVEL = 1.5
"""How far above the usual one an image's own level is taken off: docs/experiments.md."""

TURN_IMAGES, TURN_AUROC = 20, 0.65
"""A turn is harmless if so many held-out photographs can't be told from their turned copies."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A photograph by a bank that does not hold it; see `graph.judge`."""

    name: str
    worst: float
    level: float

    def raw_score(self, usual_level: float) -> float:
        """What the detector would say."""
        return self.worst - min(self.level, usual_level)


def usual_level(judged: Sequence[Judged]) -> float:
    """The level up to which a photograph's own is taken off."""
    return FORGIVEN_LEVEL * float(np.median([j.level for j in judged]))


@dataclass(frozen=True, slots=True)
class Banks:
    """Chooses banks from the patches of some images."""

    channels: tuple[int, ...]
    rows: int
    worst_cells: int
    seed: int

    def choose(self, images: Sequence[Image]) -> tuple[graph.Scaling, NDArray[np.float32]]:
        """How patches are scaled, and the bank's rows."""
        raw = np.concatenate([image.patches for image in images])
        scaling = graph.scaling_of(raw, self.channels)
        patches = scaling.apply(raw)
        return scaling, patches[coreset.select(patches, self.rows, seed=self.seed)]

    def judge(self, images: Sequence[Image]) -> Session:
        """A session that judges patches by a bank of these images."""
        scaling, rows = self.choose(images)
        judge = graph.judge(scaling, rows, worst_cells=self.worst_cells)
        return memory_bank.open_graph(judge, threads=1)


def cross_fit(
    images: Sequence[Image], banks: Banks, work: Work, *, folds: int, at_most: int
) -> list[Judged]:
    """Judge images, each by a bank that holds nothing of it; evenly chosen ones if too many."""
    folds = min(folds, len(images))
    order = np.random.default_rng(banks.seed).permutation(len(images))
    fold_of = {int(i): at % folds for at, i in enumerate(order)}
    chosen = {int(i) for i in order[:: max(1, -(-len(images) // at_most))]}
    work.progress.start("cross-fitting the threshold", len(chosen))
    judged: list[Judged] = []
    for fold in range(folds):
        judge = banks.judge([im for i, im in enumerate(images) if fold_of[i] != fold])
        held_out = [im for i, im in enumerate(images) if fold_of[i] == fold and i in chosen]
        look = partial(_judge, work.extractor, judge)
        for one in ordered_map(look, held_out, workers=work.workers):
            judged.append(one)
            work.progress.advance()
    return judged


def _judge(extractor: Extractor, judge: Session, image: Image, turn: str | None = None) -> Judged:
    patches = extractor.of(extractor.photo(image.ref, turn))
    worst, level = judge.run(["worst", "level"], {"patches": patches})
    return Judged(image.ref.name, float(worst[0]), float(level[0]))


def harmless_turns(images: Sequence[Image], banks: Banks, work: Work) -> tuple[str, ...]:
    """Turns under which a normal photograph stays normal, so that turned copies may be learned.

    Boards lie one way round, and mirrored ones score far higher; cells and walls do not care. A
    third of the images is judged, as it is and turned, by a bank of the others.
    """
    held_out = images[::3][:TURN_IMAGES]
    judge = banks.judge([image for i, image in enumerate(images) if i % 3])
    work.progress.start("asking whether orientation matters", len(held_out) * (1 + len(TURNS)))

    def judged(turn: str | None) -> list[Judged]:
        look = partial(_judge, work.extractor, judge, turn=turn)
        answers = list(ordered_map(look, held_out, workers=work.workers))
        work.progress.advance(len(answers))
        return answers

    upright = judged(None)
    limit = usual_level(upright)
    plain = [j.raw_score(limit) for j in upright]
    told = {turn: auroc(plain, [j.raw_score(limit) for j in judged(turn)]) for turn in TURNS}
    return tuple(turn for turn in TURNS if told[turn] <= TURN_AUROC)
