"""A bill: lines of a quantity at a price, apart for what each image, each month and storage costs.

Pure values. The sum of a bill's lines is its total; nothing is rounded before it is shown.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from walkdown.aws.prices import Price, Prices

PER = 1000
"""Costs are compared by so many images."""


@dataclass(frozen=True, slots=True)
class Line:
    """So many units of a service for one part of the work, and what one of them costs."""

    part: str
    service: str
    what: str
    quantity: float
    unit: str
    usd_per_unit: float

    @property
    def usd(self) -> float:
        """Quantity times price."""
        return self.quantity * self.usd_per_unit


@dataclass(frozen=True, slots=True)
class Bill:
    """What ``images`` cost. ``monthly`` and ``storage`` recur each month and are not in the total.

    ``hours`` is how long the workflow needs, ``laptop_hours`` the cores of this machine.
    """

    images: int
    region: str
    as_of: str
    lines: tuple[Line, ...]
    monthly: tuple[Line, ...]
    storage: tuple[Line, ...]
    hours: float
    laptop_hours: float

    @property
    def usd(self) -> float:
        """For all images, once."""
        return sum(line.usd for line in self.lines)

    @property
    def usd_per_1000(self) -> float:
        """For 1,000 images, once."""
        return self.usd * PER / self.images

    @property
    def monthly_usd(self) -> float:
        """Each month, also where no image arrives."""
        return sum(line.usd for line in self.monthly)

    @property
    def storage_usd(self) -> float:
        """Each month that these images and their results are kept."""
        return sum(line.usd for line in self.storage)

    def by_service(self) -> list[tuple[str, str, float]]:
        """(part, service, USD) in the order of the work; lines of one service are one."""
        sums: defaultdict[tuple[str, str], float] = defaultdict(float)
        for line in self.lines:
            sums[line.part, line.service] += line.usd
        return [(part, service, usd) for (part, service), usd in sums.items()]

    def dominating(self, count: int = 3) -> list[tuple[str, str, float]]:
        """The dearest of `by_service`, dearest first."""
        return sorted(self.by_service(), key=lambda row: -row[2])[:count]


@dataclass(slots=True)
class Counter:
    """Collects lines while costs are counted."""

    prices: Prices
    lines: list[Line] = field(default_factory=list)

    def add(self, part: str, price: str, what: str, quantity: float) -> None:
        """So much of something; nothing of it is no line."""
        if quantity > 0:
            found: Price = self.prices[price]
            line = Line(part, found.service, what, quantity, found.unit, found.usd)
            self.lines.append(line)
