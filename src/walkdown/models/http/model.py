"""The `Model` port over an address that takes photographs and answers JSON."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from walkdown.errors import ArtefactError, WalkdownError
from walkdown.models.calling import Asking
from walkdown.models.cards import read_card
from walkdown.models.http.card import HttpCard
from walkdown.models.http.secrets import Secret
from walkdown.models.mapping import mapped, parsed, sent
from walkdown.pipeline.predictions import failed
from walkdown.sdk.http import Http, HttpError, Manners
from walkdown.types import ModelInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from walkdown.models.artefact import Artefact
    from walkdown.models.mapping import Sent
    from walkdown.types import Photo, Prediction

_REFUSES_THE_SECRET: Final = frozenset({401, 403})
_NO_ENV: Final[Mapping[str, str]] = {}


class HttpModel:
    """A model behind an address."""

    needs = ("env",)

    def __init__(self, artefact: Artefact, *, label: str, env: Mapping[str, str] = _NO_ENV) -> None:
        self._card = card = read_card(HttpCard, artefact, label=label)
        self._secret = Secret(card, env)
        self._asking = Asking(per_second=card.per_second, at_once=card.at_once)
        self._http = _http(card, artefact, label)
        self._info = ModelInfo(
            label,
            artefact.digest,
            kind="call",
            max_batch=card.at_once,
            input_px=card.input.input_px,
            threshold=card.output.threshold,
            capabilities=card.output.capabilities,
            usd_per_image=card.usd_per_image,
            deterministic=card.deterministic,
            permissions=card.permissions(),
        )

    @property
    def info(self) -> ModelInfo:
        """A call, to a service of which no more is known than its card says."""
        return self._info

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """One prediction per photo, each asked for by a request of its own."""
        return self._asking.each(photos, self._look)

    def _look(self, photo: Photo) -> Prediction:
        request = sent(self._card.input, photo)
        answer = self._answer(request)
        # What was answered was charged for, whether it can be read or not.
        cost_usd = self._card.usd_per_image or None
        try:
            said = mapped(
                self._card.output,
                parsed(answer),
                width_px=photo.width_px,
                height_px=photo.height_px,
                sent_px=request.size_px,
            )
        except WalkdownError as e:
            return replace(failed(str(e)), cost_usd=cost_usd)
        return replace(said, cost_usd=cost_usd)

    def _answer(self, request: Sent) -> bytes:
        headers = {
            "Accept": "application/json",
            "User-Agent": "walkdown",
            **self._card.headers,
            "Content-Type": request.content_type,
            **self._secret.header(),
        }
        try:
            return self._http.send(request.data, headers, hide=self._secret.words())
        except HttpError as e:
            if e.status in _REFUSES_THE_SECRET:
                self._secret.forget()
            raise


def _http(card: HttpCard, artefact: Artefact, label: str) -> Http:
    authorities = None
    if card.ca_file is not None:
        if card.ca_file not in artefact.files:
            raise ArtefactError(
                f"the card of {label}: 'ca_file' names {card.ca_file!r}, which is none of its "
                "files: add it under 'files'"
            )
        authorities = artefact.files[card.ca_file].decode("ascii", "ignore")
    manners = Manners(
        connect_timeout_s=card.connect_timeout_s,
        timeout_s=card.timeout_s,
        retries=card.retries,
        max_answer_bytes=card.max_answer_bytes,
        at_once=card.at_once,
    )
    try:
        return Http(card.url, method=card.method, manners=manners, authorities=authorities)
    except ssl.SSLError as e:
        raise ArtefactError(
            f"the card of {label}: the file {card.ca_file!r} holds no certificates in PEM form"
        ) from e
