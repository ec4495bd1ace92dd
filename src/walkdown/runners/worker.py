"""What happens to a few images in one thread: read, decode, every stage that the plan asks for.

`look` takes captures all the way. `advance` runs one stage alone on images that others may have
seen: what waits for another stage comes back without a decision.
"""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from walkdown.errors import ImageError
from walkdown.imaging.decode import decode, reduction, sniff
from walkdown.imaging.formats import HEAD_BYTES
from walkdown.imaging.preparing import Preparation, Prepared, prepared
from walkdown.parallel import chunks
from walkdown.pipeline.keys import cache_key, heatmap_key, image_key
from walkdown.pipeline.predictions import failed
from walkdown.pipeline.steps import Decision, StageCall, next_step
from walkdown.runners.asking import Seen, parts_of, predict
from walkdown.runners.outcomes import Outcome, facts_of, waits_for
from walkdown.runners.overlap import GROUP, HeatMapWriter, ahead, grouped
from walkdown.types import ImageRef, Photo, Prediction, StageResult, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from walkdown.pipeline.plan import Plan, Stage
    from walkdown.ports import Blobs, Model, Records, Source
    from walkdown.spec import OutputsSpec
    from walkdown.types import Box, Original

Cached = tuple[Prediction, str | None]


@dataclass(frozen=True, slots=True)
class Work:
    """All that a worker needs. ``models`` holds the plan's models by digest.

    ``remember``: whether a prediction that is stored already may be used again. ``ahead``:
    photographs are read, and heat maps stored, while others are looked at; one thing after the
    other is best where the store is this machine's own disk. ``refuse`` takes what a look will cost
    (US dollars) from its stage's budget, once for each key, or says why it can't.
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
    refuse: Callable[[Stage, float, str], str | None] = lambda _stage, _usd, _key: None


@dataclass(slots=True)
class _InHand:
    outcome: Outcome
    data: bytes = b""
    wanted_by: StageCall | None = None
    audited: bool = False
    prepared: Prepared | None = None
    taken: Photo | None = None
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
            step = next_step(
                work.plan, hand.outcome.stages, image=facts_of(work.plan, hand.outcome)
            )
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
        hand.data, hand.prepared, hand.taken = b"", None, None


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
        outcome.stages.append(_result(call.stage, failed(problem), None, audited=call.audited))
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
    # Of a region that is cut out, all pixels are wanted.
    wanted_px = stage.model.input_px if stage.regions is None else None
    at_least_px = work.preparation.at_least_px(wanted_px)
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
    image = facts_of(work.plan, outcome)
    hand.taken = replace(photo, exif=outcome.exif, asset=image.asset, viewpoint=image.viewpoint)
    hand.reduction = _reduction(hand, at_least_px)
    hand.prepared = prepared(hand.taken, work.preparation)


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
        if stage.regions is None and stage.model.remember
    }
    return work.records.cached(keys) if work.remember else {}


def _run_stage(
    work: Work,
    stage: Stage,
    group: Sequence[_InHand],
    known: Mapping[str, Cached],
    writing: HeatMapWriter,
) -> None:
    fresh: list[tuple[_InHand, Seen]] = []
    for hand, seen in _seen(work, stage, group, known):
        if seen is not None:
            fresh.append((hand, seen))
    for at in range(0, len(fresh), stage.model.max_batch):
        batch = fresh[at : at + stage.model.max_batch]
        said = _predict(work, stage, [seen for _, seen in batch])
        for (hand, seen), prediction in zip(batch, said, strict=True):
            _finish(work, stage, hand, seen, prediction, writing)


def _seen(
    work: Work, stage: Stage, group: Sequence[_InHand], known: Mapping[str, Cached]
) -> Iterator[tuple[_InHand, Seen | None]]:
    """What the model is to be asked about; None where its answer, or why not, is known already."""
    parts = [_parts(stage, hand) for hand in group]
    keys = [_key(work, stage, hand, each) for hand, each in zip(group, parts, strict=True)]
    if stage.regions is not None and stage.model.remember and work.remember:
        # Which parts they are is known only now.
        known = work.records.cached(keys)
    for hand, key, each in zip(group, keys, parts, strict=True):
        if key in known:
            prediction, heatmap = known[key]
            _note(stage, hand, _paid(prediction), heatmap)
            yield hand, None
        elif problem := _problem(work, stage, hand):
            _note(stage, hand, failed(problem), None)
            yield hand, None
        else:
            assert hand.prepared is not None and hand.taken is not None  # noqa: S101, PT018
            yield hand, Seen(key, hand.prepared, hand.taken, each)


def _paid(prediction: Prediction) -> Prediction:
    """The same answer once more: it was paid for when it was asked."""
    return replace(prediction, cost_usd=None)


def _parts(stage: Stage, hand: _InHand) -> tuple[Box, ...] | None:
    if stage.regions is None:
        return None
    size = {"width_px": hand.outcome.width_px or 1, "height_px": hand.outcome.height_px or 1}
    return parts_of(stage.regions, hand.outcome.stages, **size)


def _predict(work: Work, stage: Stage, batch: Sequence[Seen]) -> list[Prediction]:
    """What the model says of those that the stage's budget has room for.

    Copies of a photograph are looked at once where looks cost money.
    """
    if not stage.model.usd_per_image:
        return predict(work.models[stage.model.digest], stage, batch)
    wanted = {seen.key: seen for seen in batch}
    refused = _refused(work, stage, wanted)
    asked = [seen for key, seen in wanted.items() if refused[key] is None]
    answers = predict(work.models[stage.model.digest], stage, asked) if asked else []
    said = {seen.key: answer for seen, answer in zip(asked, answers, strict=True)}
    told: list[Prediction] = []
    for seen in batch:
        why = refused[seen.key]
        told.append(said[seen.key] if why is None else failed(why))
        if why is None:
            said[seen.key] = _paid(said[seen.key])
    return told


def _refused(work: Work, stage: Stage, wanted: Mapping[str, Seen]) -> dict[str, str | None]:
    """Why which look has no room in the budget: taken at once if all have, or one by one."""
    if stage.usd_per_month is None:
        return dict.fromkeys(wanted)
    costs = {key: _cost(stage, seen) for key, seen in wanted.items()}
    together = digest_of("looks", sorted(wanted))[:32]
    if len(wanted) > 1 and work.refuse(stage, sum(costs.values()), together) is None:
        return dict.fromkeys(wanted)
    return {key: work.refuse(stage, cost, key) for key, cost in costs.items()}


def _cost(stage: Stage, seen: Seen) -> float:
    """What a look is expected to cost, in US dollars."""
    return stage.model.usd_per_image * (1 if seen.parts is None else len(seen.parts))


def _finish(
    work: Work,
    stage: Stage,
    hand: _InHand,
    seen: Seen,
    prediction: Prediction,
    writing: HeatMapWriter,
) -> None:
    """Store the heat map, then note the prediction; only a good and whole one is remembered.

    One whose heat map was not wanted is not whole: another pipeline may want it. What depends on
    more than the image, as its history, is asked again.
    """
    assert hand.outcome.content is not None  # noqa: S101 - a decoded image has been hashed
    heatmap = None
    if prediction.heatmap is not None and work.outputs.heatmaps:
        heatmap = heatmap_key(hand.outcome.content, seen.key)
        writing.put(heatmap, prediction.heatmap)
    bare = replace(prediction, heatmap=None)
    _note(stage, hand, bare, heatmap)
    whole = heatmap or prediction.heatmap is None
    if bare.error is None and whole and stage.model.remember:
        hand.outcome.cache.append((seen.key, bare, heatmap))


def _key(work: Work, stage: Stage, hand: _InHand, parts: tuple[Box, ...] | None) -> str:
    """What a model says that knows more than the image is this capture's alone."""
    content, model = hand.outcome.content or "", stage.model.digest
    view = "" if parts is None else digest_of("parts", parts)[:32]
    if not stage.model.remember:
        view = digest_of("capture", view, hand.outcome.ref.capture_id)[:32]
    return cache_key(content, model, work.plan.prepare_digest, view=view)


def _note(stage: Stage, hand: _InHand, prediction: Prediction, heatmap: str | None) -> None:
    said = _result(stage, prediction, heatmap, audited=hand.audited)
    hand.outcome.stages.append(said)


def _result(
    stage: Stage, prediction: Prediction, heatmap: str | None, *, audited: bool
) -> StageResult:
    model = stage.model
    return StageResult(
        stage.name, model.label, model.digest, prediction, heatmap, audited, stage.shadow_of
    )
