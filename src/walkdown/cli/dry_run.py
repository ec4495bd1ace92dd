"""`walkdown inspect --dry-run`: what would be looked at, what that costs, how long it takes.

Nothing is looked at but a few photographs, to measure, by models that run on this machine; nothing
is written, and no service is called.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from walkdown.app.foretelling import Duration, Range, foretell, timed
from walkdown.app.switching import charges_by_hour
from walkdown.cli.options import open_app
from walkdown.cli.output import dollars, echo_json, table
from walkdown.cli.progress import progress
from walkdown.evaluate.threshold import percent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from walkdown.app.context import App
    from walkdown.app.foretelling import Forecast, StageForecast
    from walkdown.app.rows import Row
    from walkdown.ports import Progress
    from walkdown.runners.executions import Deployment


def run_dry_run(
    paths: tuple[str, ...],
    *,
    model: str | None,
    file: Path | None,
    max_pixels: int | None,
    workers: int | None,
    again: bool,
    as_json: bool,
) -> None:
    """Tell what `run_inspect` would do with the same arguments."""
    from walkdown.app.inspecting import inspect
    from walkdown.app.specs import pipeline_of

    spec = pipeline_of(model=model, file=file, paths=paths, max_pixels=max_pixels)
    app = open_app(workers=workers)
    with progress(quiet=as_json) as bar:
        would = inspect(app, spec, again=again, progress=bar)
        found = foretell(app, would.plan, would.refs, run=would.inspection.run)
        found = timed(app, spec, found, progress=bar)
    _tell(app, found, left_out=len(would.left_out), as_json=as_json)


def run_dry_run_there(
    app: App,
    stack: str,
    paths: Sequence[str],
    *,
    pipeline: str | None,
    again: bool,
    as_json: bool,
) -> None:
    """Tell what an inspection by a deployed pipeline would come to, the stack's own costs, too."""
    from walkdown.app.commissioning import as_arrived, pipeline_for
    from walkdown.app.deployed import read_deployed
    from walkdown.spec import SourceSpec
    from walkdown.wiring_aws import find_stack, workflows

    there = find_stack(stack)
    known = workflows(there).deployments()
    deployment = pipeline_for(known, paths, name=pipeline, bucket=there.source_bucket)
    places = tuple(paths) or (f"s3://{there.source_bucket}/{deployment.prefix}",)
    source = app.sources(SourceSpec(paths=places))
    plan = read_deployed(deployment.plan_key, app.blobs).plan()
    with progress(quiet=as_json) as bar:
        bar.start("listing photographs", None)
        # A run of its own has nothing done in it; runs count from 1.
        run = 1 + max((i.run for i in app.records.inspections()), default=0) if again else 0
        found = foretell(app, plan, as_arrived(source.refs(), deployment.prefix), run=run)
        usd, duration = _of_the_stack(app, deployment, places, found, bar)
        found = replace(found, duration=found.duration or duration)
    left_out = len(source.left_out())
    _tell(app, found, left_out=left_out, as_json=as_json, stack_usd=usd, stack=stack)


def _of_the_stack(
    app: App, deployment: Deployment, places: tuple[str, ...], found: Forecast, bar: Progress
) -> tuple[float | None, Duration | None]:
    """What AWS itself would cost, as its budget counts or by an estimate, and how long it takes.

    An estimate looks at a few photographs here, which is not done where a stage is a service.
    """
    from walkdown.app.deployed import read_deployed
    from walkdown.aws.estimating import estimate
    from walkdown.aws.prices import DEFAULT_REGION, regions
    from walkdown.errors import WalkdownError
    from walkdown.spec import SourceSpec
    from walkdown.wiring_aws import aws

    deployed = read_deployed(deployment.plan_key, app.blobs)
    if not found.new:
        return 0.0, None
    if deployed.charge:
        each = deployed.charge.usd_per_image
        return deployed.charge.usd_per_inspection + each * found.new, None
    if any(stage.kind != "inline" for stage in found.stages):
        return None, None
    here = str(aws().client("s3").meta.region_name)
    region = here if here in regions() else DEFAULT_REGION
    spec = deployed.spec.model_copy(update={"source": SourceSpec(paths=places)})
    try:
        told = estimate(app, spec, images=found.new, region=region, progress=bar)
    except WalkdownError as e:
        bar.note(f"what the stack would cost can't be told: {e}")
        return None, None
    seconds = told.bill.hours * 3600
    return told.bill.usd, Duration(
        Range(seconds, seconds, seconds), "measured", told.measured.images
    )


def forecast_json(found: Forecast, *, left_out: int, stack_usd: float | None = None) -> Row:
    """The forecast as docs/json.md documents it."""
    duration = found.duration
    return {
        "images": found.images,
        "new": found.new,
        "done_before": found.done,
        "unreadable": found.unreadable,
        "left_out": left_out,
        "stages": [_stage_json(stage) for stage in found.stages],
        "usd": asdict(found.usd),
        "stack_usd": stack_usd,
        "seconds": asdict(duration.seconds) if duration else None,
        "seconds_basis": duration.basis if duration else None,
        "seconds_of": duration.of if duration else None,
        "seconds_without": list(duration.without) if duration else [],
    }


