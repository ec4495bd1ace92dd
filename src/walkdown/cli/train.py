"""The command `walkdown train`: trains, and says what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from walkdown.app.training import add, train
from walkdown.cli.options import open_app
from walkdown.cli.output import shown, table
from walkdown.cli.progress import progress
from walkdown.imaging.preparing import Preparation
from walkdown.training.memory_bank import Options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from walkdown.app.training import Trained
    from walkdown.training.demands import Demand

SHOWN = 20

_ANEW = ("anomaly", "masks", "recall", "costs", "anomaly_share", "fast")
"""Options that mean something only where a model is trained anew."""


def run_train(
    name: str,
    *,
    normal: Sequence[str],
    anomaly: Sequence[str],
    masks: str | None,
    demand: Demand,
    pipeline: Path | None,
    fast: bool,
    workers: int | None,
) -> None:
    """Train and print."""
    from walkdown.app.specs import preparation_of

    app = open_app(workers=workers)
    with progress() as bar:
        trained = train(
            app,
            name,
            normal=normal,
            anomaly=anomaly,
            masks=masks,
            options=Options(demand=demand, fast=fast),
            preparation=preparation_of(pipeline, app.open_step) if pipeline else Preparation(),
            progress=bar,
        )
    _complain(trained)
    _print(trained)
    click.echo(f"next: walkdown inspect FOLDER --model {name}")


def check_add(ctx: click.Context) -> bool:
    """Whether a new demand is made of a model that is added to, or the old one stands.

    Raises UsageError for options that can't be had without training anew.
    """
    given = {
        name
        for name in ctx.params
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    for name in _ANEW:
        if name in given:
            raise click.UsageError(
                f"--{name.replace('_', '-')} can't be had with --add, which takes normal "
                "photographs only: train anew with all photographs, without --add"
            )
    return bool(given & {"false_alarms", "strict"})


def run_add(
    name: str,
    *,
    normal: Sequence[str],
    demand: Demand | None,
    pipeline: Path | None,
    workers: int | None,
) -> None:
    """Add to a model and print."""
    from walkdown.app.specs import preparation_of

    app = open_app(workers=workers)
    with progress() as bar:
        added = add(
            app,
            name,
            normal=normal,
            demand=demand,
            preparation=preparation_of(pipeline, app.open_step) if pipeline else Preparation(),
            progress=bar,
        )
    _complain(added)
    _print(added, figures=False)
    click.echo(f"next: walkdown inspect FOLDER --model {name}")


def _complain(trained: Trained) -> None:
    """What a person should look at, on standard error."""
    for file, reason in trained.left_out[:SHOWN]:
        click.echo(f"left out: {shown(file)}: {reason}", err=True)
    if len(trained.left_out) > SHOWN:
        click.echo(f"left out: {len(trained.left_out) - SHOWN} more", err=True)
    for file, raw in trained.odd:
        click.echo(
            f"look at {shown(file)}: it is unlike all other normal photographs (raw score "
            f"{raw:.3f}); if something is wrong on it, remove it and train again",
            err=True,
        )


def _print(trained: Trained, *, figures: bool = True) -> None:
    choice, version = trained.choice, trained.version
    if figures and choice.figures:
        rows = [
            ("*" if figure.chosen else "", f"{figure.auroc:.3f}", figure.candidate)
            for figure in choice.figures
        ]
        table(rows, header=("", "AUROC", "defects found, by way of looking"))
    click.echo(f"{version.label} (now {version.name}@live), from {trained.images} normal images")
    click.echo(f"looks at: {choice.candidate.name}")
    click.echo(f"threshold: {trained.threshold.value:.4f} raw; {trained.threshold.sentence}")
    if trained.evaluation:
        found = trained.evaluation
        learned = (
            f"learned from, AUROC {found.alone:.3f} without"
            if found.weight
            else ("not learned from, since that did not help")
        )
        click.echo(f"anomalies: AUROC {found.auroc:.3f} on {found.anomalies}, {learned}")
