"""What the functions of a stack say: one JSON line for each step, with its metrics inside.

The metrics are in CloudWatch's embedded format, which needs no call and no permission:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAMESPACE = "Walkdown"

UNITS = {"DurationMs": "Milliseconds", "OutboxAgeSeconds": "Seconds"}
"""Units of metrics that are no counts."""


class Line:
    """One step: its facts, by which it is found, and its figures, which become metrics."""

    def __init__(self, step: str, stack: str, **facts: object) -> None:
        self.facts: dict[str, object] = {"step": step, "stack": stack, **facts}
        self.figures: dict[str, float] = {}

    def text(self, now_ms: int) -> str:
        """The line as it is printed; the correlation id is the inspection's."""
        metrics = [{"Name": name, "Unit": UNITS.get(name, "Count")} for name in self.figures]
        about = {
            "Timestamp": now_ms,
            "CloudWatchMetrics": [
                {"Namespace": NAMESPACE, "Dimensions": [["stack", "step"]], "Metrics": metrics}
            ],
        }
        return json.dumps({"_aws": about, **self.facts, **self.figures}, default=str)


@contextmanager
def step(
    name: str,
    stack: str,
    *,
    to: TextIO | None = None,
    clock: Callable[[], float] = time.time,
    **facts: object,
) -> Iterator[Line]:
    """Print a line when the step ends, well or not; an error is named in it and goes on."""
    line, began = Line(name, stack, **facts), clock()
    try:
        yield line
    except BaseException as e:
        line.facts |= {"level": "ERROR", "error": type(e).__name__, "message": str(e)[:2000]}
        line.figures["Errors"] = 1
        raise
    finally:
        ended = clock()
        line.figures["DurationMs"] = round((ended - began) * 1000, 3)
        print(line.text(int(ended * 1000)), file=to or sys.stdout, flush=True)