def _stage_json(stage: StageForecast) -> Row:
    return {
        "stage": stage.name,
        "model": stage.model,
        "kind": stage.kind,
        "looks": asdict(stage.looks),
        "share": asdict(stage.share),
        "basis": stage.basis,
        "seen_before": stage.seen,
        "reached_before": stage.reached,
        "usd_per_image": stage.usd_per_image,
        "usd": asdict(stage.usd),
        "left_usd": stage.left_usd,
    }


def _tell(
    app: App,
    found: Forecast,
    *,
    left_out: int,
    as_json: bool,
    stack_usd: float | None = None,
    stack: str | None = None,
) -> None:
    if as_json:
        echo_json(forecast_json(found, left_out=left_out, stack_usd=stack_usd))
        return
    click.echo(_images(found, left_out))
    if found.new:
        click.echo()
        hourly = [each for each in found.stages if charges_by_hour(app, each.model)]
        rows = [_row(stage, by_hour=stage in hourly) for stage in found.stages]
        table(rows, header=("stage", "model", "looks at", "charges", "why"))
        click.echo()
        click.echo(f"services:  {_services(found, hourly)}")
        for stage in found.stages:
            if stage.left_usd is not None:
                room = int(stage.left_usd / stage.usd_per_image + 1e-9)
                left = dollars(stage.left_usd) if stage.left_usd else "nothing"
                click.echo(
                    f"budget:    {left} is left to '{stage.name}' this month: {room:,} looks"
                )
        if stack is not None:
            click.echo(f"the stack: {_stack(stack_usd, stack)}")
        click.echo(f"time:      {_time(found)}")
    click.echo("nothing was inspected, and nothing was written (--dry-run)")


def _images(found: Forecast, left_out: int) -> str:
    parts = [(found.new, "new"), (found.done, "done before")]
    parts += [(found.unreadable, "that can't be read")] if found.unreadable else []
    noun = "image" if found.images == 1 else "images"
    others = f"; left out: {left_out:,} that are no images" if left_out else ""
    return f"{found.images:,} {noun}: {', '.join(f'{n:,} {what}' for n, what in parts)}{others}"


def _row(stage: StageForecast, *, by_hour: bool) -> tuple[str, ...]:
    charges = [_range(stage.usd, dollars)] if stage.usd_per_image else []
    charges += ["by the hour"] if by_hour else []
    usd = " and ".join(charges) or "nothing"
    return stage.name, stage.model, _range(stage.looks, _whole), usd, _why(stage)


def _why(stage: StageForecast) -> str:
    if stage.basis == "all":
        return "sees every new image"
    if stage.basis == "assumed":
        return (
            f"no inspection with these conditions yet: {percent(stage.share.likely)} % are assumed"
        )
    return (
        f"{stage.reached:,} of {stage.seen:,} came to it before: {percent(stage.share.likely)} % "
        f"(95 %: {percent(stage.share.least)} to {percent(stage.share.most)} %)"
    )


def _services(found: Forecast, hourly: Sequence[StageForecast]) -> str:
    told = []
    if any(stage.usd_per_image for stage in found.stages):
        told.append(f"about {_range(found.usd, dollars)}")
    if hourly:
        models = ", ".join(dict.fromkeys(stage.model for stage in hourly))
        told.append(
            f"by the hour as long as it runs, asked or not: {models} (walkdown models status)"
        )
    return "; ".join(told) or "no stage asks one that charges"


def _stack(usd: float | None, stack: str) -> str:
    if usd is None:
        return "not estimated; walkdown cost does that"
    return f"about {dollars(usd)} for its functions, storage and messages ({stack})"


def _time(found: Forecast) -> str:
    duration = found.duration
    if duration is None:
        return f"not known: {found.why or 'no inspection with these conditions yet'}"
    why = f"measured on {duration.of} of these photographs"
    if duration.basis == "history":
        why = f"as in {duration.of} earlier {'inspection' if duration.of == 1 else 'inspections'}"
    services = ", ".join(duration.without)
    more = f"; and what the services need, which are not asked ({services})" if services else ""
    return f"about {_range(duration.seconds, _length)}, {why}{more}"


def _range(value: Range, show: Callable[[float], str]) -> str:
    """The likely number, and the range where there is one."""
    likely, least, most = (show(each) for each in (value.likely, value.least, value.most))
    return likely if least == most else f"{likely} ({least} to {most})"


def _whole(count: float) -> str:
    return f"{count:,.0f}"


def _length(seconds: float) -> str:
    """Seconds for people.

    >>> _length(0.4), _length(50), _length(200), _length(9000)
    ('1 s', '50 s', '3 min', '2.5 h')
    """
    if seconds < 100:
        return f"{max(1.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
