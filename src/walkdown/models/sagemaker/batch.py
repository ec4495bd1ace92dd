"""A model of SageMaker without an endpoint: a batch transform job over photos put to S3."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from walkdown.errors import ModelError, WalkdownError
from walkdown.models.cards import read_card
from walkdown.models.mapping import Sent, sent
from walkdown.models.sagemaker.cards import BatchCard, s3_permissions
from walkdown.models.sagemaker.jobs import Entry, entries_of, info, prediction, written
from walkdown.models.sagemaker.shelf import Shelf, attempted, ending
from walkdown.pipeline.predictions import failed
from walkdown.sdk.aws import Aws, AwsError, explained, shown
from walkdown.types import Permission, digest_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.models.artefact import Artefact
    from walkdown.types import ModelInfo, Photo, Prediction

KIND = "sagemaker_batch"

TRIES = 20
"""How many jobs of the same photos may have failed before it is no use to begin another."""

_ONGOING = frozenset({"InProgress", "Stopping"})


class SageMakerBatch:
    """The `JobModel` port over CreateTransformJob.

    A job's name is made of the model and of what is sent: what was submitted is found again, and
    begun anew only where it failed.
    """

    def __init__(self, artefact: Artefact, *, label: str) -> None:
        """Read the card; nothing is asked. Raises `ArtefactError`."""
        self._card = card = read_card(BatchCard, artefact, label=label)
        self._digest = artefact.digest
        self._aws = Aws(region=card.region)
        self._shelf = Shelf(self._aws, card.s3, at_once=card.at_once)
        jobs = (
            f"arn:${{AWS::Partition}}:sagemaker:{card.region or '${AWS::Region}'}"
            ":${AWS::AccountId}:transform-job/walkdown-*"
        )
        permissions = (
            Permission(("sagemaker:CreateTransformJob", "sagemaker:DescribeTransformJob"), (jobs,)),
            *s3_permissions(card.s3, write=card.s3),
        )
        self._info = info(card, artefact, label=label, permissions=permissions)

    @property
    def info(self) -> ModelInfo:
        """A service that works by job."""
        return self._info

    def submit(self, photos: Sequence[Photo]) -> str:
        """Put photos on the shelf and begin a job over them, unless there is one that serves."""
        card = self._card
        made = [attempted(partial(sent, card.input, photo)) for photo in photos]
        sizes = [(photo.width_px, photo.height_px) for photo in photos]
        told = [one if isinstance(one, str) else one.data.hex() for one in made]
        what = digest_of("transform", self._digest, told, sizes)[:32]
        bodies = {at: one for at, one in enumerate(made) if isinstance(one, Sent)}
        kind = next((card.content_type or one.content_type for one in bodies.values()), "")
        names = {at: f"{at:05}{ending(kind)}" for at in bodies}
        try:
            self._put(what, kind, [(names[at], one.data) for at, one in bodies.items()])
            number = self._begun(what, kind, min(names.values())) if bodies else 0
            entries = [
                Entry(size_px, error=one)
                if isinstance(one, str)
                else Entry(size_px, one.size_px, self._output(what, number, names[at]))
                for at, (size_px, one) in enumerate(zip(sizes, made, strict=True))
            ]
            self._shelf.note(f"{what}/photos-{number}.json", {"photos": written(entries)})
        except AwsError as e:
            raise ModelError(str(e)) from e
        return json.dumps({"what": what, "number": number})

    def _put(self, what: str, kind: str, files: Sequence[tuple[str, bytes]]) -> None:
        self._shelf.each(
            lambda file: self._shelf.put(f"{what}/input/{file[0]}", file[1], kind), files
        )

    def ready(self, token: str) -> bool:
        """Whether the job has ended, well or badly."""
        what, number = _read(token)
        return number == 0 or self._described(what, number)["TransformJobStatus"] not in _ONGOING

    def collect(self, token: str) -> list[Prediction]:
        """The answers; a job that failed has those of the photos that it got through."""
        what, number = _read(token)
        entries = entries_of(self._shelf.noted(f"{what}/photos-{number}.json"))
        said = self._shelf.each(self._collected, entries)
        if all(one is not None for one in said):
            return [one for one in said if one is not None]
        why = failed(self._why(self._described(what, number)))
        return [one or why for one in said]

    def _begun(self, what: str, kind: str, first: str) -> int:
        """The number of the job over these photos: one that is on its way or done, or a new one."""
        for number in range(1, TRIES + 1):
            if self._created(what, number, kind):
                return number
            found = self._described(what, number)
            status = found["TransformJobStatus"]
            # Answers may have been cleared away since the job was done.
            if status == "InProgress" or (
                status == "Completed" and self._shelf.has(self._output(what, number, first))
            ):
                return number
        raise ModelError(
            f"{TRIES} transform jobs of these photographs have failed, the last one by: "
            f"{self._why(found)}"
        )

    def _created(self, what: str, number: int, kind: str) -> bool:
        """Begin a job; False where there is one of its name."""
        card, more = self._card, {}
        if card.max_concurrent is not None:
            more["MaxConcurrentTransforms"] = card.max_concurrent
        try:
            with explained(f"begin a transform job of the SageMaker model {card.model}"):
                self._aws.client("sagemaker").create_transform_job(
                    TransformJobName=_name(what, number),
                    ModelName=card.model,
                    MaxPayloadInMB=card.max_payload_mb,
                    BatchStrategy="SingleRecord",
                    TransformInput=_input(self._shelf.uri(f"{what}/input/"), kind),
                    TransformOutput={
                        "S3OutputPath": self._shelf.uri(f"{what}/output-{number}"),
                        "Accept": card.accept,
                        "AssembleWith": "None",
                    },
                    TransformResources={
                        "InstanceType": card.instance_type,
                        "InstanceCount": card.instance_count,
                    },
                    **more,
                )
        except AwsError as e:
            # Several errors say it, by the age of the name.
            if e.code == "ResourceInUse" or "already exist" in str(e) or "must be unique" in str(e):
                return False
            raise
        return True

    def _described(self, what: str, number: int) -> dict[str, Any]:
        name = _name(what, number)
        try:
            with explained(f"ask for the transform job {name}"):
                found: dict[str, Any] = self._aws.client("sagemaker").describe_transform_job(
                    TransformJobName=name
                )
        except AwsError as e:
            raise ModelError(str(e)) from e
        return found

    def _output(self, what: str, number: int, name: str) -> str:
        return self._shelf.uri(f"{what}/output-{number}/{name}.out")

    def _collected(self, entry: Entry) -> Prediction | None:
        """None where there is no answer."""
        if entry.error:
            return failed(entry.error)
        try:
            data = self._shelf.get(entry.output)
        except WalkdownError as e:
            return failed(str(e))
        return None if data is None else prediction(self._card, entry, data)

    def _why(self, found: dict[str, Any]) -> str:
        status, name = found["TransformJobStatus"], found["TransformJobName"]
        reason = shown(str(found.get("FailureReason") or "no reason is given"))[:300]
        return (
            f"the transform job {name} gave no answer: {status} ({reason}); see its log in "
            "CloudWatch, then inspect again"
        )


def _input(uri: str, kind: str) -> dict[str, Any]:
    return {
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
        "ContentType": kind,
        "CompressionType": "None",
        "SplitType": "None",
    }


def _name(what: str, number: int) -> str:
    return f"walkdown-{what}-{number}"


def _read(token: str) -> tuple[str, int]:
    """A token of ours, before it becomes part of a name. Raises `ModelError`."""
    try:
        value = json.loads(token)
        what, number = str(value["what"]), int(value["number"])
    except (ValueError, KeyError, TypeError) as e:
        raise ModelError("there is no such job") from e
    if len(what) != 32 or not what.isalnum() or not 0 <= number <= TRIES:
        raise ModelError("there is no such job")
    return what, number
