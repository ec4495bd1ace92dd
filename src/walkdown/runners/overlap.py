"""Reading and storing beside what is looked at, where the store is not this machine's own disk."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, TypeVar

from walkdown.imaging import heatmaps

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from typing import Self

    from walkdown.ports import Blobs
    from walkdown.types import HeatMap

T = TypeVar("T")

AHEAD_BYTES = 64 * 2**20
"""Of photographs that are read ahead, beside those that are being read and looked at."""

GROUP_BYTES = AHEAD_BYTES // 4
"""From which on a group of photographs is not made larger."""

GROUP = 4
"""Photographs whose known predictions are asked for at once: a call for each costs more."""


def grouped(
    items: Iterable[T], *, most: int, weigh: Callable[[T], int]
) -> Generator[list[T], None, None]:
    """Items in groups of 1, 2, 4 ... up to ``most``; smaller ones where they weigh `GROUP_BYTES`.

    >>> [len(group) for group in grouped("abcdefghijkl", most=4, weigh=len)]
    [1, 2, 4, 4, 1]
    """
    group: list[T] = []
    size, weight = 1, 0
    for item in items:
        group.append(item)
        weight += weigh(item)
        if len(group) == size or weight >= GROUP_BYTES:
            yield group
            group, weight, size = [], 0, min(2 * size, most)
    if group:
        yield group


def ahead(
    items: Iterator[T], *, weigh: Callable[[T], int], most: int = AHEAD_BYTES
) -> Generator[T, None, None]:
    """The same items, made by one thread ahead of their use: so many bytes, and one item more.

    An exception of ``items`` is raised where its item would have come. When the generator is
    closed, the thread ends after the item at hand.
    """
    line: _Line[T] = _Line(weigh, most)
    thread = threading.Thread(target=line.fill, args=(items,), name="walkdown-ahead", daemon=True)
    thread.start()
    try:
        yield from line
    finally:
        line.stop()
        thread.join()


class _Line(Generic[T]):
    """Items between the thread that makes them and the one that uses them."""

    def __init__(self, weigh: Callable[[T], int], most: int) -> None:
        self._weigh, self._most = weigh, most
        self._items: deque[tuple[T, int]] = deque()
        self._weight = 0
        self._over = self._stopped = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def fill(self, items: Iterator[T]) -> None:
        """Make items until there are no more, or nobody wants them."""
        try:
            for item in items:
                with self._changed:
                    self._items.append((item, weight := self._weigh(item)))
                    self._weight += weight
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._stopped or self._weight < self._most)
                    if self._stopped:
                        return
        except BaseException as error:
            self._error = error
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._over)
                if not self._items:
                    break
                item, weight = self._items.popleft()
                self._weight -= weight
                self._changed.notify_all()
            yield item
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Nobody wants more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


class HeatMapWriter:
    """Stores heat maps, ``beside`` what is looked at or at once.

    All are stored when its block ends well; an error of the store is raised by then.
    """

    def __init__(self, blobs: Blobs, *, beside: bool) -> None:
        self._blobs = blobs
        # One thread: drawing a large heat map takes as much memory as a decoded photograph.
        self._pool = ThreadPoolExecutor(1, "walkdown-store") if beside else None
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
        """Store it, now or soon; three wait at most."""
        if self._pool is None:
            self._put(key, heatmap)
            return
        self._under_way.append(self._pool.submit(self._put, key, heatmap))
        if len(self._under_way) > 3:
            self._under_way.popleft().result()

    def _put(self, key: str, heatmap: HeatMap) -> None:
        self._blobs.put(key, heatmaps.to_png(heatmap))
