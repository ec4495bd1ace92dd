"""The steps of an inspection that runs as a workflow: each is one short call that can be repeated.

What they hand to one another lies in the store of blobs below ``work/INSPECTION/``; only names and
counts travel between them:

    begun.json                         the inspection as it began
    manifest.jsonl                     the captures of the first stage, one line each
    recorded/ID.json                   how many results of a batch were recorded, by status
    given_up/ID.txt                    captures of a batch that are recorded as given up on
    stages/STAGE/manifest.jsonl        the captures that wait for a later stage
    stages/STAGE/parts/ID.json.gz      what is known of a batch's images (runners.parts)
    stages/STAGE/waiting/ID.jsonl      which images of an earlier batch want that stage
    stages/STAGE/jobs/ID.json          the jobs of a batch, where the model works by job

A batch's files are named by its lines, so that a batch that is looked at again replaces its own.
"""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar, cast, runtime_checkable

from walkdown.errors import StoreError
from walkdown.parallel import chunks, ordered_map
from walkdown.pipeline.predictions import failed
from walkdown.pipeline.steps import Decision, decide, next_step
from walkdown.runners.jobs import Collecting, Job, Submitting
from walkdown.runners.outcomes import Outcome, facts_of, waits_for
from walkdown.runners.parts import pack, ref_from_json, ref_to_json, unpack
from walkdown.runners.worker import Work, advance
from walkdown.stores.codec import inspection_from_json, inspection_to_json
from walkdown.stores.fields import Fields, dumps, loads
from walkdown.types import Inspection, StageResult, Status, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from walkdown.pipeline.plan import Plan
    from walkdown.ports import Blobs, JobModel, Records
    from walkdown.runners.recording import Recorder
    from walkdown.types import ImageRef, Result

T = TypeVar("T")

_ANOMALIES = "anomalies"

READERS = 16
"""Small files that are read at once."""

AT_ONCE = 100
"""Results that are asked for or recorded at once."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one call works on: lines of a manifest, for one stage of one inspection."""

    inspection: str
    run: int
    stage: str
    lines: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Where the files of this stage lie."""
        return stage_folder(self.inspection, self.stage)

    @property
    def id(self) -> str:
        """Made of the lines: the same images, the same batch."""
        return digest_of("batch", self.stage, self.lines)[:32]

    @property
    def part(self) -> str:
        """Where what is known of these images lies once the stage has seen them."""
        return f"{self.folder}/parts/{self.id}.json.gz"


@dataclass(frozen=True, slots=True)
class Begun:
    """An inspection whose manifest is written: how many images it has, and how many are new.

    ``waits`` says why its workflow is not started yet, where it is not.
    """

    inspection: Inspection
    manifest: str
    images: int
    new: int
    waits: str | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """What a finished inspection came to. ``missing`` are images without any result."""

    images: int
    done: int
    partial: int
    failed: int
    anomalies: int
    missing: int


@runtime_checkable
class LineStore(Protocol):
    """A store of blobs that need not hold all lines of a long one at once."""

    def put_lines(self, key: str, lines: Iterable[str]) -> None:
        """Store lines whole or not at all, each with its end."""


def work_folder(inspection: str) -> str:
    """Where the files of an inspection lie while it runs."""
    return f"work/{inspection}"


def stage_folder(inspection: str, stage: str) -> str:
    """Where the files of one stage lie while it runs."""
    return f"{work_folder(inspection)}/stages/{stage}"


def inspection_of(
    refs: Iterable[ImageRef],
    plan: Plan,
    *,
    workspace: str,
    actor: str,
    sources: tuple[str, ...],
    at: datetime,
    run: int = 0,
) -> Inspection:
    """The inspection of these captures: named by them, so that the same arrivals make the same one.

    ``at`` is when the newest of them arrived.
    """
    # A sum of hashes is the same in any order, and no list of a million is held.
    count, total = 0, 0
    for ref in refs:
        count, total = count + 1, (total + int(ref.capture_id, 16)) % 2**128
    short = digest_of("inspection", plan.digest, run, count, f"{total:032x}")[:12]
    return Inspection(
        id=f"{at:%Y%m%d-%H%M%S}-{short}",
        workspace=workspace,
        pipeline=plan.name,
        plan_digest=plan.digest,
        sources=sources,
        actor=actor,
        started_at=at,
        run=run,
        model=", ".join(stage.model.label for stage in plan.counted),
        threshold=plan.counted[-1].model.threshold,
    )


def short_of(inspection: str) -> str:
    """The part of an inspection's id that its captures, its plan and its run make."""
    return inspection.rpartition("-")[2]


