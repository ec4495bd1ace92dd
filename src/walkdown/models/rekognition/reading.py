"""Texts that are wanted, against the words that were read: found, misspelled, or missing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator, model_validator

from walkdown.models.cards import Card
from walkdown.models.patterns import BadPattern, Search
from walkdown.models.rules import Share, lies_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from walkdown.models.rules import Shares

LETTERS_PER_EDIT = 4
"""A text of so many letters may have one that is read differently to count as misspelled."""


class Wanted(Card):
    """A text, or a regular expression for one: ``name`` is what people call it.

    With ``inside``, a rectangle of left, top, width and height in shares of the image, only words
    whose centre lies in it count.
    """

    text: str | None = Field(None, min_length=1, max_length=200)
    pattern: str | None = Field(None, min_length=1, max_length=200)
    name: str | None = Field(None, min_length=1, max_length=100)
    inside: tuple[Share, Share, Share, Share] | None = None

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        try:
            Search(value or "")
        except BadPattern as e:
            raise ValueError(f"is no regular expression that is known here: {e}") from e
        return value

    @model_validator(mode="after")
    def _one_of_both(self) -> Wanted:
        if (self.text is None) == (self.pattern is None):
            raise ValueError("needs either a 'text' or a 'pattern'")
        return self

    @property
    def called(self) -> str:
        """What labels and people call it."""
        return self.name or self.text or self.pattern or ""


@dataclass(frozen=True, slots=True)
class Word:
    """A word that was read: how surely (0..1), and its box in shares of the image."""

    text: str
    confidence: float
    box: Shares


Line = tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """What comes nearest to a wanted text."""

    kind: Literal["found", "misspelled"]
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """As it was read."""
        return " ".join(word.text for word in self.words)

    @property
    def confidence(self) -> float:
        """That of the word that was read least surely."""
        return min(word.confidence for word in self.words)

    @property
    def box(self) -> Shares:
        """Around all of its words."""
        left = min(word.box[0] for word in self.words)
        top = min(word.box[1] for word in self.words)
        right = max(word.box[0] + word.box[2] for word in self.words)
        bottom = max(word.box[1] + word.box[3] for word in self.words)
        return left, top, right - left, bottom - top


def match(
    wanted: Wanted, lines: Sequence[Line], *, edits: int = 0, match_case: bool = False
) -> Match | None:
    """The best match of a wanted text; None where nothing comes near.

    A text may run over lines; spaces do not count, since services part words differently. At most
    ``edits`` letters may differ, one in four, for it to count as misspelled. A regular expression
    is searched for in each line; where it matches no letter it matches nothing.
    """
    within = [tuple(word for word in line if lies_in(word.box, wanted.inside)) for line in lines]
    if wanted.pattern is not None:
        return _by_pattern(wanted.pattern, within, match_case)
    text = _letters(wanted.text or "", match_case)
    may = min(edits, len(text) // LETTERS_PER_EDIT)
    return _by_text(text, [word for line in within for word in line], may, match_case)


def distance(one: str, other: str, *, at_most: int) -> int:
    """How many letters must be put in, left out, exchanged, or swapped with the next one.

    Anything above ``at_most`` is told as one more than it (optimal string alignment).

    >>> distance("danger", "dagner", at_most=2), distance("danger", "dange", at_most=2)
    (1, 1)
    >>> distance("danger", "voltage", at_most=2)
    3
    """
    if abs(len(one) - len(other)) > at_most:
        return at_most + 1
    before: list[int] = []
    above = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            least = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                least = min(least, before[j - 2] + 1)
            row.append(least)
        before, above = above, row
    return min(above[-1], at_most + 1)


def _by_text(text: str, words: list[Word], may: int, match_case: bool) -> Match | None:
    best: tuple[tuple[int, float], Match] | None = None
    for run in _runs(words, len(text) + may):
        far = distance(text, _letters("".join(w.text for w in run), match_case), at_most=may)
        if far <= may:
            found = Match("misspelled" if far else "found", run)
            rank = (far, -found.confidence)
            if best is None or rank < best[0]:
                best = rank, found
    return best[1] if best else None


def _runs(words: list[Word], longest: int) -> Iterator[tuple[Word, ...]]:
    """All runs of words that follow each other, of so many letters at most."""
    for first in range(len(words)):
        letters = 0
        for last in range(first, len(words)):
            letters += len("".join(words[last].text.split()))
            if letters > longest:
                break
            yield tuple(words[first : last + 1])


def _by_pattern(pattern: str, lines: list[Line], match_case: bool) -> Match | None:
    """The match that was read most surely."""
    search = Search(pattern)
    found = [
        Match("found", words)
        for line in lines
        for start, end in search.spans(
            " ".join(word.text for word in line), ignore_case=not match_case
        )
        if (words := _touched(line, start, end))
    ]
    return max(found, key=lambda each: each.confidence, default=None)


def _touched(line: Line, start: int, end: int) -> tuple[Word, ...]:
    """The words of a line that lie between two letters of its text."""
    at, found = 0, []
    for word in line:
        if at < end and at + len(word.text) > start:
            found.append(word)
        at += len(word.text) + 1
    return tuple(found)


def _letters(text: str, match_case: bool) -> str:
    plain = "".join(text.split())
    return plain if match_case else plain.casefold()
