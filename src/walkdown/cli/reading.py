"""The commands that read what is there: results, one image's history, reports, the lake."""

from __future__ import annotations

import math
from pathlib import Path

import click

from walkdown.cli.options import open_app, workspace_option


@click.command()
@click.argument("inspection", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option(
    "--verdict",
    type=click.Choice(["normal", "anomaly", "unusable", "failed"]),
    help="Only these.",
)
@workspace_option
def results(inspection: str | None, as_json: bool, verdict: str | None) -> None:
    """List the results of an INSPECTION (the newest one), worst first.

    \b
    Examples:
      walkdown results
      walkdown results --verdict anomaly --json
    """
    from walkdown.app.reading import find_inspection, results_of
    from walkdown.app.remarks import remarks_on
    from walkdown.cli.output import (
        RESULT_HEADER,
        echo_json,
        result_json,
        result_row,
        summary,
        table,
    )

    app = open_app()
    found = find_inspection(app, inspection)
    all_results = results_of(app, found)
    wanted = [r for r in all_results if verdict in (None, r.verdict or "failed")]
    if as_json:
        for result in wanted:
            echo_json(result_json(app, result))
        return
    table([result_row(r) for r in wanted], header=RESULT_HEADER)
    click.echo(f"inspection {found.id} with {found.model}: {summary(all_results)}")
    for remark in remarks_on(all_results, partial=False):
        click.echo(remark)


@click.command()
@click.argument("image")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@workspace_option
def show(image: str, as_json: bool) -> None:
    """Show all that is known of an IMAGE: its path as inspected, or its sha256 (6+ digits).

    \b
    Example:
      walkdown show photos/today/cell-17.png
    """
    from walkdown.app.reading import results_for_image
    from walkdown.cli.describe import describe
    from walkdown.cli.output import echo_json, result_json

    app = open_app()
    found = results_for_image(app, image)
    for result in found:
        if as_json:
            echo_json(result_json(app, result))
        else:
            click.echo("\n".join(describe(result, app.blobs.locate)) + "\n")


@click.command()
@click.argument("inspection", required=False)
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Where to write.  [default: reports/INSPECTION beside the workspace]",
)
@click.option("--open", "open_it", is_flag=True, help="Open it in the browser.")
@workspace_option
def report(inspection: str | None, out: str | None, open_it: bool) -> None:
    """Write the report of an INSPECTION (the newest one): a web page, a CSV and a JSON file.

    \b
    Examples:
      walkdown report --open
      walkdown report 20260131 --out january
    """
    from walkdown.app.reading import find_inspection, results_of
    from walkdown.app.report import write_report
    from walkdown.cli.progress import progress

    app = open_app()
    found = find_inspection(app, inspection)
    folder = Path(out) if out else app.home.parent / "reports" / found.id
    with progress() as bar:
        page = write_report(
            found,
            results_of(app, found),
            blobs=app.blobs,
            out=folder,
            progress=bar,
            original=app.original,
        )
    click.echo(str(page))
    if open_it:
        click.launch(page.absolute().as_uri())


@click.command()
@click.argument("sql", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row.")
@click.option("--rebuild", is_flag=True, help="Make the lake anew from the records first.")
@workspace_option
def query(sql: str | None, as_json: bool, rebuild: bool) -> None:
    """Ask a question in SQL (DuckDB) over the views results, predictions and regions.

    \b
    Examples:
      walkdown query "select verdict, count(*) from results group by verdict"
      walkdown query "select image, score from results order by score desc limit 10" --json
    """
    from walkdown.app import lake
    from walkdown.cli.output import echo_json, shown, table
    from walkdown.cli.progress import progress

    if sql is None and not rebuild:
        raise click.UsageError('give a question: walkdown query "select count(*) from results"')
    app = open_app()
    if rebuild:
        with progress() as bar:
            count = lake.rebuild(app, progress=bar)
        click.echo(f"the lake holds {count} results", err=True)
    if sql is None:
        return
    columns, rows = lake.query(app, sql)
    if as_json:
        for row in rows:
            echo_json(dict(zip(columns, (_plain(v) for v in row), strict=True)))
    else:
        table([["" if v is None else shown(str(v)) for v in row] for row in rows], header=columns)


def _plain(value: object) -> object:
    """A value of a row as JSON has it: no NaN, times as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    return value if value is None or isinstance(value, bool | int | str) else str(value)
