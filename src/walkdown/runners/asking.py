"""Asking a stage's model about prepared photos: whole ones, or regions that a stage has marked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from walkdown.errors import WalkdownError
from walkdown.imaging.cutouts import boxes, cut_out, put_together
from walkdown.imaging.keeping import painted, without_rest
from walkdown.imaging.preparing import restored
from walkdown.imaging.registration import back_grid
from walkdown.pipeline.predictions import checked, failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.imaging.preparing import Prepared
    from walkdown.pipeline.plan import Regions, Stage
    from walkdown.ports import Model
    from walkdown.types import Box, Photo, Prediction, StageResult


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model is asked about: a photo as prepared and as taken, and which parts of it.

    ``key`` is what the answer is remembered by; ``parts`` is None for all of the photo.
    """

    key: str
    prepared: Prepared
    taken: Photo
    parts: tuple[Box, ...] | None = None


def parts_of(
    regions: Regions, stages: Sequence[StageResult], *, width_px: int, height_px: int
) -> tuple[Box, ...]:
    """The parts that a stage looks at of an image of that size."""
    earlier = next(each for each in stages if each.stage == regions.of)
    return boxes(
        earlier.prediction.regions,
        margin=regions.margin,
        most=regions.most,
        width_px=width_px,
        height_px=height_px,
    )


def predict(model: Model, stage: Stage, seen: Sequence[Seen]) -> list[Prediction]:
    """What the model says, in the frames of the photos as they were taken; never raises.

    ``seen`` are ``max_batch`` at most.
    """
    if stage.regions is not None and len(seen) > 1:
        # Each photo is asked about by itself, and so fails by itself.
        return [said for each in seen for said in predict(model, stage, [each])]
    try:
        if stage.regions is None:
            return _whole(model, [each.prepared for each in seen])
        return [_parts(model, each) for each in seen]
    except WalkdownError as e:
        return [failed(str(e))] * len(seen)
    except Exception as e:  # a model may be anyone's code: it fails its images, not the batch
        return [failed(f"{stage.model.label} broke: {type(e).__name__}: {e}")] * len(seen)


def _whole(model: Model, seen: Sequence[Prepared]) -> list[Prediction]:
    said = _asked(model, [each.photo for each in seen])
    return [restored(prediction, each) for prediction, each in zip(said, seen, strict=True)]


def _parts(model: Model, seen: Seen) -> Prediction:
    photo, parts = _as_it_lies(seen), seen.parts or ()
    most = model.info.max_batch
    said: list[Prediction] = []
    for at in range(0, len(parts), most):
        said += _asked(model, [cut_out(photo, box) for box in parts[at : at + most]])
    return put_together(said, parts, photo)


def _as_it_lies(seen: Seen) -> Photo:
    """The photo in its own frame, in which regions are, with what counts of it."""
    alignment, keep = seen.prepared.alignment, seen.prepared.photo.keep
    if alignment is None:
        return seen.prepared.photo
    return replace(seen.taken, keep=None if keep is None else back_grid(alignment, keep))


def _asked(model: Model, photos: Sequence[Photo]) -> list[Prediction]:
    """What does not count is painted over for a model that does not leave it out by itself."""
    if getattr(model, "knows_keep", False):
        return checked(model.predict(photos), len(photos))
    said = checked(model.predict([painted(photo) for photo in photos]), len(photos))
    return [without_rest(each, photo) for each, photo in zip(said, photos, strict=True)]
