"""A model behind any server that speaks the protocol of Amazon Lookout for Vision.

The service itself was switched off in 2025, and botocore knows it no more: its description is our
own (`sdk/data`), the signing, retrying and reading are botocore's. Classification and mask are
computed apart there: the verdict is the classification's, the places are the mask's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import numpy as np
from pydantic import AfterValidator, Field

from walkdown.errors import ImageError, ModelError
from walkdown.imaging.decode import decode
from walkdown.imaging.encoding import Limits, encoded
from walkdown.imaging.regions import regions
from walkdown.models.calling import Asking
from walkdown.models.cards import Card, read_card
from walkdown.models.rules import JUST_NORMAL
from walkdown.models.running import turned
from walkdown.sdk import addresses
from walkdown.sdk.aws import Aws, AwsError, explained
from walkdown.types import HeatMap, ModelInfo, Prediction, Region, RunState, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from walkdown.models.artefact import Artefact
    from walkdown.types import Photo, RunStatus

LIMITS: Final = Limits(8_000_000, 4096, 64)
MOST_BYTES: Final = 20_000_000
"""Of an answer: its mask is a PNG of no more pixels than the image that was sent."""
BACKGROUND, WHITE = "background", "#ffffff"
FINEST: Final = 1024
"""Cells of a heat map along the longer side; a finer mask is made coarser."""
_MASK_PX: Final = LIMITS.max_side_px**2

_STATUSES: Final[dict[str, RunStatus]] = {
    "HOSTED": "running",
    "SYSTEM_UPDATING": "running",
    "STARTING_HOSTING": "starting",
    "STOPPING_HOSTING": "stopping",
    "TRAINED": "stopped",
}
_NONSENSE: Final = (
    *(AttributeError, KeyError, TypeError, ValueError), *(OverflowError, RecursionError)
)  # fmt: skip
_UNREACHED: Final = frozenset(
    {
        *("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "SSLError"),
        *("ConnectionClosedError", "ProxyConnectionError", "HTTPClientError", "ConnectionError"),
    }
)


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.username or parts.password or parts.query:
        raise ValueError("must hold no user, password or question: they would be shown")
    try:
        addresses.checked(value)
    except ValueError as e:
        raise ValueError(f"{e} (an address such as https://inspection.example.com)") from e
    return value.rstrip("/")


class LookoutCard(Card):
    """Where the server is, and which version of which project is asked.

    ``region`` is only what requests are signed for. ``usd_per_image`` and ``usd_per_unit_hour`` are
    what the server costs, where it does.
    """

    endpoint_url: Annotated[str, AfterValidator(_url)]
    project: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]*$", max_length=255)
    version: str = Field(pattern=r"^([1-9][0-9]*|latest)$", max_length=10)
    region: str = Field("us-east-1", pattern=r"^[a-z0-9-]{1,63}$")
    per_second: float | None = Field(None, gt=0, le=10_000)
    inference_units: int = Field(1, ge=1, le=100)
    usd_per_image: float = Field(0.0, ge=0, le=100)
    usd_per_unit_hour: float = Field(0.0, ge=0, le=1000)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What an answer says: how sure an anomaly is, and its mask by label, (rows, columns) bool."""

    score: float
    is_anomaly: bool
    labels: tuple[str, ...]
    places: tuple[tuple[str, NDArray[np.bool_]], ...]


class LookoutVision:
    """The `Model` port by DetectAnomalies; also `Startable` by StartModel and StopModel."""

    def __init__(self, artefact: Artefact, *, label: str) -> None:
        self._label = label
        self._card = read_card(LookoutCard, artefact, label=label)
        self._aws = Aws(
            region=self._card.region, endpoint_url=self._card.endpoint_url, most_bytes=MOST_BYTES
        )
        self._asking = Asking(per_second=self._card.per_second)
        self._info = ModelInfo(
            label,
            artefact.digest,
            kind="call",
            input_px=LIMITS.max_side_px,
            capabilities=frozenset({"verdict", "labels", "boxes", "mask", "heat map"}),
            usd_per_image=self._card.usd_per_image,
        )

    @property
    def info(self) -> ModelInfo:
        """A synchronous service. It needs no permission in AWS: the server is not AWS's."""
        return self._info

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """What the server says of each photo; one that it refuses fails alone."""
        return self._asking.each(photos, self._look)

    def start(self) -> RunState:
        """Have the server host it, with the units of the card."""
        units = self._card.inference_units
        return self._turned("start_model", ("starting", "running"), MinInferenceUnits=units)

    def stop(self) -> RunState:
        """Have the server host it no more."""
        return self._turned("stop_model", ("stopping", "stopped"))

    def state(self) -> RunState:
        """How the server describes it."""
        described = self._called("describe_model").get("ModelDescription") or {}
        units = int(described.get("MinInferenceUnits") or self._card.inference_units)
        return self._told_state(str(described.get("Status")), units)

    def _look(self, photo: Photo) -> Prediction:
        sent = encoded(photo, LIMITS)
        try:
            answer = self._called("detect_anomalies", Body=sent.data, ContentType=sent.content_type)
            seen = _seen(answer["DetectAnomalyResult"])
        except _NONSENSE as e:
            raise ModelError(
                f"{self._label}: the answer of {self._card.endpoint_url} is not as the protocol "
                f"has it ({type(e).__name__}: {e}); check what runs there"
            ) from e
        return replace(_prediction(seen, photo), cost_usd=self._card.usd_per_image or None)

    def _called(self, method: str, **given: Any) -> Mapping[str, Any]:
        """A call about the card's version. Raises `ModelError` and `AwsError`."""
        card = self._card
        try:
            client = self._aws.client("lookoutvision")
            with explained(f"ask {card.endpoint_url} for {self._label}"):
                answer: Mapping[str, Any] = getattr(client, method)(
                    ProjectName=card.project, ModelVersion=card.version, **given
                )
            return answer
        except AwsError as e:
            raise self._told(method, e) from e

    def _told(self, method: str, error: AwsError) -> Exception:
        """The error, or a better one where the advice for AWS itself would lead astray."""
        card = self._card
        start = f"walkdown models start {self._label}"
        if error.code in _UNREACHED:
            return ModelError(
                f"{self._label}: {card.endpoint_url} does not answer; see that the server runs, "
                "and check 'endpoint_url' in the card"
            )
        if error.code == "ResourceNotFoundException":
            return ModelError(
                f"{self._label}: {card.endpoint_url} has no version {card.version} of a project "
                f"{card.project!r}; check both in the card"
            )
        if error.code == "ConflictException" and method == "detect_anomalies":
            return ModelError(f"{self._label} does not run there; start it: {start} ({error})")
        return error

    def _turned(self, method: str, wanted: tuple[RunStatus, ...], **given: Any) -> RunState:
        """Where the service refuses since it is so already, that is no error."""

        def change() -> RunState:
            said = str(self._called(method, **given).get("Status"))
            return self._told_state(said, self._card.inference_units)

        return turned(
            change, self.state, wanted=wanted, refusals=("ConflictException",), label=self._label
        )

    @property
    def usd_per_unit_hour(self) -> float:
        """What it costs as long as it runs, asked or not, for each unit."""
        return self._card.usd_per_unit_hour

    def _told_state(self, said: str, units: int) -> RunState:
        usd = units * self._card.usd_per_unit_hour
        return RunState(_STATUSES.get(said, "failed"), units, usd, said, self._card.endpoint_url)


