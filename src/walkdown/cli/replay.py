"""The command `walkdown replay`: another version of a model over what was inspected before."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import click

from walkdown.cli.options import open_app, workspace_option

if TYPE_CHECKING:
    from datetime import datetime

    from walkdown.app.context import App
    from walkdown.app.replaying import Change, Replaying
    from walkdown.types import Result

SHOWN = 10


@click.command()
@click.option("--model", required=True, metavar="NAME@2", help="The version to look with.")
@click.option(
    "--against",
    metavar="NAME@1",
    help="Compare with this version.  [default: the one that each result was made with]",
)
@click.option(
    "--pipeline",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Run this pipeline file, for results of a pipeline of its name.",
)
@click.option("--inspection", metavar="ID", help="Only the results of this inspection.")
@click.option(
    "--asset", "assets", multiple=True, metavar="NAME", help="Only these; also 'north/*'."
)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    metavar="DATE",
    help="Only results recorded since then, UTC.",
)
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="At most so many, the newest ones."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where to write the page.  [default: reports/replay-NAME@2 beside the workspace]",
)
@click.option("--open", "open_it", is_flag=True, help="Open the page in the browser.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; no page.")
@click.option("--workers", type=click.IntRange(1, 256), metavar="N", help="Threads.")
@workspace_option
def replay(
    model: str,
    against: str | None,
    file: Path | None,
    inspection: str | None,
    assets: tuple[str, ...],
    since: datetime | None,
    limit: int | None,
    out: Path | None,
    open_it: bool,
    as_json: bool,
    workers: int | None,
) -> None:
    """Look again at photographs that were inspected before, with another version of a model.

    Says which verdicts would change, and shows them side by side. Results, findings, alerts and
    the lake stay as they are. A replay that was broken off goes on where it was.

    \b
    Examples:
      walkdown replay --model cells@2
      walkdown replay --model cells@2 --since 2026-05-01 --asset 'north/*' --open
      walkdown replay --model cells@3 --against cells@2 --limit 500 --json
    """
    from walkdown.app.archive import Wanted
    from walkdown.app.replay_page import worth_showing
    from walkdown.app.replaying import replay as prepare
    from walkdown.app.specs import pipeline_of
    from walkdown.cli.progress import progress

    spec = pipeline_of(model=None, file=file) if file else None
    app = open_app(workers=workers)
    moment = since.replace(tzinfo=UTC) if since else None
    wanted = Wanted(inspection, assets, moment, limit)
    with progress(quiet=as_json) as bar:
        replaying = prepare(app, model, against=against, spec=spec, wanted=wanted, progress=bar)
        _warn(replaying, bar.note)
        if as_json:
            _print_lines(replaying)
            return
        changes = [change for change in replaying.changes() if worth_showing(change)]
        page = _write(app, replaying, changes, out)
    _print_summary(replaying, changes)
    click.echo(f"look at them side by side: {page}")
    if open_it:
        click.launch(page.absolute().as_uri())


def _warn(replaying: Replaying, note: object) -> None:
    from walkdown.cli.output import dollars

    if replaying.most_usd and callable(note):
        note(
            f"{replaying.by.info.label} is a service: {replaying.archive.results:,} looks cost "
            f"about {dollars(replaying.most_usd)}, less what it has said before"
        )


def _print_lines(replaying: Replaying) -> None:
    from walkdown.app.replay_page import change_row
    from walkdown.cli.output import echo_json

    locate = replaying.app.blobs.locate
    for change in replaying.changes():
        echo_json(change_row(change, locate=locate))


def _write(app: App, replaying: Replaying, changes: list[Change], out: Path | None) -> Path:
    from walkdown.app.replay_page import write_replay
    from walkdown.cli.progress import progress

    folder = out or app.home.parent / "reports" / f"replay-{replaying.by.info.label}"
    with progress() as bar:
        return write_replay(replaying, changes, out=folder, at=app.clock(), progress=bar)


def _print_summary(replaying: Replaying, changes: list[Change]) -> None:
    from walkdown.app.replaying import worst_first
    from walkdown.cli.output import cost_words, shown, table

    ranked = worst_first(changes)
    rows = [(_words(c.before), _words(c.after), shown(c.after.image) + _why(c)) for c in ranked]
    if rows:
        table(rows[:SHOWN], header=("before", "now", "image"))
    if len(rows) > SHOWN:
        click.echo(f"... and {len(rows) - SHOWN:,} more on the page")
    click.echo(
        f"{_photographs(sum(replaying.counts.values()))} looked at again with "
        f"{replaying.by.info.label} instead of {replaying.other}: {_counted(replaying)}"
    )
    for reason, count in replaying.archive.left_out.items():
        noun = "result" if count == 1 else "results"
        click.echo(f"left out: {count:,} {noun} {reason}", err=True)
    if replaying.costs:
        click.echo(cost_words(replaying.costs))


def _counted(replaying: Replaying) -> str:
    from walkdown.app.replaying import Kind

    counts = replaying.counts
    always = ((Kind.UNCHANGED, "unchanged"), (Kind.TO_ANOMALY, "normal to anomaly"),
              (Kind.TO_NORMAL, "anomaly to normal"))  # fmt: skip
    more = ((Kind.UNUSABLE, "unusable in one of the two"), (Kind.FAILED, "failed"))
    words = [*always, *(each for each in more if counts[each[0]])]
    return ", ".join(f"{counts[kind]:,} {what}" for kind, what in words)


def _words(result: Result) -> str:
    score = "" if result.score is None else f" {result.score:.3f}"
    return (result.verdict.value if result.verdict else "failed") + score


def _why(change: Change) -> str:
    from walkdown.cli.output import shown

    return f"  ({shown(change.error)})" if change.error else ""


def _photographs(count: int) -> str:
    return f"{count:,} {'photograph' if count == 1 else 'photographs'}"
