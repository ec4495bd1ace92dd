"""What a change of a stack leaves alone: executions that run, and all that was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.aws.emulator.handle import wait_until
from tests.aws.plants import BRIGHT, DARK, POLES, Plant, deploy, photo, plant, stand_in_place

from walkdown.aws.stacks import Stacks
from walkdown.sdk.aws import Aws
from walkdown.types import Severity, Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from tests.aws.emulator.handle import Handle

pytestmark = pytest.mark.proof

BEFORE = {"poles/before/0.png": photo(BRIGHT, 1), "poles/before/1.png": photo(DARK, 2)}
AFTER = {"poles/after/0.png": photo(BRIGHT, 3), "poles/after/1.png": photo(DARK, 4)}
CHANGED = POLES.replace("{severity: high, when: score >= 0.8}", "{severity: critical}").replace(
    "  - {name: confirm, model: second", "  - {name: again, model: first"
)


@pytest.fixture(scope="module")
def stack(aws_server: Handle, functions: Path, tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """A stack with one pipeline."""
    aws_server.reset()
    place = stand_in_place(aws_server, tmp_path_factory.mktemp("poles"), functions)
    deploy(place, "poles.yaml")
    return plant(place)


def versions(stack: Plant, site: str) -> set[str]:
    """Versions of the function that looked at a site."""
    looks = [*stack.looks(site, "screen"), *stack.looks(site, "confirm")]
    return {each.version for each in [*looks, *stack.looks(site, "again")]}


def test_an_execution_that_runs_keeps_its_plan_and_its_functions(stack: Plant) -> None:
    wait = stack.door("first", "wait")
    wait.touch()
    stack.put(BEFORE)
    wait_until(lambda: stack.aws.calls(stack.function("Look")), "a look is under way")
    (stack.place.folder / "poles.yaml").write_text(CHANGED)
    deploy(stack.place, "poles.yaml", "--parameter", "LookMemory=2048")
    assert stack.place.executions()[-1]["status"] == "RUNNING"
    wait.unlink()
    stack.aws.settle(timeout_s=300)
    after, before = stack.run(AFTER), stack.results(BEFORE)
    assert set(before) == set(BEFORE)
    assert set(after) == set(AFTER)
    old, new = before["poles/before/0.png"], after["poles/after/0.png"]
    assert [stage.stage for stage in old.stages] == ["screen", "confirm"]
    assert [stage.stage for stage in new.stages] == ["screen", "again"]
    assert (old.severity, new.severity) == (Severity.HIGH, Severity.CRITICAL)
    assert old.key.plan_digest != new.key.plan_digest
    assert {result.verdict for result in before.values()} == {Verdict.ANOMALY, Verdict.NORMAL}
    assert versions(stack, "before/") == {"1"}
    assert versions(stack, "after/") == {"2"}


def test_a_stack_that_is_destroyed_leaves_photographs_records_and_models(stack: Plant) -> None:
    aws, outputs = stack.aws, stack.outputs
    found = stack.results({**BEFORE, **AFTER})
    assert len(found) == 4
    inside = Aws(region="us-east-1", endpoint_url=aws.url)
    inside._clients.update({"cloudformation": aws.client("cloudformation")})
    list(Stacks(inside, sleep=lambda _: None).delete(stack.place.stack))
    assert aws.client("stepfunctions").list_state_machines()["stateMachines"] == []
    assert aws.client("lambda").list_functions()["Functions"] == []
    assert stack.results({**BEFORE, **AFTER}) == found
    assert len(stack.records.inspections()) >= 2
    objects = aws.client("s3").list_objects_v2(Bucket=outputs["SourceBucketName"])
    assert {each["Key"] for each in objects["Contents"]} == {*BEFORE, *AFTER}
    kept = {key.partition("/")[0] for key in stack.blobs.list()}
    assert {"models", "pipelines", "lake"} <= kept
