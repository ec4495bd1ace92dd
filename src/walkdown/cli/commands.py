"""The commands. Each one parses, builds the workspace, calls one use case and prints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from walkdown import __version__
from walkdown.cli.options import Budget, ManyValues, Share, open_app, workspace_option

if TYPE_CHECKING:
    from walkdown.app.inspecting import Inspecting, Line
    from walkdown.spec import PipelineSpec

ANOMALIES_FOUND, IMAGES_FAILED = 3, 4
SHOWN = 10


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="walkdown")
@workspace_option
def cli() -> None:
    """Visual anomaly inspection: photographs in, what is wrong out.

    \b
    Start here:
      walkdown demo                                   real solar cells, in two minutes
      walkdown train cells --normal photos/normal     learn what normal looks like
      walkdown inspect photos/new --model cells       find what is not
      walkdown report --open                          look at it
    """


@cli.command()
@workspace_option
def init() -> None:
    """Make a workspace here, with a commented pipeline file to start from.

    \b
    Example:
      walkdown init
      walkdown init --workspace plant-7
    """
    from walkdown.app.starting import write_starter

    app = open_app()
    pipeline, written = write_starter(app.home.parent)
    click.echo(f"workspace: {app.home}")
    click.echo(f"pipeline:  {pipeline}" + ("" if written else " (was there already, unchanged)"))
    click.echo("next:      walkdown train NAME --normal FOLDER-OF-NORMAL-PHOTOS")


@cli.command(cls=ManyValues)
@click.argument("name")
@click.option(
    "--normal", multiple=True, required=True, metavar="PATH...", help="Normal photographs."
)
@click.option(
    "--anomaly",
    multiple=True,
    metavar="PATH...",
    help="Photographs with anomalies: learned from where that helps. Folders name the defects.",
)
@click.option("--masks", metavar="FOLDER", help="Masks of the anomalies, by the same names.")
@click.option(
    "--false-alarms",
    type=Budget(),
    default="5%",
    show_default=True,
    metavar="SHARE",
    help="Share of normal images that may raise an alarm.",
)
@click.option("--strict", is_flag=True, help="Refuse a share that so few images can't assure.")
@click.option(
    "--recall", type=Share(), metavar="SHARE", help="Instead: share of anomalies to be found."
)
@click.option(
    "--costs",
    type=click.FloatRange(0.0, min_open=True),
    nargs=2,
    metavar="MISS ALARM",
    help="Instead: what a missed anomaly and a false alarm cost.",
)
@click.option(
    "--anomaly-share",
    type=Budget(),
    default="1%",
    show_default=True,
    metavar="SHARE",
    help="With --costs: share of images that will show an anomaly.",
)
@click.option(
    "--pipeline",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Prepare photographs as this pipeline file says: areas, alignment.",
)
@click.option("--fast", is_flag=True, help="Take the first sensible way to look, compare none.")
@click.option(
    "--add", is_flag=True, help="Add the normal photographs to NAME@live instead of starting anew."
)
@click.option("--workers", type=click.IntRange(1, 256), metavar="N", help="Threads.")
@workspace_option
@click.pass_context
def train(
    ctx: click.Context,
    name: str,
    normal: tuple[str, ...],
    anomaly: tuple[str, ...],
    masks: str | None,
    false_alarms: float,
    strict: bool,
    recall: float | None,
    costs: tuple[float, float] | None,
    anomaly_share: float,
    pipeline: Path | None,
    fast: bool,
    add: bool,
    workers: int | None,
) -> None:
    """Learn what normal looks like, from photographs of normal things.

    The new version becomes NAME@live. Folders are searched; a shell pattern works too. How the
    photographs are looked at is found out by planting defects in them.

    \b
    Examples:
      walkdown train cells --normal photos/normal
      walkdown train cells --normal a/*.jpg b/*.jpg --anomaly photos/broken --false-alarms 0.5%
      walkdown train cells --normal photos/normal --anomaly photos/broken --recall 90%
      walkdown train cells --add --normal photos/more
    """
    from walkdown.cli.train import check_add, run_add, run_train
    from walkdown.training.demands import Demand

    if recall is not None and costs is not None:
        raise click.UsageError("a threshold follows from --recall or from --costs, not from both")
    demand = Demand(false_alarms, strict, recall, costs, anomaly_share)
    if add:
        anew = check_add(ctx)
        run_add(
            name,
            normal=normal,
            demand=demand if anew else None,
            pipeline=pipeline,
            workers=workers,
        )
        return
    run_train(
        name,
        normal=normal,
        anomaly=anomaly,
        masks=masks,
        demand=demand,
        pipeline=pipeline,
        fast=fast,
        workers=workers,
    )


@cli.command()
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option("--model", metavar="NAME", help="One model: name, name@alias or name@version.")
@click.option(
    "--pipeline",
    "pipeline_file",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="A pipeline file (YAML); PATH replaces its source.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, nothing else.")
@click.option("--again", is_flag=True, help="Inspect anew what was done; keeps the old results.")
@click.option("--fail-on-anomaly", is_flag=True, help="Exit with 3 when an anomaly is found.")
@click.option(
    "--max-pixels", type=click.IntRange(1), metavar="N", help="Refuse images with more pixels."
)
@click.option("--workers", type=click.IntRange(1, 256), metavar="N", help="Threads.")
@workspace_option
@click.pass_context
def inspect(
    ctx: click.Context,
    paths: tuple[str, ...],
    model: str | None,
    pipeline_file: str | None,
    as_json: bool,
    again: bool,
    fail_on_anomaly: bool,
    max_pixels: int | None,
    workers: int | None,
) -> int:
    """Look at photographs: files, or folders with all that is in them.

    What was done before is not done again, what failed is tried again; a run that was broken off
    goes on where it stopped.

    \b
    Examples:
      walkdown inspect photos/today --model cells
      walkdown inspect --pipeline line-3.yaml
      walkdown inspect photos --model cells@2 --json | jq 'select(.verdict == "anomaly")'

    Exit codes: 0 done, 1 error, 2 usage, 3 anomalies with --fail-on-anomaly, 4 images failed, or a
    stage failed on some.
    """
    from walkdown.app.inspecting import inspect as prepare
    from walkdown.cli.progress import progress
    from walkdown.types import Status

    if (model is None) == (pipeline_file is None):
        raise click.UsageError("give either --model NAME or --pipeline FILE")
    if model is not None and not paths:
        raise click.UsageError("give the photographs to look at: walkdown inspect PATH...")
    spec = _spec(model, pipeline_file, paths, max_pixels)
    app = open_app(workers=workers)
    with progress(quiet=as_json) as bar:
        inspecting = prepare(app, spec, again=again, progress=bar)
        lines = _print_lines(inspecting) if as_json else list(inspecting.lines())
    if not as_json:
        _print_summary(inspecting, lines)
    if any(line.result.status is not Status.DONE for line in lines):
        ctx.exit(IMAGES_FAILED)
    if fail_on_anomaly and any(line.result.verdict == "anomaly" for line in lines):
        ctx.exit(ANOMALIES_FOUND)
    return 0


def _spec(
    model: str | None, pipeline_file: str | None, paths: tuple[str, ...], max_pixels: int | None
) -> PipelineSpec:
    from walkdown.app.specs import pipeline_of

    return pipeline_of(
        model=model,
        file=Path(pipeline_file) if pipeline_file else None,
        paths=paths,
        max_pixels=max_pixels,
    )


def _print_lines(inspecting: Inspecting) -> list[Line]:
    from walkdown.cli.output import echo_json, left_out_json, line_json

    lines = []
    for line in inspecting.lines():
        echo_json(line_json(inspecting.app, line))
        lines.append(line)
    for name, reason in inspecting.left_out:
        echo_json(left_out_json(name, reason))
    return lines


def _print_summary(inspecting: Inspecting, lines: list[Line]) -> None:
    from walkdown.cli.output import RESULT_HEADER, result_row, shown, summary, table

    results = [line.result for line in lines]
    told = [r for r in results if r.error or r.verdict == "anomaly"]
    told.sort(key=lambda r: (r.score is None, -(r.score or 0.0)))
    if told:
        table([result_row(r) for r in told[:SHOWN]], header=RESULT_HEADER)
    if len(told) > SHOWN:
        click.echo(f"... and {len(told) - SHOWN} more: walkdown results")
    skipped = sum(line.status == "skipped" for line in lines)
    before = f" ({skipped} of them done before)" if skipped else ""
    noun = "image" if len(results) == 1 else "images"
    click.echo(f"{len(results)} {noun}: {summary(results)}{before}")
    for name, reason in inspecting.left_out[:SHOWN]:
        click.echo(f"left out: {shown(name)}: {reason}", err=True)
    if len(inspecting.left_out) > SHOWN:
        click.echo(f"left out: {len(inspecting.left_out) - SHOWN} more", err=True)
    if results:
        click.echo(
            f"inspection {inspecting.inspection.id}; look at it: "
            f"walkdown report {inspecting.inspection.id} --open"
        )


@cli.command()
@click.argument("inspection", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option(
    "--verdict",
    type=click.Choice(["normal", "anomaly", "unusable", "failed"]),
    help="Only these.",
)
@workspace_option
def results(inspection: str | None, as_json: bool, verdict: str | None) -> None:
    """List the results of an INSPECTION (the newest one), worst first.

    \b
    Examples:
      walkdown results
      walkdown results --verdict anomaly --json
    """
    from walkdown.app.reading import find_inspection, results_of
    from walkdown.cli.output import (
        RESULT_HEADER,
        echo_json,
        result_json,
        result_row,
        summary,
        table,
    )

    app = open_app()
    found = find_inspection(app, inspection)
    all_results = results_of(app, found)
    wanted = [r for r in all_results if verdict in (None, r.verdict or "failed")]
    if as_json:
        for result in wanted:
            echo_json(result_json(app, result))
        return
    table([result_row(r) for r in wanted], header=RESULT_HEADER)
    click.echo(f"inspection {found.id} with {found.model}: {summary(all_results)}")


@cli.command()
@click.argument("image")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@workspace_option
def show(image: str, as_json: bool) -> None:
    """Show all that is known of an IMAGE: its path as inspected, or its sha256 (6+ digits).

    \b
    Example:
      walkdown show photos/today/cell-17.png
    """
    from walkdown.app.reading import results_for_image
    from walkdown.cli.describe import describe
    from walkdown.cli.output import echo_json, result_json

    app = open_app()
    found = results_for_image(app, image)
    for result in found:
        if as_json:
            echo_json(result_json(app, result))
        else:
            click.echo("\n".join(describe(result, app.blobs.locate)) + "\n")


@cli.command()
@click.argument("inspection", required=False)
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Where to write.  [default: reports/INSPECTION beside the workspace]",
)
@click.option("--open", "open_it", is_flag=True, help="Open it in the browser.")
@workspace_option
def report(inspection: str | None, out: str | None, open_it: bool) -> None:
    """Write the report of an INSPECTION (the newest one): a web page, a CSV and a JSON file.

    \b
    Examples:
      walkdown report --open
      walkdown report 20260131 --out january
    """
    from walkdown.app.reading import find_inspection, results_of
    from walkdown.app.report import write_report
    from walkdown.cli.progress import progress

    app = open_app()
    found = find_inspection(app, inspection)
    folder = Path(out) if out else app.home.parent / "reports" / found.id
    with progress() as bar:
        page = write_report(
            found, results_of(app, found), blobs=app.blobs, out=folder, progress=bar
        )
    click.echo(str(page))
    if open_it:
        click.launch(page.absolute().as_uri())


@cli.command()
@click.argument("sql", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row.")
@click.option("--rebuild", is_flag=True, help="Make the lake anew from the records first.")
@workspace_option
def query(sql: str | None, as_json: bool, rebuild: bool) -> None:
    """Ask a question in SQL (DuckDB) over the views results, predictions and regions.

    \b
    Examples:
      walkdown query "select verdict, count(*) from results group by verdict"
      walkdown query "select image, score from results order by score desc limit 10" --json
    """
    from walkdown.app import lake
    from walkdown.cli.output import echo_json, shown, table
    from walkdown.cli.progress import progress

    if sql is None and not rebuild:
        raise click.UsageError('give a question: walkdown query "select count(*) from results"')
    app = open_app()
    if rebuild:
        with progress() as bar:
            count = lake.rebuild(app, progress=bar)
        click.echo(f"the lake holds {count} results", err=True)
    if sql is None:
        return
    columns, rows = lake.query(app, sql)
    if as_json:
        for row in rows:
            echo_json(dict(zip(columns, (_plain(v) for v in row), strict=True)))
    else:
        table([["" if v is None else shown(str(v)) for v in row] for row in rows], header=columns)


def _plain(value: object) -> object:
    """A value of a row as JSON has it: no NaN, times as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    return value if value is None or isinstance(value, bool | int | str) else str(value)


@cli.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@workspace_option
def models(name: str | None, as_json: bool) -> None:
    """List the models of the workspace and their versions.

    \b
    Example:
      walkdown models cells
    """
    from walkdown.cli.output import echo_json, table
    from walkdown.errors import NotFound

    app = open_app()
    versions = app.versions.versions(name)
    if name and not versions:
        known = sorted({v.name for v in app.versions.versions()})
        raise NotFound(f"no model {name!r}; there are: {', '.join(known) or 'none yet'}")
    if as_json:
        for v in versions:
            echo_json({"model": v.label, "digest": v.digest, "aliases": list(v.aliases),
                       "created_at": v.created_at.isoformat(), "actor": v.actor,
                       "facts": dict(v.facts)})  # fmt: skip
    elif versions:
        rows = [
            (v.label, ", ".join(v.aliases) or "-", f"{v.created_at:%Y-%m-%d %H:%M} UTC",
             v.facts.get("normal images", "-"), v.facts.get("threshold", "-"), v.digest[:12])
            for v in versions
        ]  # fmt: skip
        table(rows, header=("model", "aliases", "made", "images", "threshold", "digest"))
    else:
        click.echo("no models yet; make one: walkdown train NAME --normal FOLDER")


@cli.command()
@click.argument("model")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--images", type=click.IntRange(1), default=100, show_default=True, metavar="N",
              help="At most so many, evenly picked.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(1, 99), default=3, show_default=True, metavar="N",
              help="How often; medians are told.")  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 256), metavar="N", help="Threads.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@workspace_option
def bench(
    model: str, paths: tuple[str, ...], images: int, rounds: int, workers: int | None, as_json: bool
) -> None:
    """Measure how fast MODEL inspects your photographs, and what limits it.

    Each round inspects them in a temporary workspace, and lets the model's neural network (its
    backbone, or the whole model where that is not known) run alone on inputs of the same sizes:
    no inspection with it can be faster. Yours stays as it is.

    \b
    Examples:
      walkdown bench cells photos/new
      walkdown bench cells@2 a/*.jpg --images 500 --workers 1 --json
    """
    from walkdown.cli.bench import run_bench

    run_bench(model, paths, images=images, rounds=rounds, workers=workers, as_json=as_json)


@cli.command()
@workspace_option
def config() -> None:
    """Print the settings that hold here, and where each one comes from."""
    from walkdown.cli.output import table

    app = open_app()
    rows = [(k, str(v), app.origins.get(k, "")) for k, v in app.settings.model_dump().items()]
    table([("folder", str(app.home), ""), *rows], header=("setting", "value", "from"))


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a SHELL.

    \b
    Example (bash):
      walkdown completion bash >> ~/.bashrc
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    if made is not None:
        click.echo(made(cli, {}, "walkdown", "_WALKDOWN_COMPLETE").source())


@cli.command()
@click.option(
    "--normal", "normals", type=click.IntRange(10, 500), default=100, show_default=True,
    help="Normal cells to train on.",
)  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False), metavar="DIR", help="Report's folder.")
@workspace_option
def demo(normals: int, out: str | None) -> None:
    """Train on normal solar cells, find defective ones: real images, two minutes.

    The images are those of the package elpv-dataset (extra 'demo'), under CC BY-NC-SA 4.0: for
    non-commercial use.
    """
    from walkdown.cli.demo import run_demo

    run_demo(normals=normals, out=Path(out) if out else None)
