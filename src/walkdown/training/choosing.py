"""Choosing how photographs are looked at, by what finds defects that were planted in normal ones.

Candidates differ in scale and in what makes a patch. Each is judged without leakage: banks never
hold anything of the photograph they judge. A later candidate replaces the first sensible one only
where it is clearly better.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from walkdown.errors import ImageError
from walkdown.models.looking import InputSize
from walkdown.training import backbones, graph, judging, planting, variants
from walkdown.training.evidence import Scores, ahead
from walkdown.training.judging import Banks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from walkdown.training.extraction import Extractor, Work
    from walkdown.training.planting import Sample
    from walkdown.types import ImageRef

    Patches = NDArray[np.float32]
    Values = tuple[NDArray[np.float32], list[NDArray[np.float32]]]

MIN_SIDE_PX, MAX_SIDE_PX = 384, 1024
"""Least side that photographs are scaled to, and the largest that is looked at in one piece."""

NEARLY_ONE_PIECE = 1.2
"""Times that side up to which a photograph is made smaller instead of cut into tiles."""

LEAST_PX = 224
"""Least side that is worth a try where real anomalies tell."""

MAX_TILED_PX = 4096
"""Largest side that is looked at in tiles."""

WIDE = graph.Features(levels=(3, 4, 5, 7), neighbourhood=1)
FINE = graph.Features(levels=(2, 3, 5), neighbourhood=3)
FINE_FROM_PX = 640
"""What a patch sees should be a like share of the image: a small image needs the wide-eyed deep
maps as they are, a large one the shallow maps, smoothed (docs/experiments.md)."""

WORST_PCT = (1.0, 0.2)
"""Shares of the worst cells that may make the score, in per cent: few for small defects."""

TILED_WORST_PCT = (0.1,)
"""The same in tiles, which are there for defects of a few cells."""

MIN_PHOTOS = 20
"""Photographs from which on anything is compared: of fewer, chance would choose."""

FAR, NEAR = 0.1, 0.02
"""AUROC by which another way to look must be ahead of the first sensible one, and copies of going
without: planted defects are only like real ones."""

FOLDS = 3
BANK_ROWS = 600
POOL_CELLS = 16_000
SAMPLE_CELLS = 60_000
MIN_SAMPLES, MAX_SAMPLES = 10, 30
EACH = 4
"""What comparing may cost: folds, rows and patches of a bank, cells of all samples, samples, and
defects planted in each of them."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way to look at photographs."""

    size: InputSize
    features: graph.Features

    @property
    def name(self) -> str:
        """For people."""
        tiles = f" in tiles of {self.size.tile_px}" if self.size.tile_px else ""
        kind = {WIDE: "wide", FINE: "fine"}.get(self.features, str(self.features))
        return f"{self.size.long_side_px} px{tiles}, {kind} patches"

    @property
    def worst_pcts(self) -> tuple[float, ...]:
        """Which shares of the worst cells come into question, the usual one first."""
        return TILED_WORST_PCT if self.size.tile_px else WORST_PCT


@dataclass(frozen=True, slots=True)
class Figure:
    """What one candidate was worth: AUROC of planted defects against normal photographs."""

    candidate: str
    auroc: float
    seconds: float
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """How photographs are looked at, learned from and scored, and the figures that decided it."""

    candidate: Candidate
    worst_pct: float = WORST_PCT[0]
    copies: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """A candidate, the samples extracted with it, and their raw scores by banks without them."""

    candidate: Candidate
    samples: list[Sample]
    evidence: Scores
    worst_pct: float
    seconds: float

    @property
    def auroc(self) -> float:
        return self.evidence.auroc()


def first_sensible(typical_px: float) -> Candidate:
    """The candidate that is taken without asking: photographs in their own size, within limits.

    Large ones are looked at in tiles: who takes large photographs looks for small defects.
    """
    side = _multiple(np.clip(typical_px, MIN_SIDE_PX, MAX_TILED_PX))
    features = FINE if side >= FINE_FROM_PX else WIDE
    return Candidate(_size(side), features)


def plain(typical_px: float) -> Choice:
    """The first sensible way to look, and nothing else."""
    candidate = first_sensible(typical_px)
    return Choice(candidate, candidate.worst_pcts[0])


