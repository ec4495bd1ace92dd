"""The commands. Each one parses, builds the workspace, calls one use case and prints."""

from __future__ import annotations

from pathlib import Path

import click

from walkdown import __version__
from walkdown.cli import reading, stack
from walkdown.cli.cost import cost
from walkdown.cli.models import models
from walkdown.cli.options import Budget, ManyValues, Share, open_app, stack_given, workspace_option
from walkdown.cli.replay import replay


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
    click.echo(f"workspace: {app.place}")
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
    help="A pipeline file (YAML); PATH replaces its source. On AWS: a deployed pipeline's name.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, nothing else.")
@click.option("--again", is_flag=True, help="Inspect anew what was done; keeps the old results.")
@click.option(
    "--dry-run", is_flag=True, help="Say what would be looked at, what it would cost; look at none."
)
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
    dry_run: bool,
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
      walkdown inspect --pipeline line-3.yaml --dry-run
      walkdown inspect photos --model cells@2 --json | jq 'select(.verdict == "anomaly")'
      walkdown inspect s3://BUCKET/roofs/ --workspace aws://plant-7

    In a workspace on AWS the photographs lie in the stack's source bucket; a deployed pipeline
    looks at them there, and goes on where the command is broken off.

    Exit codes: 0 done, 1 error, 2 usage, 3 anomalies with --fail-on-anomaly, 4 images failed, or a
    stage failed on some.
    """
    from walkdown.cli.inspect import FOUND, run_inspect

    stack = stack_given()
    if stack is not None:
        for name, value in (("model", model), ("max-pixels", max_pixels), ("workers", workers)):
            if value is not None:
                raise click.UsageError(f"--{name} has no meaning on AWS: a deployed pipeline runs")
        return _inspect_there(
            ctx,
            stack,
            paths,
            pipeline=pipeline_file,
            again=again,
            dry_run=dry_run,
            as_json=as_json,
            fail_on_anomaly=fail_on_anomaly,
        )
    if (model is None) == (pipeline_file is None):
        raise click.UsageError("give either --model NAME or --pipeline FILE")
    if model is not None and not paths:
        raise click.UsageError("give the photographs to look at: walkdown inspect PATH...")
    file = Path(pipeline_file) if pipeline_file else None
    if dry_run:
        from walkdown.cli.dry_run import run_dry_run

        run_dry_run(
            paths,
            model=model,
            file=file,
            max_pixels=max_pixels,
            workers=workers,
            again=again,
            as_json=as_json,
        )
        return 0
    code = run_inspect(
        paths,
        model=model,
        file=file,
        max_pixels=max_pixels,
        workers=workers,
        again=again,
        as_json=as_json,
    )
    if code and (code != FOUND or fail_on_anomaly):
        ctx.exit(code)
    return 0


def _inspect_there(
    ctx: click.Context,
    stack: str,
    paths: tuple[str, ...],
    *,
    pipeline: str | None,
    again: bool,
    dry_run: bool,
    as_json: bool,
    fail_on_anomaly: bool,
) -> int:
    from walkdown.cli.inspect import FOUND
    from walkdown.cli.inspect_there import run_inspect_there

    if not paths and pipeline is None:
        raise click.UsageError("say what to look at: s3://BUCKET/FOLDER, or --pipeline NAME")
    app = open_app()
    if dry_run:
        from walkdown.cli.dry_run import run_dry_run_there

        run_dry_run_there(app, stack, paths, pipeline=pipeline, again=again, as_json=as_json)
        return 0
    code = run_inspect_there(app, stack, paths, pipeline=pipeline, again=again, as_json=as_json)
    if code and (code != FOUND or fail_on_anomaly):
        ctx.exit(code)
    return 0


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
    table([("folder", app.place, ""), *rows], header=("setting", "value", "from"))


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


_READING = (reading.results, reading.show, reading.report, reading.query)
for _command in (*_READING, replay, models, cost, *stack.COMMANDS):
    cli.add_command(_command)
