"""The photograph of an asset's visit before: what a model that compares visits is given."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from walkdown.errors import ImageError, NotFound
from walkdown.imaging.decode import decode
from walkdown.spec import DEFAULT_MAX_PIXELS
from walkdown.types import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from walkdown.ports import History
    from walkdown.types import Photo, Result

LIMIT: Final = 200
"""Of an asset's results, so many of the newest are considered."""


def earlier(photo: Photo, *, history: History, read: Callable[[Result], bytes]) -> Photo | None:
    """The newest earlier photograph of the same asset from the same viewpoint, decoded.

    Earlier is what was taken before, where cameras say when; else what was recorded before. A
    photograph that could not be used is not compared with, nor is a copy of this one. ``read``
    raises `NotFound` for one that is not kept any more: then the one before it is taken.
    """
    if photo.asset is None:
        return None
    recorded = history.results_of_asset(photo.asset, limit=LIMIT)
    fitting = [result for result in recorded if _fits(result, photo)]
    longest = max(photo.pixels.shape[:2])
    for result in sorted(fitting, key=_when, reverse=True):
        try:
            data = read(result)
            found = decode(
                data, name=result.image, at_least_px=longest, max_pixels=DEFAULT_MAX_PIXELS
            )
            # When it was taken may have been told by others than its camera.
            return replace(found, exif=result.exif)
        except (NotFound, ImageError):
            continue
    return None


def _fits(result: Result, photo: Photo) -> bool:
    taken, before = photo.exif.taken_at, result.exif.taken_at
    return (
        result.viewpoint == photo.viewpoint
        and result.content not in (None, photo.content)
        and result.status is not Status.FAILED
        and result.verdict is not Verdict.UNUSABLE
        and (taken is None or before is None or before < taken)
    )


def _when(result: Result) -> datetime:
    return result.exif.taken_at or result.recorded_at
