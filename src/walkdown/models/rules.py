"""Rules that turn what was detected on an image into a verdict: what must be there, and what not.

A rule has clauses. Each one comes to an oddity of 0..1 with 0.5 at its confidence: for something
forbidden, how surely it is there; for something required, how surely it is not. The worst clause is
the raw score. Pure: no service and no pixels are known here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, field_validator, model_validator

from walkdown.models.cards import Card
from walkdown.types import Prediction, Region, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.types import Box

Confidence = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Shares = tuple[float, float, float, float]

JUST_NORMAL = 0.4999
"""The most odd that something allowed can be, at the four digits of a score."""


@dataclass(frozen=True, slots=True)
class Detected:
    """Something that a model saw: its label, how sure it is (0..1), and where, if it can say.

    ``box`` is in shares of the upright image: left, top, width, height.
    """

    label: str
    confidence: float
    box: Shares | None = None


class Clause(Card):
    """Something that must, or must not, be on an image.

    ``label`` is compared without regard to case. With ``inside``, a rectangle of left, top, width
    and height in shares of the image, only those count whose centre lies in it.
    """

    label: str = Field(min_length=1)
    at_least: int = Field(1, ge=1, le=10_000, description="so many of them")
    confidence: Confidence | None = None
    inside: tuple[Share, Share, Share, Share] | None = None


def _short(value: Any) -> Any:
    return {"label": value} if isinstance(value, str) else value


ClauseOrLabel = Annotated[Clause, BeforeValidator(_short)]


class Rule(Card):
    """What is wanted of an image.

    ``required`` are things that must be there, ``forbidden`` those that must not, ``at_least`` so
    many of each; where ``only`` is given, nothing is allowed but these and what the clauses are
    about. ``confidence`` holds for clauses without one of their own: from there on something counts
    as seen.
    """

    required: tuple[ClauseOrLabel, ...] = ()
    forbidden: tuple[ClauseOrLabel, ...] = ()
    only: tuple[str, ...] = ()
    confidence: Confidence = 0.5

    @field_validator("required", "forbidden", "only", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str | dict) else value

    @model_validator(mode="after")
    def _says_something(self) -> Rule:
        if not (self.required or self.forbidden or self.only):
            raise ValueError("needs at least one of 'required', 'forbidden' and 'only'")
        return self


@dataclass(frozen=True, slots=True)
class _Found:
    """What a clause comes to: how odd, in which words, and the places, each with its own oddity."""

    oddity: float
    label: str
    where: tuple[tuple[Shares, float], ...] = ()


def judged(
    rule: Rule, seen: Sequence[Detected], *, width_px: int, height_px: int, note: str | None = None
) -> Prediction:
    """What a rule says of what was seen on an image of that size, in px of the upright original.

    The labels of an anomaly are what is forbidden and there ("crack"), and what is required and not
    ("missing bolt"); its regions are the boxes of what is forbidden, and the place in which
    something is missing, where the rule names one. A region's score is an oddity too.
    """
    found = [_forbidden(rule, clause, seen) for clause in rule.forbidden]
    found += [_required(rule, clause, seen) for clause in rule.required]
    found += _others(rule, seen)
    raw = max((each.oddity for each in found), default=0.0)
    score = round(raw, 4)
    odd = sorted((each for each in found if each.oddity >= 0.5), key=lambda each: -each.oddity)
    return Prediction(
        verdict=Verdict.ANOMALY if score >= 0.5 else Verdict.NORMAL,
        score=score,
        raw_score=raw,
        labels=tuple(dict.fromkeys(each.label for each in odd)),
        regions=tuple(
            Region(box, 100.0 * box[2] * box[3] / (width_px * height_px), score, each.label)
            for each in odd
            for box, score in _places(each, width_px, height_px)
        ),
        note=note,
    )


def pixels(box: Shares, *, width_px: int, height_px: int) -> Box | None:
    """A box of shares in px, cut at the image's edges; None for one that lies outside of it.

    >>> pixels((0.5, -0.1, 0.25, 0.2), width_px=100, height_px=100)
    (50, 0, 25, 10)
    """
    across, down = _span(box[0], box[2], width_px), _span(box[1], box[3], height_px)
    if across is None or down is None:
        return None
    return across[0], down[0], across[1], down[1]


def _span(start: float, length: float, px: int) -> tuple[int, int] | None:
    """First pixel and number of pixels, one at least, of a stretch of shares within the image."""
    end = start + length
    # A service's numbers are anyone's: what is no number has no place.
    if not (math.isfinite(end) and start < 1.0 and end >= 0.0 and length >= 0.0):
        return None
    # Cut before they are multiplied: a large number times another is none.
    first = min(px - 1, int(max(0.0, start) * px))
    return first, max(first + 1, round(min(1.0, end) * px)) - first


def lies_in(box: Shares | None, place: Shares | None) -> bool:
    """Whether the centre of a box lies in a place, both in shares; without a place it counts."""
    if place is None:
        return True
    if box is None:
        return False
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    left, top, width, height = place
    return left <= x <= left + width and top <= y <= top + height


def oddity(confidence: float, threshold: float) -> float:
    """A confidence of 0..1 so that 0.5 lies at the threshold: strictly rising, straight in parts.

    >>> oddity(0.8, 0.8), oddity(1.0, 0.8), oddity(0.4, 0.8)
    (0.5, 1.0, 0.25)
    """
    confidence = min(1.0, max(0.0, confidence))
    if confidence >= threshold:
        return 0.5 + 0.5 * (confidence - threshold) / (1.0 - threshold)
    return 0.5 * confidence / threshold


def _forbidden(rule: Rule, clause: Clause, seen: Sequence[Detected]) -> _Found:
    fitting = _fitting(clause, seen)
    least = clause.confidence or rule.confidence
    surely = oddity(_nth(fitting, clause.at_least), least)
    there = [each for each in fitting if each.confidence >= least]
    where = tuple((each.box, oddity(each.confidence, least)) for each in there if each.box)
    return _Found(_settled(surely, is_odd=len(there) >= clause.at_least), clause.label, where)


def _required(rule: Rule, clause: Clause, seen: Sequence[Detected]) -> _Found:
    fitting = _fitting(clause, seen)
    nth, least = _nth(fitting, clause.at_least), clause.confidence or rule.confidence
    missing = _settled(1.0 - oddity(nth, least), is_odd=nth < least)
    place = ((clause.inside, missing),) if clause.inside else ()
    return _Found(missing, f"missing {clause.label}", place)


def _others(rule: Rule, seen: Sequence[Detected]) -> list[_Found]:
    """What is there, is none of the only things allowed, and is no clause's business."""
    if not rule.only:
        return []
    named = (*rule.only, *(clause.label for clause in (*rule.required, *rule.forbidden)))
    known = {name.casefold() for name in named}
    return [_other(rule, each) for each in seen if each.label.casefold() not in known]


def _other(rule: Rule, one: Detected) -> _Found:
    surely = oddity(one.confidence, rule.confidence)
    where = ((one.box, surely),) if one.box else ()
    return _Found(_settled(surely, one.confidence >= rule.confidence), one.label, where)


def _settled(value: float, is_odd: bool) -> float:
    """On its side of 0.5, also where rounding to the digits of a score would cross it."""
    return max(0.5, value) if is_odd else min(JUST_NORMAL, value)


def _fitting(clause: Clause, seen: Sequence[Detected]) -> list[Detected]:
    """Those that a clause is about, the surest first."""
    name = clause.label.casefold()
    fitting = [e for e in seen if e.label.casefold() == name and lies_in(e.box, clause.inside)]
    return sorted(fitting, key=lambda each: -each.confidence)


def _nth(fitting: Sequence[Detected], count: int) -> float:
    return fitting[count - 1].confidence if len(fitting) >= count else 0.0


def _places(found: _Found, width_px: int, height_px: int) -> list[tuple[Box, float]]:
    sized = [(pixels(box, width_px=width_px, height_px=height_px), at) for box, at in found.where]
    return [(box, at) for box, at in sized if box]
