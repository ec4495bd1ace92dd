"""The commands that bring a pipeline to AWS, look after its stack, and take it down."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from walkdown.aws.compose import permissions_of
from walkdown.cli.output import table
from walkdown.cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from walkdown.app.context import App
    from walkdown.app.deployed import Deployed
    from walkdown.aws.deploying import There
    from walkdown.aws.estimating import Estimate
    from walkdown.aws.package import Package
    from walkdown.aws.stacks import Event, Proposal, Stacks
    from walkdown.ports import Blobs
    from walkdown.spec import PipelineSpec

SHOWN = 30


def run_deploy(
    app: App,
    *,
    stack: str,
    file: Path | None,
    prefix: str | None,
    remove: tuple[str, ...],
    parameters: tuple[str, ...],
    concurrency: int,
    runtime: str | None,
    measured: bool,
    dry_run: bool,
    yes: bool,
) -> int:
    """Propose a change of the stack, show it, ask, and carry it out."""
    from walkdown.aws import deploying
    from walkdown.aws.stacks import Stacks
    from walkdown.wiring_aws import aws, blobs, find_stack

    given = _parameters(parameters)
    there = _there(stack)
    making = _making(app, file, prefix, concurrency, measured=measured) if file else None
    new = making.stored() if making else None
    wanted = deploying.with_pipeline(there, new, remove)
    plugins = _plugins(app, wanted, there, new, zipped="ImageUri" not in given)
    package = _package(app, runtime, plugins)
    cloud = Stacks(aws())
    with progress() as bar:
        bar.start("proposing the change", None)
        if not there.blobs:
            given = {"Workspace": app.settings.workspace, "Database": _database(stack)} | given
        proposal = deploying.propose(cloud, stack, wanted, package, given=given)
    _show(proposal, wanted)
    if making and making.estimate:
        _tell_cost(making.estimate)
    if dry_run:
        if proposal.changes or proposal.is_new:
            cloud.discard(proposal)
        click.echo("nothing was changed (--dry-run)")
        return 0
    if proposal.changes and not (yes or click.confirm("Carry this out?")):
        cloud.discard(proposal)
        return 1
    if there.blobs and making:
        _publish(making, there.blobs)
    if proposal.changes:
        _follow(cloud, proposal)
    if not there.blobs and making:
        # A new stack has no bucket before; nobody knows its source bucket yet, so nothing arrives.
        _publish(making, blobs(find_stack(stack)))
    _views(stack)
    if new:
        _register(app, stack, new)
    _what_next(stack, new)
    return 0


def _parameters(given: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals:
            raise click.BadParameter(f"{each!r}: write NAME=VALUE", param_hint="--parameter")
        pairs[name] = value
    return pairs


def _database(stack: str) -> str:
    """A name of the lake's database that no other stack of the account has."""
    return "walkdown_" + stack.lower().replace("-", "_")


def _there(stack: str) -> There:
    from walkdown.aws.deploying import There, read_there
    from walkdown.errors import NotFound
    from walkdown.wiring_aws import blobs, find_stack, workflows

    try:
        found = find_stack(stack)
    except NotFound:
        return There()
    return read_there(blobs(found), workflows(found))


@dataclass(frozen=True, slots=True)
class _Making:
    """A pipeline on its way into a stack, and what was measured of it here."""

    app: App
    spec: PipelineSpec
    prefix: str
    concurrency: int
    estimate: Estimate | None

    def stored(self, there: Blobs | None = None) -> Deployed:
        """The deployed pipeline, in a stack's store, or only named."""
        from walkdown.aws.deploying import here_and_now
        from walkdown.aws.estimating import SLOWER, charge_of

        stages = self.estimate.measured.stages if self.estimate else ()
        return here_and_now(
            self.app,
            self.spec,
            prefix=self.prefix,
            seconds={stage.name: stage.seconds * SLOWER for stage in stages},
            charge=charge_of(self.estimate) if self.estimate and self.spec.budget else None,
            concurrency=self.concurrency,
            there=there,
        )


def _making(
    app: App, file: Path, prefix: str | None, concurrency: int, *, measured: bool
) -> _Making:
    from walkdown.app.specs import pipeline_of

    spec = pipeline_of(model=None, file=file)
    chosen = f"{spec.name}/" if prefix is None else prefix
    found = _estimate(app, spec) if measured else None
    return _Making(app, spec, chosen, concurrency, found)


def _estimate(app: App, spec: PipelineSpec) -> Estimate | None:
    """What 1,000 of its photographs would cost, or made-up ones; None where nothing can be said."""
    from walkdown.aws.estimating import estimate
    from walkdown.errors import WalkdownError

    with progress() as bar:
        for each in (spec, spec.model_copy(update={"source": None})):
            try:
                return estimate(app, each, images=1000, region=_region(), progress=bar)
            except WalkdownError as e:
                why = e
        bar.note(f"what it costs can't be told: {why}")
    return None