def begin(
    refs: Iterable[ImageRef], inspection: Inspection, recorder: Recorder, blobs: Blobs
) -> Begun:
    """Write the manifest of what is not done yet; what is done becomes a member at once.

    An inspection that has begun stays as it began: arrivals may be told of twice. ``refs`` are
    walked once, and written in parts where the store can.
    """
    if blobs.size(_begun_key(inspection.id)) is not None:
        return begun(inspection.id, blobs)
    new: Counter[str] = Counter()
    before: Counter[str] = Counter()

    def lines() -> Iterator[str]:
        sift = partial(_sifted, inspection=inspection.id, recorder=recorder)
        for todo, counts in ordered_map(sift, chunks(refs, AT_ONCE), workers=READERS):
            new["images"] += len(todo)
            before.update(counts)
            yield from (dumps(ref_to_json(ref)) for ref in todo)

    manifest = f"{work_folder(inspection.id)}/manifest.jsonl"
    put_lines(blobs, manifest, lines())
    _receipt(inspection.id, "before", before, blobs)
    finished = None if new["images"] else inspection.started_at
    recorder.records.save_inspection(replace(inspection, finished_at=finished))
    images = new["images"] + sum(before[status] for status in Status)
    beginning = Begun(inspection, manifest, images, new["images"])
    # Last: what is noted as begun is begun as a whole.
    blobs.put(_begun_key(inspection.id), _begun_to_bytes(beginning))
    return beginning


def begun(inspection: str, blobs: Blobs) -> Begun:
    """An inspection as it began. Raises `NotFound` once its files are gone."""
    fields = Fields("begun inspection", loads(blobs.get(_begun_key(inspection)).decode("ascii")))
    return Begun(
        inspection_from_json(fields.get("inspection", dict)),
        fields.text("manifest"),
        fields.whole("images"),
        fields.whole("new"),
    )


def _sifted(
    refs: Sequence[ImageRef], *, inspection: str, recorder: Recorder
) -> tuple[list[ImageRef], Counter[str]]:
    """Those that are not done, and the counts of those that are, which become members."""
    pairs = [(ref, recorder.key(ref.capture_id)) for ref in refs]
    found = recorder.records.results(keys=[key for _, key in pairs])
    known = {result.key: result for result in found if result.status is Status.DONE}
    done = [pair for pair in pairs if pair[1] in known]
    recorder.records.add_members(inspection, done)
    todo = [ref for ref, key in pairs if key not in known]
    return todo, _counted([known[key] for _, key in done])


