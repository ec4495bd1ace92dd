"""Adding normal photographs to a memory bank that was fitted before, without fitting it anew.

How it looks, its scaling and its head stay. New rows are chosen from the old ones and the patches
of the new photographs together, and each new photograph is scored by the old rows and the other
new ones: these scores join the old held-out ones, and from all of them comes the new threshold.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from walkdown.errors import ArtefactError, ImageError, TrainingError
from walkdown.evaluate import scores, thresholds
from walkdown.models import artefact, memory_bank
from walkdown.models.bank import Bank
from walkdown.models.looking import CELL_PX, InputSize
from walkdown.training import backbones, coreset, graph, pictures, wholes
from walkdown.training.choosing import Candidate, Choice, Figure
from walkdown.training.crossfit import Learned, cross_fit
from walkdown.training.demands import Demand
from walkdown.training.extraction import Work, extract
from walkdown.training.memory_bank import Calibration, Fit, Options, depth, extractor_of, trunk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from walkdown.models.artefact import Artefact
    from walkdown.models.whole import Components, Whole
    from walkdown.ports import Progress
    from walkdown.training.crossfit import Judged
    from walkdown.training.extraction import Image, Load
    from walkdown.types import ImageRef, Photo

_KNOWN = "the model knows it already"
_MADE_BY_PACK = ("format", "kind", "files")


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """The model that is added to, as far as adding needs it.

    ``normal`` and ``anomalies`` are the contents that it has learned from, ``scores`` its held-out
    raw scores of normal photographs.
    """

    artefact: Artefact
    bank: Bank
    choice: Choice
    worst_cells: int
    scores: tuple[float, ...]
    demand: Demand
    normal: frozenset[str]
    anomalies: frozenset[str]

    @property
    def scaling(self) -> graph.Scaling:
        """The affine map that its rows were made with."""
        return graph.Scaling(self.bank.shift, self.bank.scale, self.bank.weight)

    def judge(self, rows: NDArray[np.float32]) -> graph.Judge:
        """Its scaling and head, over other rows."""
        return graph.Judge(self.scaling, rows, self.bank.head)

    def components(self, images: Sequence[Image]) -> Components | None:
        """What its photographs and these are like as a whole, where the model looks at that."""
        if self.bank.wholes is None:
            return None
        return wholes.components(
            np.concatenate([self.bank.wholes, *(image.wholes for image in images)])
        )

    def whole(self, images: Sequence[Image]) -> Whole | None:
        """The same with the say that it has in the model."""
        learned, old = self.components(images), self.bank.whole
        return replace(old, components=learned) if learned and old else None


def extend(
    old: Artefact,
    refs: Sequence[ImageRef],
    load: Load,
    *,
    demand: Demand | None = None,
    options: Options | None = None,
    workers: int,
    progress: Progress,
) -> Fit:
    """A new model that also knows these normal photographs; the old one stays as it is.

    ``demand`` is what the threshold has to meet, that of the old model where it is None. Of
    ``options`` only what bounds bank, pool and calibration counts. What the model knows already is
    skipped. The fit's ``images`` are all that were learned from, its ``odd`` ones new. Raises
    `TrainingError` where nothing is new or the model can't be added to, `ArtefactError` where its
    files are damaged.
    """
    base, options = read(old), options or Options()
    demand = _checked(demand or base.demand)
    everything = max(1, len(base.normal) + len(refs))
    work = Work(
        extractor=extractor_of(base.choice.candidate, _unknown(base, load)),
        quota=max(1, options.pool_numbers // depth(base.choice.candidate) // everything),
        seed=options.seed,
        workers=workers,
        progress=progress,
        copies=base.choice.copies,
    )
    images, left_out = _new(refs, work)
    judged = _held_out(base, images, options, work)
    calibration = _calibrated(base, judged, demand)
    progress.start("building the model", 1)
    packed = _packed(base, images, calibration, demand, options, work)
    progress.advance()
    count = len(base.normal) + len(images)
    return Fit(packed, count, base.choice, calibration, None, tuple(left_out))


def read(old: Artefact) -> Base:
    """What adding needs of a model. Raises `TrainingError` for another kind or another network."""
    if old.kind != memory_bank.KIND:
        raise TrainingError(
            f"normal photographs can be added to a memory bank only, and this model is of the kind "
            f"{old.kind!r}: train a new one, without --add"
        )
    try:
        base = _base(old)
        network = old.card["backbone"]["weights_sha256"]
    except (KeyError, TypeError, ValueError, AttributeError, BadZipFile) as e:
        raise ArtefactError(
            f"the model {old.digest[:12]} does not say all that adding to it needs ({e}): "
            "train it anew, without --add"
        ) from e
    if network != backbones.lite2().sha256:
        raise TrainingError(
            f"the model {old.digest[:12]} looks through another network than this walkdown "
            f"({backbones.lite2().name}), so nothing can be added to it: train it anew, without "
            "--add"
        )
    return base


def _base(old: Artefact) -> Base:
    card = old.card
    training = card["training"]
    return Base(
        artefact=old,
        bank=Bank.of(old.files[memory_bank.BANK], card, ""),
        choice=_choice(card),
        worst_cells=int(card["worst_cells"]),
        scores=memory_bank.reading(card).calibration,
        demand=_demand(training["demand"]),
        normal=frozenset(map(str, training["images"])),
        anomalies=frozenset(map(str, training["anomalies"])),
    )


def _choice(card: Mapping[str, Any]) -> Choice:
    chosen, features = card["choice"], card["features"]
    levels = tuple(int(level) for level in features["levels"])
    look = graph.Features(levels, int(features["neighbourhood"]))
    figures = (Figure(**figure, seconds=0.0) for figure in chosen["figures"])
    return Choice(
        Candidate(InputSize(**card["input"]), look),
        float(chosen["worst_pct"]),
        tuple(map(str, chosen["copies"])),
        tuple(figures),
    )


def _demand(written: Mapping[str, Any]) -> Demand:
    costs = written["costs"]
    return Demand(**{**written, "costs": None if costs is None else (costs[0], costs[1])})


def _checked(demand: Demand) -> Demand:
    """Raises `TrainingError` for a demand that needs scores of anomalies, which no card holds."""
    if demand.recall is None and demand.costs is None:
        return demand
    what = "a recall" if demand.recall is not None else "costs"
    raise TrainingError(
        f"the threshold is to follow from {what}, for which the anomalies must be judged again: "
        "train anew with all photographs and --anomaly, or give --false-alarms with --add"
    )


def _unknown(base: Base, load: Load) -> Load:
    """Loads only what the model has not learned from, before any time is spent on it."""

    def new(ref: ImageRef, at_least_px: int | None) -> Photo:
        photo = load(ref, at_least_px)
        if photo.content in base.normal:
            raise ImageError(_KNOWN)
        if photo.content in base.anomalies:
            raise ImageError("the model was told that it shows an anomaly; it is not added")
        return photo

    return new


def _new(refs: Sequence[ImageRef], work: Work) -> tuple[list[Image], list[tuple[str, str]]]:
    """Patches of what is new, and (name, reason) of what is left out; known ones are just told."""
    images, skipped = extract(refs, work)
    left_out = [(name, reason) for name, reason in skipped if reason != _KNOWN]
    known = len(skipped) - len(left_out)
    if known:
        work.progress.note(f"{known} of {len(refs)} photographs skipped: {_KNOWN[:15]} them")
    if images:
        return images, left_out
    text = f"nothing to add: of {len(refs)} photographs the model knows {known} already"
    if left_out:
        text += f"; {len(left_out)} can't be used (the first: {': '.join(left_out[0])})"
    raise TrainingError(f"{text}. Give photographs that it has not seen")


def _chosen(
    base: Base, images: Sequence[Image], options: Options
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Rows of a bank of old rows and new patches together, and their numbers among these."""
    scaled = [base.scaling.apply(image.patches) for image in images]
    pool = np.concatenate([base.bank.rows, *scaled])
    count = max(options.rows(base.choice.candidate), len(base.bank.rows))
    chosen = coreset.select(pool, count, seed=options.seed)
    return pool[chosen], chosen


