"""`walkdown inspect` in a workspace on AWS: starts the pipeline's workflow, watches it, prints."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from typing import TYPE_CHECKING

import click

from walkdown.app.remarks import Remarks
from walkdown.cli.inspect import FAILED, FOUND, SHOWN
from walkdown.cli.output import (
    RESULT_HEADER,
    cost_words,
    costs,
    echo_json,
    left_out_json,
    line_json,
    result_row,
    shown,
    table,
)
from walkdown.cli.progress import progress
from walkdown.types import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from walkdown.app.commissioning import Commissioned
    from walkdown.app.context import App
    from walkdown.app.inspecting import Line
    from walkdown.ports import Source
    from walkdown.runners.executions import Deployment, StepFunctions
    from walkdown.types import Result

BROKEN_OFF = 130
ERRORS = 1000
"""So many different errors are counted; beyond that they are not alike anyway."""


class Summary:
    """What came of an inspection, without all of its results in memory."""

    def __init__(self, usd_per_look: Mapping[str, float]) -> None:
        self.counts: Counter[str] = Counter()
        self.remarks = Remarks(usd_per_look)
        self.costs: dict[str, float] = {}
        self._errors: Counter[str] = Counter()
        self._worst: list[tuple[float, int, Result]] = []

    def add(self, line: Line) -> None:
        """Count a line; keep it where it is among the worst."""
        result = line.result
        self.remarks.add(result)
        if line.status != "skipped":
            for stage, usd in costs([result]).items():
                self.costs[stage] = self.costs.get(stage, 0.0) + usd
        self.counts["images"] += 1
        self.counts["skipped"] += line.status == "skipped"
        self.counts[result.verdict.value if result.verdict else "failed"] += 1
        self.counts["partial"] += result.status is Status.PARTIAL
        self.counts["not done"] += result.status is not Status.DONE
        if result.error or result.verdict in (Verdict.ANOMALY, Verdict.UNUSABLE):
            self.counts["told"] += 1
            badness = -1.0 if result.score is None else result.score
            if result.verdict is None:
                badness = -2.0
                if result.error and (result.error in self._errors or len(self._errors) < ERRORS):
                    self._errors[result.error] += 1
            heapq.heappush(self._worst, (badness, -self.counts["told"], result))
            if len(self._worst) > SHOWN:
                heapq.heappop(self._worst)

    @property
    def worst(self) -> list[Result]:
        """The worst first; those without a score last."""
        alike = self.alike
        found = (result for _, _, result in sorted(self._worst, reverse=True))
        return [r for r in found if r.verdict is not None or r.error not in alike]

    @property
    def alike(self) -> dict[str, int]:
        """Errors for which several images have failed, and how many: told once."""
        return {error: n for error, n in self._errors.most_common(SHOWN) if n > 1}

    @property
    def words(self) -> str:
        """How many of each, as the local command says it."""
        verdicts = [(self.counts[v], v.value) for v in (Verdict.ANOMALY, Verdict.NORMAL)]
        verdicts.append((self.counts[Verdict.UNUSABLE], Verdict.UNUSABLE.value))
        more = [(self.counts["failed"], "failed")]
        more.append((self.counts["partial"], "with a stage that failed"))
        return ", ".join(f"{n} {what}" for n, what in [*verdicts, *more] if n) or "nothing"

    @property
    def code(self) -> int:
        """The exit code: 0, `FOUND` or `FAILED`."""
        if self.counts["not done"]:
            return FAILED
        return FOUND if self.counts[Verdict.ANOMALY] else 0


def run_inspect_there(
    app: App,
    stack: str,
    paths: Sequence[str],
    *,
    pipeline: str | None,
    again: bool,
    as_json: bool,
) -> int:
    """Inspect on AWS, print what came of it, and return 0, `FOUND`, `FAILED` or `BROKEN_OFF`."""
    from walkdown.app.commissioning import lines, pipeline_for, watch
    from walkdown.spec import SourceSpec
    from walkdown.wiring_aws import find_stack, workflows

    found = find_stack(stack)
    known = workflows(found)
    deployment = pipeline_for(known.deployments(), paths, name=pipeline, bucket=found.source_bucket)
    places = tuple(paths) or (f"s3://{found.source_bucket}/{deployment.prefix}",)
    source = app.sources(SourceSpec(paths=places))
    with progress(quiet=as_json) as bar:
        bar.start("listing photographs", None)
        commissioned = _begun(app, known, deployment, source, places, again=again)
        if commissioned.waits:
            _held(commissioned, stack)
            return FAILED
        if commissioned.new:
            try:
                watch(known, commissioned, progress=bar, sleep=time.sleep)
            except KeyboardInterrupt:
                _left(commissioned, stack)
                return BROKEN_OFF
    summary = Summary(commissioned.plan.usd_per_look)
    for line in lines(app, commissioned.inspection):
        summary.add(line)
        if as_json:
            echo_json(line_json(app, line))
    if as_json:
        for name, reason in source.left_out():
            echo_json(left_out_json(name, reason))
    else:
        _print(summary, commissioned, source.left_out(), stack)
    return summary.code


def _begun(
    app: App, known: StepFunctions, deployment: Deployment, source: Source, places: tuple[str, ...],
    *, again: bool,
) -> Commissioned:  # fmt: skip
    from walkdown.app.commissioning import as_arrived, commission
    from walkdown.stores.spools import Spool

    with Spool(as_arrived(source.refs(), deployment.prefix)) as refs:
        return commission(app, known, deployment, refs, sources=places, again=again)


def _held(commissioned: Commissioned, stack: str) -> None:
    click.echo(f"{commissioned.waits}.", err=True)
    click.echo(
        "they are inspected by themselves within a quarter of an hour once there is room, or at "
        f"once then with: walkdown redrive --stack {stack}",
        err=True,
    )


def _left(commissioned: Commissioned, stack: str) -> None:
    name = commissioned.inspection.id
    click.echo(f"\nthe inspection {name} goes on without you; look at it again:", err=True)
    click.echo(f"  walkdown status --stack {stack}", err=True)
    click.echo(f"  walkdown results {name} --workspace aws://{stack}", err=True)


def _print(
    summary: Summary,
    commissioned: Commissioned,
    left_out: Sequence[tuple[str, str]],
    stack: str,
) -> None:
    name, workspace = commissioned.inspection.id, f"aws://{stack}"
    if summary.worst:
        table([result_row(r) for r in summary.worst], header=RESULT_HEADER)
    more = summary.counts["told"] - len(summary.worst) - sum(summary.alike.values())
    if more:
        click.echo(f"... and {more} more: walkdown results {name} --workspace {workspace}")
    for error, count in summary.alike.items():
        click.echo(f"{count} images failed alike: {shown(error)}")
    images, skipped = summary.counts["images"], summary.counts["skipped"]
    before = f" ({skipped} of them done before)" if skipped else ""
    click.echo(f"{images} {'image' if images == 1 else 'images'}: {summary.words}{before}")
    for remark in summary.remarks.words(costs=False, partial=False):
        click.echo(remark)
    if summary.costs:
        click.echo(cost_words(summary.costs))
    _print_left_out(left_out)
    if images:
        click.echo(
            f"inspection {name}; look at it: walkdown report {name} --workspace {workspace} --open"
        )


def _print_left_out(left_out: Iterable[tuple[str, str]]) -> None:
    every = list(left_out)
    for name, reason in every[:SHOWN]:
        click.echo(f"left out: {shown(name)}: {reason}", err=True)
    if len(every) > SHOWN:
        click.echo(f"left out: {len(every) - SHOWN} more", err=True)
