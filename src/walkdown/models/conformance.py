"""What every model keeps to, as checks that run on any of them: the `Model` port in deeds.

The same checks are the contract suite of our own models, and `walkdown models check` runs them on
anybody's. Each is given the model and a few photographs, and raises `Broken` with what is wrong.
"""

from __future__ import annotations

import hashlib
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

import numpy as np

from walkdown.types import Capability, ModelInfo, Photo, Prediction, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from walkdown.ports import JobModel, Model

    Way = Callable[[Sequence[Photo]], list[Prediction]]

TOLERANCE = 1e-5
"""By how much scores may differ, of 1 or of themselves: sums of floats depend on their order."""

ODD_SIZES = ((1, 1), (2, 3), (5000, 8), (64, 4096))
"""Widths and heights in px that photographs rarely have."""

PATIENCE_S, POLL_S = 600.0, 0.5
"""How long a job may take, and how often it is asked for."""


class Broken(Exception):
    """A model does not keep to something: what, in words."""


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of one check. ``why`` is None where the model keeps to it."""

    check: str
    why: str | None
    seconds: float


def examine(model: Model | JobModel, photos: Sequence[Photo]) -> Iterator[Found]:
    """Run all checks, each as it comes. ``photos`` are two or more that the model can look at.

    Whatever a model raises is the outcome of the check in which it did. A model that answers
    nothing fails the first check, and is asked no more.
    """
    way = _way(model)

    def ask(photos: Sequence[Photo]) -> list[Prediction]:
        # Whatever an asset is needed for, it is not what is checked.
        return way([replace(photo, asset=photo.asset or "checked") for photo in photos])

    for name, check in CHECKS.items():
        began = time.perf_counter()
        try:
            check(model.info, ask, [_locked(photo) for photo in photos])
            why = None
        except Broken as e:
            why = str(e)
        except Exception as e:  # a model may be anyone's code
            why = f"it raised {type(e).__name__}: {e}"
        yield Found(name, why, time.perf_counter() - began)
        if why is not None and check is _answers:
            return


def photo_of(pixels: NDArray[np.uint8]) -> Photo:
    """A photograph that was decoded at its own size: (height, width, 3) uint8 RGB."""
    content = hashlib.sha256(pixels.tobytes()).hexdigest()
    return Photo(pixels, pixels.shape[1], pixels.shape[0], content)


def _way(model: Model | JobModel) -> Way:
    """How predictions are had of it: at once, or by a job that is waited for."""
    if model.info.kind != "job":
        return model.predict  # type: ignore[union-attr]
    jobs: JobModel = model  # type: ignore[assignment]

    def wait(photos: Sequence[Photo]) -> list[Prediction]:
        token, until = jobs.submit(photos), time.monotonic() + PATIENCE_S
        if len(token.encode()) > 2048:
            raise Broken(f"its token has {len(token.encode())} bytes; at most 2048 are kept")
        while not jobs.ready(token):
            if time.monotonic() > until:
                raise Broken(f"its job is not ready after {PATIENCE_S:.0f} s")
            time.sleep(POLL_S)
        return jobs.collect(token)

    return wait


def _answers(info: ModelInfo, ask: Way, photos: Sequence[Photo]) -> None:
    if error := getattr(_one(ask, photos[0]), "error", None):
        raise Broken(f"it can't look at a plain photograph: {error}")


def _says_what_it_is(info: ModelInfo, ask: Way, photos: Sequence[Photo]) -> None:
    if not isinstance(info, ModelInfo):
        raise Broken(f"its info is {type(info).__name__}, no ModelInfo")
    if not info.label or not info.digest:
        raise Broken("its info has no label or no digest, by which results are found again")
    if info.max_batch < 1:
        raise Broken(f"its largest batch is {info.max_batch}; it must be 1 or more")
    if info.input_px is not None and info.input_px < 1:
        raise Broken(f"it looks at {info.input_px} px")
    if not info.capabilities <= set(get_args(Capability)):
        raise Broken(f"its capabilities are {sorted(info.capabilities)}")
    if not (math.isfinite(info.usd_per_image) and info.usd_per_image >= 0.0):
        raise Broken(f"a look costs {info.usd_per_image} US dollars")


def _nothing_of_nothing(info: ModelInfo, ask: Way, photos: Sequence[Photo]) -> None:
    if (said := ask([])) != []:
        raise Broken(f"of no photographs it says {said!r:.60}; it must be an empty list")


def _whole(info: ModelInfo, ask: Way, photos: Sequence[Photo]) -> None:
    for photo in photos:
        said = _one(ask, photo)
        if said.error is not None:
            raise Broken(f"it can't look at a plain photograph: {said.error}")
        _check_whole(said, photo)
        if undeclared := _said(said) - info.capabilities:
            raise Broken(f"it gives {sorted(undeclared)}, which its capabilities do not name")


def _said(said: Prediction) -> set[Capability]:
    """Which capabilities a prediction shows, as far as that can be told."""
    found: set[Capability] = set()
    if said.labels:
        found.add("labels")
    if said.regions and said.heatmap is None:
        found.add("boxes")
    return found


def _each_in_order(info: ModelInfo, ask: Way, photos: Sequence[Photo]) -> None:
    singly = [_one(ask, photo) for photo in photos]
    for order in (list(range(len(photos))), list(reversed(range(len(photos))))):
        for at in range(0, len(order), info.max_batch):
            part = order[at : at + info.max_batch]
            together = ask([photos[i] for i in part])
            if len(together) != len(part):
                raise Broken(f"of {len(part)} photographs it gives {len(together)} predictions")
            for i, said in zip(part, together, strict=True):
                _same(info, singly[i], said, "in a batch", "alone")


def _same_again(info: ModelInfo, ask: Way, photos: Sequence[Photo]) -> None:
    for photo in photos:
        _same(info, _one(ask, photo), _one(ask, photo), "the second time", "the first time")


def _threads(info: ModelInfo, ask: Way, photos: Sequence[Photo]) -> None:
    singly = [_one(ask, photo) for photo in photos]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda photo: _one(ask, photo), [*photos] * 4))
    for said, alone in zip(found, singly * 4, strict=True):
        _same(info, alone, said, "in one of four threads", "alone")


def _any_size(info: ModelInfo, ask: Way, photos: Sequence[Photo]) -> None:
    for width, height in ODD_SIZES:
        photo = _locked(photo_of(np.full((height, width, 3), 90, np.uint8)))
        said = _one(ask, photo)
        if said.error is None:
            try:
                _check_whole(said, photo)
            except Broken as e:
                raise Broken(f"of a photograph of {width} x {height} px: {e}") from e


def _large_ones(info: ModelInfo, ask: Way, photos: Sequence[Photo]) -> None:
    """Large JPEGs are decoded smaller: pixels are few, and boxes are those of the whole."""
    for photo in photos:
        large = replace(photo, width_px=10 * photo.width_px, height_px=10 * photo.height_px)
        small, said = _one(ask, photo), _one(ask, large)
        _check_whole(said, large)
        reach = [max((x + w for x, _, w, _ in _boxes(p)), default=0) for p in (small, said)]
        if reach[0] > 0 and reach[1] <= photo.width_px:
            raise Broken("its boxes are in pixels of what was decoded, not of the original")


def _leaves_them_alone(info: ModelInfo, ask: Way, photos: Sequence[Photo]) -> None:
    for photo in photos:
        pixels = photo.pixels.copy()
        _one(ask, replace(photo, pixels=pixels))
        if not np.array_equal(pixels, photo.pixels):
            raise Broken("it changes the pixels that it is shown; others look at them after it")


def _check_whole(said: Prediction, photo: Photo) -> None:
    if not isinstance(said, Prediction):
        raise Broken(f"it gives {type(said).__name__}, no Prediction")
    _check_score(said)
    _check_places(said, photo)
    _check_heatmap(said, photo)


def _check_score(said: Prediction) -> None:
    if said.verdict is None:
        raise Broken("it gives neither a verdict nor an error")
    if said.raw_score is not None and not math.isfinite(said.raw_score):
        raise Broken(f"it gives a raw score of {said.raw_score}; it must be a number")
    if said.score is None:
        return
    if not 0.0 <= said.score <= 1.0:
        raise Broken(f"it gives a score of {said.score}; it must lie in 0..1")
    if said.verdict is not Verdict.UNUSABLE and _contradicts(said.verdict, said.score):
        raise Broken(f"a score of {said.score:.3f} is {said.verdict}; 0.5 is the threshold")


def _check_places(said: Prediction, photo: Photo) -> None:
    for x, y, width, height in _boxes(said):
        inside = x >= 0 and y >= 0 and x + width <= photo.width_px and y + height <= photo.height_px
        if width < 1 or height < 1 or not inside:
            where = f"{photo.width_px} x {photo.height_px}"
            raise Broken(f"the box {(x, y, width, height)} is not on a photograph of {where} px")
    for region in said.regions:
        if not (0.0 <= region.area_pct <= 100.0 and 0.0 <= region.score <= 1.0):
            raise Broken(f"a region has {region.area_pct} % of the area and score {region.score}")


def _check_heatmap(said: Prediction, photo: Photo) -> None:
    heatmap = said.heatmap
    if heatmap is None:
        return
    if (heatmap.width_px, heatmap.height_px) != (photo.width_px, photo.height_px):
        raise Broken("its heat map is of another size than the photograph")
    if heatmap.grid.dtype != np.float32 or heatmap.grid.ndim != 2 or not heatmap.grid.size:
        raise Broken("its heat map is no (rows, columns) float32 grid")


def _contradicts(verdict: Verdict, score: float) -> bool:
    # Rounded first, as it is wherever a verdict is made of a score.
    return (round(score, 4) >= 0.5) != (verdict is Verdict.ANOMALY)


def _boxes(said: Prediction) -> list[tuple[int, int, int, int]]:
    return [region.box for region in said.regions]


def _one(ask: Way, photo: Photo) -> Prediction:
    said = ask([photo])
    if len(said) != 1:
        raise Broken(f"of one photograph it gives {len(said)} predictions")
    return said[0]


def _same(info: ModelInfo, one: Prediction, other: Prediction, how: str, before: str) -> None:
    for when, said in ((before, one), (how, other)):
        if said.error is not None:
            # Two that failed are not the same answer: they are none.
            raise Broken(f"{when} it can't look at a plain photograph: {said.error}")
    if not info.deterministic:
        return
    if one.verdict is not other.verdict:
        raise Broken(f"{how} it says {other.verdict}, {before} {one.verdict}")
    for name in ("score", "raw_score"):
        a, b = getattr(one, name), getattr(other, name)
        if (a is None) != (b is None) or (
            a is not None and abs(a - b) > TOLERANCE * max(1.0, abs(a))
        ):
            raise Broken(f"{how} its {name} is {b}, {before} {a}")
    if one.labels != other.labels or len(one.regions) != len(other.regions):
        raise Broken(f"{how} it finds other things than {before}")


def _locked(photo: Photo) -> Photo:
    """The photograph as it was decoded: its pixels may be read-only."""
    pixels = photo.pixels.view()
    pixels.setflags(write=False)
    return replace(photo, pixels=pixels)


CHECKS: dict[str, Callable[[ModelInfo, Way, Sequence[Photo]], None]] = {
    "answers at all": _answers,
    "says what it is": _says_what_it_is,
    "says nothing of no photographs": _nothing_of_nothing,
    "gives whole predictions": _whole,
    "gives one for each photograph of a batch, in order": _each_in_order,
    "says the same again": _same_again,
    "can be asked from several threads": _threads,
    "copes with any size": _any_size,
    "marks places in pixels of the original": _large_ones,
    "leaves photographs as they are": _leaves_them_alone,
}
"""By what they ask of a model."""
