"""The commands about models that cost by the hour: start one, stop it, see which run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from walkdown.cli.options import open_app, workspace_option

if TYPE_CHECKING:
    from walkdown.app.switching import Switch

_WAIT = click.option("--wait", is_flag=True, help="Return when it is done, which takes minutes.")


@click.command("start")
@click.argument("name")
@_WAIT
@workspace_option
def start(name: str, wait: bool) -> None:
    """Start a model that answers only while it runs, and costs as long as it does.

    \b
    Examples:
      walkdown models start parts
      walkdown models start parts@2 --wait
    """
    from walkdown.app import switching

    app = open_app()
    told = switching.start(app, name)
    if wait:
        _tell(told)
        told = switching.wait(app, name)
    _tell(told)
    _warn_of_cost(told)
    if told.state is not None and told.state.status == "failed":
        raise SystemExit(1)


@click.command("stop")
@click.argument("name")
@_WAIT
@workspace_option
def stop(name: str, wait: bool) -> None:
    """Stop a model that was started: from then on it costs nothing.

    \b
    Examples:
      walkdown models stop parts
      walkdown models stop parts@2 --wait
    """
    from walkdown.app import switching

    app = open_app()
    told = switching.stop(app, name)
    if wait:
        _tell(told)
        told = switching.wait(app, name)
    _tell(told)


@click.command("status")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@workspace_option
def status(name: str | None, as_json: bool) -> None:
    """Tell which models run, what they cost, and which nobody asks.

    \b
    Examples:
      walkdown models status
      walkdown models status parts --json
    """
    from walkdown.app import switching
    from walkdown.cli.output import echo_json

    found = []
    for told in switching.states(open_app(), name):
        found.append(told)
        if as_json:
            echo_json(_row(told))
        else:
            _tell(told)
            _warn_of_idling(told)
    if not found and not as_json:
        click.echo("no model here needs to be started")
    if any(told.error for told in found):
        raise SystemExit(1)


def _tell(told: Switch) -> None:
    if told.state is None:
        error = told.error or ""
        click.echo(error if told.label in error else f"{told.label}: {error}")
        return
    state = told.state
    units = f"{state.units} inference unit{'s' * (state.units != 1)}"
    said = f" (its service says {state.said})" if state.status == "failed" else ""
    where = f" in {state.where}" if state.where else ""
    words = "has failed" if state.status == "failed" else f"is {state.status}"
    click.echo(f"{told.label} {words}{said}{where}, {units}")


def _warn_of_cost(told: Switch) -> None:
    state = told.state
    if state is not None and state.usd_per_hour and state.status in ("starting", "running"):
        click.echo(
            f"while it runs it costs {_usd(state.usd_per_hour)} an hour, also when nobody asks; "
            f"stop it: walkdown models stop {told.label}"
        )


def _warn_of_idling(told: Switch) -> None:
    if told.state is not None and told.state.usd_per_hour and told.is_idle:
        since = f"since {told.used_at:%Y-%m-%d %H:%M} UTC" if told.used_at else "yet"
        click.echo(
            f"warning: no inspection of this workspace has asked {told.label} {since}, and it "
            f"costs {_usd(told.state.usd_per_hour)} an hour; "
            f"stop it: walkdown models stop {told.label}",
            err=True,
        )


def _usd(amount: float) -> str:
    return f"${amount:,.2f}"


def _row(told: Switch) -> dict[str, object]:
    state = told.state
    return {
        "model": told.label,
        "status": state.status if state else None,
        "said": state.said if state else None,
        "units": state.units if state else None,
        "usd_per_hour": state.usd_per_hour if state else None,
        "where": state.where if state else None,
        "used_at": told.used_at.isoformat() if told.used_at else None,
        "idle": told.is_idle,
        "error": told.error,
    }
