"""The entry point: runs a command, turns our errors into one message and an exit code.

Exit codes: 0 done, 1 error, 2 usage, 3 anomalies found with --fail-on-anomaly, 4 some images
failed (outranks 3), 130 broken off.
"""

from __future__ import annotations

import sys

import click

from walkdown.cli.commands import cli
from walkdown.errors import WalkdownError

ERROR, USAGE, BROKEN_OFF = 1, 2, 130


def main(args: list[str] | None = None) -> None:
    """Run the command line; never returns."""
    sys.exit(run(args))


def run(args: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        code = cli.main(args=args, prog_name="walkdown", standalone_mode=False)
    except click.UsageError as e:
        e.show()
        return USAGE
    except click.ClickException as e:
        e.show()
        return ERROR
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nbroken off; the same command goes on where it stopped", err=True)
        return BROKEN_OFF
    except WalkdownError as e:
        click.echo(f"walkdown: error: {e}", err=True)
        return ERROR
    except OSError as e:
        click.echo(f"walkdown: error: {e.filename or 'output'}: {e.strerror}", err=True)
        return ERROR
    return code if isinstance(code, int) else 0
