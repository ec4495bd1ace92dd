"""A photograph of a rigid view against a reference of it: what is missing, misplaced, or different.

The photograph is laid over the reference. Anything that then differs by its structure is an anomaly
with its place; of the parts that the card names, it is said which one is missing or has moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, field_validator

from walkdown.errors import ArtefactError, ImageError
from walkdown.imaging.decode import decode
from walkdown.imaging.differences import (
    CELL_PX,
    Unlike,
    can_be_aligned,
    compared,
    structure,
    view,
)
from walkdown.imaging.parts import LEAST_STRUCTURE, Place, find, spread
from walkdown.models.calling import Asking
from walkdown.models.cards import Card, read_card
from walkdown.models.differing import (
    Comparing,
    difference,
    heat,
    laid_back,
    listed,
    places,
    unusable,
)
from walkdown.models.rules import JUST_NORMAL, oddity, pixels
from walkdown.types import ModelInfo, Prediction, Region, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from walkdown.imaging.differences import Compared
    from walkdown.imaging.parts import Rect
    from walkdown.models.artefact import Artefact
    from walkdown.types import Photo

Share = Annotated[float, Field(ge=0, le=1)]

_LEAST_PX: Final = 8
_MOST_OF_A_SIDE: Final = 0.9
_CLEARLY: Final = 0.05


class Part(Card):
    """A part of the view: its name, and its box in shares of the reference: left, top, width,
    height."""

    name: str = Field(min_length=1, max_length=100)
    box: tuple[Share, Share, Share, Share]

    @field_validator("box")
    @classmethod
    def _inside(cls, box: tuple[float, ...]) -> tuple[float, ...]:
        left, top, width, height = box
        if not (width > 0 and height > 0 and left + width <= 1 and top + height <= 1):
            raise ValueError("must be [left, top, width, height] in shares, inside of the image")
        return box


class TemplateCard(Comparing):
    """The card of this kind. Its one file is the reference.

    ``alike`` is how well a part must correlate with the reference (0..1) to be there, ``max_shift``
    how far it may lie from its place, and ``reach`` how far it is looked for, both in shares of the
    longer side. With ``only_parts``, the rest of the view may differ.
    """

    parts: tuple[Part, ...] = ()
    alike: float = Field(0.5, gt=0, lt=1)
    max_shift: float = Field(0.015, gt=0, le=0.2)
    reach: float = Field(0.12, gt=0, le=0.5)
    only_parts: bool = False


@dataclass(frozen=True, slots=True)
class _Judged:
    """What is said of a part: how odd it is (0.5 at the threshold), what it is called, where."""

    oddity: float
    label: str
    place: str
    rect: Rect


class Template:
    """The `Model` port by comparison with a reference."""

    knows_keep = True

    def __init__(self, artefact: Artefact, *, label: str) -> None:
        card = read_card(TemplateCard, artefact, label=label)
        self._card = card
        self._name, photo = _reference(artefact, label, card.look_px)
        self._view = view(photo.pixels, longest_px=card.look_px)
        if not can_be_aligned(self._view):
            raise ArtefactError(
                f"{label}: nothing can be aligned with {self._name}: it is too small or too even, "
                "or it repeats itself; choose another photograph of the view"
            )
        self._structure = structure(self._view.light)
        height, width = self._view.light.shape
        self._rects = [_rect(part, width, height) for part in card.parts]
        for part, rect in zip(card.parts, self._rects, strict=True):
            _check(part, rect, self._structure, label)
        self._info = ModelInfo(
            label,
            artefact.digest,
            max_batch=4,
            input_px=card.look_px,
            threshold=0.5,
            capabilities=frozenset({"verdict", "labels", "heat map"}),
        )

    @property
    def info(self) -> ModelInfo:
        """Inline; no network."""
        return self._info

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """What differs; unusable where a photograph can't be laid over the reference."""
        return Asking(at_once=1).each(photos, self._look)

    def _look(self, photo: Photo) -> Prediction:
        try:
            second = view(photo.pixels, longest_px=self._card.look_px, like=self._view)
            found = compared(self._view, second, keep=photo.keep)
        except Unlike as e:
            return unusable(str(e), self._name)
        known = list(zip(self._card.parts, self._rects, strict=True))
        hidden = [part.name for part, rect in known if not _counts(found, rect)]
        if hidden:
            return unusable(f"{listed(hidden)} can't be seen on it, or must not count", self._name)
        parts = [self._judged(part, rect, found, photo) for part, rect in known]
        return laid_back(self._said(photo, found, parts), found, photo)

    def _said(self, photo: Photo, found: Compared, parts: Sequence[_Judged]) -> Prediction:
        card = self._card
        whole = 0.0 if card.only_parts else oddity(difference(card, found), card.threshold)
        raw = max([whole, *(part.oddity for part in parts)])
        heatmap = heat(card, found, photo)
        odd = [part for part in parts if round(part.oddity, 4) >= 0.5]
        differs = places(card, heatmap) if round(whole, 4) >= 0.5 else ()
        marked = [self._region(part, photo) for part in odd]
        rest = [region for region in differs if not any(_holds(m, region) for m in marked)]
        labels = [part.label for part in odd]
        if differs and (rest or not odd):
            labels.append("different")
        score = round(raw, 4)
        return Prediction(
            verdict=Verdict.ANOMALY if score >= 0.5 else Verdict.NORMAL,
            score=score,
            raw_score=raw,
            labels=tuple(labels),
            regions=(*marked, *rest),
            heatmap=heatmap,
            note=listed([f"{part.label} {part.place}".strip() for part in odd]) or None,
        )

    def _judged(self, part: Part, rect: Rect, found: Compared, photo: Photo) -> _Judged:
        card = self._card
        longest = max(found.first.shape)
        reach = max(1, round(card.reach * longest))
        place = find(found.first, found.second, rect, reach_px=reach)
        if max(place.likeness, place.at_home) < card.alike:
            away = oddity(1.0 - place.at_home, 1.0 - card.alike)
            return _Judged(max(0.5, away), f"missing {part.name}", "", rect)
        far = float((place.right_px**2 + place.down_px**2) ** 0.5)
        if far > card.max_shift * longest and place.likeness > place.at_home + _CLEARLY:
            moved = (rect[0] + place.right_px, rect[1] + place.down_px, rect[2], rect[3])
            away = 0.5 + 0.5 * min(1.0, far / (1.5 * reach))
            return _Judged(
                away,
                f"misplaced {part.name}",
                _aside(place, photo.width_px / found.first.shape[1]),
                moved,
            )
        same = oddity(1.0 - max(place.at_home, card.alike), 1.0 - card.alike)
        return _Judged(min(JUST_NORMAL, same), part.name, "", rect)

    def _region(self, part: _Judged, photo: Photo) -> Region:
        height, width = self._view.light.shape
        x, y, across, down = part.rect
        shares = x / width, y / height, across / width, down / height
        box = pixels(shares, width_px=photo.width_px, height_px=photo.height_px)
        assert box is not None  # noqa: S101 - it lies on the reference
        area = 100.0 * across * down / (width * height)
        return Region(box, area, round(part.oddity, 4), part.label)


