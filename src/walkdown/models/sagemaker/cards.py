"""The cards of models in SageMaker, and what they need to be allowed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from walkdown.models.cards import Card
from walkdown.models.mapping import InputCard, OutputCard
from walkdown.types import Permission

EndpointName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$")]
Uri = Annotated[str, Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s?#$*{}]*)?$")]
Usd = Annotated[float, Field(ge=0, le=1000)]


class SageMakerCard(Card):
    """What all three kinds are told.

    ``content_type`` and ``accept`` are the headers of a request; ``usd_per_image`` is what a look
    is expected to cost. ``deterministic: false`` is for a model that says another thing of the same
    image another time.
    """

    region: str | None = Field(None, pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    input: InputCard = InputCard()
    output: OutputCard
    content_type: str | None = None
    accept: str = "application/json"
    usd_per_image: Usd = 0.0
    deterministic: bool = True


class EndpointCard(SageMakerCard):
    """A real-time or a serverless endpoint, asked at most ``per_second`` times a second."""

    endpoint: EndpointName
    variant: str | None = None
    inference_component: str | None = None
    target_model: str | None = None
    per_second: float | None = Field(None, gt=0, le=10_000)
    at_once: int = Field(8, ge=1, le=64)

    @model_validator(mode="after")
    def _makes_sense(self) -> EndpointCard:
        if self.variant and self.inference_component:
            raise ValueError("has both 'variant' and 'inference_component'; give one of them")
        return self


class AsyncCard(SageMakerCard):
    """An asynchronous endpoint.

    Photographs are put below ``s3``; ``output_s3`` is where the endpoint puts its answers, if that
    is elsewhere. What has no answer after ``timeout_s`` has failed.
    """

    endpoint: EndpointName
    s3: Uri
    output_s3: Uri | None = None
    timeout_s: int = Field(3600, ge=1, le=86_400)
    at_once: int = Field(8, ge=1, le=64)
    photos_per_job: int = Field(16, ge=1, le=500)


class BatchCard(SageMakerCard):
    """Batch transform by a model of SageMaker, ``photos_per_job`` photographs at a time."""

    model: EndpointName
    s3: Uri
    instance_type: str = Field("ml.m5.large", pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9-]+$")
    instance_count: int = Field(1, ge=1, le=100)
    max_concurrent: int | None = Field(None, ge=0, le=100)
    max_payload_mb: int = Field(6, ge=1, le=100)
    at_once: int = Field(8, ge=1, le=64)
    photos_per_job: int = Field(16, ge=1, le=500)


def endpoint_permission(action: str, card: EndpointCard | AsyncCard) -> Permission:
    """To ask an endpoint; its name is in small letters in its ARN."""
    where = f"arn:${{AWS::Partition}}:sagemaker:{card.region or '${AWS::Region}'}"
    where += ":${AWS::AccountId}"
    names = [f"endpoint/{card.endpoint.lower()}"]
    if isinstance(card, EndpointCard) and card.inference_component:
        names.append(f"inference-component/{card.inference_component.lower()}")
    return Permission((f"sagemaker:{action}",), tuple(f"{where}:{name}" for name in names))


def s3_permissions(*uris: str, write: str) -> tuple[Permission, ...]:
    """To read below all of them and to write below one.

    Listing is asked for since S3 else says "forbidden" of what is not there yet.
    """
    objects = tuple(dict.fromkeys(f"{_arn(uri)}/*" for uri in uris))
    buckets = tuple(dict.fromkeys(_arn(uri).partition("/")[0] for uri in uris))
    return (
        Permission(("s3:PutObject",), (f"{_arn(write)}/*",)),
        Permission(("s3:GetObject",), objects),
        Permission(("s3:ListBucket",), buckets),
    )


def _arn(uri: str) -> str:
    return f"arn:${{AWS::Partition}}:s3:::{uri.removeprefix('s3://').rstrip('/')}"
