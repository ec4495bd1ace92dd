"""Reading and storing beside what is looked at, where the store is not this machine's own disk."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from walkdown.imaging import heatmaps
from walkdown.parallel import ordered_map

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from typing import Self

    from walkdown.ports import Blobs
    from walkdown.types import HeatMap

T = TypeVar("T")
R = TypeVar("R")

GROUP = 4
"""Photographs that a connection reads one after the other, and whose predictions are asked for at
once: fewer cost a call for each, more keep the first models waiting and fill the memory."""


def ahead(
    read: Callable[[T], R], items: Iterable[T], *, connections: int
) -> Generator[R, None, None]:
    """Like `map`; with several connections some are read ahead, two for each at most."""
    if connections == 1:
        yield from map(read, items)
    else:
        yield from ordered_map(read, items, workers=connections)


def grouped(items: Sequence[T], at_once: int, *, ahead: bool) -> Iterator[Sequence[T]]:
    """Items in groups that are read as one; such as are read ahead are larger, but for the first.

    >>> [len(group) for group in grouped("abcdefghijkl", 1, ahead=True)]
    [1, 2, 4, 4, 1]
    """
    size, at = at_once, 0
    while at < len(items):
        yield items[at : at + size]
        at += size
        if ahead:
            size = min(2 * size, max(GROUP, at_once))


class HeatMapWriter:
    """Stores heat maps, beside what is looked at where there are several connections.

    All are stored when its block ends well; an error of the store is raised by then.
    """

    def __init__(self, blobs: Blobs, connections: int) -> None:
        self._blobs = blobs
        self._most = 2 * connections
        self._pool = ThreadPoolExecutor(connections) if connections > 1 else None
        self._under_way: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            while self._under_way and kind is None:
                self._under_way.popleft().result()
        finally:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)

    def put(self, key: str, heatmap: HeatMap) -> None:
        """Store it, now or soon."""
        if self._pool is None:
            self._put(key, heatmap)
            return
        self._under_way.append(self._pool.submit(self._put, key, heatmap))
        if len(self._under_way) > self._most:
            self._under_way.popleft().result()

    def _put(self, key: str, heatmap: HeatMap) -> None:
        self._blobs.put(key, heatmaps.to_png(heatmap))
