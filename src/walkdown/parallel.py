"""Work on many things in a few threads, in order, with a bounded number under way."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
R = TypeVar("R")


def ordered_map(work: Callable[[T], R], items: Iterable[T], *, workers: int) -> Iterator[R]:
    """Like `map`, in ``workers`` threads: results in order, at most two per worker in memory.

    The first exception of ``work`` is raised where its result would have come; what has not begun
    by then is dropped.

    >>> list(ordered_map(str, range(3), workers=2))
    ['0', '1', '2']
    """
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="walkdown") as pool:
        ahead: deque[Future[R]] = deque()
        try:
            for item in items:
                ahead.append(pool.submit(work, item))
                if len(ahead) >= 2 * workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
