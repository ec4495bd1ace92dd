"""The command `walkdown inspect`: inspects, and prints a line for each image or a summary."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from walkdown.app.inspecting import inspect
from walkdown.app.remarks import remarks_on
from walkdown.app.specs import pipeline_of
from walkdown.cli.options import open_app
from walkdown.cli.output import (
    RESULT_HEADER,
    cost_words,
    costs,
    echo_json,
    left_out_json,
    line_json,
    result_row,
    shown,
    summary,
    table,
)
from walkdown.cli.progress import progress
from walkdown.types import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from walkdown.app.inspecting import Inspecting, Line
    from walkdown.types import Result

FOUND, FAILED = 3, 4
"""Exit codes: there are anomalies; some images failed, which outranks it."""

SHOWN = 10


def run_inspect(
    paths: tuple[str, ...],
    *,
    model: str | None,
    file: Path | None,
    max_pixels: int | None,
    workers: int | None,
    again: bool,
    as_json: bool,
) -> int:
    """Inspect, print what came of it, and return 0, `FOUND` or `FAILED`."""
    spec = pipeline_of(model=model, file=file, paths=paths, max_pixels=max_pixels)
    app = open_app(workers=workers)
    with progress(quiet=as_json) as bar:
        inspecting = inspect(app, spec, again=again, progress=bar)
        lines = _print_lines(inspecting) if as_json else list(inspecting.lines())
    if not as_json:
        _print_summary(inspecting, lines)
    if any(line.result.status is not Status.DONE for line in lines):
        return FAILED
    return FOUND if any(line.result.verdict == "anomaly" for line in lines) else 0


def _print_lines(inspecting: Inspecting) -> list[Line]:
    lines = []
    for line in inspecting.lines():
        echo_json(line_json(inspecting.app, line))
        lines.append(line)
    for name, reason in inspecting.left_out:
        echo_json(left_out_json(name, reason))
    return lines


def _print_summary(inspecting: Inspecting, lines: list[Line]) -> None:
    results = [line.result for line in lines]
    alike = _failed_alike(results)
    told = [r for r in results if _is_told(r) and (r.verdict is not None or r.error not in alike)]
    told.sort(key=lambda r: (r.score is None, -(r.score or 0.0)))
    if told:
        table([result_row(r) for r in told[:SHOWN]], header=RESULT_HEADER)
    if len(told) > SHOWN:
        click.echo(f"... and {len(told) - SHOWN} more: walkdown results")
    for error, count in alike.items():
        click.echo(f"{count} images failed alike: {shown(error)}")
    skipped = sum(line.status == "skipped" for line in lines)
    before = f" ({skipped} of them done before)" if skipped else ""
    noun = "image" if len(results) == 1 else "images"
    click.echo(f"{len(results)} {noun}: {summary(results)}{before}")
    usd_per_look = inspecting.plan.usd_per_look
    for remark in remarks_on(results, usd_per_look, costs=False, partial=False):
        click.echo(remark)
    charged = costs(line.result for line in lines if line.status != "skipped")
    if charged:
        click.echo(cost_words(charged))
    for name, reason in inspecting.left_out[:SHOWN]:
        click.echo(f"left out: {shown(name)}: {reason}", err=True)
    if len(inspecting.left_out) > SHOWN:
        click.echo(f"left out: {len(inspecting.left_out) - SHOWN} more", err=True)
    if results:
        click.echo(
            f"inspection {inspecting.inspection.id}; look at it: "
            f"walkdown report {inspecting.inspection.id} --open"
        )


def _is_told(result: Result) -> bool:
    return bool(result.error) or result.verdict in (Verdict.ANOMALY, Verdict.UNUSABLE)


def _failed_alike(results: Sequence[Result]) -> dict[str, int]:
    """Errors for which several images have failed, and how many: told once."""
    errors = Counter(r.error for r in results if r.verdict is None and r.error)
    return {error: count for error, count in errors.most_common(SHOWN) if count > 1}
