"""What has changed on an asset since its earlier visit, seen from the same viewpoint.

What it says depends on the history and not on the photograph alone, so no prediction of it is
remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from walkdown.imaging.differences import Unlike, can_be_aligned, compared, view
from walkdown.models.calling import Asking
from walkdown.models.cards import read_card
from walkdown.models.differing import (
    Comparing,
    difference,
    heat,
    laid_back,
    places,
    scored,
    unusable,
)
from walkdown.pipeline.predictions import failed
from walkdown.types import ModelInfo, Permission, Prediction, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from walkdown.models.artefact import Artefact
    from walkdown.types import Photo

FIRST_VISIT: Final = "no earlier visit to compare with"
UNASSIGNED: Final = (
    "no earlier visit to compare with: the photograph belongs to no asset; give the pipeline an "
    "'asset' template"
)
BY_RECORDING: Final = (
    " (the one recorded before: the photographs do not both say when they were taken)"
)
_ASK_FOR_HISTORY: Final = Permission(("dynamodb:Query",), ("${Table.Arn}/index/listing",))
"""The stack's table lists an asset's results; the photographs themselves may be read anyway."""

_OTHER: Final = "the photograph of the earlier visit"


class Change:
    """The `Model` port by comparing with what ``earlier`` finds."""

    needs = ("earlier",)
    knows_keep = True

    def __init__(
        self, artefact: Artefact, *, label: str, earlier: Callable[[Photo], Photo | None]
    ) -> None:
        self._card = read_card(Comparing, artefact, label=label)
        self._earlier = earlier
        self._info = ModelInfo(
            label,
            artefact.digest,
            max_batch=4,
            input_px=self._card.look_px,
            threshold=self._card.threshold,
            capabilities=frozenset({"verdict", "labels", "heat map"}),
            deterministic=False,
            remember=False,
            permissions=(_ASK_FOR_HISTORY,),
        )

    @property
    def info(self) -> ModelInfo:
        """Inline; not deterministic, since history goes on."""
        return self._info

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """What has changed, with the share of the image; normal where there is no earlier visit.

        A photograph of no asset fails: calling it normal would hide that nothing was compared.
        """
        return Asking(at_once=1).each(photos, self._look)

    def _look(self, photo: Photo) -> Prediction:
        if photo.asset is None:
            return failed(UNASSIGNED)
        before = self._earlier(photo)
        if before is None:
            return Prediction(Verdict.NORMAL, None, None, note=FIRST_VISIT)
        first = view(before.pixels, longest_px=self._card.look_px)
        if not can_be_aligned(first):
            return unusable("that shows too little to align anything with", _OTHER)
        try:
            second = view(photo.pixels, longest_px=self._card.look_px, like=first)
            found = compared(first, second, keep=photo.keep)
        except Unlike as e:
            return unusable(str(e), _OTHER)
        raw = difference(self._card, found)
        score, verdict = scored(self._card, raw)
        heatmap = heat(self._card, found, photo)
        changed = verdict is Verdict.ANOMALY
        has_times = None not in (photo.exif.taken_at, before.exif.taken_at)
        by = "" if has_times else BY_RECORDING
        said = Prediction(
            verdict=verdict,
            score=score,
            raw_score=raw,
            labels=("changed",) if changed else (),
            regions=places(self._card, heatmap) if changed else (),
            heatmap=heatmap,
            note=_note(found.grid[found.counts] >= self._card.threshold) + by if changed else None,
        )
        return laid_back(said, found, photo)


def _note(beyond: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    share = 100.0 * float(beyond.mean()) if beyond.size else 0.0
    return f"{share:.1f} % of the picture has changed since the earlier visit"
