"""The team's own Python around a model, well-behaved and not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from walkdown.errors import ImageError
from walkdown.imaging.own_steps import OwnStep
from walkdown.imaging.preparing import Preparation, prepared, restored
from walkdown.types import Photo, Prediction, Verdict

SAID = Prediction(Verdict.NORMAL, 0.2, 0.2)


def photo() -> Photo:
    return Photo(np.full((8, 8, 3), 100, np.uint8), 8, 8, "content")


class Brighter:
    """Adds to what is seen, and says so afterwards."""

    def __init__(self, by: int) -> None:
        self.by = by

    def before(self, photo: Photo) -> Photo:
        return replace(photo, pixels=photo.pixels + np.uint8(self.by))

    def after(self, prediction: Prediction, photo: Photo) -> Prediction:
        note = f"{prediction.note or ''}+{self.by} at {photo.pixels[0, 0, 0]}"
        return replace(prediction, note=note)


def own(name: str, step: object) -> OwnStep:
    return OwnStep(name, f"digest of {name}", step)  # type: ignore[arg-type]


def test_steps_run_in_order_and_come_back_the_other_way() -> None:
    steps = Preparation(steps=(own("first", Brighter(10)), own("second", Brighter(1))))
    made = prepared(photo(), steps)
    assert made.photo.pixels[0, 0, 0] == 111
    assert restored(SAID, made).note == "+1 at 111+10 at 111"


def test_the_file_of_a_changed_photo_is_not_to_be_sent() -> None:
    changed = prepared(
        replace(photo(), data=b"file", format="PNG"), Preparation(steps=(own("a", Brighter(1)),))
    )
    assert (changed.photo.data, changed.photo.format) == (b"", "array")


def test_other_steps_in_another_order_are_another_preparation() -> None:
    first, second = own("first", Brighter(10)), own("second", Brighter(1))
    both, turned = Preparation(steps=(first, second)), Preparation(steps=(second, first))
    changed = Preparation(steps=(replace(first, digest="another"), second))
    assert len({each.digest for each in (both, turned, changed, Preparation())}) == 4


class Wrong(Brighter):
    """Breaks as it is told."""

    def __init__(self, made: object) -> None:
        super().__init__(0)
        self.made = made

    def before(self, photo: Photo) -> Photo:
        if isinstance(self.made, Exception):
            raise self.made
        return self.made  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (KeyError("colour"), "step 'odd' broke: KeyError: 'colour'"),
        (ImageError("too dark to read"), "step 'odd': too dark to read"),
        (None, "step 'odd' gave NoneType for a photo"),
        (replace(photo(), width_px=4), "the original's"),
        (replace(photo(), pixels=np.zeros((8, 8), np.uint8)), r"pixels of shape \(8, 8\)"),
    ],
)
def test_a_step_that_breaks_fails_the_image_and_is_named(made: object, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        prepared(photo(), Preparation(steps=(own("odd", Wrong(made)),)))


def test_a_step_that_breaks_afterwards_fails_the_prediction() -> None:
    class Late(Brighter):
        def after(self, prediction: Prediction, photo: Photo) -> Prediction:
            raise ZeroDivisionError

    said = restored(SAID, prepared(photo(), Preparation(steps=(own("late", Late(1)),))))
    assert said.error is not None
    assert said.error.startswith("step 'late' broke after the model: ZeroDivisionError")
    failed = replace(SAID, error="no")
    made = prepared(photo(), Preparation(steps=(own("late", Late(1)),)))
    assert restored(failed, made).error == "no"
