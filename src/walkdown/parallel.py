"""Work on many things in a few threads, in order, with a bounded number under way."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

T = TypeVar("T")
R = TypeVar("R")


def ordered_map(work: Callable[[T], R], items: Iterable[T], *, workers: int) -> Iterator[R]:
    """Like `map`, in ``workers`` threads: results in order, at most two per worker in memory.

    The first exception of ``work`` is raised where its result would have come; what has not begun
    by then is dropped.

    >>> list(ordered_map(str, range(3), workers=2))
    ['0', '1', '2']
    """
    with closing(_under_way(work, items, workers)) as futures:
        for future in futures:
            yield future.result()


def ordered_groups(
    work: Callable[[T], R],
    items: Iterable[T],
    *,
    workers: int,
    most: int,
    hold_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[list[R]]:
    """Like `ordered_map`, but results come in lists of up to ``most``.

    A result that is there, with all before it, waits at most ``hold_s`` for others to join it.

    >>> list(ordered_groups(str, range(3), workers=2, most=2, hold_s=60))
    [['0', '1'], ['2']]
    """
    group: list[R] = []
    until = 0.0
    with closing(_under_way(work, items, workers)) as futures:
        for future in futures:
            if group and not _joins(future, until - clock()):
                yield group
                group = []
            result = future.result()
            until = until if group else clock() + hold_s
            group.append(result)
            if len(group) >= most or clock() >= until:
                yield group
                group = []
        if group:
            yield group


def chunks(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """The items in lists of at most so many.

    >>> list(chunks("abc", 2))
    [['a', 'b'], ['c']]
    """
    rest = iter(items)
    while some := list(islice(rest, most)):
        yield some


def _joins(future: Future[R], within_s: float) -> bool:
    """Whether it has a result by then: an exception must not take those before it along."""
    wait([future], max(0.0, within_s))
    return future.done() and future.exception() is None


def _under_way(
    work: Callable[[T], R], items: Iterable[T], workers: int
) -> Generator[Future[R], None, None]:
    """The futures of all items in order; when it is closed, what has not begun is dropped."""
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="walkdown") as pool:
        ahead: deque[Future[R]] = deque()
        try:
            for item in items:
                ahead.append(pool.submit(work, item))
                if len(ahead) >= 2 * workers:
                    yield ahead.popleft()
            while ahead:
                yield ahead.popleft()
        finally:
            for future in ahead:
                future.cancel()
