"""Judging photographs by banks that were chosen without them: where the threshold comes from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from walkdown.models import memory_bank
from walkdown.parallel import ordered_map
from walkdown.training import coreset, graph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from walkdown.models.memory_bank import Session
    from walkdown.training.extraction import Extractor, Image, Work

Judged = tuple[str, float]
"""A photograph's name, and its raw score by a bank that does not hold it."""


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
    work.progress.start("checking each photograph against the others", len(chosen))
    judged: list[Judged] = []
    for fold in range(folds):
        judge = banks.judge([im for i, im in enumerate(images) if fold_of[i] != fold])
        held_out = [im for i, im in enumerate(images) if fold_of[i] == fold and i in chosen]
        look = partial(_judge, work.extractor, judge)
        for one in ordered_map(look, held_out, workers=work.workers):
            judged.append(one)
            work.progress.advance()
    return judged


def _judge(extractor: Extractor, judge: Session, image: Image) -> Judged:
    patches = extractor.of(extractor.photo(image.ref))
    return image.ref.name, float(judge.run(["raw_score"], {"patches": patches})[0][0])
