"""What commands print: documented JSON lines for programs, short tables for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from walkdown.app import rows
from walkdown.app.charges import cost_words as cost_words
from walkdown.app.charges import costs as costs
from walkdown.app.charges import dollars as dollars
from walkdown.types import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.app.context import App
    from walkdown.app.inspecting import Line
    from walkdown.app.rows import Row
    from walkdown.types import Result


def echo_json(value: object) -> None:
    """One object on one line; bytes of a file name that are not Unicode become \\udcXX escapes."""
    click.echo(json.dumps(value, ensure_ascii=True, allow_nan=False))


def line_json(app: App, line: Line) -> Row:
    """An image of an inspection, as docs/json.md documents it."""
    return {**result_json(app, line.result), "status": line.status}


def left_out_json(name: str, reason: str) -> Row:
    """A file in a folder that is no image: skipped, with the reason and without a result."""
    empty = dict.fromkeys(
        ("sha256", "model", "verdict", "score", "raw_score", "note", "cost_usd", "heatmap",
         "severity", "asset", "viewpoint", "result_id", "taken_at", "recorded_at")
    )  # fmt: skip
    return {"image": name, "status": "skipped", "error": reason, **empty, "regions": [],
            "stages": []}  # fmt: skip


def result_json(app: App, result: Result) -> Row:
    """A stored result, as docs/json.md documents it."""
    locate, by = app.blobs.locate, result.decided_by
    decided = rows.stage_row(by, locate=locate) if by else {"regions": [], "heatmap": None}
    return {
        **rows.result_row(result, locate=locate),
        "regions": decided["regions"],
        "heatmap": decided["heatmap"],
        "result_id": result.key.id,
    }


def shown(name: str) -> str:
    """A file name that any terminal can print: what is not Unicode, or controls it, is escaped."""
    # Bytes that were no text are shown as such, and any other half of a character as what it is.
    clean = "".join(f"\\x{ord(c) - 0xDC00:02x}" if "\udc80" <= c <= "\udcff" else c for c in name)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in clean)


def table(rows: Sequence[Sequence[str]], *, header: Sequence[str]) -> None:
    """Columns as wide as their widest cell; the last one is not padded. Nothing without columns."""
    if not header:
        return
    lines = [list(header), *[list(r) for r in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    for line in lines:
        cells = [cell.ljust(w) for cell, w in zip(line[:-1], widths, strict=False)]
        click.echo("  ".join([*cells, line[-1]]))


RESULT_HEADER = ("score", "verdict", "severity", "regions", "image")


def result_row(result: Result) -> tuple[str, ...]:
    """A result as a line of a table; an unusable one with the advice of the stage that says so."""
    by = result.decided_by
    advice = by.prediction.note if by and result.verdict is Verdict.UNUSABLE else None
    said = [" ".join(each.split()) for each in (result.error, advice) if each]
    return (
        f"{result.score:.3f}" if result.score is not None else "-",
        result.verdict.value if result.verdict else result.status.value,
        result.severity.value if result.severity else "-",
        str(len(by.prediction.regions)) if by else "-",
        shown(result.image) + (f"  ({shown('; '.join(said))})" if said else ""),
    )


def summary(results: Sequence[Result]) -> str:
    """How many of each, in words."""
    counts = [
        (sum(r.verdict is v for r in results), v.value)
        for v in (Verdict.ANOMALY, Verdict.NORMAL, Verdict.UNUSABLE)
    ]
    failed = sum(r.verdict is None for r in results)
    partial = sum(r.status is Status.PARTIAL for r in results)
    more = [(failed, "failed"), (partial, "with a stage that failed")]
    parts = [f"{n} {what}" for n, what in [*counts, *more] if n]
    return ", ".join(parts) or "nothing"
