"""Where the secret of a request comes from: the environment, or AWS Secrets Manager."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from walkdown.errors import ModelError
from walkdown.models.http.card import BEARER
from walkdown.sdk.aws import Aws, explained

if TYPE_CHECKING:
    from collections.abc import Mapping

    from walkdown.models.http.card import HttpCard


class Secret:
    """The secret that a card names, read when it is first needed, and kept until it is refused.

    The environment wins where it has the variable: on a laptop it does, in a function it doesn't.
    """

    def __init__(self, card: HttpCard, env: Mapping[str, str]) -> None:
        self._card, self._env = card, env
        self._aws = Aws(region=card.secret_region)
        self._kept: str | None = None
        self._lock = threading.Lock()

    def header(self) -> dict[str, str]:
        """The header that carries it; nothing where the card names none. Raises `ModelError`."""
        if not self._card.has_secret:
            return {}
        with self._lock:
            if self._kept is None:
                self._kept = _plain(self._read())
            value = self._kept
        if self._card.header == BEARER and not self._card.secret_env:
            value = f"Bearer {value}"
        return {self._card.header: value}

    def words(self) -> tuple[str, ...]:
        """What no error may repeat."""
        return (self._kept,) if self._kept else ()

    def forget(self) -> None:
        """It was refused: it may have been changed, so it is read anew when it is next needed."""
        with self._lock:
            self._kept = None

    def _read(self) -> str:
        variable, arn = self._card.variable, self._card.token_secret
        if variable and (found := self._env.get(variable, "").strip()):
            return found
        if arn is None:
            raise ModelError(
                f"the environment variable {variable} is not set: let it hold the secret of "
                "the service, then run again; in AWS, name a secret by token_secret"
            )
        with explained(f"read the secret {arn}"):
            client = self._aws.client("secretsmanager")
            said = str(client.get_secret_value(SecretId=arn).get("SecretString") or "")
        return _of_json(said, self._card.secret_key) if self._card.secret_key else said.strip()


def _of_json(text: str, key: str) -> str:
    try:
        return str(json.loads(text)[key]).strip()
    except (ValueError, LookupError, TypeError, RecursionError):
        # Without its cause, which would show what is secret.
        raise ModelError(
            f"the secret is no JSON with the key {key!r}: correct secret_key in the card, or leave "
            "it out for a secret that is the token itself"
        ) from None


def _plain(value: str) -> str:
    if not value or not (value.isascii() and value.isprintable()):
        raise ModelError(
            "the secret of the service is empty or not plain characters in one line: set it anew"
        )
    return value
