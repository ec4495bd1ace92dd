"""The forms that an answer must have, and what follows from one.

An answer is data of a stranger: it is checked against its form, cleaned of what is no text, and
turned into numbers and words. Nothing of it is carried out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from walkdown.models.rules import JUST_NORMAL, oddity, pixels
from walkdown.types import Prediction, Region, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from walkdown.models.bedrock.card import BedrockCard

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

NOTE_CHARACTERS: Final = 2000
_LABEL_CHARACTERS: Final = 80
_SHOWN: Final = 3
"""Complaints that are worth telling the model."""


class Unfit(Exception):
    """An answer does not have its form: what is wrong, in words for the model and for people."""


class Place(BaseModel):
    """Where it is, in shares (0 to 1) of the photograph's width and height."""

    left: Share
    top: Share
    width: Share
    height: Share


class Defect(BaseModel):
    """One thing that is wrong."""

    label: str = Field(min_length=1, description="what is wrong, in one to three words")
    box: Place | None = Field(
        None,
        description="its place in shares (0 to 1) of the photograph's width and height, from the "
        "upper left corner; leave it out if you can't tell",
    )


class Inspected(BaseModel):
    """The answer to the task inspect."""

    anomalous: bool = Field(description="whether anything is wrong")
    confidence: Share = Field(description="how sure you are of that, 0 (a guess) to 1 (certain)")
    defects: list[Defect] = Field([], description="each thing that is wrong", max_length=50)
    summary: str = Field("", description="what you see and why you say so, in one or two sentences")

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Inspected:
        if self.defects and not self.anomalous:
            raise ValueError("anomalous is false, but defects are listed: which is it?")
        return self


class Classified(BaseModel):
    """The answer to the task classify."""

    label: str = Field(description="the one label that fits best")
    confidence: Share = Field(description="how sure you are of that, 0 (a guess) to 1 (certain)")
    reason: str = Field("", description="why, in one sentence")


class Described(BaseModel):
    """The answer to the task describe."""

    description: str = Field(description="what the photograph shows, in a few sentences")

    @field_validator("description")
    @classmethod
    def _says_something(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("it is empty")
        return value


Answer = Inspected | Classified | Described
FORMS: Final[Mapping[str, type[Answer]]] = {
    "inspect": Inspected,
    "classify": Classified,
    "describe": Described,
}


def schema(card: BedrockCard) -> dict[str, Any]:
    """The form as plain JSON Schema, without references, which not every model can follow."""
    whole = FORMS[card.task].model_json_schema()
    plain: dict[str, Any] = _plain(whole, whole.get("$defs", {}))
    del plain["description"]
    # What is read leniently is asked for all the same.
    plain["required"] = list(plain["properties"])
    if card.labels:
        properties = plain["properties"]
        owner = properties if card.task == "classify" else _of_defect(properties)
        owner["label"]["enum"] = list(card.labels)
    return plain


def read(card: BedrockCard, given: object) -> Answer:
    """The answer in its form, with labels as the card spells them. Raises `Unfit`."""
    try:
        answer = FORMS[card.task].model_validate(given)
    except ValidationError as e:
        raise Unfit(_complaints(e)) from e
    if isinstance(answer, Classified):
        answer.label = _known(card, answer.label)
    elif isinstance(answer, Inspected):
        for defect in answer.defects:
            defect.label = _known(card, defect.label)
    return answer


def parsed(text: str) -> object:
    """The one JSON object in a text, which may stand in a fence or among words."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        raise Unfit("it holds no JSON object")
    try:
        value: object = json.loads(text[start : end + 1])
    except (ValueError, RecursionError) as e:
        raise Unfit("it is not valid JSON") from e
    return value


def judged(card: BedrockCard, answer: Answer, *, width_px: int, height_px: int) -> Prediction:
    """What an answer says of a photograph of that size.

    The raw score is 0.5 and half the confidence for something wrong, 0.5 less it for nothing.
    """
    if isinstance(answer, Described):
        # A description says neither normal nor anomalous: it must not decide.
        return Prediction(Verdict.UNUSABLE, None, None, note=_cleaned(answer.description))
    labels: tuple[str, ...]
    if isinstance(answer, Classified):
        is_odd = answer.label in _spelled(card, card.anomalies)
        note, labels, boxes = answer.reason, (answer.label,), []
    else:
        is_odd, note = answer.anomalous, answer.summary
        labels = tuple(dict.fromkeys(defect.label for defect in answer.defects))
        boxes = [(d.label, d.box) for d in answer.defects if d.box is not None]
    half = answer.confidence / 2
    raw = 0.5 + half if is_odd else min(JUST_NORMAL, 0.5 - half)
    score = round(oddity(raw, card.threshold), 4)
    is_anomaly = score >= 0.5
    # A finding bears these names, so an anomaly is never called by what is normal.
    keeps_labels = is_odd if is_anomaly else card.task == "classify"
    return Prediction(
        verdict=Verdict.ANOMALY if is_anomaly else Verdict.NORMAL,
        score=score,
        raw_score=raw,
        labels=labels if keeps_labels else (),
        regions=_regions(boxes, score, width_px, height_px) if is_anomaly else (),
        note=_cleaned(note) or None,
    )


def _regions(
    boxes: list[tuple[str, Place]], score: float, width_px: int, height_px: int
) -> tuple[Region, ...]:
    found = []
    for label, place in boxes:
        shares = place.left, place.top, place.width, place.height
        box = pixels(shares, width_px=width_px, height_px=height_px)
        if box is not None:
            area_pct = 100.0 * box[2] * box[3] / (width_px * height_px)
            found.append(Region(box, area_pct, score, label))
    return tuple(found)


def _known(card: BedrockCard, label: str) -> str:
    """As the card spells it; without labels in the card, in small letters."""
    if not card.labels:
        cleaned = _cleaned(label)[:_LABEL_CHARACTERS].strip().lower()
        if not cleaned:
            raise Unfit("a label is empty")
        return cleaned
    names = {each.casefold(): each for each in card.labels}
    if label.strip().casefold() not in names:
        raise Unfit(f"the label {_cleaned(label)[:40]!r} is none of: {', '.join(card.labels)}")
    return names[label.strip().casefold()]


def _spelled(card: BedrockCard, labels: tuple[str, ...]) -> set[str]:
    return {_known(card, label) for label in labels}


def _cleaned(text: str) -> str:
    """In one line, without what is no text, and not longer than anybody reads."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:NOTE_CHARACTERS]


def _complaints(error: ValidationError) -> str:
    found = []
    for each in error.errors(include_url=False, include_input=False)[:_SHOWN]:
        place = ".".join(map(str, each["loc"])) or "the answer"
        found.append(f"{place}: {each['msg'].removeprefix('Value error, ')}")
    return "; ".join(found)


def _of_defect(properties: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = properties["defects"]["items"]["properties"]
    return found


def _plain(value: Any, named: Mapping[str, Any]) -> Any:
    """References put in their place; titles, defaults and "or null" left out."""
    if isinstance(value, list):
        return [_plain(each, named) for each in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _plain(named[value["$ref"].rpartition("/")[2]], named) | _said(value)
    if "anyOf" in value:
        (only,) = (each for each in value["anyOf"] if each.get("type") != "null")
        return _plain(only, named) | _said(value)
    left_out = {"$defs", "default"} | ({"title"} if isinstance(value.get("title"), str) else set())
    return {key: _plain(each, named) for key, each in value.items() if key not in left_out}


def _said(value: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": value["description"]} if "description" in value else {}
