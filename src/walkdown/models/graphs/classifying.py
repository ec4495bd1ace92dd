"""One score for each class of the whole image: how surely it is one of the classes of anomalies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from walkdown.errors import ArtefactError
from walkdown.models.graphs import outputs
from walkdown.models.graphs.names import labels, odd
from walkdown.models.rules import oddity
from walkdown.types import Capability, Photo, Prediction, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from walkdown.models.graphs.card import ClassificationCard
    from walkdown.models.graphs.placing import Placement
    from walkdown.models.graphs.runtime import Arrays

DIGITS: Final = 4


class Classifying:
    """Raw score: the probability of the anomalies together, or of the surest one where classes
    do not exclude each other (sigmoid).
    """

    capabilities: frozenset[Capability] = frozenset({"verdict", "labels"})

    def __init__(
        self,
        card: ClassificationCard,
        said: Arrays,
        files: Mapping[str, bytes],
        metadata: Mapping[str, str],
    ) -> None:
        self.threshold = card.threshold
        self._output = outputs.chosen(
            said, card.output, lambda value: value.size == value.shape[-1] if value.ndim else False
        )
        self._labels = labels(card.labels, files, metadata)
        self._odd = odd(self._labels, card)
        values = outputs.numbers(said[self._output]).ravel()
        if len(values) != len(self._labels):
            raise ArtefactError(
                f"it has {len(self._labels)} labels, and its graph gives {outputs.described(said)}"
                f": {len(values)} classes"
            )
        self._activation = card.activation or outputs.guessed(values, axis=0)
        self._excluding = self._activation == "softmax" or (
            self._activation == "none" and outputs.guessed(values, axis=0) == "none"
        )

    def read(self, said: Arrays, where: Placement, photo: Photo) -> Prediction:
        """Labels are those of an anomaly: the likeliest, or all that are likely enough."""
        values = outputs.numbers(said[self._output]).ravel()
        likely = outputs.activated(values, self._activation, axis=0)
        among = likely[list(self._odd)]
        raw = float(min(1.0, among.sum() if self._excluding else among.max()))
        score = round(oddity(raw, self.threshold), DIGITS)
        is_odd = score >= 0.5
        return Prediction(
            verdict=Verdict.ANOMALY if is_odd else Verdict.NORMAL,
            score=score,
            raw_score=raw,
            labels=self._named(likely) if is_odd else (),
        )

    def _named(self, likely: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> tuple[str, ...]:
        by_likelihood = sorted(self._odd, key=lambda i: -likely[i])
        others = [] if self._excluding else by_likelihood[1:]
        found = by_likelihood[:1] + [i for i in others if likely[i] >= self.threshold]
        return tuple(self._labels[i] for i in found)
