"""What a distributed map gives its children: items selected, then gathered into batches.

`ItemSelector` works on each item before batching, `BatchInput` on the input of the map's state, as
Step Functions does it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.aws.emulator.patching import ASL, module

BATCH_BYTES = 262144
KNOWN = {
    "BatchInput",
    "MaxItemsPerBatch",
    "MaxItemsPerBatchPath",
    "MaxInputBytesPerBatch",
    "MaxInputBytesPerBatchPath",
}


@dataclass(frozen=True, slots=True)
class ChildInput:
    """What one child execution starts with, and how many items that is."""

    value: Any
    items: int


def child_inputs(env: Any, eval_input: Any, batcher: dict[str, Any] | None) -> list[ChildInput]:
    """Takes the items off the interpreter's stack, whose top is then the state's input."""
    items = selected(env, eval_input, env.stack.pop())
    if batcher is None:
        return [ChildInput(each, 1) for each in items]
    if unknown := set(batcher) - KNOWN:
        raise ValueError(f"ItemBatcher has no {', '.join(sorted(unknown))}")
    more = _evaluated(env, {"BatchInput": batcher["BatchInput"]} if "BatchInput" in batcher else {})
    # The cap of AWS is on the whole input of a child.
    room = (_limit(env, batcher, "MaxInputBytesPerBatch") or BATCH_BYTES) - len(json.dumps(more))
    most = _limit(env, batcher, "MaxItemsPerBatch") or len(items) or 1
    lots = gathered(items, most=most, room=room)
    return [ChildInput({**more, "Items": lot}, len(lot)) for lot in lots]


def gathered(items: list[Any], *, most: int, room: int) -> list[list[Any]]:
    """Lots of at most ``most`` items and ``room`` bytes of JSON; an item is never parted."""
    lots: list[list[Any]] = []
    size = 0
    for item in items:
        bytes_ = len(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()) + 1
        if not lots or len(lots[-1]) >= most or size + bytes_ > room:
            lots.append([])
            size = 0
        lots[-1].append(item)
        size += bytes_
    return lots


def selected(env: Any, eval_input: Any, items: list[Any]) -> list[Any]:
    """Each item as the state's `ItemSelector` makes it."""
    selector = eval_input.item_selector or eval_input.parameters
    if selector is None:
        return items
    made = []
    for index, item in enumerate(items):
        frame = _frame(env)
        context = frame.states.context_object.context_object_data
        context["Map"] = {"Item": {"Index": index, "Value": item}}
        selector.eval(frame)
        made.append(frame.stack[-1])
        env.delete_frame(frame)
    return made


def _limit(env: Any, batcher: dict[str, Any], name: str) -> int | None:
    if name + "Path" in batcher:
        found = _evaluated(env, {"limit.$": batcher[name + "Path"]})["limit"]
    else:
        found = batcher.get(name)
    return int(found) if found else None


def _evaluated(env: Any, template: dict[str, Any]) -> dict[str, Any]:
    """A payload template filled from the state's input, by the interpreter's own rules."""
    state = {"Type": "Pass", "Parameters": template, "End": True}
    parser = module(ASL + "parse.asl_parser").AmazonStateLanguageParser
    program = parser.parse(json.dumps({"StartAt": "A", "States": {"A": state}}))[0]
    frame = _frame(env)
    program.states.states["A"].parameters.eval(frame)
    made: dict[str, Any] = frame.stack[-1]
    env.delete_frame(frame)
    return made


def _frame(env: Any) -> Any:
    frame = env.open_inner_frame()
    frame.states.reset(env.states.get_input())
    frame.stack.append(env.stack[-1] if env.stack else env.states.get_input())
    return frame
