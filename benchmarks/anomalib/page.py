"""The comparison as a page: what was measured, the better size of each peer, what was stopped."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.anomalib.rows import ANOMALIB, LIKE, SIDES, WALKDOWN, Job, Row

from benchmarks import pages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.anomalib.setup import Footprint

HEAD = ["set", "what", "px", "AUROC", "AUPRO", "fit s", "images/s", "peak MiB", "bank", "remark"]


def update(
    page: Path,
    rows: Sequence[Row],
    *,
    machine: Mapping[str, str],
    footprints: Sequence[Footprint] = (),
    readme: Path | None = None,
) -> None:
    """Write the table between the marks; a missing page is made. ``readme`` gets the summary.

    Raises ValueError where an existing page has no marks.
    """
    parts = [table(rows), likeness(rows), pages.about(machine), _footprints(footprints)]
    pages.put(page, pages.COMPARISON, "\n\n".join(part for part in parts if part))
    if readme is not None:
        short = [summary(rows), likeness(rows), pages.about(machine)]
        pages.put(readme, pages.COMPARISON, "\n\n".join(part for part in short if part))


def table(rows: Sequence[Row]) -> str:
    """One line for all turns of a run, set by set."""
    lines = []
    for name in dict.fromkeys(row.job.set for row in rows):
        shown = medians([row for row in rows if row.job.set == name])
        best = better(shown)
        shown.sort(key=lambda r: (SIDES.index(r.job.side), r.job.model, r.job.size_px or 0))
        lines += [_line(row, bold=row in best) for row in shown]
    return pages.markdown(HEAD, lines)


def summary(rows: Sequence[Row]) -> str:
    """For each set walkdown beside the peer's model and size with the highest AUROC."""
    head = ["set", "walkdown: AUROC", "AUPRO", "fit s", "images/s"]
    head += ["anomalib's best", "AUROC", "AUPRO", "fit s", "images/s"]
    lines = []
    for name in dict.fromkeys(row.job.set for row in rows):
        shown = medians([row for row in rows if row.job.set == name])
        own = next((row for row in shown if row.job.side == WALKDOWN and row.done), None)
        peers = sorted(better(shown), key=lambda row: (row.auroc or 0.0, row.aupro or 0.0))
        if own and peers:
            peer = peers[-1]
            what = f"{peer.job.model}, {peer.job.size_px} px"
            lines.append([name, *_quality(own), *_pace(own), what, *_quality(peer), *_pace(peer)])
    return pages.markdown(head, lines)


def _quality(row: Row) -> list[str]:
    return ["" if value is None else f"{value:.3f}" for value in (row.auroc, row.aupro)]


def _pace(row: Row) -> list[str]:
    return ["" if value is None else f"{value:.1f}" for value in (row.fit_s, row.images_per_s)]


def likeness(rows: Sequence[Row]) -> str:
    """How many times faster walkdown made like a peer was, where both were measured."""
    lines = []
    found = {row.job: row for row in medians(rows) if row.done}
    for job, own in found.items():
        peer = found.get(replace(job, side=ANOMALIB))
        if job.side != LIKE or peer is None:
            continue
        fit, speed = _ratio(peer.fit_s, own.fit_s), _ratio(own.images_per_s, peer.images_per_s)
        lines.append(
            f"Like for like ({job.set}, {job.model}, {job.size_px} px): "
            f"walkdown's fit is {fit} times faster, its inspection {speed} times."
        )
    return "\n".join(lines)


def _ratio(more: float | None, less: float | None) -> str:
    return f"{more / less:.1f}" if more and less else "unknown"


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


def medians(rows: Sequence[Row]) -> list[Row]:
    """Turns put together: quality of the first (all are the same), medians of the times.

    Turns that did not finish are left out where others did.
    """
    together: dict[Job, list[Row]] = {}
    for row in rows:
        together.setdefault(replace(row.job, turn=0), []).append(row)
    return [_median(job, [r for r in turns if r.done] or turns) for job, turns in together.items()]


def _median(job: Job, turns: Sequence[Row]) -> Row:
    fits = [row.fit_s for row in turns if row.fit_s is not None]
    speeds = [row.images_per_s for row in turns if row.images_per_s is not None]
    return replace(
        turns[0],
        job=job,
        fit_s=round(median(fits), 2) if fits else None,
        images_per_s=round(median(speeds), 2) if speeds else None,
        peak_mib=max(row.peak_mib or 0 for row in turns) or None,
    )


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
    if not found:
        return ""
    lines = [[one.what, str(one.installed_mb), f"{one.import_s:g}"] for one in found]
    return pages.markdown(["", "installed MB", "import s"], lines)


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
