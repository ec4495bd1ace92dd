"""The report: one HTML file that needs nothing else, and the same results as two tables.

The page carries its data in JSON blocks: one with all results, and its pictures in blocks of fifty
that the page parses only when they come into view, which is what keeps 5,000 images quick to open.
Pictures are made by a few threads and written as they come, so memory does not grow with their
number. The page may run its own script and nothing else: its policy names the script by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from walkdown.app.report_rows import (
    counts,
    dumps,
    inspection_row,
    result_row,
    shown_stage,
    worst_first,
    write_csv,
    write_json,
)
from walkdown.errors import StoreError, WalkdownError
from walkdown.imaging.heatmaps import overlay
from walkdown.imaging.thumbnails import thumbnail
from walkdown.pipeline.keys import image_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import TextIO

    from walkdown.ports import Blobs, Progress
    from walkdown.types import Inspection, Result

_PICTURES_PER_BLOCK = 50
_WORKERS = 3
_AHEAD = 12

# Most images, the longest side of their pictures, and that of the heat maps over them: a page of
# any length stays under about 60 MB. Heat maps are smooth and bear being enlarged.
_SIZES_PX = ((60, 960, 320), (300, 480, 200), (1000, 320, 128), (5000, 200, 96))
_SMALLEST_PX = (160, 64)
_MOST_PICTURES = 10_000

_SLOT = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True, slots=True)
class _Picture:
    """What one picture of the page is made from, and shared by all results with the same."""

    content: str
    heatmap: str | None
    name: str


def write_report(
    inspection: Inspection,
    results: Iterable[Result],
    *,
    blobs: Blobs,
    out: Path,
    progress: Progress,
) -> Path:
    """Write ``index.html``, ``results.csv`` and ``results.json`` into ``out``; return the page.

    Each file appears whole or not at all, and replaces an older one. Images are taken from
    ``blobs`` under `image_key`; one that is missing or damaged has no picture in the page. Beyond
    10,000 images only the worst have pictures. ``walkdown.app.report_rows`` documents the tables.
    Raises `StoreError` where ``out`` can't be written.
    """
    ranked = worst_first(results)
    with _whole_file(out / "results.csv") as file:
        write_csv(ranked, file)
    with _whole_file(out / "results.json") as file:
        write_json(inspection, ranked, file)
    with _whole_file(out / "index.html") as file:
        _write_page(inspection, ranked, blobs=blobs, file=file, progress=progress)
    return out / "index.html"


def _write_page(
    inspection: Inspection,
    ranked: Sequence[Result],
    *,
    blobs: Blobs,
    file: TextIO,
    progress: Progress,
) -> None:
    numbers, pictures = _plan_pictures(ranked)
    before, after = _page(inspection, ranked, numbers).split("<!--pictures-->")
    file.write(before)
    for number, block in enumerate(_blocks(pictures, blobs=blobs, progress=progress)):
        file.write(
            f'<script type="application/json" id="pictures-{number}">{dumps(block)}</script>\n'
        )
    file.write(after)


def _plan_pictures(ranked: Sequence[Result]) -> tuple[list[int | None], list[_Picture]]:
    """The number of each result's picture, and the pictures to make, worst first."""
    known: dict[tuple[str, str | None], int] = {}
    pictures: list[_Picture] = []
    numbers: list[int | None] = []
    for result in ranked:
        stage = shown_stage(result)
        heatmap = stage.heatmap if stage else None
        if result.content is None:
            numbers.append(None)
            continue
        number = known.setdefault((result.content, heatmap), len(known))
        if number == len(pictures) < _MOST_PICTURES:
            pictures.append(_Picture(result.content, heatmap, result.image))
        numbers.append(number if number < len(pictures) else None)
    return numbers, pictures


def _page(inspection: Inspection, ranked: Sequence[Result], numbers: list[int | None]) -> str:
    """The page, all but its pictures, which belong at the mark that is left in it."""
    found = counts(ranked)
    data = {
        "inspection": inspection_row(inspection),
        "counts": found,
        "pictures_per_block": _PICTURES_PER_BLOCK,
        "results": [_page_row(r, n) for r, n in zip(ranked, numbers, strict=True)],
    }
    style, script = _asset("page.css"), _asset("page.js")
    title = f"{inspection.pipeline}: {found['anomaly']} of {len(ranked)} images are anomalies"
    slots = {
        "title": escape(title.encode("utf-8", "backslashreplace").decode("utf-8")),
        "style_hash": _policy_hash(style),
        "script_hash": _policy_hash(script),
        "style": style,
        "script": script,
        "data": dumps(data),
    }
    return _SLOT.sub(lambda slot: slots[slot[1]], _asset("page.html"))


def _page_row(result: Result, number: int | None) -> dict[str, object]:
    stage = shown_stage(result)
    shown = None if stage is None else result.stages.index(stage)
    return {**result_row(result), "picture": number, "shown": shown}


def _asset(name: str) -> str:
    return (resources.files("walkdown.app") / "report_page" / name).read_text("utf-8")


def _policy_hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _blocks(
    pictures: Sequence[_Picture], *, blobs: Blobs, progress: Progress
) -> Iterator[list[dict[str, object] | None]]:
    """The drawn pictures in blocks, in order; None stands for one that could not be made."""
    sizes_px = _sizes_px(len(pictures))
    progress.start("drawing the report's pictures", len(pictures))
    block: list[dict[str, object] | None] = []
    for drawn in _drawn(pictures, blobs=blobs, sizes_px=sizes_px):
        block.append(drawn)
        progress.advance()
        if len(block) == _PICTURES_PER_BLOCK:
            yield block
            block = []
    if block:
        yield block


def _sizes_px(count: int) -> tuple[int, int]:
    return next(((big, heat) for most, big, heat in _SIZES_PX if count <= most), _SMALLEST_PX)


def _drawn(
    pictures: Iterable[_Picture], *, blobs: Blobs, sizes_px: tuple[int, int]
) -> Iterator[dict[str, object] | None]:
    """Draw a bounded number ahead of the reader, and hand over in order."""
    waiting: deque[Future[dict[str, object] | None]] = deque()
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="report") as pool:
        for picture in pictures:
            if len(waiting) == _AHEAD:
                yield waiting.popleft().result()
            waiting.append(pool.submit(_draw, picture, blobs, sizes_px))
        while waiting:
            yield waiting.popleft().result()


def _draw(picture: _Picture, blobs: Blobs, sizes_px: tuple[int, int]) -> dict[str, object] | None:
    longest_px, heat_px = sizes_px
    try:
        data = blobs.get(image_key(picture.content))
        small, width_px, height_px = thumbnail(data, name=picture.name, max_px=longest_px)
    except WalkdownError:
        return None
    heat = _draw_heat(picture.heatmap, blobs, heat_px)
    return {"image": _data_uri(small), "width": width_px, "height": height_px, "heat": heat}


def _draw_heat(key: str | None, blobs: Blobs, max_px: int) -> str | None:
    if key is None:
        return None
    try:
        return _data_uri(overlay(blobs.get(key), max_px=max_px))
    except WalkdownError:
        return None


def _data_uri(data: bytes) -> str:
    kind = "png" if data.startswith(b"\x89PNG") else "webp"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


@contextmanager
def _whole_file(path: Path) -> Iterator[TextIO]:
    """A text file that gets its name only when it was written to its end."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        part.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(
            f"The report can't be written to {path}: {reason}. "
            "Free some space there or choose another folder, then make the report again."
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
