"""Fitting a memory bank on normal photographs, and its threshold by cross-fitting.

How photographs are looked at is chosen first (`choosing`). Then patches are extracted into a pool
of bounded size, from which banks are chosen, and each photograph is scored by a judge that learned
nothing of it: from these scores comes the threshold.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from walkdown.errors import ImageError, TrainingError
from walkdown.evaluate import scores, thresholds
from walkdown.models import artefact, memory_bank
from walkdown.models.bank import Bank
from walkdown.models.graphs.session import open_graph
from walkdown.models.looking import CELL_PX
from walkdown.training import anomalies as labelled_anomalies
from walkdown.training import (
    backbones,
    choosing,
    estimates,
    graph,
    judging,
    pictures,
    planting,
    preferring,
    wholes,
)
from walkdown.training.crossfit import WEIGHTS, Learned, cross_fit
from walkdown.training.demands import Demand
from walkdown.training.evidence import least_as_good
from walkdown.training.extraction import Extractor, Work, extract
from walkdown.training.judging import Banks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from walkdown.evaluate.threshold import Threshold
    from walkdown.models.artefact import Artefact
    from walkdown.models.bank import Head
    from walkdown.models.whole import Components, Whole
    from walkdown.ports import Progress
    from walkdown.training.anomalies import Anomaly, Labelled
    from walkdown.training.choosing import Candidate, Choice
    from walkdown.training.crossfit import Judged
    from walkdown.training.extraction import Image, Load
    from walkdown.training.judging import Patches
    from walkdown.types import ImageRef

MIN_IMAGES = 5

HEAD_CLEARLY = 0.005
HEAD_ERRORS = 0.5
"""AUROC that a greater weight of labelled anomalies must be worth, and standard errors: few
anomalies prove little, and what they teach is worth more often than not."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a bank is fitted. The defaults were chosen on training images only: docs/experiments.md.

    ``fast`` takes the first sensible way to look at photographs, ``choice`` the given one.
    ``pool_numbers`` bounds the patches that the bank is chosen from (their count times their
    channels), and so time and memory of the fit; wide patches need fewer rows than fine ones.
    """

    demand: Demand = field(default_factory=Demand)
    fast: bool = False
    choice: Choice | None = None
    wide_bank: int = 800
    fine_bank: int = 1500
    pool_numbers: int = 24_000_000
    folds: int = 5
    calibrate: int = 400
    seed: int = 0

    def rows(self, candidate: Candidate) -> int:
        """Rows of a bank of a candidate's patches."""
        return self.fine_bank if candidate.features == choosing.FINE else self.wide_bank

    def banks(self, candidate: Candidate) -> Banks:
        """What chooses banks of a candidate's patches."""
        return Banks(channels(candidate), self.rows(candidate), self.seed)

    def work(self, candidate: Candidate, refs: Sequence[ImageRef], load: Load, like: Work) -> Work:
        """How a candidate looks at so many photographs."""
        quota = max(1, self.pool_numbers // depth(candidate) // max(1, len(refs)))
        return replace(like, extractor=extractor_of(candidate, load), quota=quota)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How labelled anomalies were told from normal photographs, each by a judge without it.

    ``weight`` is the say that a head of labelled anomalies got, ``alone`` the AUROC without it.
    """

    anomalies: int
    auroc: float
    alone: float
    weight: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The threshold, the sorted raw scores it comes from, and what was kept from moving it.

    ``odd`` are (name, raw score) of photographs unlike all others.
    """

    threshold: Threshold
    scores: tuple[float, ...]
    odd: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted model and what is worth telling of it.

    ``left_out`` are (name, reason) of photographs that could not be used.
    """

    artefact: Artefact
    images: int
    choice: Choice
    calibration: Calibration
    evaluation: Evaluation | None = None
    left_out: tuple[tuple[str, str], ...] = ()


def fit(
    refs: Sequence[ImageRef],
    load: Load,
    *,
    options: Options,
    workers: int,
    progress: Progress,
    labelled: Sequence[Labelled] = (),
) -> Fit:
    """Fit on photographs that are all normal. Raises `TrainingError` where they are too few.

    ``load(ref, at_least_px)`` decodes one photograph. What can't be decoded is left out, and so
    are exact copies. ``labelled`` anomalies are learned from where that helps.
    """
    typical = typical_px(refs, load)
    first = choosing.first_sensible(typical)
    work = Work(extractor_of(first, load), 1, options.seed, workers, progress)
    choice = options.choice or choosing.plain(typical)
    _tell(refs, choice.candidate, typical, options, work, anomalies=len(labelled))
    if options.choice is None and not options.fast:
        choice = choosing.choose(refs, lambda c: extractor_of(c, load), work, typical_px=typical)
        choice = preferring.prefer(
            choice,
            refs,
            [one.ref for one in labelled],
            lambda c: (options.work(c, refs, load, work), options.banks(c)),
            work,
            typical_px=typical,
        )
    work = replace(options.work(choice.candidate, refs, load, work), copies=choice.copies)
    images, left_out = extract(refs, work)
    if len(images) < MIN_IMAGES:
        raise TrainingError(_too_few(len(images), left_out))
    course = Course(images, [], choice, options.banks(choice.candidate))
    if labelled:
        judge = course.learn(range(len(images)), []).judge
        found, more = labelled_anomalies.extract(labelled, judge, work)
        if not found:
            raise TrainingError(_no_anomaly(more))
        course, left_out = replace(course, anomalies=found), left_out + more
    return _finish(course, options, work, left_out)


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """All that can be learned from: patches of photographs, and anomalies."""

    images: list[Image]
    anomalies: list[Anomaly]
    choice: Choice
    banks: Banks

    @property
    def worst_cells(self) -> int:
        """How many cells make the raw score of a typical photograph."""
        cells = float(np.median([image.cells for image in self.images]))
        return planting.worst_count(cells, self.choice.worst_pct)

    def rows(self) -> tuple[graph.Judge, NDArray[np.int32]]:
        """The bank of all photographs, and its rows' (m, 5) origins: image, box of the cell."""
        judge, chosen = self.banks.choose(np.concatenate([i.patches for i in self.images]))
        number = np.repeat(np.arange(len(self.images)), [len(i.patches) for i in self.images])
        boxes = np.concatenate([image.origin for image in self.images])
        return judge, np.concatenate([number[:, None], boxes], axis=1)[chosen].astype(np.int32)

    def learn(self, normal: Sequence[int], anomalies: Sequence[int]) -> Learned:
        """A judge of these photographs, and what these anomalies have that it does not know."""
        pool = np.concatenate([self.images[i].patches for i in normal])
        judge, _ = self.banks.choose(pool)
        return Learned(judge, self.lesson(judge, pool, anomalies), self.whole(normal))

    def whole(self, normal: Sequence[int]) -> Components | None:
        """What these photographs are like as a whole; nothing is said of a few."""
        if self.channels is None or len(self.images) < wholes.MIN_IMAGES:
            return None
        return wholes.components(np.concatenate([self.images[i].wholes for i in normal]))

    @property
    def channels(self) -> tuple[int, int] | None:
        """Of a patch those that a photograph is known by as a whole."""
        return whole_channels(self.choice.candidate)

    def lesson(self, judge: graph.Judge, pool: Patches, anomalies: Sequence[int]) -> Head | None:
        """What these anomalies have that normal ``pool`` has not; of none nothing is learned."""
        if not anomalies:
            return None
        defective = np.concatenate([self.anomalies[i].defective for i in anomalies])
        return judging.lesson(judge, pool, defective, seed=self.banks.seed)


def _finish(course: Course, options: Options, work: Work, left_out: list[tuple[str, str]]) -> Fit:
    """Judge all by judges without them, then build the model of all."""
    images, anomalies = course.images, course.anomalies
    normal, bad = cross_fit(
        [image.ref for image in images],
        [anomaly.ref for anomaly in anomalies],
        course.learn,
        work,
        worst_cells=course.worst_cells,
        folds=options.folds,
        at_most=options.calibrate,
        channels=course.channels,
    )
    # Before the whole is added: one photograph that is far off must not be hidden by the spread.
    odd = thresholds.odd_ones([one.raw[0] for one in normal])
    normal = as_wholes(normal, course)
    whole = wholes.weighed(course.whole(range(len(images))), normal, course.channels)
    normal, bad = wholes.judged(whole, normal), wholes.judged(whole, bad)
    evaluation, at = _evaluate(normal, bad)
    calibration = _calibrate(normal, bad, at, options.demand, odd)
    work.progress.start("building the model", 1)
    packed = _packed(course, calibration, evaluation, whole, options, work)
    work.progress.advance()
    return Fit(packed, len(images), course.choice, calibration, evaluation, tuple(left_out))


def as_wholes(normal: Sequence[Judged], course: Course) -> list[Judged]:
    """Photographs with what the components of nearly all others leave over of them."""
    if course.whole(range(len(course.images))) is None:
        return list(normal)
    left = wholes.held_out([image.wholes for image in course.images])
    of = {image.ref.name: left[i] for i, image in enumerate(course.images)}
    return [replace(one, left_over=of[one.name]) for one in normal]


def _evaluate(normal: Sequence[Judged], bad: Sequence[Judged]) -> tuple[Evaluation | None, int]:
    """How anomalies are told from normal ones, and which of `WEIGHTS` a head of them should have.

    The least weight that is as good as any: few anomalies can't tell close ones apart.
    """
    if not bad:
        return None, 0
    raw = (np.array([judged.raw for judged in group]) for group in (normal, bad))
    at, aurocs = least_as_good(*raw, by=HEAD_CLEARLY, errors=HEAD_ERRORS)
    return Evaluation(len(bad), aurocs[at], aurocs[0], WEIGHTS[at]), at


def _calibrate(
    normal: Sequence[Judged], bad: Sequence[Judged], at: int, demand: Demand, odd: list[int]
) -> Calibration:
    raw = [judged.raw[at] for judged in normal]
    odd = odd or thresholds.odd_ones(raw)
    threshold = demand.threshold(raw, [judged.raw[at] for judged in bad], odd)
    return Calibration(threshold, tuple(sorted(raw)), tuple((normal[i].name, raw[i]) for i in odd))


def _packed(
    course: Course,
    calibration: Calibration,
    evaluation: Evaluation | None,
    whole: Whole | None,
    options: Options,
    work: Work,
) -> Artefact:
    """The model of all photographs and anomalies."""
    images, candidate = course.images, course.choice.candidate
    judge, origin = course.rows()
    pool = np.concatenate([image.patches for image in images])
    lesson = course.lesson(judge, pool, range(len(course.anomalies)))
    if evaluation and evaluation.weight and lesson:
        judge = replace(judge, head=lesson.times(evaluation.weight))
    judge = replace(judge, whole=whole)
    types = labelled_anomalies.types(course.anomalies, judge)
    origin[:, 1:] = pictures.tile_boxes(origin[:, 1:], CELL_PX)
    bank = Bank(
        shift=judge.scaling.shift,
        scale=judge.scaling.scale,
        weight=judge.scaling.weight,
        rows=judge.rows,
        origin=origin,
        images=tuple(image.ref.name for image in images),
        types=types,
        head=judge.head,
        whole=whole,
        wholes=wholes.kept([image.wholes for image in images]),
    )
    refs = [image.ref for image in images]
    detector = graph.detector(
        trunk(candidate), candidate.features, judge, worst_cells=course.worst_cells
    )
    card = _card(course, calibration, evaluation, options)
    files = {
        memory_bank.GRAPH: detector,
        memory_bank.BANK: bank.packed(),
        memory_bank.PICTURE: pictures.draw(
            origin, refs, work.extractor.photo, workers=work.workers
        ),
    }
    return artefact.pack(memory_bank.KIND, card | bank.facts(), files)


def channels(candidate: Candidate) -> tuple[int, ...]:
    """Of each map that makes a candidate's patches."""
    return tuple(backbones.lite2().channels[level] for level in sorted(candidate.features.levels))


def depth(candidate: Candidate) -> int:
    """Numbers in a patch."""
    return sum(channels(candidate))


def trunk(candidate: Candidate) -> backbones.Trunk:
    """The part of the network that a candidate needs."""
    return backbones.trunk(backbones.lite2(), levels=candidate.features.levels)


def whole_channels(candidate: Candidate) -> tuple[int, int] | None:
    """Of a patch those that a photograph is known by as a whole; tiles are for small defects."""
    return None if candidate.size.tile_px else wholes.channels_of(candidate.features)


def extractor_of(candidate: Candidate, load: Load) -> Extractor:
    """What extracts a candidate's patches."""
    whole = graph.extractor(trunk(candidate), candidate.features)
    channels = whole_channels(candidate)
    return Extractor(open_graph(whole, threads=1), load, candidate.size, channels)


def _tell(
    refs: Sequence[ImageRef],
    candidate: Candidate,
    typical: float,
    options: Options,
    work: Work,
    *,
    anomalies: int,
) -> None:
    """Say what the fit will take, before it begins."""
    compares = options.choice is None and not options.fast
    network = sum(len(tensor.raw_data) for tensor in trunk(candidate).initializers)
    plan = estimates.Plan(
        photographs=len(refs),
        candidate=candidate,
        compared=choosing.candidates(typical) if compares else (),
        rows=options.rows(candidate),
        depth=depth(candidate),
        pool_numbers=options.pool_numbers,
        folds=options.folds,
        calibrate=options.calibrate,
        workers=work.workers,
        network_mib=network / estimates.MIB,
        anomalies=anomalies,
        preferred=preferring.ways(candidate, typical)
        if compares and anomalies >= preferring.MIN_ANOMALIES
        else (),
    )
    measured = estimates.measure(refs, work.extractor, clock=estimates.now)
    if measured:
        work.progress.note(estimates.estimate(plan, measured).sentence)


def typical_px(refs: Sequence[ImageRef], load: Load) -> float:
    """The longer side of the typical photograph."""
    sides = []
    for ref in refs[:: max(1, len(refs) // 16)]:
        try:
            photo = load(ref, choosing.MIN_SIDE_PX)
        except ImageError:
            continue
        sides.append(max(photo.width_px, photo.height_px))
    return float(np.median(sides)) if sides else float(choosing.MIN_SIDE_PX)


def _too_few(count: int, left_out: Sequence[tuple[str, str]]) -> str:
    text = f"{count} normal photographs can be used; at least {MIN_IMAGES} are needed"
    if left_out:
        name, reason = left_out[0]
        text += f" ({len(left_out)} were left out, the first: {name}: {reason})"
    return f"{text}; 20 or more give a threshold that means something"


def _no_anomaly(left_out: Sequence[tuple[str, str]]) -> str:
    name, reason = left_out[0]
    return f"none of the anomalous photographs can be used (the first: {name}: {reason})"


def _card(
    course: Course, calibration: Calibration, evaluation: Evaluation | None, options: Options
) -> dict[str, Any]:
    """All that the model needs to be read, and what it was made with; no time, no path."""
    backbone, choice = backbones.lite2(), course.choice
    threshold = calibration.threshold
    figures = [
        {name: value for name, value in asdict(figure).items() if name != "seconds"}
        for figure in choice.figures
    ]
    return {
        "input": asdict(choice.candidate.size),
        "worst_cells": course.worst_cells,
        "score": {
            "threshold": threshold.value,
            "exponent": scores.exponent_for(calibration.scores, threshold.value),
            "calibration": list(calibration.scores),
        },
        "false_alarms": asdict(threshold),
        "features": asdict(choice.candidate.features),
        "choice": {
            "look": choice.candidate.name,
            "worst_pct": choice.worst_pct,
            "copies": list(choice.copies),
            "figures": figures,
        },
        "anomalies": asdict(evaluation) if evaluation else None,
        "backbone": {
            "name": backbone.name,
            "licence": backbone.licence,
            "weights_sha256": backbone.sha256,
        },
        "training": {
            "demand": asdict(options.demand),
            "seed": options.seed,
            "images": sorted(image.content for image in course.images),
            "anomalies": sorted(anomaly.content for anomaly in course.anomalies),
        },
    }
