"""The commands for a stack on AWS: deploy, upload, status, logs, redrive, destroy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from walkdown.cli.options import Ago, open_app, workspace_option

if TYPE_CHECKING:
    from datetime import timedelta

_stack = click.option(
    "--stack", required=True, metavar="NAME", help="The stack's name: letters, digits and '-'."
)


@click.command()
@_stack
@click.option(
    "--pipeline",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The pipeline to deploy; those that the stack has stay.",
)
@click.option(
    "--prefix",
    metavar="KEY",
    help="Photographs whose keys begin so go to it.  [default: the pipeline's name and '/']",
)
@click.option("--remove", multiple=True, metavar="NAME", help="Take a pipeline out of the stack.")
@click.option(
    "--parameter", multiple=True, metavar="NAME=VALUE", help="A parameter, see docs/aws.md."
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="Batches that are looked at at once.",
)
@click.option(
    "--runtime",
    type=click.Choice(["3.11", "3.12", "3.13"]),
    help="Python of the functions.  [default: this one's where it fits, or else 3.13]",
)
@click.option(
    "--no-measure",
    is_flag=True,
    help="Look at no photographs here first: no cost is told, and a second an image is assumed.",
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@workspace_option
@click.pass_context
def deploy(
    ctx: click.Context,
    stack: str,
    pipeline: Path | None,
    prefix: str | None,
    remove: tuple[str, ...],
    parameter: tuple[str, ...],
    concurrency: int,
    runtime: str | None,
    no_measure: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Run a pipeline serverless in your own AWS account.

    Shows what will change and asks before it does. The account is the one that every AWS tool
    here uses (AWS_PROFILE, AWS_REGION).

    \b
    Examples:
      walkdown deploy --stack plant-7 --pipeline roofs.yaml --dry-run
      walkdown deploy --stack plant-7 --pipeline roofs.yaml
      walkdown deploy --stack plant-7 --parameter AlertEmail=crew@example.com
    """
    from walkdown.cli.deploy import run_deploy

    ctx.exit(
        run_deploy(
            open_app(),
            stack=stack,
            file=pipeline,
            prefix=prefix,
            remove=remove,
            parameters=parameter,
            concurrency=concurrency,
            runtime=runtime,
            measured=not no_measure,
            dry_run=dry_run,
            yes=yes,
        )
    )


@click.command()
@_stack
def status(stack: str) -> None:
    """Show how a stack fares: its pipelines, what runs and waits, and what needs somebody.

    \b
    Example:
      walkdown status --stack plant-7

    Exit codes: 0 all is well, 1 something needs somebody: it is said at the end, with what to do.
    """
    from walkdown.cli.care import run_status

    _exit(run_status(stack))


@click.command()
@_stack
@click.option("--function", metavar="NAME", help="Of this function alone: intake, look, record ...")
@click.option("--inspection", metavar="ID", help="About this inspection alone.")
@click.option(
    "--since", type=Ago(), default="1h", show_default=True, metavar="TIME", help="30s, 10m, 2h, 1d."
)
@click.option("--follow", is_flag=True, help="Go on with what comes, until broken off.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def logs(
    stack: str,
    function: str | None,
    inspection: str | None,
    since: timedelta,
    follow: bool,
    as_json: bool,
) -> None:
    """Show what the functions of a stack said, oldest first.

    \b
    Examples:
      walkdown logs --stack plant-7 --since 10m
      walkdown logs --stack plant-7 --function look --follow
      walkdown logs --stack plant-7 --inspection 20260501-120000-1f00aa --since 1d --json
    """
    from walkdown.cli.care import run_logs

    run_logs(
        stack,
        function=function,
        inspection=inspection,
        since=since,
        follow=follow,
        as_json=as_json,
    )


@click.command()
@_stack
def redrive(stack: str) -> None:
    """Let what broke off go on: arrivals that were given up on, and inspections.

    An inspection goes on as a new one, over the photographs that it has no result for. Mend first
    what broke it: walkdown status and walkdown logs say what.

    \b
    Example:
      walkdown redrive --stack plant-7
    """
    from walkdown.cli.care import run_redrive

    run_redrive(open_app(folder=f"aws://{stack}"), stack)


@click.command()
@_stack
@click.option("--delete-data", is_flag=True, help="Photographs, results, models and lake as well.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def destroy(stack: str, delete_data: bool, yes: bool) -> None:
    """Take a stack down. Its buckets and its table stay, unless --delete-data is given.

    Shows what goes and what stays, and asks. Deleted data cannot be brought back.

    \b
    Examples:
      walkdown destroy --stack plant-7
      walkdown destroy --stack plant-7 --delete-data
    """
    from walkdown.cli.care import run_destroy

    _exit(run_destroy(stack, delete_data=delete_data, yes=yes))


@click.command()
@click.argument("paths", nargs=-1, metavar="PATH...")
@_stack
@click.option("--pipeline", metavar="NAME", help="For this pipeline.  [default: the only one]")
@click.option("--prefix", metavar="KEY", help="Instead: below this beginning of keys.")
@click.option("--asset", metavar="NAME", help="The asset that they show.")
@click.option("--viewpoint", metavar="NAME", help="Where they were taken from.")
@click.option("--taken-at", metavar="TIME", help="When, as 2026-05-01T12:00:00Z.")
@click.option("--workers", type=click.IntRange(1, 64), default=8, show_default=True, metavar="N",
              help="Photographs sent at once.")  # fmt: skip
@click.option("--presign", metavar="NAME", help="Instead: print an address for one photograph.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def upload(
    paths: tuple[str, ...],
    stack: str,
    pipeline: str | None,
    prefix: str | None,
    asset: str | None,
    viewpoint: str | None,
    taken_at: str | None,
    workers: int,
    presign: str | None,
    as_json: bool,
) -> None:
    """Send photographs to a stack: files, or folders with all that is in them.

    Folders keep their structure below the pipeline's prefix; what is there already is not sent
    again. What arrives is inspected by itself. What is said here of asset, viewpoint and time wins
    over what names and cameras say.

    \b
    Examples:
      walkdown upload photos/today --stack plant-7
      walkdown upload *.jpg --stack plant-7 --pipeline roofs --asset roof-12
      walkdown upload --stack plant-7 --presign pole-7/front.jpg --asset pole-7

    An address of --presign is good for one photograph and for 15 minutes; devices ask for theirs by
    calling the function presign, see docs/aws.md.

    Exit codes: 0 done, 1 error, 2 usage, 4 some photographs could not be sent.
    """
    from walkdown.cli.upload import run_presign, run_upload
    from walkdown.stores.s3_upload import Hints, time_of

    if bool(paths) == (presign is not None):
        raise click.UsageError("give the photographs to send, or --presign NAME")
    hints = Hints(asset, viewpoint, time_of(taken_at) if taken_at else None)
    if presign is not None:
        if prefix is not None:
            raise click.UsageError("an address is for a pipeline: --pipeline NAME, not --prefix")
        run_presign(stack, presign, pipeline=pipeline, hints=hints, as_json=as_json)
        return
    _exit(
        run_upload(
            stack,
            paths,
            pipeline=pipeline,
            prefix=prefix,
            hints=hints,
            workers=workers,
            as_json=as_json,
        )
    )


def _exit(code: int) -> None:
    if code:
        click.get_current_context().exit(code)


COMMANDS = (deploy, upload, status, logs, redrive, destroy)
