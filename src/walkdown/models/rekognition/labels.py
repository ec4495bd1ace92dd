"""DetectLabels: things and scenes by name, and whether the photograph is good enough to judge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import Field, model_validator

from walkdown.imaging.encoding import Limits
from walkdown.models.cards import Card
from walkdown.models.rekognition.service import (
    FIVE_MB,
    Answer,
    Look,
    Operation,
    ServiceCard,
    least_percent,
    share,
    shares,
)
from walkdown.models.rules import Detected, Rule, judged
from walkdown.types import Prediction, Verdict

if TYPE_CHECKING:
    from walkdown.types import Photo

USD_LABELS: Final = 0.001
USD_PROPERTIES: Final = 0.00075
_MOST: Final = 1000

_ADVICE: Final = {
    "sharpness": "hold the camera still, focus, and clean the lens",
    "brightness": "add light, or expose longer",
    "contrast": "avoid fog, back light and reflections",
}


class Minimum(Card):
    """What a photograph needs to be judged, each on the service's scale of 0..100."""

    sharpness: float | None = Field(None, ge=0, le=100)
    brightness: float | None = Field(None, ge=0, le=100)
    contrast: float | None = Field(None, ge=0, le=100)


class LabelsCard(ServiceCard):
    """What is wanted of an image, of a photograph, or of both."""

    rule: Rule | None = None
    minimum: Minimum | None = None

    @model_validator(mode="after")
    def _says_something(self) -> LabelsCard:
        if self.rule is None and not (self.minimum and self.minimum.model_dump(exclude_none=True)):
            raise ValueError("needs a 'rule', a 'minimum' or both")
        return self


class Labels(Look[LabelsCard]):
    """What DetectLabels sees, judged by a rule; a photograph below a minimum is unusable."""

    operation = Operation("DetectLabels", "detect_labels", Limits(FIVE_MB, 10_000, 80), USD_LABELS)
    card_type = LabelsCard

    def _list_price(self) -> float:
        """Each feature is paid for by itself."""
        rule, minimum = self._card.rule, self._card.minimum
        return USD_LABELS * (rule is not None) + USD_PROPERTIES * (minimum is not None)

    def _given(self) -> dict[str, Any]:
        rule, minimum = self._card.rule, self._card.minimum
        features = ["GENERAL_LABELS"] * (rule is not None)
        features += ["IMAGE_PROPERTIES"] * (minimum is not None)
        if rule is None:
            return {"Features": features}
        return {"Features": features, "MaxLabels": _MOST, "MinConfidence": least_percent(rule)}

    def _judged(self, answer: Answer, photo: Photo) -> Prediction:
        size = {"width_px": photo.width_px, "height_px": photo.height_px}
        advice = _advice(self._card.minimum, answer) if self._card.minimum else None
        rule = self._card.rule
        if rule is None:
            verdict = Verdict.UNUSABLE if advice else Verdict.NORMAL
            return Prediction(verdict, None, None, note=advice)
        seen = detected(answer, rule)
        if advice is None:
            return judged(rule, seen, **size, note=_note(seen))
        # What is seen on a bad photograph is there; what is not seen says nothing.
        there = rule.model_copy(update={"required": ()})
        said = judged(there, seen, **size, note=f"{_note(seen)}; {advice}")
        if said.verdict is Verdict.ANOMALY:
            return said
        return Prediction(Verdict.UNUSABLE, None, None, note=advice)


def detected(answer: Answer, rule: Rule) -> list[Detected]:
    """Each instance of a label with its box; a label without instances is seen once, nowhere.

    The service also tells what a thing is an instance of (a car: vehicle, machine). Those parents
    are left out unless the rule names them.
    """
    labels = answer["Labels"]
    clauses = (*rule.required, *rule.forbidden)
    named = {name.casefold() for name in (*rule.only, *(clause.label for clause in clauses))}
    parents = {parent["Name"] for label in labels for parent in label.get("Parents", ())}
    found: list[Detected] = []
    for label in labels:
        name = _name(label, named)
        if label["Name"] not in parents or name.casefold() in named:
            found += _instances(label, name)
    return found


def _name(label: Answer, named: set[str]) -> str:
    """As the rule calls it, where that is another name of the same."""
    names = [str(label["Name"]), *(str(alias["Name"]) for alias in label.get("Aliases", ()))]
    return next((name for name in names if name.casefold() in named), names[0])


def _instances(label: Answer, name: str) -> list[Detected]:
    instances = label.get("Instances") or ()
    if not instances:
        return [Detected(name, share(label["Confidence"]))]
    return [
        Detected(name, share(each["Confidence"]), shares(each["BoundingBox"])) for each in instances
    ]


def _note(seen: list[Detected]) -> str:
    """The surest things by name, for people."""
    names = dict.fromkeys(e.label for e in sorted(seen, key=lambda e: -e.confidence))
    return "seen: " + (", ".join(list(names)[:12]) or "nothing")


def _advice(minimum: Minimum, answer: Answer) -> str | None:
    """What is wrong with the photograph and how a better one is made; None where it will do."""
    quality = answer["ImageProperties"]["Quality"]
    wanted: dict[str, float] = minimum.model_dump(exclude_none=True)
    poor = [
        f"{name} {float(quality[name.capitalize()]):.0f} of at least {least:.0f}: {_ADVICE[name]}"
        for name, least in wanted.items()
        if not float(quality[name.capitalize()]) >= least
    ]
    return "take it again: " + "; ".join(poor) if poor else None
