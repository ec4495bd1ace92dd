"""The report: one HTML file that needs nothing else, and the same results as two tables.

The page carries its data in JSON blocks: one with all results, and its pictures in blocks of fifty
that the page parses only when they come into view, which is what keeps 5,000 images quick to open.
Pictures are written as they are made, so memory does not grow with their number. The page may run
its own script and nothing else: its policy names the script by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from contextlib import contextmanager, suppress
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from walkdown.app.remarks import remarks_on
from walkdown.app.report_pictures import drawn_patches, drawn_pictures, plan_pictures
from walkdown.app.report_rows import (
    counts,
    dumps,
    inspection_row,
    report_row,
    shown_stage,
    worst_first,
    write_csv,
    write_json,
)
from walkdown.app.rows import region_row, stage_row
from walkdown.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import TextIO

    from walkdown.app.report_pictures import Drawn, Original, Pictures
    from walkdown.app.rows import Row
    from walkdown.ports import Blobs, Progress
    from walkdown.types import Inspection, Region, Result, StageResult

PER_BLOCK = 50
"""Pictures in one block of JSON."""

_SLOT = re.compile(r"\{\{(\w+)\}\}")


def write_report(
    inspection: Inspection,
    results: Iterable[Result],
    *,
    blobs: Blobs,
    out: Path,
    progress: Progress,
    original: Original | None = None,
) -> Path:
    """Write ``index.html``, ``results.csv`` and ``results.json`` into ``out``; return the page.

    Each file appears whole or not at all, and replaces an older one. Images are taken from
    ``original``, or else are the copies in ``blobs``; one that is missing or damaged has no picture
    in the page. Beyond 10,000 images only the worst have pictures. ``walkdown.app.report_rows``
    documents the tables. Raises `StoreError` where ``out`` can't be written.
    """
    ranked = worst_first(results)
    with whole_file(out / "results.csv") as file:
        write_csv(ranked, file)
    with whole_file(out / "results.json") as file:
        write_json(inspection, ranked, file)
    with whole_file(out / "index.html") as file:
        _write_page(
            inspection, ranked, blobs=blobs, file=file, progress=progress, original=original
        )
    return out / "index.html"


def _write_page(
    inspection: Inspection,
    ranked: Sequence[Result],
    *,
    blobs: Blobs,
    file: TextIO,
    progress: Progress,
    original: Original | None,
) -> None:
    plan = plan_pictures(ranked)
    page = _page(inspection, ranked, plan.numbers)
    write_whole(page, plan, blobs=blobs, file=file, progress=progress, original=original)


def write_whole(
    page: str,
    plan: Pictures,
    *,
    blobs: Blobs,
    file: TextIO,
    progress: Progress,
    original: Original | None,
) -> None:
    """Write a page of `page_of` with its pictures, drawn one after the other."""
    before, after = page.split("<!--pictures-->")
    file.write(before)
    progress.start("drawing the report's pictures", len(plan.pictures))
    drawn = drawn_pictures(plan, blobs=blobs, original=original)
    _write_blocks("pictures", drawn, file=file, progress=progress)
    _write_blocks("patches", drawn_patches(plan.patches, blobs=blobs), file=file)
    file.write(after)


def _write_blocks(
    name: str, drawn: Iterable[Drawn | None], *, file: TextIO, progress: Progress | None = None
) -> None:
    """What was drawn as numbered JSON blocks, each written when it is full."""
    block: list[Drawn | None] = []
    number = 0
    for one in drawn:
        block.append(one)
        if progress:
            progress.advance()
        if len(block) == PER_BLOCK:
            _write_block(f"{name}-{number}", block, file)
            block, number = [], number + 1
    if block:
        _write_block(f"{name}-{number}", block, file)


def _write_block(name: str, block: Sequence[Drawn | None], file: TextIO) -> None:
    file.write(f'<script type="application/json" id="{name}">{dumps(block)}</script>\n')


def _page(inspection: Inspection, ranked: Sequence[Result], numbers: Sequence[int | None]) -> str:
    """The report's page, all but its pictures."""
    found = counts(ranked)
    data = {
        "inspection": inspection_row(inspection),
        "counts": found,
        "remarks": remarks_on(ranked),
        "per_block": PER_BLOCK,
        "results": [page_row(r, n) for r, n in zip(ranked, numbers, strict=True)],
    }
    title = f"{inspection.pipeline}: {found['anomaly']} of {len(ranked)} images are anomalies"
    return page_of(title, data)


def page_of(title: str, data: Row, *, scripts: Sequence[str] = ("page.js",)) -> str:
    """A page that shows ``data``, with a mark where its pictures belong (see `write_whole`)."""
    style, script = _asset("page.css"), "".join(_asset(name) for name in scripts)
    slots = {
        "title": escape(title.encode("utf-8", "backslashreplace").decode("utf-8")),
        "style_hash": _policy_hash(style),
        "script_hash": _policy_hash(script),
        "style": style,
        "script": script,
        "data": dumps(data),
    }
    return _SLOT.sub(lambda slot: slots[slot[1]], _asset("page.html"))


def page_row(result: Result, number: int | None) -> Row:
    """A result's row with the numbers of its picture and of the stage that is shown."""
    stage = shown_stage(result)
    shown = None if stage is None else result.stages.index(stage)
    stages = [_page_stage(stage) for stage in result.stages]
    return {**report_row(result), "stages": stages, "picture": number, "shown": shown}


def _page_stage(stage: StageResult) -> Row:
    return {**stage_row(stage), "regions": [_page_region(r) for r in stage.prediction.regions]}


def _page_region(region: Region) -> Row:
    """Of what it was compared to, the page says only the image; it shows the rest."""
    return {**region_row(region), "nearest": region.nearest and region.nearest.image}


def _asset(name: str) -> str:
    return (resources.files("walkdown.app") / "report_page" / name).read_text("utf-8")


def _policy_hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
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
