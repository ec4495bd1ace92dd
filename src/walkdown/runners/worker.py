"""What happens to a few images in one thread: read, decode, every stage that the plan asks for.

`look` takes captures all the way. `advance` runs one stage alone on images that others may have
seen: what waits for another stage comes back without a decision.
"""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from walkdown.errors import ImageError, WalkdownError
from walkdown.imaging.decode import decode, reduction, sniff
from walkdown.imaging.formats import HEAD_BYTES
from walkdown.imaging.keeping import painted, without_rest
from walkdown.imaging.preparing import Preparation, Prepared, prepared, restored
from walkdown.parallel import chunks
from walkdown.pipeline.keys import cache_key, heatmap_key, image_key
from walkdown.pipeline.predictions import checked, failed
from walkdown.pipeline.steps import Decision, StageCall, next_step
from walkdown.runners.overlap import GROUP, HeatMapWriter, ahead, grouped
from walkdown.templates import place
from walkdown.types import Exif, ImageRef, Prediction, StageResult, digest_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from datetime import datetime

    from walkdown.pipeline.plan import Plan, Stage
    from walkdown.ports import Blobs, Model, Records, Source
    from walkdown.spec import OutputsSpec
    from walkdown.types import Original, Photo

Cached = tuple[Prediction, str | None]


@dataclass(frozen=True, slots=True)
class Work:
    """All that a worker needs. ``models`` holds the plan's models by digest.

    ``remember``: whether a prediction that is stored already may be used again. ``ahead``:
    photographs are read, and heat maps stored, while others are looked at; one thing after the
    other is best where the store is this machine's own disk.
    """

    plan: Plan
    models: Mapping[str, Model]
    source: Source
    blobs: Blobs
    records: Records
    outputs: OutputsSpec
    max_pixels: int
    remember: bool = True
    preparation: Preparation = field(default_factory=Preparation)
    ahead: bool = False


@dataclass(slots=True)
class Outcome:
    """What is known of one image when its way through the plan has ended, or broken off."""

    ref: ImageRef
    error: str | None = None
    content: str | None = None
    width_px: int | None = None
    height_px: int | None = None
    exif: Exif = field(default_factory=Exif)
    asset: str | None = None
    viewpoint: str | None = None
    taken_at: datetime | None = None
    stages: list[StageResult] = field(default_factory=list)
    cache: list[tuple[str, Prediction, str | None]] = field(default_factory=list)
    decision: Decision | None = None


@dataclass(slots=True)
class _InHand:
    outcome: Outcome
    data: bytes = b""
    wanted_by: StageCall | None = None
    audited: bool = False
    prepared: Prepared | None = None
    reduction: int = 1


_Taken = tuple[list[_InHand], dict[str, Cached]]


def look(work: Work, refs: Sequence[ImageRef]) -> list[Outcome]:
    """Take these images through the plan. A bad image is a failed outcome, never an exception.

    No more of them are held decoded at once than the plan's models look at.
    """
    return advance(work, [Outcome(ref, error=ref.problem) for ref in refs])


def advance(work: Work, outcomes: Sequence[Outcome], *, only: str | None = None) -> list[Outcome]:
    """Take images on from the stages that have seen them; with ``only``, through that stage alone.

    An outcome then has an error, a decision, or neither: it waits for another stage (`waits_for`).
    """
    at_once = max(stage.model.max_batch for stage in work.plan.stages)
    with (
        closing(_taken(work, outcomes, at_once, only)) as taken,
        HeatMapWriter(work.blobs, beside=work.ahead) as writing,
    ):
        for hands, known in taken:
            for at in range(0, len(hands), at_once):
                _look(work, hands[at : at + at_once], only, known, writing)
    return list(outcomes)


def waits_for(plan: Plan, outcome: Outcome) -> StageCall | None:
    """The stage that an image wants next; None where nothing is left to run."""
    if outcome.error:
        return None
    step = next_step(plan, outcome.stages, content=outcome.content)
    return step if isinstance(step, StageCall) else None


def _look(
    work: Work,
    hands: Sequence[_InHand],
    only: str | None,
    known: Mapping[str, Cached],
    writing: HeatMapWriter,
) -> None:
    for hand in hands:
        _decode(work, hand)
    waiting = [h for h in hands if h.outcome.error is None]
    while waiting:
        calls: dict[str, list[_InHand]] = {}
        for hand in waiting:
            step = next_step(work.plan, hand.outcome.stages, content=hand.outcome.content)
            if isinstance(step, Decision):
                hand.outcome.decision = step
            elif only in (None, step.stage.name):
                hand.audited = step.audited
                calls.setdefault(step.stage.name, []).append(hand)
        stages = {stage.name: stage for stage in work.plan.stages}
        for name, group in calls.items():
            _run_stage(work, stages[name], group, known, writing)
        waiting = [hand for group in calls.values() for hand in group]
    for hand in hands:
        hand.data, hand.prepared = b"", None