def _held_out(base: Base, images: list[Image], options: Options, work: Work) -> list[Judged]:
    """New photographs, each judged by the old rows and the other new photographs.

    As large a share of them as was judged of the old ones, so that old and new weigh alike.
    """
    share = min(1.0, len(base.scores) / max(1, len(base.normal)))

    def learn(normal: list[int], _: list[int]) -> Learned:
        others = [images[i] for i in normal]
        rows, _chosen_at = _chosen(base, others, options)
        return Learned(base.judge(rows), None, base.components(others))

    judged, _ = cross_fit(
        [image.ref for image in images],
        [],
        learn,
        work,
        worst_cells=base.worst_cells,
        folds=options.folds,
        at_most=max(1, min(options.calibrate, round(share * len(images)))),
        channels=base.bank.whole.channels if base.bank.whole else None,
    )
    return wholes.judged(base.bank.whole, judged)


def _calibrated(base: Base, judged: Sequence[Judged], demand: Demand) -> Calibration:
    raw = [*base.scores, *(one.raw[0] for one in judged)]
    odd = thresholds.odd_ones(raw)
    old = len(base.scores)
    named = tuple((judged[i - old].name, raw[i]) for i in odd if i >= old)
    return Calibration(demand.threshold(raw, [], odd), tuple(sorted(raw)), named)