class ManifestOf:
    """The captures in the lines of a manifest; can be walked again."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __iter__(self) -> Iterator[ImageRef]:
        return (ref_from_json(loads(line.decode("ascii"))) for line in io.BytesIO(self._data))


def manifest_of(inspection: str, blobs: Blobs) -> ManifestOf:
    """What an inspection was to look at. Raises `NotFound` once its files are gone."""
    return ManifestOf(blobs.get(f"{work_folder(inspection)}/manifest.jsonl"))


def look(work: Work, batch: Batch) -> dict[str, int]:
    """Run one stage on a batch; returns how many images wait for which later stage.

    An image that cannot be read or looked at is a failed outcome. Raises what a whole batch meets:
    a store that does not answer, say.
    """
    outcomes = advance(work, _outcomes(batch, work.blobs), only=batch.stage)
    work.blobs.put(batch.part, pack(outcomes))
    waiting: dict[str, list[str]] = {}
    for at, outcome in enumerate(outcomes):
        call = waits_for(work.plan, outcome)
        if call is not None:
            line = ref_to_json(outcome.ref) | {"part": batch.part, "at": at}
            waiting.setdefault(call.stage.name, []).append(dumps(line))
    for stage_name, lines in waiting.items():
        folder = stage_folder(batch.inspection, stage_name)
        work.blobs.put(f"{folder}/waiting/{batch.id}.jsonl", _lines(lines))
    return {stage_name: len(lines) for stage_name, lines in waiting.items()}


def submit(work: Work, batch: Batch) -> int:
    """Begin the jobs of a batch whose stage's model works by job; returns how many there are.

    A second call submits only what the first one did not get to note.
    """
    jobs = Submitting(_job_model(work, batch), _jobs(batch, work.blobs))
    replaced = replace(work, models={jobs.info.digest: jobs})
    advance(replaced, _outcomes(batch, work.blobs), only=batch.stage)
    work.blobs.put(
        _jobs_key(batch),
        dumps({key: asdict(job) for key, job in jobs.jobs.items()}).encode("ascii"),
    )
    return len(jobs.jobs)


def ready(work: Work, batch: Batch) -> bool:
    """Whether all jobs of a batch can be collected. Raises `ModelError` for one that is lost."""
    model = _job_model(work, batch)
    return all(model.ready(job.token) for job in _jobs(batch, work.blobs).values())


def collect(work: Work, batch: Batch) -> dict[str, int]:
    """As `look`, with what the jobs came to."""
    jobs = Collecting(_job_model(work, batch), _jobs(batch, work.blobs))
    # What was submitted is paid for.
    paid = replace(work, models={jobs.info.digest: jobs}, refuse=lambda *_: None)
    return look(paid, batch)


def record(batch: Batch, recorder: Recorder, blobs: Blobs) -> list[Result]:
    """Record the images of a batch whose way has ended; repeatable."""
    outcomes = unpack(blobs.get(batch.part))
    for outcome in outcomes:
        if outcome.error is None:
            step = next_step(recorder.plan, outcome.stages, image=facts_of(recorder.plan, outcome))
            outcome.decision = step if isinstance(step, Decision) else None
    return _record(batch, [o for o in outcomes if o.error or o.decision], recorder, blobs)


def give_up(batch: Batch, recorder: Recorder, blobs: Blobs, *, why: str) -> list[Result]:
    """Record images that no attempt could take through a stage: failed, or what stood before."""
    stages = {stage.name: stage for stage in recorder.plan.stages}
    model = stages[batch.stage].model
    outcomes = _outcomes(batch, blobs)
    for outcome in outcomes:
        if outcome.stages:
            call = waits_for(recorder.plan, outcome)
            said = StageResult(
                batch.stage,
                model.label,
                model.digest,
                failed(why),
                audited=call is not None and call.audited,
                beside=stages[batch.stage].shadow_of,
            )
            outcome.stages.append(said)
            outcome.decision = decide(recorder.plan, outcome.stages)
        else:
            outcome.error = outcome.error or why
    # A look that broke off late may have left them waiting for a stage, in another batch too.
    captures = [outcome.ref.capture_id for outcome in outcomes]
    blobs.put(f"{_given_up(batch.inspection)}{batch.id}.txt", _lines(captures))
    return _record(batch, outcomes, recorder, blobs)


def choose(inspection: str, stage: str, blobs: Blobs) -> tuple[str, int]:
    """Gather what waits for a stage into its manifest; returns where it is, and how many.

    An image whose batch was looked at twice waits once, and one that was given up on not at all.
    """
    folder = stage_folder(inspection, stage)
    given_up = {
        int(line, 16) for text in _read_all(_given_up(inspection), blobs) for line in text.split()
    }
    seen: set[int] = set()

    def lines() -> Iterator[str]:
        for text in _read_all(f"{folder}/waiting/", blobs):
            for line in text.splitlines():
                capture = int(ref_from_json(loads(line)).capture_id, 16)
                if capture not in seen and capture not in given_up:
                    seen.add(capture)
                    yield line

    manifest = f"{folder}/manifest.jsonl"
    put_lines(blobs, manifest, lines())
    return manifest, len(seen)


def finish(
    inspection_id: str, images: int, records: Records, blobs: Blobs, *, now: datetime
) -> Tally:
    """Count what was recorded; an inspection with a result for every image is finished.

    ``images`` is how many the manifest and what was done before have together.
    """
    inspection = begun(inspection_id, blobs).inspection
    counts: Counter[str] = Counter()
    for text in _read_all(f"{work_folder(inspection_id)}/recorded/", blobs):
        fields = Fields("receipt", loads(text))
        counts.update({name: fields.whole(name) for name in (*Status, _ANOMALIES)})
    missing = max(0, images - sum(counts[status] for status in Status))
    if not missing:
        records.save_inspection(replace(inspection, finished_at=now))
    return Tally(
        images=images,
        done=counts[Status.DONE],
        partial=counts[Status.PARTIAL],
        failed=counts[Status.FAILED],
        anomalies=counts[_ANOMALIES],
        missing=missing,
    )


def _job_model(work: Work, batch: Batch) -> JobModel:
    stage = next(each for each in work.plan.stages if each.name == batch.stage)
    return cast("JobModel", work.models[stage.model.digest])


def _given_up(inspection: str) -> str:
    """Below which it is noted which captures no attempt could take through their stage."""
    return f"{work_folder(inspection)}/given_up/"


def _jobs_key(batch: Batch) -> str:
    return f"{batch.folder}/jobs/{batch.id}.json"


def _jobs(batch: Batch, blobs: Blobs) -> dict[str, Job]:
    key = _jobs_key(batch)
    if blobs.size(key) is None:
        return {}
    stored = loads(blobs.get(key).decode("ascii"))
    return {name: _job(Fields("job", value)) for name, value in stored.items()}


def _job(fields: Fields) -> Job:
    return Job(fields.text("token"), fields.texts("photos"))


def _begun_key(inspection: str) -> str:
    return f"{work_folder(inspection)}/begun.json"


def _begun_to_bytes(begun: Begun) -> bytes:
    about = {"inspection": inspection_to_json(begun.inspection), "manifest": begun.manifest}
    return dumps(about | {"images": begun.images, "new": begun.new}).encode("ascii")


def _record(
    batch: Batch, outcomes: Sequence[Outcome], recorder: Recorder, blobs: Blobs
) -> list[Result]:
    results: list[Result] = []
    for some in _parts(outcomes, AT_ONCE):
        members = [(o.ref, recorder.key(o.ref.capture_id)) for o in some]
        recorder.records.add_members(recorder.inspection, members)
        results += recorder.record(some)
    _receipt(batch.inspection, batch.id, _counted(results), blobs)
    return results


def _counted(results: Sequence[Result]) -> Counter[str]:
    """How many of each status, and how many anomalies."""
    counts: Counter[str] = Counter(result.status.value for result in results)
    counts[_ANOMALIES] = sum(result.verdict == "anomaly" for result in results)
    return counts


def _receipt(inspection: str, name: str, counts: Counter[str], blobs: Blobs) -> None:
    """Note what was recorded, so that it can be counted without reading it all again."""
    noted = {what: counts[what] for what in (*Status, _ANOMALIES)}
    blobs.put(f"{work_folder(inspection)}/recorded/{name}.json", dumps(noted).encode("ascii"))


def _read_all(prefix: str, blobs: Blobs) -> Iterator[str]:
    """The texts below a prefix, several read at once."""
    keys = list(blobs.list(prefix))
    return ordered_map(lambda key: blobs.get(key).decode("ascii"), keys, workers=READERS)


def _outcomes(batch: Batch, blobs: Blobs) -> list[Outcome]:
    """What is known of the images of a batch: nothing, or what an earlier stage has left."""
    parts: dict[str, list[Outcome]] = {}
    outcomes = []
    for line in batch.lines:
        value = loads(line)
        ref = ref_from_json(value)
        if "part" not in value:
            outcomes.append(Outcome(ref, error=ref.problem))
            continue
        fields = Fields("line of a manifest", value)
        key, at = fields.text("part"), fields.whole("at")
        if key not in parts:
            parts[key] = unpack(blobs.get(key))
        if not 0 <= at < len(parts[key]) or parts[key][at].ref != ref:
            raise StoreError(f"the part {key} does not hold {ref.name} any more; inspect it again")
        outcomes.append(parts[key][at])
    return outcomes


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[at : at + size] for at in range(0, len(items), size))


def put_lines(blobs: Blobs, key: str, lines: Iterable[str]) -> None:
    """Store lines whole or not at all, in parts where the store can."""
    if isinstance(blobs, LineStore):
        blobs.put_lines(key, lines)
    else:
        blobs.put(key, _lines(lines))


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("ascii")
