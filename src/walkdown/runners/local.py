"""The local runner: one process, a few threads that look, one that records.

Threads take as few images at a time as the models look at, so that none is idle at the end; records
are written for many images at a time, since a transaction and what follows it cost more than a row.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from walkdown.parallel import chunks, ordered_groups
from walkdown.runners.worker import look

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from walkdown.runners.recording import Recorder
    from walkdown.runners.worker import Work
    from walkdown.types import ImageRef, Result

CHUNK = 4
"""Images that one thread takes at most, and so holds in memory."""

RECORDED, HOLD_S = 16, 0.5
"""Images of one transaction at most, and how long the first of them waits for the others: what a
kill can cost."""


def run(
    work: Work, recorder: Recorder, refs: Iterable[ImageRef], *, workers: int
) -> Iterator[list[Result]]:
    """Inspect captures and yield what was recorded, group by group, in the order of ``refs``."""
    chunk = min(CHUNK, max(stage.model.max_batch for stage in work.plan.stages))
    groups = ordered_groups(
        partial(look, work),
        chunks(refs, chunk),
        workers=workers,
        most=RECORDED // chunk,
        hold_s=HOLD_S,
    )
    for group in groups:
        yield recorder.record([outcome for outcomes in group for outcome in outcomes])
