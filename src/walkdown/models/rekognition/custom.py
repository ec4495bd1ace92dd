"""DetectCustomLabels: a model that was trained in Rekognition, and runs only while it is wanted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field, field_validator

from walkdown.errors import ModelError, NotFound
from walkdown.imaging.encoding import Limits
from walkdown.models.rekognition.service import (
    FOUR_MB,
    Answer,
    Look,
    Operation,
    ServiceCard,
    least_percent,
    share,
    shares,
)
from walkdown.models.rules import Detected, Rule, judged
from walkdown.models.running import turned
from walkdown.types import RunState

if TYPE_CHECKING:
    from walkdown.sdk.aws import AwsError
    from walkdown.types import Photo, Prediction, RunStatus

USD_PER_UNIT_HOUR: Final = 4.0

_ARN: Final = re.compile(
    r"arn:[a-z\d-]+:rekognition:(?P<region>[a-z\d-]+):\d{12}:project/(?P<project>[\w.-]{1,255})"
    r"/version/(?P<version>[\w.-]{1,255})/\d+",
    re.ASCII,
)
_STATUSES: Final[dict[str, RunStatus]] = {
    "RUNNING": "running",
    "STARTING": "starting",
    "STOPPING": "stopping",
    "STOPPED": "stopped",
    "TRAINING_COMPLETED": "stopped",
    "COPYING_COMPLETED": "stopped",
}
_AS_IT_IS: Final = frozenset({"ResourceInUseException", "InvalidParameterException"})
"""How the service refuses to start what runs, and to stop what does not."""


class CustomCard(ServiceCard):
    """A version of a project, by its ARN, and how it is run.

    It runs in the region that its ARN names, whatever ``region`` says.
    """

    project_version: str
    rule: Rule
    inference_units: int = Field(1, ge=1, le=100)
    max_inference_units: int | None = Field(None, ge=1, le=100)
    usd_per_unit_hour: float = Field(USD_PER_UNIT_HOUR, ge=0, le=1000)

    @field_validator("project_version")
    @classmethod
    def _is_an_arn(cls, value: str) -> str:
        if not _ARN.fullmatch(value):
            raise ValueError(
                "must be the ARN of a project's version, such as arn:aws:rekognition:eu-west-1:"
                "123456789012:project/parts/version/parts.2025-01-31T10.00.00/1738317600000"
            )
        return value


class CustomLabels(Look[CustomCard]):
    """What DetectCustomLabels sees, judged by a rule; also `Startable`, since it costs by the hour.

    It is not paid by the image: ``usd_per_image`` is 0 unless the card gives its share.
    """

    operation = Operation(
        "DetectCustomLabels", "detect_custom_labels", Limits(FOUR_MB, 4096, 64), 0.0
    )
    card_type = CustomCard

    def start(self) -> RunState:
        """Have it run, with the units of the card."""
        given: dict[str, Any] = {"MinInferenceUnits": self._card.inference_units}
        if self._card.max_inference_units is not None:
            given["MaxInferenceUnits"] = self._card.max_inference_units
        return self._turned("start_project_version", ("starting", "running"), **given)

    def stop(self) -> RunState:
        """Have it stop."""
        return self._turned("stop_project_version", ("stopping", "stopped"))

    def state(self) -> RunState:
        """How the service describes it. Raises `NotFound` for a version that is gone."""
        named = self._arn
        projects = self._called("describe_projects", ProjectNames=[named["project"]])
        for project in projects.get("ProjectDescriptions", ()):
            found = self._called(
                "describe_project_versions",
                ProjectArn=project["ProjectArn"],
                VersionNames=[named["version"]],
            )
            for each in found.get("ProjectVersionDescriptions", ()):
                if each.get("ProjectVersionArn") == self._card.project_version:
                    units = int(each.get("MinInferenceUnits") or self._card.inference_units)
                    return self._told_state(str(each.get("Status")), units)
        raise NotFound(
            f"{self._label}: {named['region']} has no version {named['version']!r} of a project "
            f"{named['project']!r} in this account; check 'project_version' in its card"
        )

    def _turned(self, method: str, wanted: tuple[RunStatus, ...], **given: Any) -> RunState:
        """Where the service refuses since it is so already, that is no error."""

        def change() -> RunState:
            answer = self._called(method, ProjectVersionArn=self._card.project_version, **given)
            return self._told_state(str(answer.get("Status")), self._card.inference_units)

        return turned(change, self.state, wanted=wanted, refusals=_AS_IT_IS, label=self._label)

    @property
    def usd_per_unit_hour(self) -> float:
        """What it costs as long as it runs, asked or not, for each unit."""
        return self._card.usd_per_unit_hour

    def _told_state(self, said: str, units: int) -> RunState:
        usd = units * self._card.usd_per_unit_hour
        return RunState(_STATUSES.get(said, "failed"), units, usd, said, self._where())

    def _where(self) -> str:
        """The region, and that it is not the card's where it is not."""
        own, given = self._arn["region"], self._card.region
        return own if given in (None, own) else f"{own} (of its ARN; the card says {given})"

    @property
    def _arn(self) -> dict[str, str]:
        found = _ARN.fullmatch(self._card.project_version)
        assert found is not None  # noqa: S101 - the card was checked
        return found.groupdict()

    def _in_region(self) -> str:
        return self._arn["region"]

    def _resources(self) -> tuple[str, ...]:
        return (self._card.project_version,)

    def _given(self) -> dict[str, Any]:
        least = least_percent(self._card.rule)
        return {"ProjectVersionArn": self._card.project_version, "MinConfidence": least}

    def _told(self, error: AwsError) -> Exception:
        if error.code == "ResourceNotReadyException":
            return ModelError(
                f"{self._label} does not run in {self._where()}; start it: "
                f"walkdown models start {self._label}"
            )
        if error.code == "LimitExceededException":
            return ModelError(
                f"{self._label}: this account may have no more models or inference units running "
                f"in {self._where()}; stop another (walkdown models status), or ask AWS for more"
            )
        return error

    def _judged(self, answer: Answer, photo: Photo) -> Prediction:
        seen = [
            Detected(str(each["Name"]), share(each["Confidence"]), _box(each))
            for each in answer["CustomLabels"]
        ]
        return judged(self._card.rule, seen, width_px=photo.width_px, height_px=photo.height_px)


def _box(label: Answer) -> tuple[float, float, float, float] | None:
    """Where it is; labels of a whole image have no place."""
    place = label.get("Geometry") or {}
    return shares(place["BoundingBox"]) if "BoundingBox" in place else None
