"""Between which values a photograph is good enough: careful limits, or those learned from others.

Learned limits are what normal photographs show and a margin beyond, so that the next normal one
keeps to them as well.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pydantic import field_validator

from walkdown.models.cards import Card

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from walkdown.imaging.quality import Quality

FEWEST: Final = 5
"""Photographs from which limits can be learned."""

_SPARE: Final = 0.35
"""The margin beyond what normal photographs show, as a share of their range, for many of them."""
_SPARE_OF_FEW: Final = 6.0
_ODD: Final = 0.01
_BEYOND: Final = 0.02

Range = tuple[float | None, float | None]


class Ranges(Card):
    """Between which values each measure of `Quality` is good; null where it has no limit."""

    sharpness: Range = (4.0, None)
    steadiness: Range = (1.3, None)
    brightness: Range = (None, None)
    brightest: Range = (40.0, None)
    darkest: Range = (None, 245.0)
    highlights_pct: Range = (None, 50.0)
    shadows_pct: Range = (None, 80.0)
    contrast: Range = (2.5, None)
    plain_pct: Range = (None, None)
    red_cast: Range = (None, None)
    blue_cast: Range = (None, None)
    light_right: Range = (None, None)
    light_down: Range = (None, None)

    @field_validator("*")
    @classmethod
    def _in_order(cls, value: Range) -> Range:
        low, high = value
        if low is not None and high is not None and low >= high:
            raise ValueError(f"must be [lowest, highest]; {low:g} is not below {high:g}")
        return value


# Which sides normal photographs set limits on, and the least margin that is left to each.
_LEARNED: Final[dict[str, tuple[bool, bool, float]]] = {
    "sharpness": (True, False, 0.2),
    "steadiness": (True, False, 0.2),
    "brightness": (True, True, 8.0),
    "highlights_pct": (False, True, 2.0),
    "shadows_pct": (False, True, 2.0),
    "contrast": (True, True, 8.0),
    "plain_pct": (False, True, 5.0),
    "red_cast": (True, True, 6.0),
    "blue_cast": (True, True, 6.0),
    "light_right": (True, True, 5.0),
    "light_down": (True, True, 5.0),
}
_BY_FACTOR: Final = frozenset({"sharpness", "steadiness"})


def learned_limits(seen: Sequence[Quality]) -> Ranges:
    """What all of these normal photographs keep to, with a margin. Needs `FEWEST` of them.

    The margin is a share of the range that they show: the fewer they are, the less of what is
    normal they show, and the larger it is. One in a hundred may be odd itself and is left out. A
    careful limit stays where it is stricter, unless more than two in a hundred are beyond it.
    """
    if len(seen) < FEWEST:
        raise ValueError(f"limits need {FEWEST} photographs or more, not {len(seen)}")
    careful = Ranges()
    found: dict[str, Range] = {}
    for name, (below, above, least) in _LEARNED.items():
        values = [value for value in (getattr(each, name) for each in seen) if value is not None]
        low, high = _with_margin(values, least, by_factor=name in _BY_FACTOR)
        careful_low, careful_high = getattr(careful, name)
        kept_low, kept_high = _kept(values, careful_low, -1), _kept(values, careful_high, 1)
        found[name] = (
            _stricter(low, kept_low, max) if below else careful_low,
            _stricter(high, kept_high, min) if above else careful_high,
        )
    return careful.model_copy(update=found)


def _with_margin(
    values: Sequence[float], least: float, *, by_factor: bool
) -> tuple[float | None, float | None]:
    """Beyond the lowest and the highest of these; by a factor for what is a ratio itself."""
    if len(values) < FEWEST:
        return None, None
    scaled = [math.log(max(value, 1e-3)) for value in values] if by_factor else list(values)
    odd = int(_ODD * len(scaled))
    low, high = sorted(scaled)[odd], sorted(scaled)[-1 - odd]
    share = _SPARE * (1.0 + _SPARE_OF_FEW / len(scaled))
    margin = max(share * (high - low), least)
    ends = low - margin, high + margin
    return (math.exp(ends[0]), math.exp(ends[1])) if by_factor else ends


def _kept(values: Sequence[float], limit: float | None, sign: int) -> float | None:
    """A careful limit that normal photographs keep to, too."""
    if limit is None or sum(sign * (v - limit) >= 0 for v in values) > _BEYOND * len(values):
        return None
    return limit


def _stricter(
    learned: float | None, kept: float | None, choose: Callable[[float, float], float]
) -> float | None:
    if learned is None or kept is None:
        return kept if learned is None else _rounded(learned)
    return choose(_rounded(learned), kept)


def _rounded(value: float) -> float:
    """To three digits or so, as people read them."""
    return float(f"{value:.3g}") if abs(value) < 100 else round(value, 1)
