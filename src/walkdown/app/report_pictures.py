"""The report's pictures: which ones to make, and making them, a few at a time and in order.

Each image has one picture, and beside it the places that its worst regions were judged by; the
normal patches those are compared to have a list of their own, so that each is stored once. All of
it is bounded: with more images the pictures get smaller, and the comparisons are for the worst.
"""

from __future__ import annotations

import base64
import sys
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from walkdown.app.reading import kept_copy
from walkdown.app.report_rows import shown_stage
from walkdown.errors import WalkdownError
from walkdown.imaging.decode import decode
from walkdown.imaging.heatmaps import overlay
from walkdown.imaging.thumbnails import cutout, thumbnail
from walkdown.parallel import ordered_map

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from walkdown.ports import Blobs
    from walkdown.types import Box, Photo, Region, Result

    Original = Callable[[Result], bytes]
    """The photograph of a result, as it was inspected; raises a `WalkdownError`."""

_WORKERS = 3

# Most images, the longest side of their pictures, and that of the heat maps over them: a page of
# any length stays under about 60 MB. Heat maps are smooth and bear being enlarged.
_SIZES_PX = ((60, 960, 320), (300, 480, 200), (1000, 320, 128), (5000, 200, 96))
_SMALLEST_PX = (160, 64)
_MOST_PICTURES = 10_000

# Comparisons in an image, in the whole page, and their longest side: at most about 10 MB of it.
_MOST_IN_IMAGE = 3
_MOST_COMPARISONS = 1000
_COMPARED_PX = 128


