"""A model behind a real-time or a serverless endpoint of SageMaker, asked photo by photo."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from walkdown.errors import ModelError
from walkdown.models.calling import Asking
from walkdown.models.cards import read_card
from walkdown.models.mapping import mapped, parsed, sent
from walkdown.models.sagemaker.cards import EndpointCard, endpoint_permission
from walkdown.pipeline.predictions import failed
from walkdown.sdk.aws import Aws, explained
from walkdown.types import ModelInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.models.artefact import Artefact
    from walkdown.models.mapping import Sent
    from walkdown.types import Photo, Prediction

KIND = "sagemaker"


class SageMakerEndpoint:
    """The `Model` port over InvokeEndpoint."""

    def __init__(self, artefact: Artefact, *, label: str) -> None:
        """Read the card; nothing is asked. Raises `ArtefactError`."""
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
        answer = self._answer(request)
        cost = self._card.usd_per_image or None
        try:
            said = mapped(
                self._card.output,
                parsed(answer),
                width_px=photo.width_px,
                height_px=photo.height_px,
                sent_px=request.size_px,
            )
        except ModelError as e:
            # It was asked all the same, and that is paid.
            said = failed(f"the endpoint {self._card.endpoint}: {e}")
        return replace(said, cost_usd=cost)

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
            data: bytes = answer["Body"].read()
        return data


def _place(region: str | None) -> str:
    return f" in {region}" if region else ""
