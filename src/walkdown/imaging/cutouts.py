"""Regions cut out of a photo for another model, and what it says of them put together again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from walkdown.imaging.heatmaps import upsample
from walkdown.types import HeatMap, Photo, Prediction, Region, Verdict, digest_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from walkdown.types import Box

Number = TypeVar("Number", bound=np.generic)

LEAST_PX: Final = 32
"""Sides of a cut-out, where the photo has so many: few models make anything of less."""

_GRID: Final = 256
"""Cells along the longer side of the heat map of a whole photo."""


def boxes(
    regions: Sequence[Region], *, margin: float, most: int, width_px: int, height_px: int
) -> tuple[Box, ...]:
    """What is cut out for regions of an image of that size: the worst first, each box once.

    ``margin`` times a region's longer side is added on each side of it, as far as the image goes.

    >>> region = Region((50, 40, 20, 10), 1.0, 0.9)
    >>> boxes([region], margin=0.5, most=8, width_px=100, height_px=100)
    ((40, 29, 40, 32),)
    """
    worst = sorted(regions, key=lambda region: (-region.score, region.box))
    found = [_around(region.box, margin, width_px, height_px) for region in worst]
    return tuple(dict.fromkeys(found))[:most]


def _around(box: Box, margin: float, width_px: int, height_px: int) -> Box:
    x, y, width, height = box
    more = margin * max(width, height)
    left, across = _along(x - more, width + 2 * more, width_px)
    top, down = _along(y - more, height + 2 * more, height_px)
    return left, top, across, down


def _along(start: float, length: float, side_px: int) -> tuple[int, int]:
    """Where a stretch begins and how long it is, on an image, and never shorter than it should."""
    short = max(0.0, min(LEAST_PX, side_px) - length)
    first = int(max(0.0, min(start - short / 2, side_px - length - short)))
    return first, max(1, int(min(side_px - first, round(length + short))))


def cut_out(photo: Photo, box: Box) -> Photo:
    """A part of a photo as a photo of its own; ``box`` is in px of the original.

    Its ``content`` is made of the photo's and of the box.
    """
    pixels = _part(photo.pixels, box, photo).copy()
    keep = None if photo.keep is None else _part(photo.keep, box, photo)
    if keep is not None and not keep.any():
        pixels, keep = np.zeros_like(pixels), None
    return replace(
        photo,
        pixels=pixels,
        width_px=box[2],
        height_px=box[3],
        content=digest_of("cut-out", photo.content, box),
        data=b"",
        format="array",
        keep=keep,
    )


def _part(values: NDArray[Number], box: Box, photo: Photo) -> NDArray[Number]:
    """The part of a grid over the photo that lies in the box; a cell at least."""
    rows, columns = values.shape[:2]
    x, y, width, height = box
    down = _cells(y, height, rows / photo.height_px, rows)
    across = _cells(x, width, columns / photo.width_px, columns)
    return values[down, across]


def _cells(start: int, length: int, scale: float, count: int) -> slice:
    first = min(count - 1, int(start * scale))
    return slice(first, max(first + 1, min(count, round((start + length) * scale))))


def put_together(said: Sequence[Prediction], at: Sequence[Box], photo: Photo) -> Prediction:
    """What a model said of cut-outs, as one prediction of the photo.

    The worst cut-out decides. One that failed fails the whole, unless another is an anomaly. The
    p-value is that of the oddest cut-out times their number, as Bonferroni has it.
    """
    cost = [each.cost_usd for each in said if each.cost_usd is not None]
    cost_usd = sum(cost) if cost else None
    broken = next((each.error for each in said if each.error is not None), None)
    good = [(each, box) for each, box in zip(said, at, strict=True) if each.error is None]
    usable = [pair for pair in good if pair[0].verdict is not Verdict.UNUSABLE] or good
    anomalous = [pair for pair in usable if pair[0].verdict is Verdict.ANOMALY]
    if broken is not None and not anomalous:
        return Prediction(None, None, None, error=broken, cost_usd=cost_usd)
    worst, _ = max(anomalous or usable, key=lambda pair: pair[0].score or 0.0)
    values = [each.p_normal for each, _ in usable if each.p_normal is not None]
    return replace(
        worst,
        labels=tuple(dict.fromkeys(name for each, _ in anomalous for name in each.labels)),
        regions=tuple(r for each, box in anomalous for r in _moved(each, box, photo)),
        heatmap=_whole([(each.heatmap, box) for each, box in usable if each.heatmap], photo),
        p_normal=min(1.0, min(values) * len(values)) if values else None,
        note="; ".join(_notes(said)) or None,
        cost_usd=cost_usd,
    )


def _notes(said: Sequence[Prediction]) -> list[str]:
    """What was said in words, each once, and of how many cut-outs nothing could be said."""
    notes = list(dict.fromkeys(each.note for each in said if each.note and each.error is None))
    broken = [each.error for each in said if each.error is not None]
    if broken:
        notes.append(f"{len(broken)} of {len(said)} regions could not be looked at: {broken[0]}")
    return notes


def _moved(said: Prediction, box: Box, photo: Photo) -> list[Region]:
    """A cut-out's regions where they lie on the photo; itself, where it has none."""
    share = box[2] * box[3] / (photo.width_px * photo.height_px)
    if not said.regions:
        label = said.labels[0] if said.labels else "anomaly"
        return [Region(box, 100.0 * share, said.score or 0.5, label)]
    return [
        replace(
            region,
            box=_shifted(region.box, box),
            area_pct=region.area_pct * share,
            nearest=region.nearest
            and replace(region.nearest, place=_shifted(region.nearest.place, box)),
        )
        for region in said.regions
    ]


def _shifted(inner: Box, outer: Box) -> Box:
    return inner[0] + outer[0], inner[1] + outer[1], inner[2], inner[3]


def _whole(parts: Sequence[tuple[HeatMap | None, Box]], photo: Photo) -> HeatMap | None:
    """The heat maps of cut-outs in one of the photo, which is 0 where nobody looked."""
    if not parts:
        return None
    scale = _GRID / max(photo.width_px, photo.height_px)
    size = max(1, round(photo.height_px * scale)), max(1, round(photo.width_px * scale))
    grid = np.zeros(size, np.float32)
    for heatmap, box in parts:
        if heatmap is not None:
            place = _part(grid, box, photo)
            rows, columns = place.shape
            np.maximum(place, upsample(HeatMap(heatmap.grid, columns, rows)), out=place)
    return HeatMap(grid, photo.width_px, photo.height_px)