def candidates(typical_px: float) -> list[Candidate]:
    """What is worth comparing for photographs of that longer side; the first sensible one first."""
    first = first_sensible(typical_px)
    own = first.size.long_side_px
    sides = [own]
    if own < 768:
        sides.append(_multiple(own * 4 / 3))
    if own >= 640:
        sides.append(_multiple(own * 2 / 3))
    if first.size.tile_px:
        sides.append(MAX_SIDE_PX)
    both = [candidate for side in sides for candidate in both_of(side)]
    return sorted(dict.fromkeys(both), key=lambda c: c != first)


def both_of(side_px: float) -> list[Candidate]:
    """Both kinds of patches at about that longer side."""
    size = _size(_multiple(side_px))
    return [Candidate(size, features) for features in (WIDE, FINE)]


def _size(side_px: int) -> InputSize:
    """In one piece if that is possible, or nearly so, and else in tiles."""
    if side_px > MAX_SIDE_PX * NEARLY_ONE_PIECE:
        return InputSize(side_px, graph.MULTIPLE_PX, MAX_SIDE_PX)
    return InputSize(min(side_px, MAX_SIDE_PX), graph.MULTIPLE_PX)


def choose(
    refs: Sequence[ImageRef],
    of: Callable[[Candidate], Extractor],
    work: Work,
    *,
    typical_px: float,
) -> Choice:
    """Compare the candidates on some of the photographs, unless these are too few for it."""
    refs = distinct(refs, work) if len(refs) >= MIN_PHOTOS else []
    if len(refs) < MIN_SAMPLES:
        return plain(typical_px)
    options = candidates(typical_px)
    work.progress.start("comparing ways to look at them", len(options) + 1)
    best, figures = _compare(refs, options, of, work)
    copies, more = _copies(best, refs, of(best.candidate), work)
    work.progress.advance()
    return Choice(best.candidate, best.worst_pct, copies, figures=(*figures, *more))


def _compare(
    refs: Sequence[ImageRef],
    options: Sequence[Candidate],
    of: Callable[[Candidate], Extractor],
    work: Work,
) -> tuple[_Trial, list[Figure]]:
    """The best of the candidates, and the figures of all.

    What can't win any more is let go of at once: patches of all candidates are a lot of memory.
    """
    attempts = (
        _try(candidate, some(refs, candidate), of(candidate), work) for candidate in options
    )
    best = next(attempts)
    first, found = best.evidence, [(best.candidate, best.auroc, best.seconds)]
    work.progress.advance()
    for trial in attempts:
        found.append((trial.candidate, trial.auroc, trial.seconds))
        best = _better(best, trial, first, work.seed)
        work.progress.advance()
        del trial
    return best, [Figure(c.name, auroc, s, chosen=c == best.candidate) for c, auroc, s in found]


def _better(best: _Trial, trial: _Trial, first: Scores, seed: int) -> _Trial:
    """The first, unless others are clearly better than it; of these the best."""
    if not ahead(trial.evidence, first, by=FAR, seed=seed):
        return best
    return best if best.evidence is not first and best.auroc >= trial.auroc else trial


def distinct(refs: Sequence[ImageRef], work: Work) -> list[ImageRef]:
    """Evenly chosen photographs that can be decoded, each content once: a copy would leak.

    In random order, so that the first few of them are as mixed as all.
    """
    at = np.linspace(0, len(refs) - 1, min(MAX_SAMPLES, len(refs))).round().astype(int)
    found: dict[str, ImageRef] = {}
    for i in dict.fromkeys(at.tolist()):
        try:
            photo = work.extractor.load(refs[i], MIN_SIDE_PX)
        except ImageError:
            continue
        found.setdefault(photo.content, refs[i])
    order = np.random.default_rng(work.seed).permutation(len(found))
    return [list(found.values())[i] for i in order]


def some(refs: Sequence[ImageRef], candidate: Candidate) -> Sequence[ImageRef]:
    """The first photographs, fewer of them where each has many cells.

    So the samples of all candidates begin with the same photographs, with the same defects.
    """
    cells = min(candidate.size.long_side_px**2 * 0.75, planting.PART_PX) / 256
    return refs[: int(np.clip(SAMPLE_CELLS / cells, MIN_SAMPLES, MAX_SAMPLES))]


