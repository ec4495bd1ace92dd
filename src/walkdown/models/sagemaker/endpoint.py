"""A model behind a real-time or a serverless endpoint of SageMaker, asked photo by photo."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from walkdown.errors import ModelError
from walkdown.models.calling import Asking
from walkdown.models.cards import read_card
from walkdown.models.mapping import mapped, parsed, sent
from walkdown.models.sagemaker.cards import EndpointCard, endpoint_permission
from walkdown.models.sagemaker.shelf import bounded
from walkdown.pipeline.predictions import failed
from walkdown.sdk.aws import Aws, AwsError, explained
from walkdown.types import ModelInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from walkdown.models.artefact import Artefact
    from walkdown.models.mapping import Sent
    from walkdown.types import Photo, Prediction

KIND = "sagemaker"

LOADING_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""How long a model that is being loaded is waited for, time after time."""


class SageMakerEndpoint:
    """The `Model` port over InvokeEndpoint."""

    def __init__(
        self, artefact: Artefact, *, label: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Read the card; nothing is asked. Raises `ArtefactError`."""
        self._sleep = sleep
        self._card = card = read_card(EndpointCard, artefact, label=label)
        self._aws = Aws(region=card.region)
        self._asking = Asking(per_second=card.per_second, at_once=card.at_once)
        self._info = ModelInfo(
            label,
            artefact.digest,
            kind="call",
            input_px=card.input.input_px,
            threshold=card.output.threshold,
            capabilities=card.output.capabilities,
            usd_per_image=card.usd_per_image,
            deterministic=card.deterministic,
            permissions=(endpoint_permission("InvokeEndpoint", card),),
        )

    @property
    def info(self) -> ModelInfo:
        """A service that is called; what it shows is what the card's output names."""
        return self._info

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """One call for each photo, several at once; what fails, fails for its photo."""
        return self._asking.each(photos, self._ask)

    def _ask(self, photo: Photo) -> Prediction:
        request = sent(self._card.input, photo)
        cost = self._card.usd_per_image or None
        try:
            said = mapped(
                self._card.output,
                parsed(self._patiently(request)),
                width_px=photo.width_px,
                height_px=photo.height_px,
                sent_px=request.size_px,
            )
        except ModelError as e:
            # It was asked all the same, and that is paid.
            said = failed(f"the endpoint {self._card.endpoint}: {e}")
        return replace(said, cost_usd=cost)

    def _patiently(self, request: Sent) -> bytes:
        """As `_answer`, which a serverless endpoint or one of many models first has to load for."""
        for wait_s in LOADING_S:
            try:
                return self._answer(request)
            except AwsError as e:
                if e.code != "ModelNotReadyException":
                    raise
                self._sleep(wait_s)
        return self._answer(request)

    def _answer(self, request: Sent) -> bytes:
        card = self._card
        more: dict[str, Any] = {
            "TargetVariant": card.variant,
            "InferenceComponentName": card.inference_component,
            "TargetModel": card.target_model,
        }
        with explained(f"ask the SageMaker endpoint {card.endpoint}{_place(card.region)}"):
            answer = self._aws.client("sagemaker-runtime").invoke_endpoint(
                EndpointName=card.endpoint,
                Body=request.data,
                ContentType=card.content_type or request.content_type,
                Accept=card.accept,
                **{name: value for name, value in more.items() if value},
            )
            return bounded(answer["Body"], "its answer")


def _place(region: str | None) -> str:
    return f" in {region}" if region else ""
