"""The steps of a workflow, against the local way through the same plan."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from PIL import Image

from walkdown.app import workflow
from walkdown.app.workflow import Batch
from walkdown.errors import ImageError
from walkdown.evaluate.audits import audits_of
from walkdown.models.fake import Fake, fake_artefact
from walkdown.models.fake_job import FakeJob, fake_job_artefact
from walkdown.pipeline.plan import make_plan
from walkdown.runners import local
from walkdown.runners.recording import Recorder
from walkdown.runners.worker import Work
from walkdown.spec import OutputsSpec, PipelineSpec, StageSpec
from walkdown.stores.memory import MemoryBlobs, MemoryRecords, MemorySource
from walkdown.types import ImageRef, Original, Result, Severity, Status

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
BRIGHT, DARK = 230, 20


def png(brightness: int) -> bytes:
    out = io.BytesIO()
    Image.new("L", (8, 8), brightness).save(out, "PNG")
    return out.getvalue()


IMAGES = {
    "dark.png": png(DARK),
    "bright.png": png(BRIGHT),
    "brighter.png": png(BRIGHT + 20),
    "broken.png": png(DARK)[:40],
}
SPEC = PipelineSpec(
    name="p",
    stages=(
        StageSpec(name="screen", model="cheap"),
        StageSpec(name="confirm", model="dear", when="screen.verdict == 'anomaly'"),
    ),
)


class Place:
    """A workspace in memory with two models of brightness."""

    def __init__(self, images: dict[str, bytes] = IMAGES, spec: PipelineSpec = SPEC) -> None:
        models = [Fake(fake_artefact(salt=salt), label=f"{salt}@1") for salt in ("cheap", "dear")]
        self.records = MemoryRecords(workspace="w")
        self.blobs = MemoryBlobs()
        self.source = MemorySource(images)
        self.plan = make_plan(spec, {m.info.label.partition("@")[0]: m.info for m in models})
        self.work = Work(
            plan=self.plan,
            models={model.info.digest: model for model in models},
            source=self.source,
            blobs=self.blobs,
            records=self.records,
            outputs=OutputsSpec(),
            max_pixels=1000,
        )
        self.refs = list(self.source.refs())
        self.inspection = workflow.inspection_of(
            self.refs, self.plan, workspace="w", actor="ada", sources=("s3://b/p",), at=NOW
        )
        self.recorder = Recorder(
            plan=self.plan,
            records=self.records,
            workspace="w",
            inspection=self.inspection.id,
            run=0,
            actor="ada",
            clock=lambda: NOW,
            channels=(("log-1", Severity.LOW),),
        )

    def batch(self, stage: str, manifest: str) -> Batch:
        lines = self.blobs.get(manifest).decode().splitlines()
        return Batch(self.inspection.id, 0, stage, tuple(lines))

    def stage(self, stage: str, manifest: str) -> dict[str, int]:
        batch = self.batch(stage, manifest)
        waiting = workflow.look(self.work, batch)
        workflow.record(batch, self.recorder, self.blobs)
        return waiting

    def inspect(self) -> workflow.Tally:
        begun = workflow.begin(self.refs, self.inspection, self.recorder, self.blobs)
        first, *later = self.plan.stages
        self.stage(first.name, begun.manifest)
        for stage in later:
            manifest, _ = workflow.choose(self.inspection.id, stage.name, self.blobs)
            self.stage(stage.name, manifest)
        return workflow.finish(self.inspection.id, begun.images, self.records, self.blobs, now=NOW)

    def results(self) -> dict[str, Result]:
        return {r.image: r for r in self.records.results(inspection_id=self.inspection.id)}


def test_step_by_step_comes_to_the_same_as_all_the_way() -> None:
    place, other = Place(), Place()
    tally = place.inspect()
    list(local.run(other.work, other.recorder, other.refs, workers=1))
    there = {r.image: r for r in other.records.results()}
    assert place.results() == there
    assert place.records.findings() == other.records.findings()
    assert place.records.pending("alert") == other.records.pending("alert")
    assert tally == workflow.Tally(images=4, done=3, partial=0, failed=1, anomalies=2, missing=0)
    assert place.records.inspections()[0].finished_at == NOW
    cached = place.records.cached(place.records._cache)
    assert cached == other.records.cached(other.records._cache)
    assert len(cached) == 5


def test_regions_and_shadows_come_to_the_same_either_way() -> None:
    screen, _ = SPEC.stages
    shadow = StageSpec(name="candidate", model="dear", shadow="screen")
    again = StageSpec(name="confirm", model="dear", input="regions of screen")
    spec = SPEC.model_copy(update={"stages": (screen, shadow, again)})
    place, other = Place(spec=spec), Place(spec=spec)
    tally = place.inspect()
    list(local.run(other.work, other.recorder, other.refs, workers=1))
    assert place.results() == {r.image: r for r in other.records.results()}
    assert (tally.done, tally.failed, tally.anomalies) == (3, 1, 2)
    stages = {name: [s.stage for s in r.stages] for name, r in place.results().items()}
    assert stages["dark.png"] == ["screen", "candidate"]
    assert stages["bright.png"] == ["screen", "confirm", "candidate"]
    assert stages["broken.png"] == []


def test_a_shadow_that_can_not_be_run_leaves_all_results_as_they_are() -> None:
    screen, confirm = SPEC.stages
    shadow = StageSpec(name="candidate", model="dear", shadow="screen")
    place, plain = (
        Place(spec=SPEC.model_copy(update={"stages": (screen, shadow, confirm)})),
        Place(),
    )
    begun = workflow.begin(place.refs, place.inspection, place.recorder, place.blobs)
    place.stage("screen", begun.manifest)
    for name in ("confirm", "candidate"):
        manifest, _ = workflow.choose(place.inspection.id, name, place.blobs)
        if name == "confirm":
            place.stage(name, manifest)
        else:
            batch = place.batch(name, manifest)
            workflow.give_up(batch, place.recorder, place.blobs, why="out of memory")
    plain.inspect()
    for image, result in place.results().items():
        assert result.status is plain.results()[image].status
        assert result.verdict is plain.results()[image].verdict
        counted = [stage.stage for stage in result.stages if stage.beside is None]
        assert counted == [stage.stage for stage in plain.results()[image].stages]
    tally = workflow.finish(place.inspection.id, begun.images, place.records, place.blobs, now=NOW)
    assert (tally.missing, tally.partial, tally.done) == (0, 0, 3)


def test_an_audit_sends_on_the_same_photographs_either_way() -> None:
    screen, confirm = SPEC.stages
    spec = SPEC.model_copy(update={"stages": (screen, confirm.model_copy(update={"audit": 0.5}))})
    images = {f"{grey}.png": png(grey) for grey in range(0, 240, 5)}
    place, other = Place(images, spec), Place(images, spec)
    place.inspect()
    list(local.run(other.work, other.recorder, other.refs, workers=2))
    found = place.results()
    assert found == {r.image: r for r in other.records.results()}
    audited = [r for r in found.values() if any(each.audited for each in r.stages)]
    passed = [r for r in found.values() if r.stages[0].prediction.verdict == "normal"]
    assert 0 < len(audited) < len(passed)
    (audit,) = audits_of(found.values())
    assert (audit.passed, audit.audited) == (len(passed), len(audited))


def test_an_audit_that_cannot_answer_is_one_and_leaves_the_verdict() -> None:
    screen, confirm = SPEC.stages
    spec = SPEC.model_copy(update={"stages": (screen, confirm.model_copy(update={"audit": 1.0}))})
    place = Place({"dark.png": png(DARK)}, spec)
    begun = workflow.begin(place.refs, place.inspection, place.recorder, place.blobs)
    assert place.stage("screen", begun.manifest) == {"confirm": 1}
    manifest, _ = workflow.choose(place.inspection.id, "confirm", place.blobs)
    batch = place.batch("confirm", manifest)
    (result,) = workflow.give_up(batch, place.recorder, place.blobs, why="it ran out of memory")
    assert (result.status, result.verdict) == (Status.PARTIAL, "normal")
    assert [each.audited for each in result.stages] == [False, True]


def test_only_what_the_first_stage_flagged_reaches_the_second() -> None:
    place = Place()
    begun = workflow.begin(place.refs, place.inspection, place.recorder, place.blobs)
    assert place.stage("screen", begun.manifest) == {"confirm": 2}
    assert set(place.results()) == {"dark.png", "broken.png"}
    manifest, count = workflow.choose(place.inspection.id, "confirm", place.blobs)
    assert count == 2
    names = place.blobs.get(manifest).decode().splitlines()
    assert all("bright" in name for name in names)
    tally = workflow.finish(place.inspection.id, 4, place.records, place.blobs, now=NOW)
    assert tally.missing == 2
    assert place.records.inspections()[0].finished_at is None


def test_every_step_can_be_repeated() -> None:
    place = Place()
    once = place.inspect()
    results, alerts = place.results(), place.records.pending("alert")
    assert place.inspect() == once
    assert place.results() == results
    assert place.records.pending("alert") == alerts
    assert len(alerts) == 2


def test_what_was_looked_at_in_two_batches_waits_once() -> None:
    place = Place()
    begun = workflow.begin(place.refs, place.inspection, place.recorder, place.blobs)
    whole = place.batch("screen", begun.manifest)
    workflow.look(place.work, whole)
    for line in whole.lines:
        workflow.look(place.work, replace(whole, lines=(line,)))
    manifest, count = workflow.choose(place.inspection.id, "confirm", place.blobs)
    assert count == len(place.blobs.get(manifest).splitlines()) == 2


def test_known_captures_are_members_without_another_look() -> None:
    place = Place()
    place.inspect()
    later = replace(place.inspection, id="later")
    recorder = replace(place.recorder, inspection="later")
    begun = workflow.begin(place.refs, later, recorder, place.blobs)
    assert (begun.images, begun.new) == (4, 1), "a failed one is tried again"
    members = place.records.results(inspection_id="later")
    assert {r.image for r in members} == set(IMAGES) - {"broken.png"}


def test_giving_up_keeps_what_stood() -> None:
    """An anomaly that no attempt could confirm stays one; an image never seen is failed."""
    place = Place()
    begun = workflow.begin(place.refs, place.inspection, place.recorder, place.blobs)
    place.stage("screen", begun.manifest)
    manifest, _ = workflow.choose(place.inspection.id, "confirm", place.blobs)
    batch = place.batch("confirm", manifest)
    results = workflow.give_up(batch, place.recorder, place.blobs, why="it ran out of memory")
    assert {(r.status, r.verdict) for r in results} == {(Status.PARTIAL, "anomaly")}
    assert "it ran out of memory" in (results[0].error or "")
    assert len(place.records.findings()) == 2

    fresh = Place()
    begun = workflow.begin(fresh.refs, fresh.inspection, fresh.recorder, fresh.blobs)
    batch = fresh.batch("screen", begun.manifest)
    results = workflow.give_up(batch, fresh.recorder, fresh.blobs, why="it ran out of memory")
    assert {r.status for r in results} == {Status.FAILED}
    assert not fresh.records.findings()


def test_an_image_that_is_given_up_on_waits_no_longer_and_counts_once() -> None:
    """The look had done its work, but nobody heard of it in time."""
    place = Place()
    begun = workflow.begin(place.refs, place.inspection, place.recorder, place.blobs)
    batch = place.batch("screen", begun.manifest)
    assert workflow.look(place.work, batch) == {"confirm": 2}
    for line in batch.lines:
        alone = replace(batch, lines=(line,))
        workflow.give_up(alone, place.recorder, place.blobs, why="it ran out of time")
    assert workflow.choose(place.inspection.id, "confirm", place.blobs)[1] == 0
    tally = workflow.finish(place.inspection.id, 4, place.records, place.blobs, now=NOW)
    assert tally == workflow.Tally(images=4, done=0, partial=0, failed=4, anomalies=0, missing=0)


def test_an_image_that_is_gone_before_the_second_stage_stays_an_anomaly() -> None:
    place = Place()
    begun = workflow.begin(place.refs, place.inspection, place.recorder, place.blobs)
    place.stage("screen", begun.manifest)
    manifest, _ = workflow.choose(place.inspection.id, "confirm", place.blobs)
    place.work = replace(place.work, source=Gone())
    place.stage("confirm", manifest)
    found = place.results()["bright.png"]
    assert (found.status, found.verdict) == (Status.PARTIAL, "anomaly")
    assert "the image is gone" in (found.error or "")


class Gone:
    """A source that has lost everything."""

    def refs(self) -> Iterator[ImageRef]:
        return iter(())

    def read(self, ref: ImageRef) -> Original:
        raise ImageError("the image is gone")

    def left_out(self) -> list[tuple[str, str]]:
        return []


def test_another_order_of_arrival_is_the_same_inspection() -> None:
    place = Place()
    same = workflow.inspection_of(
        place.refs[::-1], place.plan, workspace="w", actor="ada", sources=("s3://b/p",), at=NOW
    )
    assert same.id == place.inspection.id
    fewer = workflow.inspection_of(
        place.refs[1:], place.plan, workspace="w", actor="ada", sources=("s3://b/p",), at=NOW
    )
    assert fewer.id != same.id


def test_a_part_that_holds_other_images_is_refused() -> None:
    place = Place()
    begun = workflow.begin(place.refs, place.inspection, place.recorder, place.blobs)
    place.stage("screen", begun.manifest)
    manifest, _ = workflow.choose(place.inspection.id, "confirm", place.blobs)
    batch = place.batch("confirm", manifest)
    first, second = (
        line.replace('"at":0', '"at":9').replace('"at":1', '"at":9') for line in batch.lines
    )
    with pytest.raises(Exception, match="does not hold"):
        workflow.look(place.work, replace(batch, lines=(first, second)))


def test_a_stage_by_job_comes_to_the_same() -> None:
    """Submitted, asked for and collected in steps that share nothing but the store."""
    place, other = Place(), Place()
    now = [0.0]
    service = FakeJob(fake_job_artefact(seconds=9), label="slow@1", clock=lambda: now[0])
    dear = next(s.model for s in place.plan.stages if s.name == "confirm")
    assert dear.label == "dear@1"
    spec = SPEC.model_copy(update={"stages": (SPEC.stages[0], SPEC.stages[1])})
    cheap = next(iter(place.work.models.values()))
    plan = make_plan(spec, {"cheap": cheap.info, "dear": service.info})
    models = {cheap.info.digest: cheap, service.info.digest: service}
    place.plan, place.work = plan, replace(place.work, plan=plan, models=models)  # type: ignore[arg-type]
    place.recorder = replace(place.recorder, plan=plan)

    begun = workflow.begin(place.refs, place.inspection, place.recorder, place.blobs)
    place.stage("screen", begun.manifest)
    manifest, _ = workflow.choose(place.inspection.id, "confirm", place.blobs)
    batch = place.batch("confirm", manifest)
    assert workflow.submit(place.work, batch) == 1
    tokens = place.blobs.get(f"work/{place.inspection.id}/stages/confirm/jobs/{batch.id}.json")
    assert workflow.submit(place.work, batch) == 1
    assert tokens == place.blobs.get(
        f"work/{place.inspection.id}/stages/confirm/jobs/{batch.id}.json"
    )
    assert not workflow.ready(place.work, batch)
    now[0] = 9.0
    assert workflow.ready(place.work, batch)
    workflow.collect(place.work, batch)
    workflow.record(batch, place.recorder, place.blobs)
    other.inspect()
    found, there = place.results(), other.results()
    assert {k: (r.verdict, r.score, r.severity) for k, r in found.items()} == {
        k: (r.verdict, r.score, r.severity) for k, r in there.items()
    }
    assert found["bright.png"].model == "slow@1"
    assert found["bright.png"].stages[1].heatmap


class Parts(MemoryBlobs):
    """A store that takes lines one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.whole: list[str] = []

    def put(self, key: str, data: bytes) -> None:
        self.whole.append(key)
        super().put(key, data)

    def put_lines(self, key: str, lines: Iterable[str]) -> None:
        super().put(key, "".join(f"{line}\n" for line in lines).encode())


