"""What services charged, and how sums of money are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from walkdown.types import Result


def dollars(usd: float) -> str:
    """US dollars: cents where there are any, and enough digits where a look costs less.

    >>> dollars(1234.5), dollars(0.00125), dollars(0.5), dollars(0)
    ('$1,234.50', '$0.00125', '$0.50', '$0.00')
    """
    if usd >= 1:
        return f"${usd:,.2f}"
    whole, _, cents = f"{usd:.6f}".partition(".")
    return f"${whole}.{cents.rstrip('0'):0<2}"


def costs(results: Iterable[Result]) -> dict[str, float]:
    """What services charged for these results' looks, by stage, in US dollars."""
    found: dict[str, float] = {}
    for result in results:
        for stage in result.stages:
            if stage.prediction.cost_usd:
                found[stage.stage] = found.get(stage.stage, 0.0) + stage.prediction.cost_usd
    return found


def cost_words(by_stage: Mapping[str, float]) -> str:
    """A line of what services charged.

    >>> cost_words({"ask": 0.25, "read": 1.5})
    'services charged about $1.75: ask $0.25, read $1.50'
    """
    each = ", ".join(f"{stage} {dollars(usd)}" for stage, usd in by_stage.items())
    return f"services charged about {dollars(sum(by_stage.values()))}: {each}"