@dataclass(frozen=True, slots=True)
class Patch:
    """A normal patch: where it is drawn in which stored picture, and the image it is from."""

    picture: str
    at: Box
    image: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The region with this number, the place it was judged by, and the number of its `Patch`."""

    region: int
    place: Box
    patch: int


@dataclass(frozen=True, slots=True)
class Picture:
    """What one picture of the page is made from, and shared by all results with the same.

    ``side_px`` is the longer side of the original, where it is known; ``of`` is one of the results.
    ``before`` is a second heat map of the same image, for the page that compares two.
    """

    content: str
    heatmap: str | None
    name: str
    side_px: int | None = None
    comparisons: tuple[Comparison, ...] = ()
    of: Result | None = field(default=None, compare=False)
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Pictures:
    """What is drawn, worst first, and for each result the number of its picture."""

    numbers: tuple[int | None, ...]
    pictures: tuple[Picture, ...]
    patches: tuple[Patch, ...]


Drawn = dict[str, object]


def plan_pictures(ranked: Sequence[Result]) -> Pictures:
    """Decide what is drawn for results that come worst first."""
    known: dict[tuple[str, str | None], int] = {}
    first: list[Result] = []
    numbers: list[int | None] = []
    for result in ranked:
        if result.content is None:
            numbers.append(None)
            continue
        stage = shown_stage(result)
        number = known.setdefault((result.content, stage.heatmap if stage else None), len(known))
        if number == len(first) < _MOST_PICTURES:
            first.append(result)
        numbers.append(number if number < len(first) else None)
    patches: dict[Patch, int] = {}
    compared = _compared(first, patches)
    keys = [key for key, number in known.items() if number < len(first)]
    pictures = (
        Picture(content, heatmap, result.image, _side_px(result), tuple(comparisons), result)
        for (content, heatmap), result, comparisons in zip(keys, first, compared, strict=True)
    )
    return Pictures(tuple(numbers), tuple(pictures), tuple(patches))


def plan_pairs(pairs: Iterable[tuple[Result, Result]]) -> Pictures:
    """What is drawn for images that were looked at twice: each once, with both heat maps."""
    pictures: list[Picture] = []
    numbers: list[int | None] = []
    for before, after in pairs:
        fits = before.content is not None and len(pictures) < _MOST_PICTURES
        numbers.append(len(pictures) if fits else None)
        if fits:
            old, new = (shown_stage(result) for result in (before, after))
            pictures.append(
                Picture(
                    before.content or "",
                    new.heatmap if new else None,
                    before.image,
                    _side_px(before),
                    of=before,
                    before=old.heatmap if old else None,
                )
            )
    return Pictures(tuple(numbers), tuple(pictures), ())


def _side_px(result: Result) -> int | None:
    return max(result.width_px, result.height_px) if result.width_px and result.height_px else None


def _compared(ranked: Sequence[Result], patches: dict[Patch, int]) -> list[list[Comparison]]:
    """The comparisons of each result: of all images the worst region, then of all the second."""
    found: list[list[Comparison]] = [[] for _ in ranked]
    worst = [_worst_regions(result) for result in ranked]
    left = _MOST_COMPARISONS
    for rank in range(_MOST_IN_IMAGE):
        for comparisons, regions in zip(found, worst, strict=True):
            if rank < len(regions) and left > 0:
                comparisons.append(_comparison(*regions[rank], patches))
                left -= 1
    return found


def _worst_regions(result: Result) -> list[tuple[int, Region]]:
    stage = shown_stage(result)
    regions = stage.prediction.regions if stage else ()
    known = [(at, region) for at, region in enumerate(regions) if region.nearest]
    return sorted(known, key=lambda one: -one[1].score)[:_MOST_IN_IMAGE]


def _comparison(number: int, region: Region, patches: dict[Patch, int]) -> Comparison:
    assert region.nearest is not None  # noqa: S101 - only such regions are compared
    nearest = region.nearest
    patch = Patch(nearest.picture, nearest.at, nearest.image)
    return Comparison(number, nearest.place, patches.setdefault(patch, len(patches)))


def drawn_pictures(
    plan: Pictures, *, blobs: Blobs, original: Original | None = None
) -> Iterator[Drawn | None]:
    """The pictures as the page wants them; None stands for one that could not be made.

    ``image`` and ``heat`` are data URIs, ``width`` and ``height`` those of ``image``. Each of
    ``compared`` has the number of its ``region``, a data URI of the ``place``, and a ``patch``.
    """
    draw = partial(
        _draw,
        plan=plan,
        blobs=blobs,
        original=original or partial(kept_copy, blobs=blobs),
        sizes_px=_sizes_px(len(plan.pictures)),
    )
    return ordered_map(draw, plan.pictures, workers=_WORKERS)


def _sizes_px(count: int) -> tuple[int, int]:
    return next(((big, heat) for most, big, heat in _SIZES_PX if count <= most), _SMALLEST_PX)


def _draw(
    picture: Picture,
    *,
    plan: Pictures,
    blobs: Blobs,
    original: Original,
    sizes_px: tuple[int, int],
) -> Drawn | None:
    longest_px, heat_px = sizes_px
    try:
        photo = _photo(picture, original, at_least_px=_detail_px(picture, plan, longest_px))
    except WalkdownError:
        return None
    small, width_px, height_px = thumbnail(photo, max_px=longest_px)
    drawn: Drawn = {"image": _data_uri(small), "width": width_px, "height": height_px}
    compared = [_draw_comparison(c, photo, plan) for c in picture.comparisons]
    drawn |= {"heat": _draw_heat(picture.heatmap, blobs, heat_px), "compared": compared}
    if picture.before:
        drawn["before"] = _draw_heat(picture.before, blobs, heat_px)
    return drawn


def _photo(picture: Picture, original: Original, *, at_least_px: int | None) -> Photo:
    assert picture.of is not None  # noqa: S101 - a planned picture is of a result
    data = original(picture.of)
    # The pixel limit was applied when the image came in, and may have been raised for it.
    return decode(data, name=picture.name, at_least_px=at_least_px, max_pixels=sys.maxsize)


def _detail_px(picture: Picture, plan: Pictures, longest_px: int) -> int | None:
    """The longer side at which the picture and every place on it are sharp; None for the whole."""
    if picture.comparisons and picture.side_px is None:
        return None
    places = (
        picture.side_px * _compared_px(c, plan) // max(1, *c.place[2:]) + 1
        for c in picture.comparisons
        if picture.side_px
    )
    return max((longest_px, *places))


def _compared_px(comparison: Comparison, plan: Pictures) -> int:
    # No sharper than the patch beside it: a difference in sharpness would look like one in kind.
    return min(_COMPARED_PX, max(1, *plan.patches[comparison.patch].at[2:]))


def _draw_comparison(comparison: Comparison, photo: Photo, plan: Pictures) -> Drawn:
    place = cutout(photo, comparison.place, max_px=_compared_px(comparison, plan))
    return {
        "region": comparison.region,
        "place": place and _data_uri(place),
        "patch": comparison.patch,
    }


def _draw_heat(key: str | None, blobs: Blobs, max_px: int) -> str | None:
    if key is None:
        return None
    try:
        return _data_uri(overlay(blobs.get(key), max_px=max_px))
    except WalkdownError:
        return None


def drawn_patches(patches: Iterable[Patch], *, blobs: Blobs) -> list[Drawn]:
    """Each patch as a data URI ``picture``, or None, with the name of its ``image``.

    One stored picture holds many patches: it is read once, and one such is held at a time.
    """
    groups: dict[str, list[tuple[int, Patch]]] = {}
    for number, patch in enumerate(patches):
        groups.setdefault(patch.picture, []).append((number, patch))
    found: dict[int, Drawn] = {}
    for key, group in groups.items():
        sheet = _sheet(blobs, key)
        for number, patch in group:
            drawn = cutout(sheet, patch.at, max_px=_COMPARED_PX) if sheet else None
            found[number] = {"picture": drawn and _data_uri(drawn), "image": patch.image}
    return [found[number] for number in range(len(found))]


def _sheet(blobs: Blobs, key: str) -> Photo | None:
    try:
        return decode(blobs.get(key), name=key)
    except WalkdownError:
        return None


def _data_uri(data: bytes) -> str:
    kind = "png" if data.startswith(b"\x89PNG") else "webp"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
