"""How large a workflow's states and histories get, at worst: computed from what is really built."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.aws import gate
from tests.aws.emulator.batches import gathered

from walkdown.app.workflow import Batch, Tally, stage_folder, work_folder
from walkdown.models.fake import Fake, fake_artefact
from walkdown.models.fake_job import FakeJob, fake_job_artefact
from walkdown.pipeline.plan import Plan, make_plan
from walkdown.runners.parts import ref_to_json
from walkdown.runners.stepfunctions import MAX_BATCH, Shape, definition
from walkdown.spec import PipelineSpec, StageSpec
from walkdown.stores.fields import dumps
from walkdown.stores.s3_reading import s3_ref

Json = dict[str, Any]

KIB = 1024
STATE_BYTES = 256 * KIB
"""What a state may hold, and an execution be given:
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""

CAUSE_BYTES = 32 * KIB
"""What the cause of an error may be: the same page."""

HISTORY_EVENTS = 25_000
"""How long the history of an execution may be: the same page."""

NAME_LETTERS = 80
IMAGES = 1_000_000
CAMERA = "\N{CAMERA}"
KEY = CAMERA * 256
"""A key of 1,024 bytes, the most that S3 takes."""

INSPECTION = "20260501-120000-0123456789ab"
PLAN_KEY = f"pipelines/{'p' * 63}/{'0' * 32}.json"
BUCKET = "b" * 63
ARN = "arn:aws:states:eu-central-1:123456789012:mapRun:" + "x" * 200


def plan_of(stages: int, *, jobs: bool = False) -> Plan:
    """So many stages, with the longest names there are; with ``jobs`` the last works by job."""
    names = [chr(ord("a") + number) * 63 for number in range(stages)]
    spec = PipelineSpec(
        name="p" * 63,
        stages=tuple(
            StageSpec(name=name, model=f"m{i}", when=f"{names[i - 1]}.score > 0.5" if i else None)
            for i, name in enumerate(names)
        ),
    )
    models = [Fake(fake_artefact(salt=name), label=f"{name}@1") for name in names]
    infos = {f"m{i}": model.info for i, model in enumerate(models)}
    if jobs:
        infos[f"m{stages - 1}"] = FakeJob(fake_job_artefact(), label="job@1").info
    return make_plan(spec, infos)


def workflow_of(plan: Plan, *, batch: int = MAX_BATCH) -> Json:
    """Its state machine as it is deployed."""
    shape = Shape({stage.name: batch for stage in plan.stages}, concurrency=1000)
    return definition(plan, shape, plan_key=PLAN_KEY)


def machines(node: Json) -> Iterator[Json]:
    """The states of a machine, and those of the maps in it."""
    yield node["States"]
    for state in node["States"].values():
        if "ItemProcessor" in state:
            yield from machines(state["ItemProcessor"])


