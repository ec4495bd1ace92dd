"""How many state transitions a workflow needs, counted from its own definition. Pure.

Counted is the way on which nothing fails. AWS charges each state that is entered, and one more for
each child that a distributed map starts:
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-transitions.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Transitions:
    """Those of one execution, and those of one batch by the map that it is a batch of."""

    execution: int
    batch: Mapping[str, int]


def transitions(definition: Mapping[str, Any]) -> Transitions:
    """Count them. A stage that some image may come to counts as one that some did."""
    way = list(_way(definition))
    children = {
        name: 1 + len(list(_way(state["ItemProcessor"])))
        for name, state in way
        if state["Type"] == "Map"
    }
    return Transitions(1 + len(way), children)


def _way(machine: Mapping[str, Any]) -> Iterator[tuple[str, Json]]:
    """The states from the first to the last, each once: what waits for a job is asked once."""
    states: Mapping[str, Json] = machine["States"]
    name, seen = machine["StartAt"], set[str]()
    while name and name not in seen:
        seen.add(name)
        state = states[name]
        yield name, state
        name = _following(state, states)


def _following(state: Json, states: Mapping[str, Json]) -> str:
    """Of several ways the first that is no failure: in ours, the one where there is work."""
    if state["Type"] != "Choice":
        return str(state.get("Next", ""))
    ways = [choice["Next"] for choice in state["Choices"]] + [state["Default"]]
    return str(next(way for way in ways if states[way]["Type"] != "Fail"))