def _packed(
    base: Base,
    images: Sequence[Image],
    calibration: Calibration,
    demand: Demand,
    options: Options,
    work: Work,
) -> Artefact:
    rows, chosen = _chosen(base, images, options)
    bank = replace(
        base.bank,
        rows=rows,
        origin=_origins(base.bank, images)[chosen],
        images=(*base.bank.images, *(image.ref.name for image in images)),
        whole=base.whole(images),
        wholes=_wholes(base.bank, images),
    )
    candidate = base.choice.candidate
    judge = replace(base.judge(rows), whole=bank.whole)
    detector = graph.detector(
        trunk(candidate), candidate.features, judge, worst_cells=base.worst_cells
    )
    files = {
        memory_bank.GRAPH: detector,
        memory_bank.BANK: bank.packed(),
        memory_bank.PICTURE: _picture(base, bank, images, chosen, work),
    }
    card = _card(base, images, calibration, demand) | bank.facts()
    return artefact.pack(memory_bank.KIND, card, files)


def _wholes(bank: Bank, images: Sequence[Image]) -> NDArray[np.float32] | None:
    if bank.wholes is None:
        return None
    return wholes.kept([bank.wholes, *(image.wholes for image in images)])


def _origins(bank: Bank, images: Sequence[Image]) -> NDArray[np.int32]:
    """(n, 5) origins of old rows and new patches: number of the image, box of the tile."""
    first = len(bank.images)
    counts = [len(image.patches) for image in images]
    number = np.repeat(np.arange(first, first + len(images)), counts)[:, None]
    boxes = pictures.tile_boxes(np.concatenate([image.origin for image in images]), CELL_PX)
    new = np.concatenate([number, boxes], axis=1).astype(np.int32)
    return np.concatenate([bank.origin, new])


def _picture(
    base: Base, bank: Bank, images: Sequence[Image], chosen: NDArray[np.intp], work: Work
) -> bytes:
    """Tiles of old rows as they were drawn, of new ones drawn from their photographs."""
    first, count = len(base.bank.images), len(base.bank.rows)
    return pictures.draw(
        bank.origin,
        {first + i: image.ref for i, image in enumerate(images)},
        work.extractor.photo,
        workers=work.workers,
        drawn=pictures.Drawn(
            base.artefact.files.get(memory_bank.PICTURE, b""),
            np.where(chosen < count, chosen, pictures.NONE),
        ),
    )


def _card(
    base: Base, images: Sequence[Image], calibration: Calibration, demand: Demand
) -> dict[str, Any]:
    """The old card, with what has changed, and what was added to what."""
    old = {name: value for name, value in base.artefact.card.items() if name not in _MADE_BY_PACK}
    threshold = calibration.threshold
    training = dict(old["training"])
    training |= {
        "demand": asdict(demand),
        "images": sorted(base.normal | {image.content for image in images}),
        "added": [*training.get("added", ()), {"to": base.artefact.digest, "images": len(images)}],
    }
    score = {
        "threshold": threshold.value,
        "exponent": scores.exponent_for(calibration.scores, threshold.value),
        "calibration": list(calibration.scores),
    }
    return old | {"score": score, "false_alarms": asdict(threshold), "training": training}