def _reference(artefact: Artefact, label: str, look_px: int) -> tuple[str, Photo]:
    if len(artefact.files) != 1:
        raise ArtefactError(
            f"{label} needs one reference photograph, not {len(artefact.files)}: "
            "files: [reference.jpg]"
        )
    ((name, data),) = artefact.files.items()
    try:
        return name, decode(data, name=name, at_least_px=look_px)
    except ImageError as e:
        raise ArtefactError(f"{label}: {e}; give a photograph of the view") from e


def _rect(part: Part, width: int, height: int) -> Rect:
    left, top, across, down = part.box
    x, y = min(round(left * width), width - 1), min(round(top * height), height - 1)
    return (
        x,
        y,
        max(1, min(round(across * width), width - x)),
        max(1, min(round(down * height), height - y)),
    )


def _check(part: Part, rect: Rect, reference: NDArray[np.float32], label: str) -> None:
    """Raises `ArtefactError` for a part that can't be known again."""
    where = f"{label}: the part {part.name!r}"
    if min(rect[2:]) < _LEAST_PX:
        raise ArtefactError(
            f"{where} is {rect[2]} x {rect[3]} px where photographs are compared, and at least "
            f"{_LEAST_PX} x {_LEAST_PX} are needed: give it a larger box, or raise look_px"
        )
    if max(part.box[2:]) > _MOST_OF_A_SIDE:
        raise ArtefactError(f"{where} is nearly as large as the image; give it a smaller box")
    if spread(reference, rect) < LEAST_STRUCTURE:
        raise ArtefactError(
            f"{where} shows nothing to know it by; give it a box that holds its outline too"
        )


def _counts(found: Compared, rect: Rect) -> bool:
    """Whether at least half of a part is on the photograph and counts."""
    x, y, width, height = (round(value / CELL_PX) for value in rect)
    shown = found.counts[y : y + max(1, height), x : x + max(1, width)]
    return bool(shown.size) and float(shown.mean()) >= 0.5


def _aside(place: Place, scale: float) -> str:
    """How far, in pixels of the photograph."""
    ways = (
        (place.right_px, "to the right", "to the left"),
        (place.down_px, "down", "up"),
    )
    told = [f"{abs(px) * scale:.0f} px {one if px > 0 else other}" for px, one, other in ways if px]
    return f"({listed(told)})"


def _holds(one: Region, other: Region) -> bool:
    """Whether the middle of the other lies in this one, or beside it by half of its size."""
    x, y, width, height = one.box
    middle = other.box[0] + other.box[2] / 2, other.box[1] + other.box[3] / 2
    return (
        x - width / 2 <= middle[0] <= x + 1.5 * width
        and y - height / 2 <= middle[1] <= y + 1.5 * height
    )
