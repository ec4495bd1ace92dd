"""Choosing how photographs are looked at by labelled anomalies, where there are enough of them.

Planted defects are only like real ones. So each candidate judges real anomalies and normal
photographs, by banks that hold nothing of what they judge, and the way chosen so far stays unless
another tells them apart better, and not by chance.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from walkdown.silent import Silent
from walkdown.training import choosing, planting
from walkdown.training.choosing import Choice, Figure
from walkdown.training.crossfit import Learned, cross_fit
from walkdown.training.evidence import least_as_good
from walkdown.training.extraction import extract

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from walkdown.training.choosing import Candidate
    from walkdown.training.extraction import Work
    from walkdown.training.judging import Banks
    from walkdown.types import ImageRef

    Way = Callable[[Candidate], tuple[Work, Banks]]

MIN_ANOMALIES = 5
"""Anomalies from which on they decide; fewer tell too little of the others."""

CLEARLY = 0.01
"""AUROC by which another way must be better, besides one standard error of the difference."""


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What a candidate is worth: raw scores of normal photographs (n,) and of anomalies (m,).

    ``names`` are those of the anomalies.
    """

    candidate: Candidate
    normal: NDArray[np.float64]
    anomalies: NDArray[np.float64]
    names: tuple[str, ...] = ()
    seconds: float = 0.0


def prefer(
    choice: Choice,
    refs: Sequence[ImageRef],
    anomalies: Sequence[ImageRef],
    way: Way,
    work: Work,
    *,
    typical_px: float,
) -> Choice:
    """The choice, or a better one by real anomalies.

    ``way`` gives what extracts a candidate's patches and what chooses banks of them. Left as it is
    where too few photographs can be decoded.
    """
    first = choosing.first_sensible(typical_px)
    normal = choosing.some(choosing.distinct(refs, work), first)
    bad = choosing.some(choosing.distinct(anomalies, work), first)
    if len(normal) < choosing.MIN_SAMPLES or len(bad) < MIN_ANOMALIES:
        return choice
    options = ways(choice.candidate, typical_px)
    work.progress.start("comparing ways to look by the anomalies", len(options))
    told = []
    for candidate in options:
        told.append(tell(candidate, normal, bad, *way(candidate)))
        work.progress.advance()
    return decide(choice, told)


def ways(chosen: Candidate, typical_px: float) -> list[Candidate]:
    """What is worth comparing, the way chosen so far first: also smaller than planted ones ask."""
    usual = choosing.candidates(typical_px)
    own = usual[0].size.long_side_px
    smaller = [] if usual[0].size.tile_px else [own * 2 / 3, own / 3]
    more = [c for side in smaller for c in choosing.both_of(side) if side >= choosing.LEAST_PX]
    return list(dict.fromkeys([chosen, *usual, *more]))


def tell(
    candidate: Candidate,
    normal: Sequence[ImageRef],
    anomalies: Sequence[ImageRef],
    work: Work,
    banks: Banks,
) -> Told:
    """Judge all of them by this candidate's banks."""
    began = time.perf_counter()
    quiet = replace(work, progress=Silent())
    images, _ = extract(normal, quiet)
    cells = float(np.median([image.cells for image in images]))

    def learn(inside: list[int], _: list[int]) -> Learned:
        return Learned(banks.choose(np.concatenate([images[i].patches for i in inside]))[0], None)

    judged = cross_fit(
        [image.ref for image in images],
        anomalies,
        learn,
        quiet,
        worst_cells=planting.worst_count(cells, candidate.worst_pcts[0]),
        folds=choosing.FOLDS,
        at_most=len(images),
    )
    raw = [np.array([one.raw[0] for one in group]) for group in judged]
    names = tuple(one.name for one in judged[1])
    return Told(candidate, raw[0], raw[1], names, time.perf_counter() - began)


def decide(choice: Choice, told: Sequence[Told]) -> Choice:
    """The first way that is as good as the best, and the figures of all.

    What was found out about another way, which share of cells counts and which copies help, does
    not hold for the one that takes its place.
    """
    normal = np.stack([one.normal for one in told], axis=1)
    bad = np.stack([one.anomalies for one in told], axis=1)
    at, aurocs = least_as_good(normal, bad, by=CLEARLY)
    figures = tuple(
        Figure(f"{one.candidate.name}, by {len(bad)} anomalies", auroc, one.seconds, number == at)
        for number, (one, auroc) in enumerate(zip(told, aurocs, strict=True))
    )
    best = told[at].candidate
    if best == choice.candidate:
        return replace(choice, figures=(*choice.figures, *figures))
    before = tuple(replace(figure, chosen=False) for figure in choice.figures)
    return Choice(best, best.worst_pcts[0], figures=(*before, *figures))
