"""A service's answer as a prediction: which of its values say what, by the paths of a card."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from walkdown.errors import ModelError
from walkdown.models.cards import Card
from walkdown.models.mapping import answers, masks, paths
from walkdown.models.mapping.places import DetectionsOutput, detected
from walkdown.models.rules import Confidence, judged, oddity
from walkdown.types import Capability, Prediction, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SCORE_DIGITS = 4
MOST_CLASSES = 10_000
WHOLE = 0.99
"""What the probabilities of an answer come to that leaves no class out, but for rounding."""
Number = Annotated[float, Field(allow_inf_nan=False)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]


class ScoreOutput(Card):
    """A number ``at`` a path, odd from ``threshold`` on; ``range`` is how far it goes, if known.

    With ``odd: low`` small numbers are odd; the raw score is then the number's negative.
    """

    at: paths.Path
    threshold: Number
    odd: Literal["high", "low"] = "high"
    range: tuple[Number, Number] | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> ScoreOutput:
        if self.range and not self.range[0] < self.threshold < self.range[1]:
            raise ValueError("'threshold' must lie between the two numbers of 'range'")
        return self


class ClassesOutput(Card):
    """Classes and how likely each is, of which some are anomalies.

    ``at`` leads to a list of numbers, in the order of ``labels``; to a mapping from label to
    number; or to a list of mappings, each with a label at ``label`` and a number at ``value``.
    Either ``anomalies`` or ``normal`` are named, without regard to case; the other classes are the
    other. Where classes are ``exclusive``, those of one side are added up, else the likeliest
    counts.
    """

    at: paths.Path
    labels: Names | None = None
    anomalies: Names | None = None
    normal: Names | None = None
    values: Literal["probabilities", "logits"] = "probabilities"
    exclusive: bool = True
    threshold: Confidence = 0.5
    label: paths.Path = "label"
    value: paths.Path = "score"

    @model_validator(mode="after")
    def _makes_sense(self) -> ClassesOutput:
        if (self.anomalies is None) == (self.normal is None):
            raise ValueError("needs either 'anomalies' or 'normal': a list of labels")
        known = {_folded(each) for each in self.labels or self.named}
        unknown = sorted(each for each in self.named if _folded(each) not in known)
        if unknown:
            raise ValueError(f"{unknown[0]!r} is none of the 'labels'")
        if self.labels and len(known) < len(self.labels):
            raise ValueError("'labels' has a label twice")
        return self

    @property
    def named(self) -> tuple[str, ...]:
        """The labels of the side that the card names."""
        return self.anomalies or self.normal or ()

    def sides(self, labels: Iterable[str]) -> tuple[set[str], set[str]]:
        """Which of these the card names, and which are anomalies."""
        names = {_folded(each) for each in self.named}
        named = {label for label in labels if _folded(label) in names}
        return named, named if self.anomalies is not None else set(labels) - named


class OutputCard(Card):
    """Which values of an answer say what: one of score, classes, detections, or a mask alone.

    ``output: walkdown`` is what a container of walkdown answers. A ``mask`` beside one of the
    others says where, not whether. ``note`` leads to a text.
    """

    walkdown: bool = False
    score: ScoreOutput | None = None
    classes: ClassesOutput | None = None
    detections: DetectionsOutput | None = None
    mask: masks.MaskOutput | None = None
    note: paths.Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return {"walkdown": True} if value == "walkdown" else value

    @model_validator(mode="after")
    def _says_one_thing(self) -> OutputCard:
        ways = [bool(self.walkdown), *map(bool, (self.score, self.classes, self.detections))]
        if sum(ways) > 1 or (self.walkdown and (self.mask or self.note)):
            raise ValueError("takes one of 'score', 'classes', 'detections' and 'walkdown'")
        if not any(ways) and self.mask is None:
            raise ValueError("needs one of 'score', 'classes', 'detections', 'mask', 'walkdown'")
        return self

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What a prediction can show."""
        found: set[Capability] = {"verdict"}
        if self.walkdown:
            found |= {"labels", "boxes", "heat map"}
        if self.classes:
            found |= {"labels"}
        if self.detections:
            found |= {"labels", "boxes"} if self.detections.box else {"labels"}
        if self.mask:
            found |= {"boxes", "heat map", "mask"}
        return frozenset(found)

    @property
    def threshold(self) -> float | None:
        """The raw score from which on something is odd, where the card says it."""
        if self.score:
            return -self.score.threshold if self.score.odd == "low" else self.score.threshold
        if self.classes:
            return self.classes.threshold
        return self.mask.area_pct if self.mask and not self.detections else None