def size(value: object) -> int:
    """Bytes of a state, which holds UTF-8."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def children(workflow: Json, stage: str) -> list[Json]:
    """What the map of a stage gives its children where each key is as long as it can be."""
    batcher = workflow["States"][stage]["ItemBatcher"]
    refs = [
        s3_ref(BUCKET, KEY[:-4] + f"{i:016d}", version_id="v" * KIB, etag="")
        for i in range(2 * MAX_BATCH)
    ]
    part = f"{stage_folder(INSPECTION, stage)}/parts/{'0' * 32}.json.gz"
    items = [ref_to_json(ref) | {"part": part, "at": 99} for ref in refs]
    about = batcher["BatchInput"] | {"inspection": INSPECTION, "run": 10**9}
    given = {"BatchInput": {key.removesuffix(".$"): value for key, value in about.items()}}
    lots = gathered(
        items,
        most=batcher["MaxItemsPerBatch"],
        room=batcher["MaxInputBytesPerBatch"] - size(given),
    )
    return [given | {"Items": lot} for lot in lots]


def test_workflows_of_any_length_pass_every_linter() -> None:
    plans = [*(plan_of(count) for count in (1, 2, 4)), plan_of(2, jobs=True)]
    assert gate.lint_definitions([workflow_of(plan) for plan in plans]) == [[]] * 4


def test_no_state_has_a_longer_name_than_aws_takes() -> None:
    names = [name for states in machines(workflow_of(plan_of(4, jobs=True))) for name in states]
    assert max(map(len, names)) <= NAME_LETTERS


def test_what_a_child_holds_stays_below_the_limit() -> None:
    plan = plan_of(4)
    workflow, stage = workflow_of(plan), plan.stages[1].name
    given = children(workflow, stage)
    assert max(map(size, given)) <= 200 * KIB
    assert len(given) > 2, "the bytes are what ends these batches"
    answer = {"images": MAX_BATCH, "waiting": {each.name: MAX_BATCH for each in plan.stages}}
    looked, error = {"answer": answer}, {"Error": "E" * 256, "Cause": "c" * CAUSE_BYTES}
    assert max(map(size, given)) + size(looked) + size(error) < STATE_BYTES
    lines = tuple(dumps(item) for item in given[0]["Items"])
    assert len(Batch(INSPECTION, 0, stage, lines).part) < KIB


def test_a_child_hands_on_no_more_than_counts() -> None:
    plan = plan_of(2)
    states = workflow_of(plan)["States"][plan.stages[0].name]["ItemProcessor"]["States"]
    ends = {name: state for name, state in states.items() if state.get("End")}
    assert all("ResultPath" not in state for state in ends.values()), "the input is replaced"
    selected = [state["ResultSelector"] for state in ends.values()]
    assert selected == [
        {"answer.$": "$.Payload"},
        {"one_at_a_time.$": "States.ArrayLength($)"},
    ]
    assert size({"answer": {"recorded": MAX_BATCH, "failed": MAX_BATCH}}) < 2 * KIB


def test_what_the_workflow_itself_holds_does_not_grow_with_the_images() -> None:
    plan = plan_of(4)
    manifest = f"{work_folder(INSPECTION)}/manifest.jsonl"
    given = {"inspection": INSPECTION, "run": 0, "manifest": manifest, "images": IMAGES}
    written = {"Bucket": BUCKET, "Key": f"{work_folder(INSPECTION)}/{'k' * 200}/manifest.json"}
    state: Json = given | {"children": {"MapRunArn": ARN, "ResultWriterDetails": written}}
    for stage in plan.stages[1:]:
        key = f"{stage_folder(INSPECTION, stage.name)}/manifest.jsonl"
        state[f"chosen_{stage.name}"] = {"answer": {"manifest": key, "images": IMAGES}}
    state["finished"] = {"answer": dict.fromkeys(Tally.__slots__, IMAGES)}
    state["told"] = state["error"] = {"Error": "E" * 256, "Cause": "c" * CAUSE_BYTES}
    assert size(state) < STATE_BYTES / 2
    paths = {each.get("ResultPath", "$") for each in workflow_of(plan)["States"].values()}
    kept = {f"$.{key}" for key in state} | {"$"}
    assert paths <= kept


def events_of(state: Json, *, attempts: int) -> int:
    """Events in a history that one passage through a state leaves, at most.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
    """
    match state["Type"]:
        case "Task":
            return 2 + 3 * attempts
        case "Map" if state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED":
            return 6
        case "Map":
            inner = state["ItemProcessor"]["States"].values()
            return 4 + MAX_BATCH * (2 + sum(events_of(s, attempts=attempts) for s in inner))
        case _:
            return 2


def test_the_history_of_a_million_images_is_short() -> None:
    workflow = workflow_of(plan_of(4))
    tries = 1 + sum(r["MaxAttempts"] for r in workflow["States"]["tell people"]["Retry"])
    history = 2 + sum(events_of(s, attempts=tries) for s in workflow["States"].values())
    assert history < HISTORY_EVENTS


@pytest.mark.parametrize("stage", [0, 1])
def test_the_history_of_a_child_is_short(stage: int) -> None:
    plan = plan_of(2)
    states = workflow_of(plan)["States"][plan.stages[stage].name]["ItemProcessor"]["States"]
    history = 2 + sum(events_of(s, attempts=20) for s in states.values())
    assert history < HISTORY_EVENTS
