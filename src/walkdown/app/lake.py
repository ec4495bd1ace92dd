"""Questions in SQL over the lake, and its rebuilding from the records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walkdown.app.delivery import Delivery

if TYPE_CHECKING:
    from walkdown.app.context import App
    from walkdown.ports import Progress

ROWS = 500


def query(app: App, sql: str) -> tuple[list[str], list[tuple[object, ...]]]:
    """Columns and rows, after what is recorded but not yet in the lake was brought there."""
    _pending(app).project()
    return app.analytics.query(sql)


def rebuild(app: App, *, progress: Progress) -> int:
    """Make the lake anew from the records; returns the number of results in it.

    New batches are written before old ones are dropped, the views show the newest row of a result,
    and what another process adds meanwhile is left alone: nothing is lost.
    """
    old = set(app.analytics.batches())
    results = list(app.records.results())
    progress.start("rebuilding the lake", len(results))
    batches = {f"rebuilt-{at:06d}": results[at : at + ROWS] for at in range(0, len(results), ROWS)}
    for batch, part in batches.items():
        app.analytics.project(batch, part)
        progress.advance(len(part))
    app.analytics.drop(old - set(batches))
    _pending(app).project()
    return len(results)


def _pending(app: App) -> Delivery:
    return Delivery(app.records, app.outbox, app.analytics, "", {}, lambda _: None)
