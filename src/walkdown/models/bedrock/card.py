"""The card of a Bedrock model, what it may do in AWS, and what a look is expected to cost."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from walkdown.models.cards import Card
from walkdown.types import Permission


def _fitting(pattern: str, words: str) -> AfterValidator:
    """Text that fits a pattern, or else a complaint in words."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"must be {words}")
        return value

    return AfterValidator(check)


Task = Literal["inspect", "classify", "describe"]
Label = Annotated[str, Field(min_length=1, max_length=80)]
Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Region = Annotated[str, _fitting(r"[a-z]{2}(-[a-z]+)+-\d", "a region, such as eu-central-1")]
FoundationModel = Annotated[
    str, _fitting(r"[a-z0-9-]+(\.[A-Za-z0-9_:-]+)+", "the id of a model, anthropic.claude-...")
]
GuardrailId = Annotated[str, _fitting(r"[a-z0-9]{1,64}", "the id of a guardrail, no ARN")]
GuardrailVersion = Annotated[
    str, _fitting(r"[1-9][0-9]{0,7}|DRAFT", "a number in quotes, or DRAFT")
]

_ID = re.compile(r"[a-z0-9-]+(\.[A-Za-z0-9_:-]+)+\Z")
_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):bedrock:(?P<region>[a-z0-9-]+):(?P<account>\d{12})?:"
    r"(?P<kind>[a-z-]+)/(?P<name>[A-Za-z0-9./:_-]+)\Z"
)
_INVOKED = frozenset(
    {
        *("foundation-model", "inference-profile", "application-inference-profile"),
        *("provisioned-model", "custom-model-deployment", "imported-model"),
    }
)
_GEOGRAPHIES: Final = frozenset(
    {"us", "us-gov", "eu", "apac", "ap", "jp", "au", "ca", "in", "uk", "sa", "me", "af", "global"}
)
"""What an inference profile over several regions puts before the name of its model."""

_TYPICAL_OUTPUT: Final = {"inspect": 350, "classify": 120, "describe": 250}
_WORDS_IN: Final = 900
"""Tokens of instructions, question and form together, roughly."""
_PX_A_TOKEN: Final = 750


class Price(Card):
    """US dollars for a million tokens. The defaults are no model's own: see its price list."""

    input: Dollars = 3.0
    output: Dollars = 15.0


class Guardrail(Card):
    """A guardrail of Bedrock that checks what goes in and comes out."""

    id: GuardrailId
    version: GuardrailVersion = "DRAFT"