def _try(
    candidate: Candidate, refs: Sequence[ImageRef], extractor: Extractor, work: Work
) -> _Trial:
    """Plant defects, judge each sample by a bank of the others."""
    began = time.perf_counter()
    samples = planting.plant(refs, replace(work, extractor=extractor), each=EACH)
    values = _held_out(samples, candidate, work.seed)
    shares = candidate.worst_pcts
    found = [_scores(samples, values, pct) for pct in shares]
    at = int(len(found) > 1 and ahead(found[1], found[0], by=FAR, seed=work.seed))
    seconds = time.perf_counter() - began
    return _Trial(candidate, samples, found[at], shares[at], seconds)


def _held_out(
    samples: Sequence[Sample], candidate: Candidate, seed: int, copies: Sequence[Patches] = ()
) -> list[Values]:
    """Of each sample the values of its patches and of each defect's, by a bank of other samples.

    ``copies`` are further patches of each sample, for the banks alone.
    """
    channels = tuple(
        backbones.lite2().channels[level] for level in sorted(candidate.features.levels)
    )
    found: dict[int, Values] = {}
    for fold in range(min(FOLDS, len(samples))):
        others = [i for i in range(len(samples)) if i % FOLDS != fold]
        parts = [samples[i].patches for i in others] + [copies[i] for i in others if copies]
        patches = _drawn(parts, POOL_CELLS, np.random.default_rng((seed, fold)))
        judge, _ = Banks(channels, BANK_ROWS, seed).choose(patches)
        session = judging.open_judge(judge)
        for i in range(fold, len(samples), FOLDS):
            planted = [judging.values(session, one.patches) for one in samples[i].planted]
            found[i] = judging.values(session, samples[i].patches), planted
    return [found[i] for i in range(len(samples))]


def _drawn(parts: Sequence[Patches], count: int, rng: np.random.Generator) -> Patches:
    """At most so many random patches of all parts, without ever putting these together."""
    ends = np.cumsum([len(part) for part in parts])
    numbers = rng.permutation(int(ends[-1]))[:count]
    drawn = np.empty((len(numbers), parts[0].shape[1]), dtype=np.float32)
    for part, end in zip(parts, ends, strict=True):
        own = numbers - (int(end) - len(part))
        here = (own >= 0) & (own < len(part))
        drawn[here] = part[own[here]]
    return drawn


def _scores(samples: Sequence[Sample], values: Sequence[Values], worst_pct: float) -> Scores:
    """Raw scores of all samples, untouched and with each defect."""
    normal, damaged = [], []
    for sample, (untouched, changed) in zip(samples, values, strict=True):
        normal.append(sample.raw(untouched, worst_pct))
        pairs = zip(sample.planted, changed, strict=True)
        damaged.append([sample.raw_with(untouched, one, new, worst_pct) for one, new in pairs])
    return Scores(np.array(normal), np.array(damaged))


def _copies(
    trial: _Trial, refs: Sequence[ImageRef], extractor: Extractor, work: Work
) -> tuple[tuple[str, ...], list[Figure]]:
    """Kinds of copies that make banks clearly better at the same defects.

    What is not even normal when mirrored is not tried turned as well.
    """
    found: list[tuple[float, str]] = []
    figures: list[Figure] = []
    chosen = some(refs, trial.candidate)
    for kind in variants.KINDS:
        if kind == "turned" and figures and figures[0].auroc < trial.auroc:
            continue
        began = time.perf_counter()
        evidence = _with_copies(trial, chosen, kind, replace(work, extractor=extractor))
        if evidence is None:
            break
        value = evidence.auroc()
        if better := ahead(evidence, trial.evidence, by=NEAR, seed=work.seed):
            found.append((value, kind))
        seconds = time.perf_counter() - began
        figures.append(Figure(f"and learned from {kind} copies", value, seconds, chosen=better))
    if not found:
        return (), figures
    best = max(found)[1]
    figures = [replace(f, chosen=f"from {best} " in f.candidate) for f in figures]
    return variants.copies((best,)), figures


def _with_copies(trial: _Trial, refs: Sequence[ImageRef], kind: str, work: Work) -> Scores | None:
    """The scores by banks that hold copies of a kind too; None where one can't be made."""
    copies = planting.copies(refs, replace(work, copies=variants.copies((kind,))))
    if len(copies) != len(trial.samples):
        return None
    values = _held_out(trial.samples, trial.candidate, work.seed, copies)
    return _scores(trial.samples, values, trial.worst_pct)


def _multiple(side_px: float) -> int:
    return round(side_px / graph.MULTIPLE_PX) * graph.MULTIPLE_PX
