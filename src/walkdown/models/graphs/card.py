"""What a card says of a graph: the keys that all tasks have, and those of each."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, model_validator

from walkdown.models.cards import Card
from walkdown.models.rules import Rule  # noqa: TC001 - pydantic reads it

Activation = Literal["softmax", "sigmoid", "none"]
Resize = Literal["stretch", "letterbox", "center_crop"]
Layout = Literal["v5", "v8", "end_to_end", "yolox", "detr"]
LONGEST: Final = 8192
"""The longest side of an input, in px: a graph's own word is held to it as well."""

Side = Annotated[int, Field(ge=1, le=LONGEST)]
Probability = Annotated[float, Field(gt=0, lt=1)]
Deviation = Annotated[float, Field(gt=0)]


def _both(value: Any) -> Any:
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else value


def _one_is_a_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _for_each_channel(value: Any) -> Any:
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else value


Size = Annotated[tuple[Side, Side], BeforeValidator(_both)]
Labels = Annotated[tuple[str, ...], BeforeValidator(_one_is_a_list)]
Channels = Annotated[tuple[float, ...], BeforeValidator(_for_each_channel), Field(max_length=3)]
Deviations = Annotated[
    tuple[Deviation, ...], BeforeValidator(_for_each_channel), Field(max_length=3)
]


class InputCard(Card):
    """How a photograph becomes the graph's input: ``(value / scale - mean) / std`` in the end.

    ``size`` is (width, height) in px, or one number for both.
    """

    size: Size | None = None
    resize: Resize | None = None
    colour: Literal["rgb", "bgr"] = "rgb"
    scale: Deviation | None = None
    mean: Channels | None = None
    std: Deviations | None = None
    layout: Literal["nchw", "nhwc"] | None = None
    padding: int = Field(114, ge=0, le=255, description="the grey of a letterbox's bars")


class GraphCard(Card):
    """What every task's card has. ``graph`` is the file, where there are several."""

    graph: str | None = None
    input: InputCard = InputCard()


class Classes(GraphCard):
    """Labels in the order of the graph's classes, and which of them are anomalies."""

    labels: Labels = ()
    anomalies: Labels = ()
    normal: Labels = ()
    activation: Activation | None = None
    threshold: Probability = 0.5
    output: str | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Classes:
        if self.anomalies and self.normal:
            raise ValueError("needs 'anomalies' or 'normal': the other labels are what is left")
        return self


class ClassificationCard(Classes):
    """One score for each class of the whole image."""

    task: Literal["classification"]


class SegmentationCard(Classes):
    """One score for each class of each place. ``min_area_pct``: smaller places do not count."""

    task: Literal["segmentation"]
    min_area_pct: float = Field(0.0, ge=0, lt=100)


class DetectionCard(GraphCard):
    """Boxes with classes. Without a ``rule``, everything that is surely there is an anomaly."""

    task: Literal["detection"]
    labels: Labels = ()
    layout: Layout | None = None
    activation: Literal["softmax", "sigmoid"] | None = None
    confidence: Probability | None = None
    overlap: Probability = 0.45
    rule: Rule | None = None
    output: str | None = None

    @model_validator(mode="after")
    def _one_confidence(self) -> DetectionCard:
        if self.rule is not None and self.confidence is not None:
            raise ValueError("has a 'rule' and a 'confidence': write the confidence into the rule")
        return self


Range = tuple[float, float]


class AnomalyCard(GraphCard):
    """A map of how odd each place is, a score, or both. ``range`` is what raw scores lie within.

    What is not said of the map is as it is of the score.
    """

    task: Literal["anomaly"]
    threshold: float
    range: Range | None = None
    map_threshold: float | None = None
    map_range: Range | None = None
    score: str | None = None
    map: str | None = None

    @property
    def of_places(self) -> tuple[float, Range | None]:
        """Threshold and range of the map's values."""
        threshold = self.threshold if self.map_threshold is None else self.map_threshold
        return threshold, self.map_range or self.range

    @model_validator(mode="after")
    def _makes_sense(self) -> AnomalyCard:
        for threshold, bounds in ((self.threshold, self.range), self.of_places):
            if bounds is None and threshold <= 0:
                raise ValueError(
                    "has a threshold of 0 or less: say within which 'range' raw scores lie"
                )
            if bounds is not None and not bounds[0] < threshold < bounds[1]:
                raise ValueError("must have its thresholds within its 'range'")
        return self


class AnomalibCard(GraphCard):
    """A model that anomalib exported says all of it itself, but for a changed sensitivity."""

    threshold: Probability | None = None


CARDS: dict[str, type[GraphCard]] = {
    "classification": ClassificationCard,
    "detection": DetectionCard,
    "segmentation": SegmentationCard,
    "anomaly": AnomalyCard,
}
"""By task; one without a task must be of anomalib."""
