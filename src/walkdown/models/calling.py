"""Asking a service about photographs: several at once, at its pace, each failing alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from walkdown.errors import WalkdownError
from walkdown.pipeline.predictions import failed
from walkdown.sdk.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from walkdown.types import Photo, Prediction

AT_ONCE = 8
"""Calls that one batch has under way at most: a service is waited for, not computed."""


class Asking:
    """How one service is asked: at most ``per_second`` calls (None: as fast as it answers)."""

    def __init__(self, *, per_second: float | None = None, at_once: int = AT_ONCE) -> None:
        self._pace = Pace(per_second, burst=max(1, int(per_second))) if per_second else None
        self._at_once = at_once

    def each(self, photos: Sequence[Photo], ask: Callable[[Photo], Prediction]) -> list[Prediction]:
        """One prediction per photo, in order; whatever is raised fails its photo alone."""
        if len(photos) <= 1 or self._at_once == 1:
            return [self._one(photo, ask) for photo in photos]
        with ThreadPoolExecutor(min(self._at_once, len(photos))) as pool:
            return list(pool.map(lambda photo: self._one(photo, ask), photos))

    def _one(self, photo: Photo, ask: Callable[[Photo], Prediction]) -> Prediction:
        if self._pace is not None:
            self._pace.wait()
        try:
            return ask(photo)
        except WalkdownError as e:
            return failed(str(e))
        except Exception as e:  # an answer may be such as nobody has thought of
            return failed(f"{type(e).__name__}: {e}")
