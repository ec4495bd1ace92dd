"""A model behind an asynchronous endpoint: photos go to S3, and answers come to S3."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from walkdown.errors import ModelError, WalkdownError
from walkdown.models.cards import read_card
from walkdown.models.mapping import sent
from walkdown.models.sagemaker.cards import AsyncCard, endpoint_permission, s3_permissions
from walkdown.models.sagemaker.jobs import Entry, entries_of, info, prediction, told, written
from walkdown.models.sagemaker.shelf import Shelf, attempted, ending
from walkdown.pipeline.predictions import failed
from walkdown.sdk.aws import Aws, AwsError, explained
from walkdown.types import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from walkdown.models.artefact import Artefact
    from walkdown.models.mapping import Sent
    from walkdown.types import ModelInfo, Photo, Prediction

KIND = "sagemaker_async"


class SageMakerAsync:
    """The `JobModel` port over InvokeEndpointAsync.

    A token is the name of an object in which the job remembers its photos: any process can collect
    what another has submitted.
    """

    def __init__(
        self, artefact: Artefact, *, label: str, clock: Callable[[], float] = time.time
    ) -> None:
        """Read the card; nothing is asked. Raises `ArtefactError`."""
        self._card = card = read_card(AsyncCard, artefact, label=label)
        self._aws, self._clock = Aws(region=card.region), clock
        self._shelf = Shelf(self._aws, card.s3, at_once=card.at_once)
        permissions = (
            endpoint_permission("InvokeEndpointAsync", card),
            *s3_permissions(card.s3, card.output_s3 or card.s3, write=card.s3),
        )
        self._info = info(card, artefact, label=label, permissions=permissions)

    @property
    def info(self) -> ModelInfo:
        """A service that works by job."""
        return self._info

    def submit(self, photos: Sequence[Photo]) -> str:
        """Put photos on the shelf and ask for each; one that can't be asked for fails alone."""
        try:
            entries = self._shelf.each(self._begun, photos)
            token = f"jobs/{digest_of('job', written(entries))[:32]}.json"
            self._shelf.note(token, {"asked_at": self._clock(), "photos": written(entries)})
        except AwsError as e:
            raise ModelError(str(e)) from e
        return token

    def ready(self, token: str) -> bool:
        """Whether every photo has an answer or a failure, or has been waited for long enough."""
        noted = self._shelf.noted(_checked(token))
        if self._is_over(noted.get("asked_at")):
            return True
        # The first one that is still waited for is enough to know.
        return all(
            entry.error or self._shelf.has(entry.output) or self._has_failed(entry)
            for entry in entries_of(noted)
        )

    def collect(self, token: str) -> list[Prediction]:
        """The answers; a photo without one has failed, and says why."""
        noted = self._shelf.noted(_checked(token))
        return self._shelf.each(self._collected, entries_of(noted))

    def _begun(self, photo: Photo) -> Entry:
        size_px = photo.width_px, photo.height_px
        made = attempted(lambda: sent(self._card.input, photo))
        if isinstance(made, str):
            return Entry(size_px, error=made)
        try:
            output, failure = self._asked(made)
        except WalkdownError as e:
            return Entry(size_px, error=str(e))
        return Entry(size_px, made.size_px, output, failure)

    def _asked(self, made: Sent) -> tuple[str, str]:
        """Where the answer will be, and where it is told why there is none."""
        card, kind = self._card, self._card.content_type or made.content_type
        name = f"input/{digest_of('body', kind, made.data.hex())[:32]}{ending(kind)}"
        uri = self._shelf.put(name, made.data, kind)
        where = f" in {card.region}" if card.region else ""
        with explained(f"ask the asynchronous SageMaker endpoint {card.endpoint}{where}"):
            answer = self._aws.client("sagemaker-runtime").invoke_endpoint_async(
                EndpointName=card.endpoint,
                ContentType=kind,
                Accept=card.accept,
                InputLocation=uri,
            )
        return str(answer["OutputLocation"]), str(answer.get("FailureLocation") or "")

    def _has_failed(self, entry: Entry) -> bool:
        return bool(entry.failure) and self._shelf.has(entry.failure)

    def _is_over(self, asked_at: object) -> bool:
        began = asked_at if isinstance(asked_at, int | float) else 0.0
        return self._clock() > began + self._card.timeout_s

    def _collected(self, entry: Entry) -> Prediction:
        if entry.error:
            return failed(entry.error)
        try:
            data = self._shelf.get(entry.output)
            if data is not None:
                return prediction(self._card, entry, data)
            why = self._shelf.get(entry.failure) if entry.failure else None
        except WalkdownError as e:
            return failed(str(e))
        if why is not None:
            return failed(f"the endpoint {self._card.endpoint} failed: {told(why)}")
        return failed(
            f"the endpoint {self._card.endpoint} gave no answer within {self._card.timeout_s} s; "
            "see its log in CloudWatch, then inspect again"
        )


def _checked(token: str) -> str:
    """A token of ours, before it becomes part of a key. Raises `ModelError`."""
    name = token.removeprefix("jobs/").removesuffix(".json")
    if token != f"jobs/{name}.json" or not (name.isalnum() and len(name) == 32):
        raise ModelError("there is no such job")
    return token
