"""A month's budget: which month it is, what images take of it, and what is said. Pure.

What an image costs is the estimate of the day on which its pipeline was deployed. AWS's own bill
comes a day later: too late to stop what is about to start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

MILLIONTHS = 1_000_000
"""Budgets are added up in whole millionths of a US dollar, so that no cent is lost in a sum."""

NEARLY = 0.8
"""Share of a budget from which on people should know."""


def month_of(time: datetime) -> str:
    """The calendar month, in UTC, like ``2026-05``."""
    return f"{time.astimezone(UTC):%Y-%m}"


def cost_of(images: int, usd_per_image: float) -> int:
    """In millionths of a US dollar, rounded up.

    >>> cost_of(1000, 0.0000451)
    45100
    """
    # A hair less, so that a float's last bit adds no millionth.
    return math.ceil(images * usd_per_image * MILLIONTHS - 1e-6)


@dataclass(frozen=True, slots=True)
class Charge:
    """What an inspection costs, and each of its images beside that, in US dollars."""

    usd_per_inspection: float
    usd_per_image: float

    def of(self, images: int) -> int:
        """Of an inspection, in millionths, rounded up."""
        return cost_of(1, self.usd_per_inspection + images * self.usd_per_image)


def waiting_words(images: int, cost: int, spent: int, limit: int, *, largest: int) -> str:
    """Why images wait, and what lets them go on; amounts in millionths.

    ``largest`` is the cost of the dearest inspection that waits: each begins as a whole.
    """
    if largest > limit:
        until = (
            "raise 'budget.usd_per_month' in the pipeline file: a whole month's is too little for "
            "one of the inspections"
        )
    else:
        until = "raise 'budget.usd_per_month' in the pipeline file, or wait for the next month"
    wait = "1 image waits: it" if images == 1 else f"{images:,} images wait: they"
    return (
        f"{wait} would cost {usd(cost)}, and {usd(spent)} of this month's "
        f"{usd(limit)} are spent; {until}"
    )


def nearly_spent(spent: int, limit: int) -> bool:
    """Whether people should know that little is left."""
    return spent >= NEARLY * limit


def usd(amount: int) -> str:
    """Millionths as people write them: whole cents, and more digits of what is less than ten.

    >>> usd(12_345_678), usd(45_123), usd(123), usd(0)
    ('$12.35', '$0.045', 'less than $0.001', '$0.00')
    """
    value = amount / MILLIONTHS
    if 0 < value < 0.001:
        return "less than $0.001"
    return f"${value:.3f}" if 0 < value < 0.1 else f"${value:,.2f}"