class BedrockCard(Card):
    """What a user says of a Bedrock model; ``docs/models/bedrock.md`` explains each key."""

    model_id: str = Field(max_length=2048)
    foundation_model: FoundationModel | None = None
    region: Region | None = None
    task: Task = "inspect"
    prompt: str | None = Field(None, min_length=1, max_length=20_000)
    labels: tuple[Label, ...] = Field((), max_length=100)
    anomalies: tuple[Label, ...] = ()
    threshold: float = Field(0.5, gt=0, lt=1)
    tools: bool = True
    temperature: float | None = Field(0.0, ge=0, le=1)
    max_tokens: int = Field(1000, ge=32, le=64_000)
    max_side_px: int = Field(1568, ge=64, le=8000)
    per_second: float | None = Field(None, gt=0, le=1000)
    usd_per_million: Price = Price()
    usd_per_image: Dollars | None = None
    guardrail: Guardrail | None = None

    @field_validator("model_id")
    @classmethod
    def _names_a_model(cls, value: str) -> str:
        arn = _ARN.match(value)
        if arn is not None and arn["kind"] in _INVOKED:
            return value
        if value.startswith("arn:") or not _ID.match(value):
            raise ValueError(
                "must be the id of a model (anthropic.claude-...) or of an inference profile "
                "(eu.anthropic.claude-...), or the ARN of one"
            )
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> BedrockCard:
        arn = _ARN.match(self.model_id)
        if arn and self.region and arn["region"] != self.region:
            raise ValueError(
                f"the model_id is of {arn['region']} and the region is {self.region}: "
                "give the region of the model"
            )
        is_application = bool(arn and arn["kind"] == "application-inference-profile")
        if self.foundation_model and not is_application:
            raise ValueError("'foundation_model' is for application inference profiles alone")
        if is_application and not self.foundation_model:
            raise ValueError(
                "an application inference profile does not say which model it leads to: give its "
                "foundation_model (anthropic.claude-...), which must be permitted too"
            )
        self._check_labels()
        return self

    def _check_labels(self) -> None:
        names = [label.casefold() for label in self.labels]
        if len(set(names)) < len(names):
            raise ValueError("the labels must differ from each other, by more than capitals")
        if self.task == "classify":
            if len(names) < 2 or not self.anomalies:
                raise ValueError("to classify needs two or more labels, and 'anomalies' of them")
            unknown = [each for each in self.anomalies if each.casefold() not in names]
            if unknown:
                raise ValueError(f"the anomaly {unknown[0]!r} is none of the labels")
        elif self.anomalies:
            raise ValueError(f"'anomalies' is for the task classify, not for {self.task}")
        elif self.labels and self.task == "describe":
            raise ValueError("'labels' is for the tasks inspect and classify, not for describe")

    @property
    def where(self) -> str | None:
        """The region that is asked: the card's, or that of the model's ARN."""
        arn = _ARN.match(self.model_id)
        return arn["region"] if arn else self.region

    @property
    def expected_usd(self) -> float:
        """What a look is expected to cost: a photograph of 4 to 3 at full size, a usual answer."""
        if self.usd_per_image is not None:
            return self.usd_per_image
        tokens_in = _WORDS_IN + 0.75 * self.max_side_px**2 / _PX_A_TOKEN
        tokens_in += len(self.prompt or "") / 4
        tokens_out = min(self.max_tokens, _TYPICAL_OUTPUT[self.task])
        return self.usd(round(tokens_in), tokens_out)

    def usd(self, tokens_in: int, tokens_out: int) -> float:
        """What so many tokens cost."""
        price = self.usd_per_million
        return (tokens_in * price.input + tokens_out * price.output) / 1_000_000

    def permissions(self) -> tuple[Permission, ...]:
        """To invoke exactly this model; for a profile also the model behind it, where that is."""
        found = [Permission(("bedrock:InvokeModel",), tuple(self._arns()))]
        if self.guardrail:
            name = self._arn("guardrail", self.guardrail.id, account="${AWS::AccountId}")
            found.append(Permission(("bedrock:ApplyGuardrail",), (name,)))
        return tuple(found)

    def _arns(self) -> list[str]:
        arn = _ARN.match(self.model_id)
        if arn is None:
            geography, _, name = self.model_id.partition(".")
            if geography not in _GEOGRAPHIES:
                return [self._arn("foundation-model", self.model_id)]
            profile = self._arn("inference-profile", self.model_id, account="${AWS::AccountId}")
            return [profile, *self._behind(geography, name)]
        if arn["kind"] == "inference-profile":
            geography, _, name = arn["name"].partition(".")
            return [self.model_id, *self._behind(geography, name)]
        if arn["kind"] == "application-inference-profile":
            geography, _, name = str(self.foundation_model).partition(".")
            whole = name if geography in _GEOGRAPHIES else f"{geography}.{name}"
            return [self.model_id, *self._behind(geography, whole)]
        return [self.model_id]

    def _behind(self, geography: str, name: str) -> list[str]:
        """The model in the regions that a profile may lead to, which AWS adds to over time."""
        found = [f"arn:${{AWS::Partition}}:bedrock:*::foundation-model/{name}"]
        if geography == "global":
            # A global profile also asks for the model of no region.
            found.append(f"arn:${{AWS::Partition}}:bedrock:::foundation-model/{name}")
        return found

    def _arn(self, kind: str, name: str, account: str = "") -> str:
        region = self.where or "${AWS::Region}"
        return f"arn:${{AWS::Partition}}:bedrock:{region}:{account}:{kind}/{name}"
