"""Which pipeline is meant, what captures are called, and how a workflow is watched."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from walkdown.app.commissioning import Commissioned, as_arrived, pipeline_for, watch
from walkdown.errors import NotFound, SpecError, StoreError
from walkdown.models.fake import Fake, fake_artefact
from walkdown.pipeline.plan import make_plan
from walkdown.runners.executions import Deployment, Execution, MapRun
from walkdown.spec import PipelineSpec, StageSpec
from walkdown.stores.s3_reading import s3_ref
from walkdown.types import Inspection

A = Deployment("a", "a/", "machine-a", "plan")
AB = Deployment("ab", "a/b/", "machine-ab", "plan")
ALL = [A, AB]
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "name"),
    [("s3://x/a/", "a"), ("s3://x/a", "a"), ("s3://x/a/z", "a"), ("s3://x/a/b", "ab")],
)
def test_the_pipeline_is_the_one_whose_prefix_fits_best(path: str, name: str) -> None:
    assert pipeline_for(ALL, [path], name=None, bucket="x").name == name
    assert pipeline_for(ALL, [path], name="ab", bucket="x") is AB


def test_no_pipeline_is_guessed() -> None:
    for paths in (["s3://x/"], ["s3://x/a/b", "s3://x/a/z"], [], ["s3://x/ab"]):
        with pytest.raises(SpecError, match=r"--pipeline NAME; there are: a \(a/\), ab \(a/b/\)"):
            pipeline_for(ALL, paths, name=None, bucket="x")
    with pytest.raises(SpecError, match="s3://x/ alone"):
        pipeline_for(ALL, ["s3://y/a/"], name="a", bucket="x")
    with pytest.raises(SpecError, match="no place in S3"):
        pipeline_for(ALL, ["photos"], name="a", bucket="x")
    with pytest.raises(NotFound, match="no pipeline 'c'"):
        pipeline_for(ALL, [], name="c", bucket="x")


def test_a_listed_capture_is_called_what_it_was_called_when_it_arrived() -> None:
    arrived = s3_ref("x", "a/site 1/7.jpg", version_id="v", etag="", prefix="a/")
    listed = s3_ref("x", "a/site 1/7.jpg", version_id="v", etag="", prefix="a/site 1")
    assert listed.relative == "7.jpg"
    assert list(as_arrived([listed], "a/")) == [arrived]
    elsewhere = list(as_arrived([listed], "b/"))
    assert elsewhere == [replace(arrived, relative="a/site 1/7.jpg")]


class Workflow:
    """A workflow that is further on each time it is asked for."""

    def __init__(self, *states: tuple[str, list[MapRun]], error: str | None = None) -> None:
        self._states, self._error, self._asked = states, error, -1

    def execution(self, machine: str, name: str) -> Execution:
        assert (machine, name) == ("machine-a", "one")
        self._asked += 1
        return Execution("arn", self._states[self._asked][0], self._error)

    def map_runs(self, machine: str, name: str) -> list[MapRun]:
        return self._states[self._asked][1]


class Told:
    def __init__(self) -> None:
        self.said: list[tuple[str, int]] = []

    def start(self, what: str, total: int | None) -> None:
        self.said.append((what, total or 0))

    def advance(self, count: int = 1) -> None:
        self.said.append(("+", count))

    def note(self, text: str) -> None:
        raise AssertionError(text)


def commissioned() -> Commissioned:
    models = [Fake(fake_artefact(salt=salt), label=f"{salt}@1") for salt in ("cheap", "dear")]
    infos = {m.info.label.partition("@")[0]: m.info for m in models}
    stages = (StageSpec(name="screen", model="cheap"), StageSpec(name="confirm", model="dear"))
    plan = make_plan(PipelineSpec(name="a", stages=stages), infos)
    inspection = Inspection("one", "w", "a", plan.digest, ("s3://x/a/",), "ada", NOW)
    return Commissioned(A, plan, inspection, 10, 10)


def test_each_stage_has_its_bar_and_the_end_is_waited_for() -> None:
    first, second = MapRun("1", 10, 10), MapRun("2", 4, 3)
    workflow = Workflow(
        ("RUNNING", []),
        ("RUNNING", [MapRun("1", 0, 0)]),
        ("RUNNING", [MapRun("1", 10, 7)]),
        ("RUNNING", [first, second]),
        ("SUCCEEDED", [first, MapRun("2", 4, 4)]),
    )
    told, slept = Told(), list[float]()
    done = watch(workflow, commissioned(), progress=told, sleep=slept.append)  # type: ignore[arg-type]
    assert done.status == "SUCCEEDED"
    assert told.said == [
        ("waiting for the first stage", 0),
        ("looking: screen", 10), ("+", 7), ("+", 3),
        ("looking: confirm", 4), ("+", 3), ("+", 1),
    ]  # fmt: skip
    assert len(slept) == 4


def test_a_workflow_that_broke_is_an_error_in_its_words() -> None:
    workflow = Workflow(("FAILED", []), error="Walkdown.Stopped: too many")
    with pytest.raises(StoreError, match=r"one broke off: Walkdown\.Stopped: too many"):
        watch(workflow, commissioned(), progress=Told(), sleep=lambda _: None)  # type: ignore[arg-type]
