"""What a model answers, checked once where it comes in: models are anyone's code."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from walkdown.types import Prediction, Region

if TYPE_CHECKING:
    from collections.abc import Sequence


MOST: Final = 1000
"""Labels, and regions, that are kept of one prediction: the first, and the worst."""
LABEL_CHARACTERS: Final = 200
NOTE_CHARACTERS: Final = 4000

# Ends of lines and tabs are text; what else controls a screen is not, and half a character can't
# be stored.
_NO_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def failed(error: str) -> Prediction:
    """The prediction of a model that could not look at an image."""
    return Prediction(verdict=None, score=None, raw_score=None, error=error)


def checked(predictions: Sequence[Prediction], count: int) -> list[Prediction]:
    """The predictions for ``count`` images, each one whole; nonsense becomes an error."""
    if len(predictions) != count:
        return [failed(f"the model gave {len(predictions)} predictions for {count} images")] * count
    return [_checked(prediction) for prediction in predictions]


def _checked(p: Prediction) -> Prediction:
    if p.error is not None:
        return replace(failed(_clean(p.error, NOTE_CHARACTERS)), cost_usd=p.cost_usd)
    if p.verdict is None:
        return failed("the model gave neither a verdict nor an error")
    if p.score is not None and not 0.0 <= p.score <= 1.0:
        return failed(f"the model gave a score of {p.score}; it must lie in 0..1")
    if p.raw_score is not None and not math.isfinite(p.raw_score):
        return failed(f"the model gave a raw score of {p.raw_score}; it must be a number")
    return _in_words(p)


def _in_words(p: Prediction) -> Prediction:
    """The same, with words that can be stored and printed, and no more than anybody reads."""
    labels = tuple(_clean(label, LABEL_CHARACTERS) for label in p.labels[:MOST])
    note = None if p.note is None else _clean(p.note, NOTE_CHARACTERS)
    regions = tuple(map(_region, _worst(p.regions)))
    same = labels == p.labels and note == p.note and regions == p.regions
    return p if same else replace(p, labels=labels, note=note, regions=regions)


def _worst(regions: Sequence[Region]) -> Sequence[Region]:
    """All in their order, or, of too many, the worst ones, the worst first."""
    if len(regions) <= MOST:
        return regions
    return sorted(regions, key=lambda region: -region.score)[:MOST]


def _region(region: Region) -> Region:
    label = _clean(region.label, LABEL_CHARACTERS)
    return region if label == region.label else replace(region, label=label)


def _clean(text: str, most: int) -> str:
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return _NO_TEXT.sub("\ufffd", cut)