def _taken(
    work: Work, outcomes: Sequence[Outcome], at_once: int, only: str | None
) -> Generator[_Taken, None, None]:
    """The images in order, in groups, with the predictions that are known of them."""
    read = (_read_one(work, outcome, only) for outcome in outcomes)
    if not work.ahead:
        return (_and_known(work, hands) for hands in chunks(read, at_once))
    groups = grouped(read, most=max(at_once, GROUP), weigh=lambda hand: len(hand.data))
    taken = (_and_known(work, hands) for hands in groups)
    return ahead(taken, weigh=lambda each: sum(len(hand.data) for hand in each[0]))


def _and_known(work: Work, hands: list[_InHand]) -> _Taken:
    return hands, _known(work, [hand.outcome for hand in hands])


def _read_one(work: Work, outcome: Outcome, only: str | None) -> _InHand:
    """An image's bytes, where a stage that is to run waits for it."""
    hand = _InHand(outcome)
    call = waits_for(work.plan, outcome)
    if call is None or only not in (None, call.stage.name):
        return hand
    try:
        original = work.source.read(outcome.ref)
    except ImageError as e:
        _unusable(outcome, call, _reason(e, outcome.ref))
    else:
        _understand(outcome, original)
        hand.data, hand.wanted_by = original.data, call
    return hand


def _decode(work: Work, hand: _InHand) -> None:
    """Have an image that was read as the stage that it waits for wants it."""
    if hand.wanted_by and (problem := _problem(work, hand.wanted_by.stage, hand)):
        _unusable(hand.outcome, hand.wanted_by, problem)


def _unusable(outcome: Outcome, call: StageCall, problem: str) -> None:
    """No stage sees it; what earlier stages said of it stands."""
    if outcome.stages:
        said = _result(call.stage, failed(problem), None, audited=call.audited)
        outcome.stages.append(said)
    else:
        outcome.error = problem


def _understand(outcome: Outcome, original: Original) -> None:
    outcome.content = hashlib.sha256(original.data).hexdigest()
    outcome.asset, outcome.viewpoint = original.asset, original.viewpoint
    outcome.taken_at = original.taken_at


def _problem(work: Work, stage: Stage, hand: _InHand) -> str | None:
    """Have the image as this stage's model wants it; why that can't be done.

    No model sees one that was decoded smaller, or larger, for the sake of another model: scores
    would depend on what else is in the pipeline.
    """
    at_least_px = work.preparation.at_least_px(stage.model.input_px)
    if hand.prepared is not None and hand.reduction == _reduction(hand, at_least_px):
        return None
    try:
        _prepare(work, hand, at_least_px)
    except ImageError as e:
        return _reason(e, hand.outcome.ref)
    except MemoryError:
        return "there is not enough memory to decode it"
    return None


def _reduction(hand: _InHand, at_least_px: int | None) -> int:
    size = hand.outcome.width_px or 1, hand.outcome.height_px or 1
    return reduction(max(size), at_least_px) if sniff(hand.data[:HEAD_BYTES]) == "JPEG" else 1


def _reason(error: ImageError, ref: ImageRef) -> str:
    """Why, without the name, which stands beside it."""
    return str(error).removeprefix(f"{ref.name}: ")


def _prepare(work: Work, hand: _InHand, at_least_px: int | None) -> None:
    """Decode it, keep what can be decoded, and make it what models see."""
    photo = decode(
        hand.data,
        name=hand.outcome.ref.name,
        at_least_px=at_least_px,
        max_pixels=work.max_pixels,
    )
    outcome = hand.outcome
    outcome.width_px, outcome.height_px = photo.width_px, photo.height_px
    taken_at = outcome.taken_at or photo.exif.taken_at
    outcome.exif = replace(photo.exif, taken_at=taken_at)
    if work.outputs.images:
        _keep(work.blobs, image_key(photo.content), hand.data)
    hand.reduction = _reduction(hand, at_least_px)
    hand.prepared = prepared(_assigned(work.plan, outcome, photo), work.preparation)