def parsed(data: bytes) -> object:
    """The JSON of an answer. Raises `ModelError` for anything else."""
    try:
        value: object = json.loads(data)
    except (ValueError, RecursionError) as e:
        begins = ascii(data[:40].decode("utf-8", "replace"))
        raise ModelError(
            f"the answer is no JSON (it begins with {begins}); have the service answer JSON"
        ) from e
    return value


def mapped(
    output: OutputCard,
    answer: object,
    *,
    width_px: int,
    height_px: int,
    sent_px: tuple[int, int] | None = None,
) -> Prediction:
    """The prediction for an image whose upright original has that size.

    ``sent_px`` is the size of the image that was sent, where it is another: boxes told in px are
    of it. Raises `ModelError` for an answer in which something is missing or makes no sense.
    """
    if output.walkdown:
        return answers.read(answer, width_px=width_px, height_px=height_px)
    said = _said(output, answer, (width_px, height_px), sent_px or (width_px, height_px))
    if output.mask:
        said = masks.with_mask(output.mask, said, answer, width_px=width_px, height_px=height_px)
    if said is None:
        raise ModelError("the card's 'output' says nothing of a verdict")
    return replace(said, note=_text(answer, output.note)) if output.note else said


def _said(
    output: OutputCard, answer: object, size_px: tuple[int, int], sent_px: tuple[int, int]
) -> Prediction | None:
    """What is said but for the mask; None where that is all there is."""
    if output.score:
        return _of_score(output.score, answer)
    if output.classes:
        return _of_classes(output.classes, answer)
    if output.detections:
        seen = detected(output.detections, answer, sent_px)
        rule = output.detections.rule
        return judged(rule, seen, width_px=size_px[0], height_px=size_px[1])
    return None


def _of_score(wanted: ScoreOutput, answer: object) -> Prediction:
    found, threshold, limits = paths.number(answer, wanted.at), wanted.threshold, wanted.range
    if limits and not limits[0] <= found <= limits[1]:
        raise ModelError(
            f"the answer has {found} at {wanted.at!r}; by the card's 'range' it lies in "
            f"{limits[0]:g} to {limits[1]:g}: correct the card"
        )
    if wanted.odd == "low":
        found, threshold = -found, -threshold
        limits = (-limits[1], -limits[0]) if limits else None
    if limits:
        low, high = limits
        share = oddity((found - low) / (high - low), (threshold - low) / (high - low))
    else:
        share = _unbounded(found, threshold)
    return prediction_of(share, found)


def _unbounded(found: float, threshold: float) -> float:
    """Any number as 0..1: strictly rising, 0.5 at the threshold, 0.75 at twice the threshold."""
    away = (found - threshold) / (abs(threshold) or 1.0)
    if math.isinf(away):
        return 1.0 if away > 0 else 0.0
    return 0.5 + 0.5 * away / (1.0 + abs(away))


def prediction_of(share: float, raw: float, labels: tuple[str, ...] = ()) -> Prediction:
    """By a score that is rounded first, so that the last bits of a float can't turn a verdict."""
    score = round(min(1.0, max(0.0, share)), SCORE_DIGITS)
    is_odd = score >= 0.5
    return Prediction(
        verdict=Verdict.ANOMALY if is_odd else Verdict.NORMAL,
        score=score,
        raw_score=raw,
        labels=labels if is_odd else (),
    )


def _of_classes(wanted: ClassesOutput, answer: object) -> Prediction:
    likely = _likely(wanted, answer)
    named, anomalies = wanted.sides(likely)
    if wanted.anomalies is not None and not named:
        _check_names(wanted, likely)
    odd = {label: p for label, p in likely.items() if label in anomalies}
    if not wanted.exclusive:
        raw = max(odd.values(), default=0.0)
    elif wanted.anomalies is not None:
        raw = min(1.0, sum(odd.values()))
    else:
        # Not the sum of the others: a service may tell only the likeliest classes.
        raw = max(0.0, 1.0 - sum(p for label, p in likely.items() if label not in odd))
    worst = sorted(odd, key=lambda label: -odd[label])
    told = [label for label in worst if odd[label] >= wanted.threshold] or worst[:1]
    return prediction_of(oddity(raw, wanted.threshold), raw, tuple(told))