def _seen(result: Mapping[str, Any]) -> _Seen:
    """Raises `KeyError`, `TypeError` or `ValueError` for a nonsense answer."""
    is_anomaly, confidence = result["IsAnomalous"], float(result["Confidence"])
    if not isinstance(is_anomaly, bool) or not 0.0 <= confidence <= 1.0:
        raise ValueError(f"IsAnomalous is {is_anomaly}, Confidence {confidence}")
    # A confidence is one in the class that was predicted.
    score = confidence if is_anomaly else 1.0 - confidence
    score = max(0.5, score) if is_anomaly else min(JUST_NORMAL, score)
    found = result.get("Anomalies") or []
    colours = {
        str(each["Name"]): str(each["PixelAnomaly"]["Color"]).casefold()
        for each in found
        if float(each["PixelAnomaly"].get("TotalPercentageArea", 1.0)) > 0.0
    }
    back = str(found[0]["PixelAnomaly"]["Color"]).casefold() if found else WHITE
    labels = tuple(name for name, colour in colours.items() if colour != back)
    mask = result.get("AnomalyMask")
    places = tuple(_masks(mask, {n: colours[n] for n in labels}, back)) if mask is not None else ()
    return _Seen(score, is_anomaly, labels, places)


def _masks(
    png: bytes, colours: Mapping[str, str], back: str
) -> list[tuple[str, NDArray[np.bool_]]]:
    """Where each label's colour is; what is neither a label's nor the background's is unnamed."""
    try:
        pixels = decode(png, name="its mask", at_least_px=None, max_pixels=_MASK_PX).pixels
    except ImageError as e:
        raise ValueError(f"its mask: {e}") from e
    number = pixels.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    rest = number != _number(back)
    found = []
    for name, colour in colours.items():
        here = number == _number(colour)
        rest &= ~here
        found.append((name, _coarser(here)))
    found.append(("anomaly", _coarser(rest)))
    return [(name, here) for name, here in found if here.any()]


def _number(colour: str) -> int:
    """``#0a0b0c`` as one number."""
    if len(colour) != 7 or colour[0] != "#":
        raise ValueError(f"{colour[:20]!r} is no colour")
    return int(colour[1:], 16)


def _coarser(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """At most `FINEST` cells along a side; a cell is marked where any of its pixels is."""
    for axis, side in enumerate(mask.shape):
        cells = min(side, FINEST)
        mask = np.logical_or.reduceat(mask, np.arange(cells) * side // cells, axis=axis)
    return mask


def _prediction(seen: _Seen, photo: Photo) -> Prediction:
    """Places are told of an anomaly alone; the heat map shows what the mask marks either way."""
    score = round(seen.score, 4)
    heatmap = _heatmap(seen, score, photo)
    if not seen.is_anomaly:
        return Prediction(Verdict.NORMAL, score, seen.score, heatmap=heatmap)
    places = (_regions(label, mask, score, photo) for label, mask in seen.places)
    return Prediction(
        Verdict.ANOMALY,
        score,
        seen.score,
        labels=seen.labels,
        regions=tuple(region for found in places for region in found),
        heatmap=heatmap,
    )


def _regions(label: str, mask: NDArray[np.bool_], score: float, photo: Photo) -> list[Region]:
    grid = HeatMap(mask.astype(np.float32), photo.width_px, photo.height_px)
    return [replace(region, label=label, score=score) for region in regions(grid)]


def _heatmap(seen: _Seen, score: float, photo: Photo) -> HeatMap | None:
    if not seen.places:
        return None
    marked = np.logical_or.reduce([mask for _, mask in seen.places])
    grid = np.where(marked, np.float32(score), np.float32(0.0))
    return HeatMap(grid, photo.width_px, photo.height_px)
