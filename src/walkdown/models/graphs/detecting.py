"""Boxes with classes, judged by a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from walkdown.errors import ArtefactError, ModelError
from walkdown.models.graphs import boxes as lying
from walkdown.models.graphs.layouts import candidates, layout_of
from walkdown.models.graphs.names import labels
from walkdown.models.graphs.outputs import NEARLY
from walkdown.models.rules import Clause, Detected, Rule, judged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from walkdown.models.graphs.card import DetectionCard
    from walkdown.models.graphs.layouts import Candidates
    from walkdown.models.graphs.placing import Placement
    from walkdown.models.graphs.runtime import Arrays
    from walkdown.types import Capability, Photo, Prediction

LEAST: Final = 0.01
"""The confidence below which nothing is looked at, unless the card asks for less than that."""

MOST: Final = 300
"""How many things are seen on an image at most."""

CONSIDERED: Final = 3000
"""Of how many candidates, the surest, those that lie over each other are sorted out."""


class Detecting:
    """Raw score: the rule's, 0.5 at its confidence."""

    capabilities: frozenset[Capability] = frozenset({"verdict", "labels", "boxes"})
    threshold = 0.5

    def __init__(
        self,
        card: DetectionCard,
        said: Arrays,
        files: Mapping[str, bytes],
        metadata: Mapping[str, str],
    ) -> None:
        self._labels = labels(card.labels, files, metadata)
        self._layout, self._output = layout_of(card, said, len(self._labels))
        self._activation = card.activation
        self._overlap = card.overlap
        self._rule = card.rule or Rule(
            forbidden=tuple(Clause(label=label) for label in self._labels),
            confidence=card.confidence or 0.5,
        )
        _check_names(self._rule, self._labels)
        confidences = [c.confidence for c in (*self._rule.required, *self._rule.forbidden)]
        self._least = min(LEAST, self._rule.confidence, *(c for c in confidences if c)) / 2

    def read(self, said: Arrays, where: Placement, photo: Photo) -> Prediction:
        """What the rule says of what is seen."""
        seen = self._seen(said, where)
        return judged(self._rule, seen, width_px=photo.width_px, height_px=photo.height_px)

    def _seen(self, said: Arrays, where: Placement) -> list[Detected]:
        found = candidates(
            self._layout,
            self._output,
            said,
            count=len(self._labels),
            size=where.size,
            activation=self._activation,
        )
        self._check(found)
        order = np.argsort(-found.confidences, kind="stable")[:CONSIDERED]
        sure = order[found.confidences[order] >= self._least]
        if self._layout not in ("end_to_end", "detr"):
            sure = sure[
                lying.kept(
                    found.boxes[sure],
                    found.confidences[sure],
                    found.classes[sure],
                    overlap=self._overlap,
                    most=MOST,
                )
            ]
        sure = sure[:MOST]
        return [
            Detected(self._labels[number], min(1.0, float(confidence)), _box(share))
            for number, confidence, share in zip(
                found.classes[sure],
                found.confidences[sure],
                where.shares(found.boxes[sure]),
                strict=True,
            )
        ]

    def _check(self, found: Candidates) -> None:
        """Numbers that are no confidences or classes show that the graph is of another layout."""
        sure = found.confidences.max(initial=0.0)
        if sure > 1.0 + NEARLY:
            raise ModelError(
                f"its graph gives a confidence of {sure:.3g}: it is not of layout "
                f"{self._layout!r}; say which in its card"
            )
        looked_at = found.classes[found.confidences >= self._least]
        if len(looked_at) and not 0 <= looked_at.min() <= looked_at.max() < len(self._labels):
            raise ModelError(
                f"its graph sees class {looked_at.max()}, and it has {len(self._labels)} labels"
            )


def _box(share: Sequence[float]) -> tuple[float, float, float, float]:
    left, top, width, height = (float(side) for side in share)
    return left, top, max(0.0, width), max(0.0, height)


def _check_names(rule: Rule, names: Sequence[str]) -> None:
    known = {name.casefold() for name in names}
    asked = [clause.label for clause in (*rule.required, *rule.forbidden)] + list(rule.only)
    unknown = [name for name in asked if name.casefold() not in known]
    if unknown:
        raise ArtefactError(
            f"its rule asks for {unknown[0]!r}, which is none of its labels: "
            f"{', '.join(names[:20])}"
        )
