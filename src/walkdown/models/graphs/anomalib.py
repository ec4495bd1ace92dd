"""Models that anomalib exported say what they are: then a card needs to say next to nothing.

Its exports of version 2 name their outputs after its `InferenceBatch`: ``pred_score`` and
``anomaly_map``, both scaled so that 0.5 is the threshold, and ``pred_label``, ``pred_mask``.
Resizing and normalisation are part of the graph, which takes RGB values of 0 to 1.

Those of version 1 and before have one output, a map or a score, and beside them a ``metadata.json``
with the thresholds, and ``min`` and ``max`` of the map. Those of version 0 leave the normalisation
to their user, and name it there.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from walkdown.errors import ArtefactError, ModelError
from walkdown.models.graphs import outputs
from walkdown.models.graphs.card import AnomalyCard, InputCard
from walkdown.models.graphs.oddities import Oddities
from walkdown.types import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from walkdown.models.graphs.card import AnomalibCard
    from walkdown.models.graphs.placing import Placement
    from walkdown.models.graphs.runtime import Arrays, Slot
    from walkdown.types import Photo, Prediction

SCORE, LABEL, MAP, MASK = "pred_score", "pred_label", "anomaly_map", "pred_mask"
METADATA = "metadata.json"
SIZE: Final = (256, 256)
"""At which most of its models look: a graph that takes any size resizes to it by itself, but
without the smoothing that was used in training.
"""

CLOSE: Final = 1e-3
"""How near to the threshold graph and we may differ: it rounds, and so do we."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """The card that such a model should have had, and whether its graph gives a label as well."""

    card: AnomalyCard
    is_labelled: bool


def recognise(card: AnomalibCard, given: Sequence[Slot], files: Mapping[str, bytes]) -> Recognised:
    """By the names of the outputs, or by the metadata beside it. Raises `ArtefactError`."""
    names = {slot.name for slot in given}
    if names & {SCORE, MAP}:
        made = AnomalyCard(
            task="anomaly",
            graph=card.graph,
            input=card.input,
            threshold=card.threshold or 0.5,
            range=(0.0, 1.0),
            score=SCORE if SCORE in names else None,
            map=MAP if MAP in names else None,
        )
        return Recognised(made, LABEL in names and SCORE in names)
    if METADATA in files:
        return Recognised(_of_metadata(card, files[METADATA]), is_labelled=False)
    raise ArtefactError(
        "its card names no task, and it is not a model that anomalib exported: it gives "
        f"{'; '.join(map(str, given))}. Say task: classification, detection, segmentation or "
        f"anomaly; for one of anomalib 1 or before, list its {METADATA} under 'files'"
    )


class Anomalib(Oddities):
    """An anomaly model that is held to what its exporter promises."""

    def __init__(self, recognised: Recognised, said: Arrays) -> None:
        super().__init__(recognised.card, said)
        self._is_scaled = recognised.card.range == (0.0, 1.0)
        self._is_labelled = recognised.is_labelled

    def read(self, said: Arrays, where: Placement, photo: Photo) -> Prediction:
        """Raises `ModelError` where scores are not scaled, or the label says something else."""
        if self._is_scaled:
            for name in (SCORE, MAP):
                if name in said and not outputs.are_probabilities(outputs.numbers(said[name])):
                    raise ModelError(
                        f"its graph's {name} is not scaled to 0..1: it was exported without "
                        "normalisation. Say task: anomaly and a threshold in its card"
                    )
        found = super().read(said, where, photo)
        if self._is_labelled:
            self._check_label(found, is_odd=bool(said[LABEL].reshape(-1)[0]))
        return found

    def _check_label(self, found: Prediction, *, is_odd: bool) -> None:
        raw = found.raw_score or 0.0
        differs = is_odd != (found.verdict is Verdict.ANOMALY)
        if differs and abs(raw - self.threshold) > CLOSE:
            side = "an anomaly" if is_odd else "normal"
            raise ModelError(
                f"its graph calls a score of {raw:.3f} {side}, while the threshold is "
                f"{self.threshold:g}: it was exported with another sensitivity. Say threshold: "
                "(1 - sensitivity) in its card"
            )


def _of_metadata(card: AnomalibCard, data: bytes) -> AnomalyCard:
    try:
        found = json.loads(data)
        image, low, high = (float(found[key]) for key in ("image_threshold", "min", "max"))
        place = float(found.get("pixel_threshold", image))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise ArtefactError(
            f"its {METADATA} lacks image_threshold, min or max ({e}); say task: anomaly and a "
            "threshold in its card"
        ) from e
    if not all(map(math.isfinite, (image, place, low, high))):
        raise ArtefactError(f"its {METADATA} holds a threshold or range that is no number")
    # What was seen in validation may all lie on one side of a threshold.
    wide = max(high - low, 1e-6)
    low = min(low, image - wide / 2, place - wide / 2)
    high = max(high, image + wide / 2, place + wide / 2)
    return AnomalyCard(
        task="anomaly",
        graph=card.graph,
        input=_normalised(card.input, found),
        threshold=image,
        map_threshold=place,
        range=(low, high),
    )


def _normalised(given: InputCard, metadata: Mapping[str, Any]) -> InputCard:
    """With the mean and std that version 0 wrote down for its users."""
    if given.mean is not None or given.std is not None:
        return given
    for step in _mappings(metadata.get("transform")):
        if str(step.get("__class_fullname__", "")).rpartition(".")[2] == "Normalize":
            mean, std = step.get("mean"), step.get("std")
            changes = {"mean": mean, "std": std, "scale": step.get("max_pixel_value") or 255.0}
            return InputCard.model_validate(given.model_dump() | changes)
    return given


def _mappings(value: object) -> Iterator[dict[str, Any]]:
    """All mappings within a value as JSON has it."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            yield each
            pending += each.values()
        elif isinstance(each, list):
            pending += each