def test_manifests_go_line_by_line_to_a_store_that_takes_them_so() -> None:
    place, other = Place(), Place()
    place.blobs = Parts()
    place.work = replace(place.work, blobs=place.blobs)
    assert place.inspect() == other.inspect()
    assert not [key for key in place.blobs.whole if key.endswith("manifest.jsonl")]
    for name in ("manifest.jsonl", "stages/confirm/manifest.jsonl"):
        key = f"work/{place.inspection.id}/{name}"
        assert place.blobs.get(key) == other.blobs.get(key)


def test_captures_need_not_be_in_memory_to_begin() -> None:
    """Walked once, hundreds at a time; known ones keep their place among the members."""
    place = Place()
    place.inspect()
    walked = 0

    def refs() -> Iterator[ImageRef]:
        nonlocal walked
        for number in range(1000):
            walked += 1
            yield ImageRef(f"s3://b/{number}", "v", f"s3://b/{number}", str(number))
        yield from place.refs

    later = replace(place.inspection, id="later")
    begun = workflow.begin(refs(), later, replace(place.recorder, inspection="later"), place.blobs)
    assert (begun.images, begun.new, walked) == (1004, 1001, 1000)
    lines = place.blobs.get(begun.manifest).decode().splitlines()
    assert [str(number) in line for number, line in enumerate(lines[:1000])] == [True] * 1000
    assert len(list(place.records.results(inspection_id="later"))) == 3
