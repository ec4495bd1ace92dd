"""DetectText: is what should be written there, spelled as it should be, and nothing forbidden?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BeforeValidator, Field, field_validator, model_validator

from walkdown.imaging.encoding import Limits
from walkdown.models.rekognition.reading import Line, Wanted, Word, match
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
    from collections.abc import Sequence

    from walkdown.models.rekognition.reading import Match
    from walkdown.types import Photo, Prediction

_LONGEST_NOTE: Final = 500


def _short(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


WantedOrText = Annotated[Wanted, BeforeValidator(_short)]


class TextCard(ServiceCard):
    """What must be written on an image, and what must not.

    From ``confidence`` on a word counts as read. ``edits`` is how many letters may differ, one in
    four at most, for a text to count as misspelled and not as missing.
    """

    required: tuple[WantedOrText, ...] = ()
    forbidden: tuple[WantedOrText, ...] = ()
    confidence: float = Field(0.8, gt=0, lt=1)
    edits: int = Field(2, ge=0, le=5)
    match_case: bool = False

    @field_validator("required", "forbidden", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str | dict) else value

    @model_validator(mode="after")
    def _says_something(self) -> TextCard:
        if not (self.required or self.forbidden):
            raise ValueError("needs at least one of 'required' and 'forbidden'")
        return self


class Text(Look[TextCard]):
    """What DetectText reads, against what is wanted; the words are told as a note."""

    operation = Operation("DetectText", "detect_text", Limits(FIVE_MB, 10_000, 80), 0.001)
    card_type = TextCard

    def _given(self) -> dict[str, Any]:
        return {"Filters": {"WordFilter": {"MinConfidence": 50.0 * self._card.confidence}}}

    def _judged(self, answer: Answer, photo: Photo) -> Prediction:
        lines = read(answer)
        rule, seen, wrong = self._compared(lines)
        size = {"width_px": photo.width_px, "height_px": photo.height_px}
        return judged(rule, seen, **size, note=_note(lines, wrong))

    def _compared(self, lines: Sequence[Line]) -> tuple[Rule, list[Detected], list[str]]:
        """The rule for this image, what was seen in its words, and what is misspelled."""
        card = self._card
        required, seen, wrong = [], [], []
        forbidden = [Clause(label=each.called) for each in card.forbidden]
        for each in card.required:
            best = match(each, lines, edits=card.edits, match_case=card.match_case)
            if best and best.kind == "misspelled" and best.confidence >= card.confidence:
                label = f"misspelled {each.called}"
                forbidden.append(Clause(label=label))
                seen.append(_detected(label, best))
                wrong.append(f"{best.text!r} instead of {each.called!r}")
            elif best and best.kind == "found":
                required.append(Clause(label=each.called))
                seen.append(_detected(each.called, best))
            else:
                required.append(Clause(label=each.called, inside=each.inside))
        for each in card.forbidden:
            if best := match(each, lines, match_case=card.match_case):
                seen.append(_detected(each.called, best))
        clauses = {"required": tuple(required), "forbidden": tuple(forbidden)}
        return Rule(**clauses, confidence=card.confidence), seen, wrong


def read(answer: Answer) -> list[Line]:
    """The lines of an answer, from top to bottom, each with its words; lines without words count.

    Raises what a nonsense answer makes it raise.
    """
    found = answer["TextDetections"]
    words: dict[int, list[Answer]] = {}
    for each in found:
        if each["Type"] == "WORD":
            words.setdefault(int(each.get("ParentId", -1)), []).append(each)
    lines = [each for each in found if each["Type"] == "LINE"]
    known = {int(line["Id"]) for line in lines}
    own = [_words(words.get(int(line["Id"])) or [line]) for line in lines]
    return own + [_words(rest) for parent, rest in words.items() if parent not in known]


def _words(found: Sequence[Answer]) -> Line:
    ordered = sorted(found, key=lambda each: int(each["Id"]))
    return tuple(
        Word(
            str(each["DetectedText"]),
            share(each["Confidence"]),
            shares(each["Geometry"]["BoundingBox"]),
        )
        for each in ordered
    )


def _detected(label: str, found: Match) -> Detected:
    return Detected(label, found.confidence, found.box)


def _note(lines: Sequence[Line], wrong: Sequence[str]) -> str:
    text = " / ".join(" ".join(word.text for word in line) for line in lines)
    said = f"read: {text}" if text else "no text was read"
    return "; ".join([*wrong, said])[:_LONGEST_NOTE]
