"""`walkdown demo`: train, inspect and report on real solar cells, with the time of each step."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from walkdown.app.demo import LICENCE, choose_cells
from walkdown.app.inspecting import inspect
from walkdown.app.reading import find_inspection, results_of
from walkdown.app.report import write_report
from walkdown.app.specs import pipeline_of
from walkdown.app.training import train
from walkdown.cli.options import open_app, workspace_given
from walkdown.cli.output import summary, table
from walkdown.cli.progress import progress
from walkdown.evaluate.metrics import auroc
from walkdown.evaluate.thresholds import from_false_alarms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.types import Result

FOLDER = "walkdown-demo"
MODEL = "solar-cells"
BUDGETS = (0.01, 0.05, 0.1)


def run_demo(*, normals: int, out: Path | None) -> None:
    """The whole main job once, from photographs to the report."""
    cells = choose_cells(train=normals)
    click.echo("Solar cells by electroluminescence: package elpv-dataset, " + LICENCE)
    app = open_app() if workspace_given() else open_app(folder=FOLDER)
    times: list[tuple[str, float]] = []
    with progress() as bar:
        began = time.perf_counter()
        trained = train(app, MODEL, normal=cells.train, progress=bar)
        times.append((f"train on {trained.images} normal cells", _lap(began)))

        began = time.perf_counter()
        spec = pipeline_of(model=MODEL, file=None, paths=[*cells.normal, *cells.defective])
        inspecting = inspect(app, spec, progress=bar)
        results = [line.result for line in inspecting.lines()]
        times.append((f"inspect {len(results)} other cells", _lap(began)))

        began = time.perf_counter()
        folder = out or app.home.parent / "reports" / inspecting.inspection.id
        finished = find_inspection(app, inspecting.inspection.id)
        page = write_report(
            finished, results_of(app, finished), blobs=app.blobs, out=folder, progress=bar
        )
        times.append(("write the report", _lap(began)))
    _print(results, set(cells.defective), times)
    _print_budgets(results, set(cells.defective), trained.calibration)
    click.echo(f"report: {page}")
    where = workspace_given() or FOLDER
    click.echo(f"more:   walkdown results --workspace {where}  (in a clone: .venv/bin/walkdown)")


def _lap(began: float) -> float:
    return time.perf_counter() - began


def _print(
    results: Sequence[Result],
    defective: set[str],
    times: Sequence[tuple[str, float]],
) -> None:
    scores: dict[bool, list[float]] = {True: [], False: []}
    for result in results:
        scores[result.image in defective].append(result.score or 0.0)
    ranked = sorted(results, key=lambda r: -(r.score or 0.0))
    shown = [*ranked[:5], *ranked[-3:]]
    click.echo()
    table([_row(r, defective) for r in shown], header=("score", "verdict", "in truth", "cell"))
    worst = sum(r.image in defective for r in ranked[: len(scores[True])])
    click.echo()
    click.echo(f"{len(results)} cells: {summary(results)}")
    click.echo(f"of the {len(scores[True])} worst-ranked cells {worst} are defective")
    area = auroc(scores[False], scores[True])
    click.echo(f"AUROC {area:.3f} (how often a defective cell ranks above a normal one)")
    click.echo()
    table([(f"{s:.1f} s", what) for what, s in times], header=("time", "step"))


def _print_budgets(
    results: Sequence[Result], defective: set[str], calibration: Sequence[float]
) -> None:
    """What the choice of a false-alarm budget means on these cells."""
    click.echo()
    rows = []
    for budget in BUDGETS:
        threshold = from_false_alarms(calibration, budget)
        over = [r.image in defective for r in results if (r.raw_score or 0.0) >= threshold.value]
        total = sum(r.image in defective for r in results)
        rows.append(
            (
                f"--false-alarms {budget:.0%}",
                f"{sum(over)} of {total}",
                f"{len(over) - sum(over)} of {len(results) - total}",
            )
        )
    table(rows, header=("with the threshold at", "found", "false alarms"))


def _row(result: Result, defective: set[str]) -> tuple[str, str, str, str]:
    truth = "defective" if result.image in defective else "normal"
    verdict = result.verdict.value if result.verdict else result.status.value
    return f"{result.score or 0.0:.3f}", verdict, truth, Path(result.image).name
