"""The card of a model behind an address. No secret stands in it, only the name of one."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from walkdown.complaints import Located
from walkdown.models.cards import Card
from walkdown.models.mapping import InputCard, OutputCard
from walkdown.sdk import addresses
from walkdown.types import Permission

Seconds = Annotated[float, Field(gt=0, le=600)]

BEARER: Final = "Authorization"
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\Z")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SECRET_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:secretsmanager:([a-z0-9-]+):\d{12}:secret:[A-Za-z0-9/_+=.@-]+\Z"
)
_OURS: Final = frozenset(
    {"host", "content-type", "content-length", "transfer-encoding", "connection", "expect"}
)
_SECRET: Final = re.compile(r"(?i)authorization|cookie|token|secret|password|api-?key|credential")


class HttpCard(Card):
    """What a user says of such a model; ``docs/models/http.md`` explains each key."""

    url: str = Field(max_length=2000)
    method: Literal["POST", "PUT"] = "POST"
    headers: dict[str, str] = Field(default_factory=dict, max_length=30)
    input: InputCard = InputCard()
    output: OutputCard
    token_env: str | None = None
    token_secret: str | None = None
    header: str = BEARER
    secret_env: str | None = None
    secret_key: str | None = None
    ca_file: str | None = None
    connect_timeout_s: Seconds = 5.0
    timeout_s: Seconds = 60.0
    retries: int = Field(4, ge=0, le=10)
    max_answer_bytes: int = Field(20_000_000, ge=100, le=500_000_000)
    per_second: float | None = Field(None, gt=0, le=10_000)
    at_once: int = Field(8, ge=1, le=64)
    usd_per_image: float = Field(0.0, ge=0, allow_inf_nan=False)
    deterministic: bool = True

    @field_validator("url")
    @classmethod
    def _can_be_asked(cls, value: str) -> str:
        try:
            addresses.checked(value)
        except ValueError as e:
            raise Located(("url",), str(e)) from e
        return value

    @field_validator("headers")
    @classmethod
    def _no_secrets(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not _NAME.match(name):
                raise ValueError(f"{name!r} is no name of a header")
            if name.casefold() in _OURS:
                raise ValueError(f"{name!r} is set by walkdown itself: leave it out")
            if _SECRET.search(name):
                raise ValueError(
                    f"{name!r} looks like a secret, and a card is no place for one: give the name "
                    f"of an environment variable, header: {name} and secret_env: NAME"
                )
            if not (text.isascii() and text.isprintable()):
                raise ValueError(f"the header {name!r} must be plain characters in one line")
        return value

    # What is wrong in these may be the secret itself: such a complaint does not repeat it.
    @field_validator("token_env", "secret_env")
    @classmethod
    def _names_a_variable(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not _VARIABLE.match(value):
            words = "must be the name of an environment variable, not what it holds"
            raise Located((str(info.field_name),), words)
        return value

    @field_validator("token_secret")
    @classmethod
    def _names_a_secret(cls, value: str | None) -> str | None:
        if value is not None and not _SECRET_ARN.match(value):
            raise Located(
                ("token_secret",),
                "must be the whole ARN of a secret in AWS Secrets Manager "
                "(arn:aws:secretsmanager:eu-central-1:123456789012:secret:name-AbCdEf)",
            )
        return value

    @field_validator("header")
    @classmethod
    def _names_a_header(cls, value: str) -> str:
        if not _NAME.match(value) or value.casefold() in _OURS:
            raise ValueError("must be the name of a header that can hold a secret")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> HttpCard:
        if self.token_env and self.secret_env:
            raise ValueError("has both 'token_env' and 'secret_env': give one of them")
        if self.token_env and self.header != BEARER:
            raise ValueError(
                f"'token_env' is for a bearer token; for the header {self.header!r} say secret_env"
            )
        if "header" in self.model_fields_set and not self.has_secret:
            raise ValueError("'header' needs 'secret_env' or 'token_secret': what it holds")
        if self.secret_key and not self.token_secret:
            raise ValueError("'secret_key' is for a 'token_secret' that holds JSON")
        parts = addresses.checked(self.url)
        if self.has_secret and parts.scheme == "http" and not _is_here(parts.hostname):
            raise ValueError("a secret sent to http:// can be read on the way: use https://")
        if self.ca_file and parts.scheme == "http":
            raise ValueError("'ca_file' is for https://")
        return self

    @property
    def has_secret(self) -> bool:
        """Whether requests carry one."""
        return bool(self.token_env or self.secret_env or self.token_secret)

    @property
    def variable(self) -> str | None:
        """The environment variable that holds the secret."""
        return self.token_env or self.secret_env

    @property
    def secret_region(self) -> str | None:
        """Where the secret of AWS is."""
        found = _SECRET_ARN.match(self.token_secret or "")
        return found[1] if found else None

    def permissions(self) -> tuple[Permission, ...]:
        """To read exactly the secret of the card; nothing without one."""
        if self.token_secret is None:
            return ()
        return (Permission(("secretsmanager:GetSecretValue",), (self.token_secret,)),)


def _is_here(host: str | None) -> bool:
    return addresses.is_loopback(host or "")
