"""What is worth a sentence about an inspection: audits, shadows, costs, and what is not whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walkdown.app.charges import cost_words, costs
from walkdown.evaluate import audits, shadows
from walkdown.types import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from walkdown.types import Result


class Remarks:
    """Hears of results one by one, in any order, and holds none of them.

    ``usd_per_look`` is what a look of a stage is expected to cost, by its name.
    """

    def __init__(self, usd_per_look: Mapping[str, float] | None = None) -> None:
        self._audits = audits.Audits(usd_per_look=usd_per_look or {})
        self._shadows = shadows.Comparisons()
        self._costs: dict[str, float] = {}
        self._partial = 0

    def add(self, result: Result) -> None:
        """Count a result."""
        self._audits.add(result)
        self._shadows.add(result)
        for stage, usd in costs([result]).items():
            self._costs[stage] = self._costs.get(stage, 0.0) + usd
        self._partial += result.status is Status.PARTIAL

    def words(self, *, costs: bool = True, partial: bool = True) -> list[str]:
        """The sentences, each for a line of its own; without what is said elsewhere already."""
        found = [
            *map(audits.words, self._audits.found()),
            *map(shadows.words, self._shadows.found()),
        ]
        if partial and self._partial:
            noun = "result is" if self._partial == 1 else "results are"
            found.append(
                f"{self._partial:,} {noun} partial: a stage failed, and the next inspection of the "
                "same photographs tries it again"
            )
        if costs and self._costs:
            found.append(cost_words(self._costs))
        return found


def remarks_on(
    results: Iterable[Result],
    usd_per_look: Mapping[str, float] | None = None,
    *,
    costs: bool = True,
    partial: bool = True,
) -> list[str]:
    """Of the results of one inspection."""
    heard = Remarks(usd_per_look)
    for result in results:
        heard.add(result)
    return heard.words(costs=costs, partial=partial)
