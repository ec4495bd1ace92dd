"""What is worth a sentence about an inspection as a whole: its audits, and its shadows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walkdown.evaluate import audits, shadows

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

    def add(self, result: Result) -> None:
        """Count a result."""
        self._audits.add(result)
        self._shadows.add(result)

    def words(self) -> list[str]:
        """The sentences, each for a line of its own."""
        return [
            *map(audits.words, self._audits.found()),
            *map(shadows.words, self._shadows.found()),
        ]


def remarks_on(
    results: Iterable[Result], usd_per_look: Mapping[str, float] | None = None
) -> list[str]:
    """Of the results of one inspection."""
    heard = Remarks(usd_per_look)
    for result in results:
        heard.add(result)
    return heard.words()
