"""Transitions are counted from the definition that is deployed."""

from __future__ import annotations

import pytest

from walkdown.aws.transitions import transitions
from walkdown.pipeline.plan import make_plan
from walkdown.runners.stepfunctions import Shape, definition
from walkdown.spec import PipelineSpec, StageSpec
from walkdown.types import ModelInfo, StageKind

INLINE: tuple[StageKind, ...] = ("inline",) * 4


def machine(*kinds: StageKind) -> dict[str, object]:
    names = "abcdef"[: len(kinds)]
    spec = PipelineSpec(name="p", stages=tuple(StageSpec(name=n, model=n) for n in names))
    infos = {n: ModelInfo(f"{n}@1", n, kind) for n, kind in zip(names, kinds, strict=True)}
    shape = Shape(dict.fromkeys(names, 10))
    return definition(make_plan(spec, infos), shape, plan_key="k")


def test_one_stage() -> None:
    found = transitions(machine("inline"))
    # The start; the map; closing, telling, the question whether all is there, the end.
    assert found.execution == 1 + 5
    # Started by the map; look, record.
    assert found.batch == {"a": 3}


@pytest.mark.parametrize("count", [2, 3, 4])
def test_each_later_stage_is_a_choice_a_question_and_a_map(count: int) -> None:
    found = transitions(machine(*INLINE[:count]))
    assert found.execution == 6 + 3 * (count - 1)
    assert found.batch == dict.fromkeys("abcdef"[:count], 3)


def test_a_job_is_submitted_waited_for_asked_for_and_collected() -> None:
    found = transitions(machine("inline", "job"))
    # Started; submit, wait, ask, is it ready?, collect; record.
    assert found.batch == {"a": 3, "b": 7}


def test_a_new_state_on_the_way_is_counted() -> None:
    whole = machine("inline")
    states = whole["States"]
    assert isinstance(states, dict)
    before = transitions(whole).execution
    states["rest"] = {"Type": "Pass", "Next": states["a"]["Next"]}
    states["a"]["Next"] = "rest"
    assert transitions(whole).execution == before + 1
