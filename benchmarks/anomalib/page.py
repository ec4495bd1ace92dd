"""The comparison as a page: what was measured, the better size of each peer, what was stopped."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.anomalib.rows import ANOMALIB, LIKE, WALKDOWN, Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.anomalib.setup import Footprint

START = "<!-- comparison: written by `python -m benchmarks.anomalib.compare` -->"
END = "<!-- /comparison -->"
NEW_PAGE = f"""# Benchmarks

What the figures mean, and the commands that make them again.

## walkdown beside anomalib

The same weights (EfficientNet-Lite2, ImageNet), the same photographs, the same machine, alternating
runs. anomalib gets the normalisation that the weights expect, and each of its models two input
sizes, of which the one with the higher AUROC counts (in bold); its times leave out validation,
metrics and pictures. A fit that passes a limit is stopped, is shown as such and counts towards no
claim. walkdown chooses its size itself, and its times hold everything: the threshold in the fit,
and copies, heat maps and records in the inspection. AUROC is of images, AUPRO of pixels up to 30 %
false positives; both sides are measured by the same code. How to run it:
`benchmarks/anomalib/README.md`.

{START}
{END}
"""
HEAD = ["set", "what", "px", "AUROC", "AUPRO", "fit s", "images/s", "peak MiB", "bank", "remark"]


def update(
    page: Path,
    rows: Sequence[Row],
    *,
    machine: Mapping[str, str],
    footprints: Sequence[Footprint] = (),
) -> None:
    """Write the table between the marks; a missing page is made.

    Raises ValueError where an existing page has no marks.
    """
    text = page.read_text(encoding="utf-8") if page.exists() else NEW_PAGE
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"{page} has no marks for the table: put the lines {START} and {END}")
    about = " · ".join(f"{k} {v}" for k, v in machine.items())
    parts = [START, table(rows), about]
    if footprints:
        parts.append(_footprints(footprints))
    page.write_text(before + "\n\n".join(parts) + f"\n\n{END}" + after, encoding="utf-8")


def table(rows: Sequence[Row]) -> str:
    """One line a run, set by set; turns of walkdown are one line of medians."""
    lines = []
    for name in dict.fromkeys(row.job.set for row in rows):
        here = [row for row in rows if row.job.set == name]
        best = better(here)
        shown = [row for row in here if row.job.side != WALKDOWN]
        shown.sort(key=lambda r: (r.job.side != ANOMALIB, r.job.model, r.job.size_px or 0))
        lines += [_line(row, bold=row in best) for row in (*shown, *_medians(here))]
    return _markdown(HEAD, lines)


def better(rows: Sequence[Row]) -> list[Row]:
    """Of each of anomalib's models on one set, the finished run with the highest AUROC."""
    best: dict[str, Row] = {}
    for row in rows:
        if row.job.side != ANOMALIB or not row.done or row.auroc is None:
            continue
        known = best.get(row.job.model)
        if known is None or (known.auroc or 0.0) < row.auroc:
            best[row.job.model] = row
    return list(best.values())


def _medians(rows: Sequence[Row]) -> list[Row]:
    """walkdown's line: quality of the first turn (all are the same), medians of the times."""
    own = [row for row in rows if row.job.side == WALKDOWN]
    done = [row for row in own if row.done]
    if not done:
        return own[:1]
    return [
        replace(
            done[0],
            fit_s=round(median(row.fit_s for row in done if row.fit_s is not None), 1),
            images_per_s=round(median(r.images_per_s for r in done if r.images_per_s), 1),
            peak_mib=max(row.peak_mib or 0 for row in done) or None,
        )
    ]


def _line(row: Row, *, bold: bool) -> list[str]:
    what = f"anomalib {row.job.model}" if row.job.side == ANOMALIB else "walkdown"
    if row.job.side == LIKE:
        what = f"walkdown, like {row.job.model}"
    figures = (row.fit_s, row.images_per_s, row.peak_mib, row.bank_rows)
    cells = [
        row.job.set,
        what,
        _text(row.input_px or row.job.size_px),
        "" if row.auroc is None else f"{row.auroc:.3f}",
        "" if row.aupro is None else f"{row.aupro:.3f}",
        *(_text(figure) for figure in figures),
    ]
    if bold:
        cells = [cells[0], *(f"**{cell}**" if cell else "" for cell in cells[1:])]
    return [*cells, "" if row.done else row.status.replace("|", "/")]


def _footprints(found: Sequence[Footprint]) -> str:
    lines = [[one.what, str(one.installed_mb), f"{one.import_s:g}"] for one in found]
    return _markdown(["", "installed MB", "import s"], lines)


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    whole = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in whole)


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
