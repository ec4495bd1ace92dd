"""The command `walkdown cost`: what a pipeline would cost on AWS, beside this machine's hours."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from walkdown.cli.options import Share, open_app, workspace_option

if TYPE_CHECKING:
    from walkdown.aws.bill import Bill, Line
    from walkdown.aws.estimating import Estimate

DOMINATING = 3


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--images", type=click.IntRange(1), required=True, metavar="N", help="How many.")
@click.option(
    "--pipeline",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="The pipeline file.",
)
@click.option(
    "--region",
    default="us-east-1",
    show_default=True,
    metavar="REGION",
    help="The region whose prices count.",
)
@click.option(
    "--flagged",
    type=Share(),
    metavar="SHARE",
    help="Share of images that go on to later stages.  [default: as in the photographs]",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@workspace_option
def cost(
    paths: tuple[str, ...],
    images: int,
    pipeline: Path,
    region: str,
    flagged: float | None,
    as_json: bool,
) -> None:
    """Estimate what N images would cost on AWS, before anything is deployed.

    A few photographs (PATH, or else the pipeline's own source) are looked at here, to measure time
    and sizes; where there are none, made-up ones of 12 megapixels. Every request that the workflow
    would make is counted. Nothing is called and nothing is written.

    \b
    Examples:
      walkdown cost --images 100000 --pipeline pipeline.yaml photos/new
      walkdown cost --images 1000 --pipeline pipeline.yaml --flagged 5% --region eu-central-1
    """
    from walkdown.app.specs import pipeline_of
    from walkdown.aws.estimating import estimate
    from walkdown.cli.output import echo_json
    from walkdown.cli.progress import progress

    app = open_app()
    spec = pipeline_of(model=None, file=pipeline, paths=paths)
    with progress(quiet=as_json) as bar:
        found = estimate(app, spec, images=images, region=region, flagged=flagged, progress=bar)
    if as_json:
        echo_json(estimate_json(found))
    else:
        _print(found)


def estimate_json(found: Estimate) -> dict[str, Any]:
    """Everything that was counted, as docs/json.md documents it."""
    bill = found.bill
    return {
        "images": bill.images,
        "region": bill.region,
        "prices_as_of": bill.as_of,
        "prices_unconfirmed": list(found.unconfirmed),
        "usd": bill.usd,
        "usd_per_1000": bill.usd_per_1000,
        "usd_per_1000_if_slower": found.slower_usd_per_1000,
        "usd_per_month": bill.monthly_usd,
        "storage_usd_per_month": bill.storage_usd,
        "hours": bill.hours,
        "laptop_hours": bill.laptop_hours,
        "lines": [_line_json(line) for line in bill.lines],
        "monthly": [_line_json(line) for line in bill.monthly],
        "storage": [_line_json(line) for line in bill.storage],
        "others": [asdict(other) for other in found.others],
        "measured": asdict(found.measured),
    }


def _line_json(line: Line) -> dict[str, object]:
    return asdict(line) | {"usd": line.usd}


def _print(found: Estimate) -> None:
    from walkdown.aws.estimating import SLOWER
    from walkdown.cli.output import table

    bill = found.bill
    _print_measured(found)
    table(_rows(bill), header=("part", "service", "per 1,000", f"{bill.images:,} images"))
    click.echo()
    click.echo(f"on AWS:      {_usd(bill.usd)} for {bill.images:,} images, {_hours(bill.hours)}")
    click.echo(f"this machine: $0, {_hours(bill.laptop_hours)}")
    click.echo(
        f"each month:  {_usd(bill.monthly_usd)} whether images come or not (alarms, dashboard, "
        f"metrics, schedules), and {_usd(bill.storage_usd)} to keep these"
    )
    dearest = ", ".join(
        f"{service} of '{part}' {usd / bill.usd:.0%}"
        for part, service, usd in bill.dominating(DOMINATING)
    )
    click.echo(f"most of it:  {dearest}")
    for other in found.others:
        click.echo(f"cheaper:     {_usd(other.usd_per_1000)} per 1,000: {other.words}")
    click.echo(
        f"if functions are {SLOWER:g} times slower than this machine: "
        f"{_usd(found.slower_usd_per_1000)} per 1,000"
    )
    click.echo(
        f"prices of {bill.region} as of {bill.as_of}, without free tiers, taxes and repetitions; "
        f"{len(found.unconfirmed)} of them from memory (--json names them)"
    )


def _print_measured(found: Estimate) -> None:
    seen = found.measured
    what = "made-up photograph" if seen.generated else "photograph"
    many = "s" if seen.images != 1 else ""
    click.echo(
        f"measured on {seen.images} {what}{many} of {seen.width_px} x {seen.height_px} px, "
        f"{seen.image_bytes / 1e6:.1f} MB; {seen.peak_mib} MiB of memory at most"
    )
    for stage in seen.stages:
        service = ""
        if stage.kind != "inline":
            price = f"${stage.usd_per_look:g} a look" if stage.usd_per_look else "no price known"
            service = f"; its service was not asked ({price})"
        click.echo(
            f"  {stage.name}: {stage.seconds:.2f} s of one processor an image, "
            f"{stage.share:.0%} of the images, heat map {stage.heatmap_bytes / 1e3:.0f} kB{service}"
        )
    click.echo()


def _rows(bill: Bill) -> list[tuple[str, str, str, str]]:
    per = 1000 / bill.images
    rows = [
        (part, service, f"{usd * per:.5f}", f"{usd:.4f}")
        for part, service, usd in bill.by_service()
    ]
    return [*rows, ("total", "", f"{bill.usd_per_1000:.5f}", f"{bill.usd:.4f}")]


def _usd(usd: float) -> str:
    return f"${usd:,.2f}" if usd >= 1 else f"${usd:.4f}"


def _hours(hours: float) -> str:
    return f"{hours:,.1f} hours" if hours >= 1 else f"{hours * 60:.1f} minutes"
