"""What is worth a sentence about an inspection as a whole: its audits, and its shadows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walkdown.evaluate import audits, shadows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from walkdown.types import Result


class Remarks:
    """Hears of results one by one, in any order, and holds none of them."""

    def __init__(self) -> None:
        self._audits = audits.Audits()
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


def remarks_on(results: Iterable[Result]) -> list[str]:
    """Of the results of one inspection."""
    heard = Remarks()
    for result in results:
        heard.add(result)
    return heard.words()
