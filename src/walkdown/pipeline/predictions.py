"""What a model answers, checked once where it comes in: models are anyone's code."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from walkdown.types import Prediction

if TYPE_CHECKING:
    from collections.abc import Sequence


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
        return replace(failed(p.error), cost_usd=p.cost_usd)
    if p.verdict is None:
        return failed("the model gave neither a verdict nor an error")
    if p.score is not None and not 0.0 <= p.score <= 1.0:
        return failed(f"the model gave a score of {p.score}; it must lie in 0..1")
    if p.raw_score is not None and not math.isfinite(p.raw_score):
        return failed(f"the model gave a raw score of {p.raw_score}; it must be a number")
    return p