def _region() -> str:
    """The stack's own, or another one where its prices are not known."""
    from walkdown.aws.prices import DEFAULT_REGION, regions
    from walkdown.wiring_aws import aws

    here = str(aws().client("cloudformation").meta.region_name)
    return here if here in regions() else DEFAULT_REGION


def _tell_cost(found: Estimate) -> None:
    bill = found.bill
    click.echo(
        f"costs about ${bill.usd_per_1000:.3f} per 1,000 photographs, and ${bill.monthly_usd:.0f} "
        f"a month whether any come or not (prices of {bill.region}, {bill.as_of}; in detail: "
        "walkdown cost)"
    )


def _plugins(
    app: App, wanted: Sequence[Deployed], there: There, new: Deployed | None, *, zipped: bool
) -> tuple[str, ...]:
    """The packages of others that these pipelines need; a zip must be able to run them all."""
    from walkdown.aws.plugins import check, needed

    # Models lie here, or in the stack.
    stores = [app.blobs, *([there.blobs] if there.blobs else [])]
    if zipped:
        check(wanted, stores, app.open_step, new=new)
    return needed(wanted, stores)


def _package(app: App, runtime: str | None, plugins: Sequence[str]) -> Package:
    """The functions' code, with the packages of others that pipelines need."""
    from walkdown.aws.package import build
    from walkdown.aws.plugins import with_plugins

    with progress() as bar:
        bar.start("packing the functions' code", None)
        package = with_plugins(build(app.home / "functions", runtime=runtime), plugins)
        if not package.compiled:
            bar.note(
                f"no {package.runtime} here to compile for: first calls take about a second longer"
            )
    return package


def _show(proposal: Proposal, wanted: Sequence[Deployed]) -> None:
    what = "a new stack" if proposal.is_new else "a change of the stack"
    click.echo(f"{what} {proposal.stack!r}, {len(proposal.changes)} changes:")
    rows = [
        (change.action.lower() + (" anew" if change.replaced else ""), change.logical, change.kind)
        for change in proposal.changes
        if not proposal.is_new
    ][:SHOWN]
    if proposal.is_new:
        kinds = Counter(change.kind for change in proposal.changes)
        rows = [("add", str(count), kind) for kind, count in sorted(kinds.items())]
    if rows:
        table(rows, header=("action", "what" if not proposal.is_new else "count", "kind"))
    if len(proposal.changes) > SHOWN and not proposal.is_new:
        click.echo(f"... and {len(proposal.changes) - SHOWN} more")
    for pipeline in wanted:
        models = ", ".join(info.label for info in pipeline.models.values())
        click.echo(f"pipeline {pipeline.spec.name}: photographs below {pipeline.prefix} ({models})")
    for permission in sorted({each for one in wanted for each in permissions_of(one)}, key=str):
        may, on = ", ".join(permission.actions), ", ".join(permission.resources)
        click.echo(f"the function that looks may: {may} on {on}")


def _publish(making: _Making, there: Blobs) -> None:
    """Models and plan into the stack's bucket."""
    with progress() as bar:
        bar.start("copying models", None)
        making.stored(there)


def _follow(cloud: Stacks, proposal: Proposal) -> None:
    with progress() as bar:
        bar.start(f"changing the stack {proposal.stack}", len(proposal.changes))
        _each(cloud.carry_out(proposal), bar.advance)


def _register(app: App, stack: str, new: Deployed) -> None:
    from walkdown.aws.deploying import register
    from walkdown.wiring_aws import find_stack, versions

    register(app, new, versions(find_stack(stack)))


def _views(stack: str) -> None:
    from walkdown.wiring_aws import find_stack, make_views

    with progress() as bar:
        bar.start("making the lake's views", None)
        make_views(find_stack(stack))


def _each(events: Iterator[Event], advance: object) -> None:
    for event in events:
        if event.status.endswith("_COMPLETE") and callable(advance):
            advance()


def _what_next(stack: str, new: Deployed | None) -> None:
    from walkdown.wiring_aws import find_stack

    found = find_stack(stack)
    click.echo(f"stack {stack} is ready; photographs go to s3://{found.source_bucket}/")
    if new:
        folder = f"s3://{found.source_bucket}/{new.prefix}"
        click.echo(f"put some there:  walkdown upload FOLDER --stack {stack} --prefix {new.prefix}")
        click.echo(f"or all that is:  walkdown inspect {folder} --workspace aws://{stack}")
    click.echo(f"look at them:    walkdown results --workspace aws://{stack}")
