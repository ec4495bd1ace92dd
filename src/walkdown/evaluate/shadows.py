"""What a shadow shows: how often it says something else than the stage beside which it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from walkdown.types import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from walkdown.types import Result, StageResult


@dataclass(slots=True)
class Comparison:
    """Counts of images that a shadow and its stage both answered, and of those it failed on.

    ``raised`` are anomalies to the shadow alone, ``dropped`` to the stage alone; ``other`` differ
    in being unusable.
    """

    shadow: str
    model: str
    beside: str
    seen: int = 0
    raised: int = 0
    dropped: int = 0
    other: int = 0
    failed: int = 0

    @property
    def differing(self) -> int:
        """Images of which the two say different things."""
        return self.raised + self.dropped + self.other


class Comparisons:
    """Adds up what shadows say over results, in any order."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], Comparison] = {}

    def add(self, result: Result) -> None:
        """Count a result."""
        said = {each.stage: each for each in result.stages}
        for each in result.stages:
            if each.beside is not None and each.beside in said:
                self._compare(each, said[each.beside], each.beside)

    def _compare(self, shadow: StageResult, stage: StageResult, beside: str) -> None:
        key = shadow.stage, shadow.model
        counts = self._seen.setdefault(key, Comparison(shadow.stage, shadow.model, beside))
        ours, theirs = shadow.prediction, stage.prediction
        if ours.error is not None:
            counts.failed += 1
        elif theirs.error is None:
            counts.seen += 1
            if ours.verdict is not theirs.verdict:
                anomalies = (ours.verdict is Verdict.ANOMALY, theirs.verdict is Verdict.ANOMALY)
                counts.raised += anomalies == (True, False)
                counts.dropped += anomalies == (False, True)
                counts.other += not any(anomalies)

    def found(self) -> list[Comparison]:
        """Each shadow's, in the order in which they were met."""
        return list(self._seen.values())


def comparisons_of(results: Iterable[Result]) -> list[Comparison]:
    """Of the results of one inspection."""
    found = Comparisons()
    for result in results:
        found.add(result)
    return found.found()


def words(one: Comparison) -> str:
    """As people read it.

    >>> words(Comparison("next", "poles@4", "look", seen=200, raised=3))
    "shadow: 'next' (poles@4) says otherwise than 'look' of 3 of 200 images: 3 more anomalies"
    >>> words(Comparison("next", "poles@4", "look", seen=1, raised=1))
    "shadow: 'next' (poles@4) says otherwise than 'look' of 1 of 1 image: 1 more anomaly"
    """
    more = "more anomaly" if one.raised == 1 else "more anomalies"
    told = f"shadow: '{one.shadow}' ({one.model}) "
    if not one.differing:
        told += f"says the same as '{one.beside}' of {_images(one.seen)}"
    else:
        told += f"says otherwise than '{one.beside}' of {one.differing:,} of {_images(one.seen)}: "
        counts = (one.raised, more), (one.dropped, "less"), (one.other, "in usability")
        told += ", ".join(f"{count:,} {what}" for count, what in counts if count)
    return told + (f"; it failed on {one.failed:,}" if one.failed else "")


def _images(count: int) -> str:
    return f"{count:,} {'image' if count == 1 else 'images'}"
