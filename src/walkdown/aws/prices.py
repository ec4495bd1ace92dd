"""AWS's list prices by region, from a dated table in the package.

A price is named by service and unit, such as ``lambda.usd_per_million_requests``; how many units it
is for is read from its name, so that no figure can be taken for another's unit.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from walkdown.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_REGION: Final = "us-east-1"

_MANY: Final = {
    "": 1,
    "thousand": 1_000,
    "ten_thousand": 10_000,
    "hundred_thousand": 100_000,
    "million": 1_000_000,
}
_NAME: Final = re.compile(r"usd_per_(?:(thousand|ten_thousand|hundred_thousand|million)_)?(\w+)")


@dataclass(frozen=True, slots=True)
class Price:
    """What one unit costs. ``confirmed``: whether the figure was found again when it was noted."""

    service: str
    unit: str
    usd: float
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Prices:
    """All prices of one region, as they were on a day; free tiers are left out."""

    region: str
    as_of: str
    prices: Mapping[str, Price]

    def __getitem__(self, name: str) -> Price:
        return self.prices[name]

    @property
    def unconfirmed(self) -> tuple[str, ...]:
        """Names of the prices that were not found again."""
        return tuple(name for name, price in self.prices.items() if not price.confirmed)


def prices_of(region: str, table: Mapping[str, Any] | None = None) -> Prices:
    """The prices of a region. Raises `NotFound` with the regions that are known.

    >>> round(prices_of("us-east-1")["lambda.usd_per_million_requests"].usd * 1e6, 2)
    0.2
    """
    table = table or price_table()
    found: dict[str, Price] = {}
    known = regions(table)
    for key, service in table["services"].items():
        for name, entry in service["prices"].items():
            if region in entry["usd"]:
                found[f"{key}.{name}"] = _price(service["name"], name, entry, region)
    if region not in known:
        raise NotFound(
            f"no prices of the region {region!r}; there are those of {', '.join(sorted(known))}: "
            "take the one nearest to it"
        )
    return Prices(region, table["as_of"], found)


def regions(table: Mapping[str, Any] | None = None) -> set[str]:
    """Those whose prices are known."""
    services = (table or price_table())["services"].values()
    prices = [entry for service in services for entry in service["prices"].values()]
    return {region for entry in prices for region in entry["usd"]}


def price_table() -> dict[str, Any]:
    """The table as it is in the package."""
    text = (resources.files("walkdown.aws") / "prices.json").read_text("utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def _price(service: str, name: str, entry: Mapping[str, Any], region: str) -> Price:
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"a price's name must say what it is for: {name!r}")
    usd = float(entry["usd"][region]) / _MANY[found[1] or ""]
    return Price(service, found[2].replace("_", " "), usd, region in entry["confirmed"])
