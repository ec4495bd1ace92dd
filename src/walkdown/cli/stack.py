"""The commands for a stack on AWS: deploy, status, logs, upload, destroy."""

from __future__ import annotations

from pathlib import Path

import click

from walkdown.cli.options import open_app, workspace_option

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
            dry_run=dry_run,
            yes=yes,
        )
    )


COMMANDS = (deploy,)
