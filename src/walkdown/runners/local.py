"""The local runner: one process, a few threads that look, one that records."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from walkdown.parallel import ordered_map
from walkdown.runners.worker import look

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from walkdown.runners.recording import Recorder
    from walkdown.runners.worker import Work
    from walkdown.types import ImageRef, Result

CHUNK = 4
"""Images of one transaction: what a kill can cost, and what one thread holds in memory."""


def run(
    work: Work, recorder: Recorder, refs: Iterable[ImageRef], *, workers: int
) -> Iterator[list[Result]]:
    """Inspect captures and yield what was recorded, chunk by chunk, in the order of ``refs``."""
    for outcomes in ordered_map(partial(look, work), _chunks(refs), workers=workers):
        yield recorder.record(outcomes)


def _chunks(refs: Iterable[ImageRef]) -> Iterator[list[ImageRef]]:
    rest = iter(refs)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
