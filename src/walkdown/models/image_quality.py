"""Is a photograph good enough to be inspected? If not, what to do better, in plain words.

What `imaging.quality` measures is held against limits: careful ones without any training, or those
that a folder of normal photographs keeps, with a margin. A photograph is unusable, never anomalous.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from pydantic import Field

from walkdown.imaging.quality import LEAST_PX, Quality, measured
from walkdown.models.artefact import Artefact, pack
from walkdown.models.cards import Card, read_card
from walkdown.models.quality_limits import FEWEST, Range, Ranges
from walkdown.types import ModelInfo, Prediction, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.types import Photo

KIND: Final = "image_quality"
_MOST_RAW: Final = 1000.0
_SMEARED: Final = 2.5


class QualityCard(Card):
    """The card of this kind. ``learned_from`` is how many photographs the limits come from."""

    look_px: int = Field(1024, ge=256, le=8192)
    limits: Ranges = Ranges()
    learned_from: int | None = Field(None, ge=FEWEST)


_OTHER_LIGHT = "the light is unlike that of the normal photographs"
_ADVICE: Final[dict[str, tuple[tuple[str, str], tuple[str, str]]]] = {
    "sharpness": (
        ("blurred", "hold the camera still, focus, or use a shorter exposure"),
        ("noisy", "use more light or a lower sensitivity"),
    ),
    "steadiness": (
        ("blurred", "hold the camera still, or use a shorter exposure"),
        ("noisy", "use more light or a lower sensitivity"),
    ),
    "brightness": (
        ("too dark", f"{_OTHER_LIGHT}: use more light or a longer exposure"),
        ("too bright", f"{_OTHER_LIGHT}: use less light or a shorter exposure"),
    ),
    "brightest": (
        ("too dark", "use more light or a longer exposure, and see that nothing covers the lens"),
        ("too bright", "use less light or a shorter exposure"),
    ),
    "darkest": (
        ("too dark", "use more light or a longer exposure"),
        ("too bright", "use less light or a shorter exposure"),
    ),
    "highlights_pct": (
        ("too dark", "use more light or a longer exposure"),
        (
            "too bright",
            "use a shorter exposure, avoid reflections: what is white shows nothing",
        ),
    ),
    "shadows_pct": (
        ("too bright", "use a shorter exposure"),
        ("too dark", "use more light or a longer exposure: what is black shows nothing"),
    ),
    "contrast": (
        ("no contrast", "see that nothing covers the lens, clean it, avoid haze and stray light"),
        ("too much contrast", f"{_OTHER_LIGHT}: use softer light"),
    ),
    "plain_pct": (
        ("too close", "show all of the object, as the normal photographs do"),
        ("covered", "see that nothing covers the lens or the object: a part of it shows nothing"),
    ),
    **dict.fromkeys(
        ("red_cast", "blue_cast"),
        (
            ("other colours", f"{_OTHER_LIGHT}: use the same lamps and the same white balance"),
            ("other colours", f"{_OTHER_LIGHT}: use the same lamps and the same white balance"),
        ),
    ),
    **dict.fromkeys(
        ("light_right", "light_down"),
        (
            ("other light", f"{_OTHER_LIGHT}: let it come from the same side"),
            ("other light", f"{_OTHER_LIGHT}: let it come from the same side"),
        ),
    ),
}
"""What is wrong, and what to do, below and above the limits of each measure."""


class ImageQuality:
    """The `Model` port by limits on what is measured; ``raw_score`` is above 0 beyond them."""

    knows_keep = True

    def __init__(self, artefact: Artefact, *, label: str) -> None:
        card = read_card(QualityCard, artefact, label=label)
        self._look_px = card.look_px
        self._limits: dict[str, Range] = card.limits.model_dump()
        self._info = ModelInfo(
            label,
            artefact.digest,
            input_px=card.look_px,
            threshold=0.0,
            capabilities=frozenset({"verdict", "labels"}),
        )

    @property
    def info(self) -> ModelInfo:
        """Inline; no files, no network."""
        return self._info

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """Normal, or unusable with a note that says what to do about it."""
        return [self._look(photo) for photo in photos]

    def _look(self, photo: Photo) -> Prediction:
        quality = measured(photo, longest_px=self._look_px)
        if quality is None:
            return _said(
                1.0,
                ["too small"],
                f"too small: come closer or choose a larger picture; {photo.width_px} x "
                f"{photo.height_px} px, of which at least {LEAST_PX} x {LEAST_PX} must count",
            )
        found = sorted(_beyond(quality, self._limits), key=lambda each: -each[0])
        raw = max((each[0] for each in found), default=-1.0)
        odd = [each for each in found if _score(each[0]) >= 0.5]
        notes = dict.fromkeys(_note(quality, *each[1:]) for each in odd)
        return _said(raw, [_words(*each[1:3])[0] for each in odd], "; ".join(notes) or None)


def quality_artefact(
    limits: Ranges | None = None, *, look_px: int = 1024, learned_from: int | None = None
) -> Artefact:
    """An artefact of this kind, with the careful limits where none are given."""
    card: dict[str, object] = {"look_px": look_px}
    if limits is not None:
        card["limits"] = {name: list(span) for name, span in limits.model_dump().items()}
    if learned_from is not None:
        card["learned_from"] = learned_from
    return pack(KIND, card, {})


def _beyond(quality: Quality, limits: dict[str, Range]) -> list[tuple[float, str, int, float]]:
    """Of each limit: how far beyond it (below 0 within), the measure, which side, the limit."""
    found = []
    for name, value in asdict(quality).items():
        for side, limit in enumerate(limits.get(name, ())):
            if limit is None or value is None:
                continue
            far = limit - value if side == 0 else value - limit
            found.append((min(far / max(abs(limit) / 3.0, 1.0), _MOST_RAW), name, side, limit))
    return found


def _words(name: str, side: int) -> tuple[str, str]:
    return _ADVICE[name][side]


def _note(quality: Quality, name: str, side: int, limit: float) -> str:
    what, advice = _words(name, side)
    if name in ("sharpness", "steadiness") and side == 0:
        what = _smeared(quality) or what
    bound = f"at {'most' if side else 'least'} {limit:g} is needed"
    return f"{what}: {advice}; {name} {getattr(quality, name):.1f}, {bound}"


def _smeared(quality: Quality) -> str | None:
    if quality.smear < 1.0 / _SMEARED:
        return "blurred from side to side"
    return "blurred up and down" if quality.smear > _SMEARED else None


def _score(raw: float) -> float:
    return round(0.5 + 0.5 * raw / (1.0 + abs(raw)), 4)


def _said(raw: float, labels: Sequence[str], note: str | None) -> Prediction:
    score = _score(raw)
    return Prediction(
        verdict=Verdict.UNUSABLE if score >= 0.5 else Verdict.NORMAL,
        score=score,
        raw_score=raw,
        labels=tuple(dict.fromkeys(labels)),
        note=note,
    )
