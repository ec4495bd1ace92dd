"""Each check finds the model that breaks what it asks for, and none finds fault with a good one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from walkdown.models.conformance import CHECKS, examine, photo_of
from walkdown.models.fake import Fake, fake_artefact
from walkdown.models.fake_job import FakeJob, fake_job_artefact
from walkdown.pipeline.predictions import failed
from walkdown.types import HeatMap, Photo, Prediction, Region, Verdict

Change = Callable[[list[Prediction], Sequence[Photo]], list[Prediction]]

PHOTOS = [photo_of(np.full((40, 60, 3), grey, np.uint8)) for grey in (20, 230, 60, 200, 130)]


class Changed(Fake):
    """A good model whose answers are changed."""

    def __init__(self, change: Change | None = None) -> None:
        super().__init__(fake_artefact(), label="fake@1")
        self._change = change

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        said = super().predict(photos)
        return self._change(said, photos) if self._change else said


def broken(model: object) -> dict[str, str]:
    return {f.check: f.why for f in examine(model, PHOTOS) if f.why is not None}  # type: ignore[arg-type]


def every(**changes: object) -> Change:
    return lambda said, _: [replace(p, **changes) for p in said]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "model", [Changed(), FakeJob(fake_job_artefact(seconds=0.0), label="job@1")]
)
def test_good_models_keep_to_all_of_it(model: object) -> None:
    assert broken(model) == {}
    assert len(list(examine(Changed(), PHOTOS))) == len(CHECKS)


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        (lambda said, _: said or [None], "says nothing of no photographs", "empty list"),
        (every(verdict=None), "gives whole predictions", "neither a verdict nor an error"),
        (every(verdict=None, error="no"), "answers at all", "plain photograph: no"),
        (every(score=1.5), "gives whole predictions", "score of 1.5"),
        (every(raw_score=float("nan")), "gives whole predictions", "raw score of nan"),
        (every(verdict=Verdict.NORMAL), "gives whole predictions", "0.5 is the threshold"),
        (every(regions=(Region((50, 0, 60, 9), 1.0, 0.5),)), "gives whole predictions", "60 x 40"),
        (every(regions=(Region((0, 0, 9, 9), 101.0, 0.5),)), "gives whole predictions", "101.0 %"),
        (
            every(heatmap=HeatMap(np.zeros((2, 2), np.float32), 7, 7)),
            "gives whole predictions",
            "another size",
        ),
        (lambda said, _: said[::-1], "gives one for each photograph of a batch", "in a batch"),
        (lambda said, _: said[:2], "gives one for each photograph of a batch", "gives 2"),
    ],
)
def test_what_is_wrong_with_an_answer_is_found(change: Change, check: str, words: str) -> None:
    found = broken(Changed(change))
    (why,) = (why for name, why in found.items() if name.startswith(check))
    assert words in why


def test_a_model_that_answers_nothing_is_told_at_once_and_asked_no_more() -> None:
    asked: list[int] = []

    def dead(said: list[Prediction], photos: Sequence[Photo]) -> list[Prediction]:
        asked.append(len(photos))
        return [failed("nothing answers there") for _ in photos]

    (found,) = examine(Changed(dead), PHOTOS)
    assert found.check == next(iter(CHECKS)) == "answers at all"
    assert found.why == "it can't look at a plain photograph: nothing answers there"
    assert asked == [1]


def test_two_errors_are_not_the_same_answer() -> None:
    counter = iter(range(10**6))

    def tired(said: list[Prediction], photos: Sequence[Photo]) -> list[Prediction]:
        # All of the first checks are answered, and nothing after them.
        return said if next(counter) < 20 else [failed("too tired") for _ in photos]

    found = broken(Changed(tired))
    assert "it can't look at a plain photograph: too tired" in found["says the same again"]
    assert "too tired" in found["can be asked from several threads"]


def test_a_model_that_changes_its_mind_is_found() -> None:
    counter = iter(range(10**6))

    def moody(said: list[Prediction], _: Sequence[Photo]) -> list[Prediction]:
        return [replace(p, raw_score=float(next(counter))) for p in said]

    assert "the second time its raw_score" in broken(Changed(moody))["says the same again"]


def test_a_model_whose_threads_share_their_notes_is_found() -> None:
    class Shared(Fake):
        notes: Sequence[Photo] = ()

        def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
            self.notes = photos
            if threading.current_thread() is not threading.main_thread():
                time.sleep(0.005)
            return super().predict(self.notes)

    found = broken(Shared(fake_artefact(), label="fake@1"))
    assert list(found) == ["can be asked from several threads"]


def test_boxes_of_what_was_decoded_are_found() -> None:
    def small(said: list[Prediction], photos: Sequence[Photo]) -> list[Prediction]:
        return [
            replace(
                p, regions=tuple(replace(r, box=(0, 0, *x.pixels.shape[1::-1])) for r in p.regions)
            )
            for p, x in zip(said, photos, strict=True)
        ]

    found = broken(Changed(small))
    assert list(found) == ["marks places in pixels of the original"]


def test_a_model_that_paints_on_photographs_is_found() -> None:
    def paint(said: list[Prediction], photos: Sequence[Photo]) -> list[Prediction]:
        for photo in photos:
            if photo.pixels.flags.writeable:
                photo.pixels[0, 0] = 7
        return said

    assert list(broken(Changed(paint))) == ["leaves photographs as they are"]


def test_what_a_model_raises_is_the_outcome_of_that_check_alone() -> None:
    def tiny(said: list[Prediction], photos: Sequence[Photo]) -> list[Prediction]:
        if any(photo.width_px < 3 for photo in photos):
            raise ZeroDivisionError("no pixels")
        return said

    assert broken(Changed(tiny)) == {
        "copes with any size": "it raised ZeroDivisionError: no pixels"
    }
