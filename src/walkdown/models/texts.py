"""What was read on an image against what should stand there: a verdict, and the words that differ.

A text that is expected is compared with every run of the words that were read, by the number of
letters to change (Levenshtein's distance), without regard to spaces, which readers lose. Pure: no
reader and no pixels are known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field, field_validator

from walkdown.models.cards import Card
from walkdown.models.patterns import Pattern
from walkdown.models.rules import JUST_NORMAL, Detected, lies_in, pixels
from walkdown.types import Prediction, Region, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from walkdown.types import Box

Share = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(min_length=1, max_length=200)]

MISSING, WRONG = "missing text", "wrong text"

_MOST_WORDS: Final = 400
"""Words that are compared with what is expected: a sign has few, and a page is no sign."""
_MOST_SHOWN: Final = 500


class TextRule(Card):
    """What should stand on an image; a card can be made of it by adding keys.

    ``expected`` are texts that must all be there, each with at most ``max_distance`` letters read
    otherwise; ``pattern`` is an expression that a run of whole words must fit (see `patterns`).
    With neither, text is only read. ``region`` is a rectangle of left, top, width and height in
    shares of the image: what is written elsewhere does not count.
    """

    expected: tuple[Text, ...] = ()
    pattern: str | None = Field(None, min_length=1, max_length=500)
    max_distance: int = Field(0, ge=0, le=20)
    match_case: bool = False
    region: tuple[Share, Share, Share, Share] | None = None
    min_confidence: float = Field(0.5, ge=0, le=1)

    @field_validator("expected", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        several = value if isinstance(value, list | tuple) else [value]
        # YAML takes a text of digits for a number.
        return [str(each) if _is_number(each) else each for each in several]

    @field_validator("pattern")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None:
            Pattern(value)
        return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    line: Detected


@dataclass(frozen=True, slots=True)
class _Found:
    """What one demand comes to: how odd (0.5 at the threshold), what to call it, and where."""

    oddity: float
    label: str = ""
    where: tuple[Detected, ...] = ()
    wanted: str = ""


def judged_text(
    rule: TextRule, read: Sequence[Detected], *, width_px: int, height_px: int
) -> Prediction:
    """What a rule says of the lines (or words) that were read, in the order in which one reads.

    Each one's ``label`` is its text. Regions are the boxes of what differs, or the region of the
    rule where what is missing should be. The note is the text.
    """
    counted = [each for each in read if each.confidence >= rule.min_confidence]
    counted = [each for each in counted if lies_in(each.box, rule.region)]
    note = _note([each.label for each in counted])
    if not rule.expected and rule.pattern is None:
        return Prediction(Verdict.NORMAL, None, None, note=note)
    words = [_Word(w, line) for line in counted for w in line.label.split()][:_MOST_WORDS]
    found = [_expected(rule, text, words) for text in rule.expected]
    if rule.pattern is not None:
        found.append(_patterned(rule, Pattern(rule.pattern), counted, words))
    odd = [each for each in found if each.oddity >= 0.5]
    raw = max(each.oddity for each in found)
    for each in odd:
        note += f"; expected {each.wanted}"
    return Prediction(
        verdict=Verdict.ANOMALY if odd else Verdict.NORMAL,
        score=round(raw, 4),
        raw_score=raw,
        labels=tuple(dict.fromkeys(each.label for each in odd)),
        regions=tuple(_regions(rule, odd, width_px, height_px)),
        note=note,
    )


def distance(one: str, other: str) -> int:
    """Letters to insert, drop or replace to get from one text to the other.

    >>> distance("PUMP 17", "PUMP I7")
    1
    """
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def _expected(rule: TextRule, text: str, words: Sequence[_Word]) -> _Found:
    wanted = _plain(text, rule)
    far = len(wanted)
    where: tuple[Detected, ...] = ()
    for run in _runs(words, len(text.split()) + 2):
        plain = _plain("".join(word.text for word in run), rule)
        # No nearer than by the difference of their lengths: most runs need no look.
        if abs(len(plain) - len(wanted)) < far and (away := distance(plain, wanted)) < far:
            far, where = away, tuple(dict.fromkeys(word.line for word in run))
    shown = f'"{text}"'
    if far <= rule.max_distance and where:
        return _Found(min(JUST_NORMAL, 0.5 * far / (rule.max_distance + 1)), wanted=shown)
    beyond = (far - rule.max_distance) / max(1, len(wanted) - rule.max_distance)
    oddity = min(1.0, 0.5 + 0.5 * beyond)
    # What shares less than half of its letters is another text.
    if not where or far > len(wanted) / 2:
        return _Found(oddity, MISSING, wanted=shown)
    return _Found(oddity, WRONG, where, f"{shown}, {far} off")


def _patterned(
    rule: TextRule, pattern: Pattern, lines: Sequence[Detected], words: Sequence[_Word]
) -> _Found:
    for line in lines:
        own = [word for word in words if word.line is line]
        # By spaces as they were read, and without them.
        for run in _runs(own, len(own)):
            texts = [word.text for word in run]
            if any(_fits(rule, pattern, sep.join(texts)) for sep in (" ", "")):
                return _Found(0.0)
    shown = f"text like {pattern.text}"
    if not words:
        return _Found(1.0, MISSING, wanted=shown)
    return _Found(1.0, WRONG, tuple(lines), shown)


def _fits(rule: TextRule, pattern: Pattern, text: str) -> bool:
    cases = {text} if rule.match_case else {text, text.upper(), text.lower()}
    return any(pattern.fits(each) for each in cases)


def _runs(words: Sequence[_Word], longest: int) -> Iterator[Sequence[_Word]]:
    """All stretches of neighbouring words."""
    longest = min(longest, 12)
    for at in range(len(words)):
        for end in range(at + 1, min(at + longest, len(words)) + 1):
            yield words[at:end]


def _plain(text: str, rule: TextRule) -> str:
    return "".join(_cased(text, rule).split())


def _cased(text: str, rule: TextRule) -> str:
    return text if rule.match_case else text.upper()


def _note(texts: Sequence[str]) -> str:
    read = " / ".join(texts)
    shown = read if len(read) <= _MOST_SHOWN else f"{read[:_MOST_SHOWN]}..."
    return f'read "{shown}"' if read else "no text was read"


def _regions(
    rule: TextRule, odd: Sequence[_Found], width_px: int, height_px: int
) -> Iterator[Region]:
    for each in odd:
        boxes = [one.box for one in each.where] or [rule.region]
        for box in boxes:
            placed = pixels(box, width_px=width_px, height_px=height_px) if box else None
            if placed:
                yield _region(placed, each, width_px * height_px)


def _region(box: Box, found: _Found, image_px: int) -> Region:
    return Region(box, 100.0 * box[2] * box[3] / image_px, round(found.oddity, 4), found.label)
