"""Whether a month's budget has room for the next images. Pure.

What was spent is images times what one was estimated to cost, both as inspections recorded them.
AWS's own bill comes a day later: too late to stop what is about to start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from walkdown.spec import BudgetSpec

NEARLY = 0.8
"""Share of a budget from which on people should know."""


@dataclass(frozen=True, slots=True)
class Ran:
    """An inspection that was begun: when (aware), how many images, and what one was to cost."""

    started_at: datetime
    images: int
    usd_per_image: float


@dataclass(frozen=True, slots=True)
class Room:
    """What a budget leaves. ``fitting`` of the images that were asked for may be inspected.

    ``words`` is None where there is nothing to say.
    """

    spent_usd: float
    left_usd: float
    asked: int
    fitting: int
    words: str | None

    @property
    def fits(self) -> bool:
        """Whether all of them may."""
        return self.fitting == self.asked


def spent_in_month(ran: Iterable[Ran], now: datetime) -> float:
    """USD of the calendar month, in UTC, that ``now`` is in."""
    month = _month(now)
    return math.fsum(r.images * r.usd_per_image for r in ran if _month(r.started_at) == month)


def room(
    budget: BudgetSpec | None,
    ran: Iterable[Ran],
    *,
    images: int,
    usd_per_image: float,
    now: datetime,
) -> Room:
    """What fits of so many images. Without a budget all do, and nothing is said."""
    spent = spent_in_month(ran, now)
    if budget is None:
        return Room(spent, math.inf, images, images, None)
    left = max(0.0, budget.usd_per_month - spent)
    # A hair more, so that a budget of exactly these images is enough for them.
    most = math.floor(left / usd_per_image + 1e-9) if usd_per_image > 0 else images
    fitting = min(images, most)
    return Room(spent, left, images, fitting, _words(budget, spent, images, fitting, usd_per_image))


def _words(
    budget: BudgetSpec, spent: float, images: int, fitting: int, usd_per_image: float
) -> str | None:
    limit, after = budget.usd_per_month, spent + fitting * usd_per_image
    if fitting < images:
        return (
            f"{images - fitting:,} of {images:,} images wait: ${spent:,.2f} of this month's "
            f"${limit:,.2f} are spent, and each image costs about ${usd_per_image:.5f}; raise "
            "'budget.usd_per_month' in the pipeline file, or wait for the next month"
        )
    if after >= NEARLY * limit:
        return f"with these {images:,} images ${after:,.2f} of this month's ${limit:,.2f} are spent"
    return None


def _month(time: datetime) -> tuple[int, int]:
    here = time.astimezone(UTC)
    return here.year, here.month
