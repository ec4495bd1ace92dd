"""Finds the separate places on a heat map: connected components over runs of hot cells.

Works on the grid drawn a few times finer, not at image resolution: the boxes get smooth edges at a
cost that does not depend on the size of the photograph.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from walkdown.imaging.heatmaps import upsample
from walkdown.types import HeatMap, Region

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from walkdown.types import Box

# Odd, so that every cell's centre falls on a finer cell's centre and the highest score is kept.
_FINER: Final = (5, 3, 1)
_LONGEST: Final = 320


@dataclass(frozen=True, slots=True, eq=False)
class _Runs:
    """Stretches of hot cells in rows: ``row``, ``start`` and ``end`` (exclusive) of each."""

    row: NDArray[np.intp]
    start: NDArray[np.intp]
    end: NDArray[np.intp]


def regions(
    heatmap: HeatMap,
    *,
    level: float = 0.5,
    peak: float | None = None,
    min_area_pct: float = 0.0,
    max_regions: int = 20,
) -> tuple[Region, ...]:
    """Connected places whose score is at least ``level``, worst first, at most ``max_regions``.

    With a ``peak`` above the level, only places that reach it: a place is then drawn as far as it
    is unlike its surroundings, and not only where it is worst (hysteresis: Canny, 1986). Cells that
    touch at a corner are connected. A region's score is the highest inside, its area
    the share of the image (not of the box) in per cent; its box holds at least one pixel.
    """
    least = level if peak is None else peak
    if not np.any(heatmap.grid >= least):
        return ()
    grid = _finer(heatmap.grid)
    runs = _runs(grid >= level)
    if not len(runs.row):
        # Between cells the finer grid stays below the worst of them.
        return ()
    found = _measure(heatmap, grid, runs, _components(runs))
    large = [r for r in found if r.area_pct >= min_area_pct and r.score >= least]
    large.sort(key=lambda region: (-region.score, -region.area_pct, region.box))
    return tuple(large[:max_regions])


def _finer(grid: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = grid.shape
    times = next((t for t in _FINER if max(height, width) * t <= _LONGEST), 1)
    return upsample(HeatMap(grid, width * times, height * times))


def _runs(hot: NDArray[np.bool_]) -> _Runs:
    height, width = hot.shape
    padded = np.zeros((height, width + 2), np.int8)
    padded[:, 1:-1] = hot
    steps = np.diff(padded, axis=1)
    row, start = np.nonzero(steps == 1)
    return _Runs(row, start, np.nonzero(steps == -1)[1])


def _components(runs: _Runs) -> NDArray[np.intp]:
    """The component of each run, numbered from 0, by union of runs that touch in adjacent rows."""
    parent = list(range(len(runs.row)))
    rows, starts, ends = runs.row.tolist(), runs.start.tolist(), runs.end.tolist()
    above = 0
    for run, row in enumerate(rows):
        while rows[above] < row - 1 or (rows[above] == row - 1 and ends[above] < starts[run]):
            above += 1
        other = above
        while rows[other] == row - 1 and starts[other] <= ends[run]:
            parent[_root(parent, other)] = _root(parent, run)
            other += 1
    roots = [_root(parent, run) for run in range(len(parent))]
    return np.unique(roots, return_inverse=True)[1]


def _root(parent: list[int], run: int) -> int:
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


def _measure(
    heatmap: HeatMap, grid: NDArray[np.float32], runs: _Runs, component: NDArray[np.intp]
) -> list[Region]:
    count = int(component.max()) + 1
    height, width = grid.shape
    left, top = np.full(count, width), np.full(count, height)
    right, bottom = np.zeros(count, np.intp), np.zeros(count, np.intp)
    cells, score = np.zeros(count, np.intp), np.zeros(count, np.float32)
    np.minimum.at(left, component, runs.start)
    np.minimum.at(top, component, runs.row)
    np.maximum.at(right, component, runs.end)
    np.maximum.at(bottom, component, runs.row + 1)
    np.add.at(cells, component, runs.end - runs.start)
    np.maximum.at(score, component, _highest(grid, runs))
    return [
        Region(
            box=_box(heatmap, grid.shape, (left[i], top[i], right[i], bottom[i])),
            area_pct=100.0 * float(cells[i]) / grid.size,
            score=float(score[i]),
        )
        for i in range(count)
    ]


def _highest(grid: NDArray[np.float32], runs: _Runs) -> NDArray[np.float32]:
    # reduceat takes the maximum between one index and the next: every second one is a run. The
    # value added at the end makes room for the end of a run in the last cell.
    flat = np.append(grid.ravel(), np.float32(0))
    first = runs.row * grid.shape[1]
    between = np.stack((first + runs.start, first + runs.end), axis=1).ravel()
    return np.maximum.reduceat(flat, between)[::2]


def _box(heatmap: HeatMap, shape: tuple[int, ...], cells: tuple[int, int, int, int]) -> Box:
    left, top, right, bottom = cells
    across, down = heatmap.width_px / shape[1], heatmap.height_px / shape[0]
    x, y = math.floor(left * across), math.floor(top * down)
    end_x = min(math.ceil(right * across), heatmap.width_px)
    end_y = min(math.ceil(bottom * down), heatmap.height_px)
    return x, y, max(1, end_x - x), max(1, end_y - y)