def _check_names(wanted: ClassesOutput, likely: Mapping[str, float]) -> None:
    """No anomaly is in the answer: were they named wrongly, everything would be normal for ever.

    Where the card has all ``labels``, the names are right. A service may tell only the likeliest
    classes: so what is left of 1 may be theirs.
    """
    known = {_folded(each) for each in wanted.labels or ()}
    if known and all(_folded(label) in known for label in likely):
        return
    if not known and not (wanted.exclusive and sum(likely.values()) >= WHOLE):
        return
    there = ", ".join(ascii(label)[:40] for label in list(likely)[:5])
    raise ModelError(
        f"the answer has none of the classes {', '.join(map(repr, wanted.named[:5]))}: at "
        f"{wanted.at!r} it has {there}; correct 'anomalies' in the model's card, or list all of "
        "the service's classes under 'labels'"
    )


def _likely(wanted: ClassesOutput, answer: object) -> dict[str, float]:
    """How likely each class is, 0..1."""
    pairs = _pairs(wanted, paths.at(answer, wanted.at))
    values = [value for _, value in pairs]
    if wanted.values == "logits":
        values = _softmax(values) if wanted.exclusive else [_sigmoid(v) for v in values]
    wrong = next((v for v in values if not -1e-6 <= v <= 1.0 + 1e-6), None)
    if wrong is not None:
        raise ModelError(
            f"the answer has {wrong:g} at {wanted.at!r}, which is no probability; "
            "for a network's raw outputs, say 'values: logits' in the card"
        )
    return {label: min(1.0, max(0.0, v)) for (label, _), v in zip(pairs, values, strict=True)}


def _pairs(wanted: ClassesOutput, value: object) -> list[tuple[str, float]]:
    if isinstance(value, dict | list) and len(value) > MOST_CLASSES:
        raise ModelError(
            f"the answer has {len(value):,} classes at {wanted.at!r}; {MOST_CLASSES:,} at most"
        )
    if isinstance(value, dict):
        found = [(str(name), paths.a_number(each, f"{wanted.at}.{name}"))
                 for name, each in value.items()]  # fmt: skip
    else:
        items = paths.a_list(value, wanted.at)
        if items and all(isinstance(each, dict) for each in items):
            found = [(str(paths.at(each, wanted.label)), paths.number(each, wanted.value))
                     for each in items]  # fmt: skip
        else:
            numbers = [paths.a_number(each, wanted.at) for each in items]
            found = list(zip(_labels(wanted, len(numbers)), numbers, strict=True))
    if not found:
        raise ModelError(f"the answer has no classes at {wanted.at!r}")
    seen: set[str] = set()
    for label, _ in found:
        if _folded(label) in seen:
            raise ModelError(f"the answer has the class {label!a:.60} twice at {wanted.at!r}")
        seen.add(_folded(label))
    return found


def _labels(wanted: ClassesOutput, count: int) -> tuple[str, ...]:
    if wanted.labels is None:
        raise ModelError(f"the answer has {count} bare numbers at {wanted.at!r}; name their labels")
    if len(wanted.labels) != count:
        raise ModelError(
            f"the answer has {count} numbers at {wanted.at!r} for {len(wanted.labels)} labels; "
            "correct 'labels' in the model's card"
        )
    return wanted.labels


def _softmax(values: Sequence[float]) -> list[float]:
    highest = max(values, default=0.0)
    powers = [math.exp(value - highest) for value in values]
    whole = sum(powers)
    return [power / whole for power in powers]


def _folded(label: str) -> str:
    return label.strip().casefold()


def _sigmoid(value: float) -> float:
    return 0.5 * (1.0 + math.tanh(0.5 * value))


def _text(answer: object, path: str) -> str | None:
    found = paths.at(answer, path)
    return " ".join(str(found).split())[:2000] if isinstance(found, str) and found else None
