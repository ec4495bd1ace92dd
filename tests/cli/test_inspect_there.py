"""The summary of an inspection that ran elsewhere."""

from __future__ import annotations

from dataclasses import replace

from tests.app.reports import result

from walkdown.app.inspecting import Line
from walkdown.cli.inspect_there import Summary
from walkdown.types import Result, Verdict


def priced(name: str, usd: float | None) -> Result:
    made = result(name, 0.9)
    stage = made.stages[0]
    said = replace(stage.prediction, cost_usd=usd)
    return replace(made, stages=(replace(stage, prediction=said),))


def test_what_services_charged_is_added_up_but_for_what_was_done_before() -> None:
    summary = Summary({})
    for name, usd in (("a", 0.25), ("b", 0.5), ("c", None)):
        summary.add(Line("done", priced(name, usd)))
    summary.add(Line("skipped", priced("d", 8.0)))
    assert summary.costs == {"look": 0.75}
    assert summary.counts["images"] == 4


def test_failures_that_are_alike_are_told_once_and_crowd_nothing_out() -> None:
    summary = Summary({})
    for i in range(30):
        summary.add(Line("failed", replace(result(f"{i}", None), error="the key is refused")))
    summary.add(Line("failed", replace(result("other", None), error="it is broken")))
    dark = replace(result("dark", 0.3), verdict=Verdict.UNUSABLE, score=None)
    summary.add(Line("done", dark))
    assert summary.alike == {"the key is refused": 30}
    assert summary.worst[0].image == "dark"
    assert all(each.error != "the key is refused" for each in summary.worst)