def _assigned(plan: Plan, outcome: Outcome, photo: Photo) -> Photo:
    """The photo with what is known of where it belongs; the same will be recorded of it."""
    where = place(plan.asset, outcome.ref.relative)
    return replace(
        photo,
        exif=outcome.exif,
        asset=outcome.asset or where.asset,
        viewpoint=outcome.viewpoint or where.viewpoint,
    )


def _keep(blobs: Blobs, key: str, data: bytes) -> None:
    """Store bytes under a name made from them; a whole copy that is there already is the same.

    One that a power cut has shortened is not whole.
    """
    if blobs.size(key) != len(data):
        blobs.put(key, data)


def _known(work: Work, outcomes: Sequence[Outcome]) -> dict[str, Cached]:
    keys = {
        cache_key(o.content, stage.model.digest, work.plan.prepare_digest)
        for o in outcomes
        if o.content is not None
        for stage in work.plan.stages
        if stage.model.remember
    }
    return work.records.cached(keys) if work.remember else {}


def _run_stage(
    work: Work,
    stage: Stage,
    group: Sequence[_InHand],
    known: Mapping[str, Cached],
    writing: HeatMapWriter,
) -> None:
    fresh: list[_InHand] = []
    for hand in group:
        key = _key(work, stage, hand)
        if key in known:
            prediction, heatmap = known[key]
            hand.outcome.stages.append(_result(stage, prediction, heatmap, audited=hand.audited))
        elif problem := _problem(work, stage, hand):
            hand.outcome.stages.append(_result(stage, failed(problem), None, audited=hand.audited))
        else:
            fresh.append(hand)
    for at in range(0, len(fresh), stage.model.max_batch):
        batch = fresh[at : at + stage.model.max_batch]
        for hand, prediction in zip(batch, _predict(work, stage, batch), strict=True):
            _finish(work, stage, hand, prediction, writing)


def _predict(work: Work, stage: Stage, batch: Sequence[_InHand]) -> list[Prediction]:
    seen = [hand.prepared for hand in batch if hand.prepared is not None]
    try:
        return _ask(work.models[stage.model.digest], seen)
    except WalkdownError as e:
        return [failed(str(e))] * len(batch)
    except Exception as e:  # a model may be anyone's code: it fails its images, not the batch
        return [failed(f"{stage.model.label} broke: {type(e).__name__}: {e}")] * len(batch)


def _ask(model: Model, seen: Sequence[Prepared]) -> list[Prediction]:
    """What the model says of prepared photos, in the frames of the photos as they were taken."""
    if getattr(model, "knows_keep", False):
        said = checked(model.predict([each.photo for each in seen]), len(seen))
    else:
        painted_over = model.predict([painted(each.photo) for each in seen])
        said = [
            without_rest(prediction, each.photo)
            for prediction, each in zip(checked(painted_over, len(seen)), seen, strict=True)
        ]
    return [restored(prediction, each) for prediction, each in zip(said, seen, strict=True)]


def _finish(
    work: Work, stage: Stage, hand: _InHand, prediction: Prediction, writing: HeatMapWriter
) -> None:
    """Store the heat map, then note the prediction; only a good and whole one is remembered.

    One whose heat map was not wanted is not whole: another pipeline may want it. What depends on
    more than the image, as its history, is asked again.
    """
    assert hand.outcome.content is not None  # noqa: S101 - a decoded image has been hashed
    heatmap = None
    if prediction.heatmap is not None and work.outputs.heatmaps:
        heatmap = _heatmap_key(work, stage, hand.outcome)
        writing.put(heatmap, prediction.heatmap)
    bare = replace(prediction, heatmap=None)
    hand.outcome.stages.append(_result(stage, bare, heatmap, audited=hand.audited))
    whole = heatmap or prediction.heatmap is None
    if bare.error is None and whole and stage.model.remember:
        hand.outcome.cache.append((_key(work, stage, hand), bare, heatmap))


def _heatmap_key(work: Work, stage: Stage, outcome: Outcome) -> str:
    """That of a model that knows more than the image is this capture's alone."""
    model = stage.model.digest
    if not stage.model.remember:
        model = digest_of(model, outcome.ref.capture_id)
    return heatmap_key(outcome.content or "", model, work.plan.prepare_digest)


def _key(work: Work, stage: Stage, hand: _InHand) -> str:
    content = hand.outcome.content or ""
    return cache_key(content, stage.model.digest, work.plan.prepare_digest)


def _result(
    stage: Stage, prediction: Prediction, heatmap: str | None, *, audited: bool
) -> StageResult:
    model = stage.model
    return StageResult(stage.name, model.label, model.digest, prediction, heatmap, audited)
