"""Asking one operation of Amazon Rekognition about photographs."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Generic, TypeVar

from pydantic import AfterValidator, Field

from walkdown.errors import ModelError
from walkdown.imaging.encoding import Limits, encoded
from walkdown.models.calling import Asking
from walkdown.models.cards import Card, read_card
from walkdown.sdk.aws import Aws, AwsError, explained
from walkdown.types import ModelInfo, Permission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.models.artefact import Artefact
    from walkdown.models.rules import Rule, Shares
    from walkdown.types import Capability, Photo, Prediction

Answer = Mapping[str, Any]

INPUT_PX: Final = 4096
"""Large JPEGs need no more pixels than this where they must be encoded anew."""
FIVE_MB: Final = 5 * 1024 * 1024
"""As the service's description has it, in bytes."""
FOUR_MB: Final = 4_000_000
"""In words only: the smaller reading of it is taken."""
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+")


def _region(value: str) -> str:
    if not _REGION.fullmatch(value):
        raise ValueError("must be a region such as eu-central-1")
    return value


Region = Annotated[str, AfterValidator(_region)]


class ServiceCard(Card):
    """What the cards of all operations have.

    Without ``region``, the one that is set up for AWS is asked. ``usd_per_image`` is what a look is
    expected to cost, where the list price is not what you pay.
    """

    region: Region | None = None
    per_second: float = Field(5.0, gt=0, le=10_000)
    usd_per_image: float | None = Field(None, ge=0, le=100)


C = TypeVar("C", bound=ServiceCard)


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation: its name, its method in boto3, what it takes, and its list price."""

    name: str
    method: str
    limits: Limits
    usd_per_image: float


class Look(ABC, Generic[C]):
    """The `Model` port by one operation. A subclass says what is given, and judges the answer."""

    operation: ClassVar[Operation]
    card_type: type[C]
    capabilities: ClassVar[frozenset[Capability]] = frozenset({"verdict", "labels", "boxes"})

    def __init__(self, artefact: Artefact, *, label: str) -> None:
        self._label = label
        self._card = read_card(self.card_type, artefact, label=label)
        self._aws = Aws(region=self._in_region())
        self._asking = Asking(per_second=self._card.per_second)
        given = self._card.usd_per_image
        self._usd = self._list_price() if given is None else given
        self._info = ModelInfo(
            label,
            artefact.digest,
            kind="call",
            input_px=INPUT_PX,
            capabilities=self.capabilities,
            usd_per_image=self._usd,
            permissions=(Permission((f"rekognition:{self.operation.name}",), self._resources()),),
        )

    @property
    def info(self) -> ModelInfo:
        """A synchronous service, paid by the image."""
        return self._info

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """What the service makes of each photo; one that it refuses fails alone."""
        return self._asking.each(photos, self._look)

    def _look(self, photo: Photo) -> Prediction:
        sent = encoded(photo, self.operation.limits)
        try:
            image = {"Bytes": sent.data}
            answer = self._called(self.operation.method, Image=image, **self._given())
            return replace(self._judged(answer, photo), cost_usd=self._usd or None)
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise ModelError(
                f"{self._label}: the answer of {self.operation.name} is not as its service "
                f"describes it ({type(e).__name__}: {e}); check which endpoint is asked"
            ) from e

    def _called(self, method: str, **given: Any) -> Answer:
        """A call of the service. Raises `ModelError` and `AwsError`."""
        where = self._where()
        what = f"ask Rekognition for {self._label}" + (f" in {where}" if where else "")
        try:
            client = self._aws.client("rekognition")
            with explained(what):
                answer: Answer = getattr(client, method)(**given)
            return answer
        except AwsError as e:
            raise self._told(e) from e

    def _told(self, error: AwsError) -> Exception:
        """The error in words of this operation, where there are better ones."""
        return error

    def _in_region(self) -> str | None:
        return self._card.region

    def _where(self) -> str | None:
        """The region, as people are told of it."""
        return self._in_region()

    def _list_price(self) -> float:
        return self.operation.usd_per_image

    def _resources(self) -> tuple[str, ...]:
        """What the permission is for; most operations know no resources."""
        return ("*",)

    @abstractmethod
    def _given(self) -> dict[str, Any]:
        """What the operation is given besides the image."""

    @abstractmethod
    def _judged(self, answer: Answer, photo: Photo) -> Prediction:
        """What its answer means. What it raises for a nonsense answer is told as that."""


def share(percent: object) -> float:
    """A confidence of 0..100 as 0..1. Raises `ValueError` for what is no number.

    >>> share(87.5)
    0.875
    """
    value = float(percent)  # type: ignore[arg-type]
    if not math.isfinite(value):
        raise ValueError(f"a confidence of {value}")
    return min(1.0, max(0.0, value / 100.0))


def shares(found: Answer) -> Shares:
    """A BoundingBox as left, top, width and height."""
    return (
        float(found["Left"]), float(found["Top"]), float(found["Width"]), float(found["Height"]),
    )  # fmt: skip


def least_percent(rule: Rule) -> float:
    """From which confidence on an answer is of interest: half of the least that the rule asks for.

    So a score says how near an image came to the threshold, and answers stay short.
    """
    clauses = (*rule.required, *rule.forbidden)
    return 50.0 * min(rule.confidence, *(c.confidence or 1.0 for c in clauses), 1.0)
