"""The `Model` port over Bedrock's Converse: one question a photograph, one more if it must."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from walkdown.errors import ModelError, WalkdownError
from walkdown.imaging.encoding import Limits, encoded
from walkdown.models.bedrock import answers, asking
from walkdown.models.bedrock.answers import Unfit
from walkdown.models.bedrock.asking import Failed
from walkdown.models.bedrock.card import BedrockCard
from walkdown.models.calling import AT_ONCE, Asking
from walkdown.models.cards import read_card
from walkdown.pipeline.predictions import failed
from walkdown.sdk.aws import Aws, AwsError, explained
from walkdown.sdk.pace import Pace
from walkdown.types import Capability, ModelInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from walkdown.imaging.encoding import Encoded
    from walkdown.models.artefact import Artefact
    from walkdown.models.bedrock.answers import Answer
    from walkdown.types import Photo, Prediction

MAX_BYTES: Final = 3_750_000
"""What Converse takes for an image."""

_NONSENSE: Final = (
    *(AttributeError, KeyError, TypeError, ValueError), *(OverflowError, RecursionError)
)  # fmt: skip
"""What reading an answer of another form than the service's raises, in botocore too."""

_CAPABILITIES: Final[Mapping[str, frozenset[Capability]]] = {
    "inspect": frozenset({"verdict", "labels", "boxes"}),
    "classify": frozenset({"verdict", "labels"}),
    "describe": frozenset(),
}


class Bedrock:
    """A language model of Bedrock, asked about photographs."""

    def __init__(self, artefact: Artefact, *, label: str) -> None:
        self._card = card = read_card(BedrockCard, artefact, label=label)
        self._aws = Aws(region=card.where)
        self._limits = Limits(MAX_BYTES, max_side_px=card.max_side_px)
        self._asking = Asking()
        rate = card.per_second
        self._pace = Pace(rate, burst=max(1, int(rate))) if rate else None
        self._info = ModelInfo(
            label,
            artefact.digest,
            kind="call",
            max_batch=AT_ONCE,
            input_px=card.max_side_px,
            threshold=None if card.task == "describe" else card.threshold,
            capabilities=_CAPABILITIES[card.task],
            usd_per_image=card.expected_usd,
            deterministic=False,
            permissions=card.permissions(),
        )

    @property
    def info(self) -> ModelInfo:
        """A call, which may say something else another time, at temperature 0 too."""
        return self._info

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """One prediction per photo; what was paid for an answer that failed is in its cost."""
        return self._asking.each(photos, self._look)

    def _look(self, photo: Photo) -> Prediction:
        image = encoded(photo, self._limits)
        bill = _Bill(self._card)
        try:
            answer = self._answer(image, bill)
        except WalkdownError as e:
            return replace(failed(str(e)), cost_usd=bill.usd)
        except _NONSENSE as e:
            why = (
                f"the answer of {self._card.model_id} is not as Amazon Bedrock gives it "
                f"({type(e).__name__}); check what AWS_ENDPOINT_URL leads to, if it is set"
            )
            return replace(failed(why), cost_usd=bill.usd)
        said = answers.judged(
            self._card, answer, width_px=photo.width_px, height_px=photo.height_px
        )
        return replace(said, cost_usd=bill.usd)

    def _answer(self, image: Encoded, bill: _Bill) -> Answer:
        """Asked once, and once more with what was wrong."""
        first = self._converse(image, bill)
        try:
            return answers.read(self._card, asking.answered(self._card, first))
        except Unfit as e:
            earlier = Failed(str(e), asking.as_text(first))
        second = self._converse(image, bill, earlier)
        try:
            return answers.read(self._card, asking.answered(self._card, second))
        except Unfit as e:
            raise ModelError(
                f"{self._card.model_id} did not answer in the form that it was asked for, twice: "
                f"{earlier.why}; then: {e}; try another model, or a prompt that asks for less"
            ) from e

    def _converse(
        self, image: Encoded, bill: _Bill, earlier: Failed | None = None
    ) -> dict[str, Any]:
        if self._pace is not None:
            self._pace.wait()
        what = f"ask {self._card.model_id} of Amazon Bedrock"
        try:
            with explained(what):
                client = self._aws.client("bedrock-runtime")
                said: dict[str, Any] = client.converse(**asking.request(self._card, image, earlier))
        except AwsError as e:
            more = asking.hint(e.code, str(e))
            if not more:
                raise
            raise AwsError(f"{e}; {more}", code=e.code, status=e.status) from e
        bill.add(said.get("usage", {}))
        return said


class _Bill:
    """What the answers to one photograph cost; None before anything was answered."""

    def __init__(self, card: BedrockCard) -> None:
        self._card = card
        self.usd: float | None = None

    def add(self, usage: Mapping[str, Any]) -> None:
        tokens_in, tokens_out = usage.get("inputTokens", 0), usage.get("outputTokens", 0)
        self.usd = (self.usd or 0.0) + self._card.usd(tokens_in, tokens_out)
