"""The command `walkdown bench`: measures, and prints a table or a JSON object."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.app.benchmarking import Benchmark


def run_bench(
    model: str,
    paths: Sequence[str],
    *,
    images: int,
    rounds: int,
    workers: int | None,
    as_json: bool,
) -> None:
    """Measure and print."""
    from walkdown.app.benchmarking import benchmark
    from walkdown.cli.options import open_app
    from walkdown.cli.output import echo_json
    from walkdown.cli.progress import progress
    from walkdown.wiring import open_workspace

    app = open_app(workers=workers)
    fresh = partial(open_workspace, workers=app.settings.workers)
    with progress(quiet=as_json) as bar:
        found = benchmark(
            app, model, paths, rounds=rounds, at_most=images, fresh=fresh, progress=bar
        )
    if as_json:
        echo_json(asdict(found) | {"limited_by": found.limited_by})
    else:
        _print(found)


def _print(found: Benchmark) -> None:
    from walkdown.cli.output import table

    total = sum(step.ms for step in found.steps)
    rows = [(s.name, f"{s.ms:.2f}", f"{s.ms / total:.1%}" if total else "-") for s in found.steps]
    table(rows, header=("step", "ms an image", "share"))
    failed = f", {found.failed} of them failed" if found.failed else ""
    at = f" at {_sizes(found.px)}" if found.px else ""
    click.echo(
        f"{found.images} images{failed}, {found.workers} threads, median of {found.rounds} rounds"
    )
    click.echo(f"inspection:     {found.images_per_s:.1f} images/s, decode to record")
    click.echo(f"{found.limit + ' alone:':<15} {found.limit_per_s:.1f} images/s{at}")
    click.echo(f"share:          {found.share:.0%} of what the {found.limit} alone would allow")
    click.echo(f"peak memory:    {found.peak_mib} MiB")
    click.echo(f"limited by      {found.limited_by}")


def _sizes(px: Sequence[tuple[int, int]]) -> str:
    width, height = px[0]
    more = f" and {len(px) - 1} other sizes" if len(px) > 1 else ""
    return f"{width} x {height} px{more}"
