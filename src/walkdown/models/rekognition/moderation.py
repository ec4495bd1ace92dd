"""DetectModerationLabels: content that should not be published or stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from walkdown.imaging.encoding import Limits
from walkdown.models.rekognition.service import (
    FIVE_MB,
    Answer,
    Look,
    Operation,
    ServiceCard,
    least_percent,
    share,
)
from walkdown.models.rules import Detected, Rule, judged

if TYPE_CHECKING:
    from walkdown.types import Photo, Prediction

_NOTHING_IS_ALLOWED = ("",)


class ModerationCard(ServiceCard):
    """Without a ``rule``, any label is an anomaly from ``confidence`` on."""

    rule: Rule | None = None
    confidence: float = Field(0.6, gt=0, lt=1)

    @model_validator(mode="after")
    def _without_places(self) -> ModerationCard:
        clauses = (*self.rule.required, *self.rule.forbidden) if self.rule else ()
        if any(clause.inside for clause in clauses):
            raise ValueError("its labels have no place on the image: leave out 'inside'")
        return self


class Moderation(Look[ModerationCard]):
    """What DetectModerationLabels finds, by name and by group; it says not where."""

    operation = Operation(
        "DetectModerationLabels", "detect_moderation_labels", Limits(FIVE_MB, 10_000, 80), 0.001
    )
    card_type = ModerationCard
    capabilities = frozenset({"verdict", "labels"})

    @property
    def _rule(self) -> Rule:
        return self._card.rule or Rule(only=_NOTHING_IS_ALLOWED, confidence=self._card.confidence)

    def _given(self) -> dict[str, Any]:
        return {"MinConfidence": least_percent(self._rule)}

    def _judged(self, answer: Answer, photo: Photo) -> Prediction:
        """Groups ("Violence") are labels beside their members ("Weapons")."""
        seen = [
            Detected(str(each["Name"]), share(each["Confidence"]))
            for each in answer["ModerationLabels"]
        ]
        return judged(self._rule, seen, width_px=photo.width_px, height_px=photo.height_px)
