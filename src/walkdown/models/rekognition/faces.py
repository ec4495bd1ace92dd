"""DetectFaces: how many faces there are, and where. Nobody is recognised, nothing is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import model_validator

from walkdown.imaging.encoding import Limits
from walkdown.models.rekognition.service import (
    FIVE_MB,
    Answer,
    Look,
    Operation,
    ServiceCard,
    share,
    shares,
)
from walkdown.models.rules import Clause, Detected, Rule, judged

if TYPE_CHECKING:
    from walkdown.types import Photo, Prediction

FACE = "face"
NO_FACES = Rule(forbidden=(Clause(label=FACE),), confidence=0.8)


class FacesCard(ServiceCard):
    """Without a ``rule``, a face that is seen with 0.8 or more is an anomaly."""

    rule: Rule = NO_FACES

    @model_validator(mode="after")
    def _about_faces(self) -> FacesCard:
        named = {*self.rule.only, *(c.label for c in (*self.rule.required, *self.rule.forbidden))}
        wrong = sorted(name for name in named if name.casefold() != FACE)
        if wrong:
            raise ValueError(f"the only label here is 'face', and not {wrong[0]!r}")
        return self


class Faces(Look[FacesCard]):
    """Faces with their boxes, judged by a rule over the label ``face``."""

    operation = Operation("DetectFaces", "detect_faces", Limits(FIVE_MB, 10_000, 80), 0.001)
    card_type = FacesCard

    def _given(self) -> dict[str, Any]:
        """No age, no sex, no mood: only where faces are."""
        return {"Attributes": ["DEFAULT"]}

    def _judged(self, answer: Answer, photo: Photo) -> Prediction:
        seen = [
            Detected(FACE, share(each["Confidence"]), shares(each["BoundingBox"]))
            for each in answer["FaceDetails"]
        ]
        size = {"width_px": photo.width_px, "height_px": photo.height_px}
        return judged(self._card.rule, seen, **size, note=f"faces: {len(seen)}")
