"""DetectProtectiveEquipment: does everybody wear what is required?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field

from walkdown.imaging.encoding import Limits
from walkdown.models.rekognition.service import (
    FOUR_MB,
    Answer,
    Look,
    Operation,
    ServiceCard,
    share,
    shares,
)
from walkdown.models.rules import JUST_NORMAL, Clause, Detected, Rule, judged, oddity

if TYPE_CHECKING:
    from walkdown.types import Photo, Prediction

Equipment_ = Literal["head cover", "face cover", "hand cover"]

_WORN_ON: Final[dict[Equipment_, tuple[str, ...]]] = {
    "head cover": ("HEAD",),
    "face cover": ("FACE",),
    "hand cover": ("LEFT_HAND", "RIGHT_HAND"),
}


class EquipmentCard(ServiceCard):
    """What everybody must wear.

    From ``confidence`` on something counts as worn, from ``person_confidence`` on somebody counts
    as there. Of a person whose head, face or hands are ``unseen`` nobody can tell: they are
    ``ignored``, or told as ``missing``.
    """

    required: tuple[Equipment_, ...] = Field(min_length=1)
    confidence: float = Field(0.8, gt=0, lt=1)
    person_confidence: float = Field(0.5, gt=0, lt=1)
    unseen: Literal["ignored", "missing"] = "ignored"


class Equipment(Look[EquipmentCard]):
    """Persons without what is required, each with a box."""

    operation = Operation(
        "DetectProtectiveEquipment",
        "detect_protective_equipment",
        Limits(FOUR_MB, 4096, 64),
        0.001,
    )
    card_type = EquipmentCard

    def _given(self) -> dict[str, Any]:
        """No summary is asked for: it knows no degrees."""
        return {}

    def _judged(self, answer: Answer, photo: Photo) -> Prediction:
        persons = [
            person
            for person in answer["Persons"]
            if share(person["Confidence"]) >= self._card.person_confidence
        ]
        seen: list[Detected] = []
        untold = 0
        for person in persons:
            for what in self._card.required:
                worn = _worn(person, what)
                untold += worn is None
                if worn is not None or self._card.unseen == "missing":
                    seen.append(self._without(person, what, worn or 0.0))
        rule = Rule(forbidden=tuple(Clause(label=_label(what)) for what in self._card.required))
        note = f"persons: {len(persons)}" + (f"; not to be seen: {untold}" if untold else "")
        return judged(rule, seen, width_px=photo.width_px, height_px=photo.height_px, note=note)

    def _without(self, person: Answer, what: Equipment_, worn: float) -> Detected:
        """How surely somebody does not wear something: 0.5 at the card's confidence."""
        bare = 1.0 - oddity(worn, self._card.confidence)
        if worn >= self._card.confidence:
            bare = min(bare, JUST_NORMAL)
        return Detected(_label(what), bare, shares(person["BoundingBox"]))


def _label(what: Equipment_) -> str:
    return f"no {what}"


def _worn(person: Answer, what: Equipment_) -> float | None:
    """How surely a person wears it, on each part that is seen; None where no part is."""
    parts = [part for part in person["BodyParts"] if part["Name"] in _WORN_ON[what]]
    return min((_covered(part, what) for part in parts), default=None)


def _covered(part: Answer, what: Equipment_) -> float:
    """How surely a part of the body is covered: what is worn elsewhere does not protect it."""
    kind = what.replace(" ", "_").upper()
    return max(
        (
            share(each["Confidence"]) * _covers(each["CoversBodyPart"])
            for each in part["EquipmentDetections"]
            if each["Type"] == kind
        ),
        default=0.0,
    )


def _covers(said: Answer) -> float:
    surely = share(said["Confidence"])
    return 1.0 if said["Value"] and surely >= 0.5 else 0.0
