"""The team's own Python before and after every model, kept to what the rest relies on.

A step may change what an image shows, not its frame: boxes and heat maps of the changed photo must
fit the original, and ``after`` moves them where ``before`` has moved the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from walkdown.errors import ImageError, WalkdownError
from walkdown.types import Photo, Prediction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.ports import Step


@dataclass(frozen=True, slots=True)
class OwnStep:
    """A step under its name; ``digest`` is made of its package's version and its settings."""

    name: str
    digest: str
    step: Step


def before(steps: Sequence[OwnStep], photo: Photo) -> Photo:
    """The photo after all steps, in order. Raises `ImageError` that names the step."""
    for own in steps:
        try:
            made = own.step.before(photo)
        except WalkdownError as e:
            raise ImageError(f"step {own.name!r}: {e}") from e
        except Exception as e:  # a step may be anyone's code
            raise ImageError(f"step {own.name!r} broke: {type(e).__name__}: {e}") from e
        if why := _wrong(made, photo):
            raise ImageError(f"step {own.name!r} gave {why}; ask its makers")
        if made.pixels is not photo.pixels:
            # The file does not show what the step has made of it, and is not to be sent.
            made = replace(made, data=b"", format="array")
        photo = made
    return photo


def after(steps: Sequence[OwnStep], prediction: Prediction, photo: Photo) -> Prediction:
    """What a model said, after all steps, the last first; of one that failed, nothing changes."""
    for own in reversed(steps):
        if prediction.error is not None:
            return prediction
        try:
            said = own.step.after(prediction, photo)
        except Exception as e:  # a step may be anyone's code
            return _failed(f"step {own.name!r} broke after the model: {type(e).__name__}: {e}")
        if not isinstance(said, Prediction):
            return _failed(f"step {own.name!r} gave {type(said).__name__} for a prediction")
        prediction = said
    return prediction


def _wrong(made: object, photo: Photo) -> str | None:
    """What of a changed photo nobody could work with."""
    if not isinstance(made, Photo):
        return f"{type(made).__name__} for a photo"
    if (made.width_px, made.height_px) != (photo.width_px, photo.height_px):
        return "a photo of another width_px or height_px: they are the original's"
    shape = made.pixels.shape
    if made.pixels.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        return f"pixels of shape {shape} and type {made.pixels.dtype}, not (height, width, 3) uint8"
    return None


def _failed(error: str) -> Prediction:
    return Prediction(verdict=None, score=None, raw_score=None, error=error)
