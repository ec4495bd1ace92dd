"""The commands that look after a stack: how it fares, what it said, let it go on, take it down."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from walkdown.cli.output import echo_json, shown, table
from walkdown.cli.progress import progress
from walkdown.clock import utc_now
from walkdown.pipeline.budget import usd

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from walkdown.app.context import App
    from walkdown.aws.destroying import Inventory
    from walkdown.aws.health import Health, PipelineHealth
    from walkdown.aws.logs import Line

SHOWN = 10


def run_status(stack: str) -> int:
    """Print how a stack fares; 1 where something needs somebody."""
    from walkdown.aws.health import state_of, unfinished
    from walkdown.aws.stacks import Stacks
    from walkdown.wiring_aws import aws

    status, changed_at, outputs = state_of(Stacks(aws()), stack)
    if "TableName" not in outputs:
        health = unfinished(stack, status, changed_at)
    else:
        health = _examined(stack, status, changed_at, outputs)
    _print_health(health)
    for problem in health.problems:
        click.echo(f"! {shown(problem)}")
    return 1 if health.problems else 0


def _examined(stack: str, *state: object) -> Health:
    from walkdown.aws.health import Examiner
    from walkdown.cli.options import open_app
    from walkdown.wiring_aws import aws, find_stack, workflows

    app = open_app(folder=f"aws://{stack}")
    return Examiner(aws(), app, workflows(find_stack(stack))).examine(stack, *state)  # type: ignore[arg-type]


def _print_health(health: Health) -> None:
    click.echo(
        f"stack {health.stack}: {health.status}, changed {health.changed_at:%Y-%m-%d %H:%M %Z}"
    )
    if not health.source_bucket:
        return
    click.echo(f"photographs go to s3://{health.source_bucket}/")
    if health.pipelines:
        header = ("pipeline", "prefix", "models", "running", "broken off", "done", "state machine")
        table([_row(each) for each in health.pipelines], header=header)
    else:
        click.echo("no pipelines yet: walkdown deploy --stack NAME --pipeline FILE")
    for each in health.pipelines:
        if each.budget:
            spent, limit = usd(each.budget.spent), usd(each.budget.limit)
            click.echo(f"budget of {each.deployment.name}: {spent} of this month's {limit} spent")
    total = sum(each.images.total for each in health.pipelines)
    anomalies = sum(each.images.anomalies for each in health.pipelines)
    failed = sum(each.images.failed for each in health.pipelines)
    click.echo(f"images of the last day: {total}, {anomalies} anomalies, {failed} failed")
    waiting = health.arrivals.waiting + health.arrivals.taken
    click.echo(f"photographs that wait: {waiting}, and {health.dead_letters.waiting} given up on")
    outbox = health.outbox
    click.echo(
        f"to be told: {outbox.alerts} alerts (the oldest for {_minutes(outbox.age)}), "
        f"{outbox.batches} batches of the lake"
    )
    click.echo(f"alarms: {', '.join(alarm.name for alarm in health.alarms) or 'none'}")


def _row(pipeline: PipelineHealth) -> tuple[str, ...]:
    return (
        pipeline.deployment.name,
        pipeline.deployment.prefix,
        ", ".join(pipeline.models),
        str(len(pipeline.running)),
        str(len(pipeline.failed)),
        str(pipeline.succeeded),
        pipeline.deployment.machine.rpartition(":")[2],
    )


def _minutes(age: timedelta) -> str:
    return f"{age.total_seconds() / 60:.0f} min"


def run_logs(
    stack: str,
    *,
    function: str | None,
    inspection: str | None,
    since: timedelta,
    follow: bool,
    as_json: bool,
) -> None:
    """Print what the functions said; with ``follow``, without an end."""
    from walkdown.aws.logs import FUNCTIONS, Logs
    from walkdown.wiring_aws import aws, find_stack

    find_stack(stack)
    found = Logs(aws().client("logs"), stack, functions=(function,) if function else FUNCTIONS)
    begin = utc_now() - since
    if follow:
        _print_lines(found.follow(since=begin, about=inspection, sleep=time.sleep), as_json)
    else:
        _print_lines(found.lines(since=begin, about=inspection), as_json)


def _print_lines(lines: Iterable[Line], as_json: bool) -> None:
    from walkdown.aws.logs import readable

    for line in lines:
        if as_json:
            said = line.fields
            told = {"said": said} if said is not None else {"text": line.text.rstrip()}
            echo_json({"at": line.at.isoformat(), "function": line.function, **told})
        else:
            click.echo(shown(readable(line)))


def run_redrive(app: App, stack: str) -> None:
    """Let dead letters and broken-off inspections go on, and print which."""
    from walkdown.app.waiting import waiting
    from walkdown.aws.redriving import move_dead_letters, resume
    from walkdown.aws.stacks import Stacks
    from walkdown.wiring_aws import aws, find_stack, workflows

    found = Stacks(aws()).find(stack) or {}
    outputs = {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])}
    count = move_dead_letters(aws().client("sqs"), outputs["IntakeDeadLettersUrl"])
    click.echo(f"{count} photographs that were given up on are taken in again")
    resumed = 0
    for one in resume(app, workflows(find_stack(stack))):
        resumed += 1
        if one.waits or one.error:
            click.echo(f"{one.old} goes on waiting: {one.waits or one.error}")
        elif one.by is not None:
            click.echo(f"{one.old} goes on as {one.by}: {one.images} images")
        elif one.gone:
            click.echo(f"{one.old} is too old to go on: walkdown inspect its photographs again")
        else:
            click.echo(f"{one.old} has nothing left to do")
    if not resumed:
        click.echo("no inspection has broken off")
    left = sum(one.images for one in waiting(app.blobs))
    if left:
        click.echo(
            f"photographs that wait for a budget: {left}; see walkdown status --stack {stack}"
        )


def run_destroy(stack: str, *, delete_data: bool, yes: bool) -> int:
    """Show what goes and what stays, ask, and take the stack down."""
    from walkdown.aws.destroying import inventory
    from walkdown.aws.health import state_of
    from walkdown.aws.stacks import Stacks
    from walkdown.wiring_aws import aws

    cloud = Stacks(aws())
    state_of(cloud, stack)
    found = inventory(aws(), stack)
    _print_inventory(stack, found, delete_data=delete_data)
    question = "Delete all of this, for ever?" if delete_data else "Take it down?"
    if not (yes or click.confirm(question)):
        return 1
    with progress() as bar:
        bar.start(f"taking down the stack {stack}", sum(found.going.values()))
        for event in cloud.delete(stack):
            if event.status == "DELETE_COMPLETE":
                bar.advance()
        if delete_data:
            _delete(found)
    click.echo(f"the stack {stack} is gone" + (", with its data" if delete_data else ""))
    return 0


def _print_inventory(stack: str, found: Inventory, *, delete_data: bool) -> None:
    click.echo(f"the stack {stack!r}, with {sum(found.going.values())} resources:")
    rows = [(str(count), kind) for kind, count in sorted(found.going.items())]
    table(rows, header=("count", "kind"))
    goes = "goes, too" if delete_data else "stays"
    for bucket in found.buckets:
        click.echo(f"{goes}: s3://{bucket}/ with every version of what is in it")
    for name in found.tables:
        click.echo(f"{goes}: the table {name} with all results")


def _delete(found: Inventory) -> None:
    from walkdown.aws.destroying import delete_bucket, delete_table
    from walkdown.wiring_aws import aws

    for bucket in found.buckets:
        with progress() as bar:
            bar.start(f"emptying s3://{bucket}/", None)
            delete_bucket(aws().client("s3"), bucket, deleted=bar.advance)
    for name in found.tables:
        delete_table(aws().client("dynamodb"), name)
