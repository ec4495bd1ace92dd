"""What a stage's service may cost in a month: taken before each look, by the expected price.

A look that has no room leaves what earlier stages said, and its result partial: it is tried again
by a later run, in the next month at the latest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from walkdown.errors import WalkdownError
from walkdown.pipeline.budget import cost_of, month_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from walkdown.app.context import App
    from walkdown.pipeline.plan import Stage


def budget_of(pipeline: str, stage: Stage) -> str:
    """What the budget of a stage is known by."""
    return f"{pipeline}/{stage.name}"


def refusing(
    app: App, pipeline: str, inspection: str, *, run: int = 0
) -> Callable[[Stage, float, str], str | None]:
    """For `Work.refuse`: takes what looks cost from their stage's budget, or says why it can't.

    The same looks are paid once a month, in whichever inspection they are tried again; those of a
    ``run`` that was asked for once more are others.
    """
    whose = f"{inspection}/" if run else ""

    def refuse(stage: Stage, usd: float, key: str) -> str | None:
        if stage.usd_per_month is None:
            return None
        month = month_of(app.clock())
        try:
            taken = app.spending.reserve(
                budget_of(pipeline, stage),
                month,
                f"{whose}{month}/{key}",
                amount=cost_of(1, usd),
                limit=cost_of(1, stage.usd_per_month),
            )
        except WalkdownError as e:
            return f"its budget can't be asked: {e}"
        if taken:
            return None
        return (
            f"its budget of ${stage.usd_per_month:g} for this month is spent; raise "
            "'budget.usd_per_month' of the stage, or inspect again next month"
        )

    return refuse
