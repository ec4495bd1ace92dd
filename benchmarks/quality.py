"""Which photographs are called unusable: good ones, and spoilt ones? `make quality`.

Only folders ``train/good`` are read. With careful limits all of them are judged; learned limits
are judged on photographs that they were not learned from (five parts in turn). Each photograph is
also spoilt in ways whose strength is known, each of which should be called unusable.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from benchmarks.bench import machine
from benchmarks.pages import QUALITY, about, markdown, put
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from walkdown.imaging.decode import from_array
from walkdown.imaging.quality import Quality, measured
from walkdown.models.image_quality import ImageQuality, quality_artefact
from walkdown.models.quality_limits import learned_limits
from walkdown.types import Photo, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from walkdown.ports import Model

PARTS = 5
SETS = ("circuitboard", "cookie", "magnetic_tile", "solar_cell_mono", "concrete")

Pixels = NDArray[np.uint8]


def blurred(radius: float) -> Callable[[Pixels], Pixels]:
    """Out of focus: a Gaussian of that standard deviation in px."""
    blur = ImageFilter.GaussianBlur(radius)
    return lambda pixels: np.asarray(Image.fromarray(pixels).filter(blur))


def moved(length: int) -> Callable[[Pixels], Pixels]:
    """The camera moved from side to side by so many px while it was open."""

    def spoil(pixels: Pixels) -> Pixels:
        before = length // 2
        padded = np.pad(pixels, ((0, 0), (before, length - 1 - before), (0, 0)), "edge")
        width = pixels.shape[1]
        total = sum(padded[:, at : at + width].astype(np.float32) for at in range(length))
        return np.asarray(np.rint(total / length), np.uint8)

    return spoil


def exposed(stops: float) -> Callable[[Pixels], Pixels]:
    """Exposed by so many stops more, as a camera with the tone curve of sRGB has it."""
    gain = 2.0 ** (stops / 2.2)

    def spoil(pixels: Pixels) -> Pixels:
        spoilt: Pixels = np.clip(np.rint(pixels * gain), 0, 255).astype(np.uint8)
        return spoilt

    return spoil


def finger(pixels: Pixels) -> Pixels:
    """The left 40 % covered by something smooth and dark red."""
    spoilt = pixels.copy()
    spoilt[:, : int(0.4 * pixels.shape[1])] = (70, 20, 15)
    return spoilt


def tinted(pixels: Pixels) -> Pixels:
    """Under a lamp of another colour: red a quarter more, blue a quarter less."""
    tint: Pixels = np.clip(np.rint(pixels * (1.25, 1.0, 0.75)), 0, 255).astype(np.uint8)
    return tint


SPOILT: dict[str, Callable[[Pixels], Pixels]] = {
    "blur 2 px": blurred(2),
    "blur 4 px": blurred(4),
    "motion 9 px": moved(9),
    "motion 21 px": moved(21),
    "-3 stops": exposed(-3),
    "-6 stops": exposed(-6),
    "+2 stops": exposed(2),
    "+4 stops": exposed(4),
    "finger": finger,
    "tint": tinted,
    "black": np.zeros_like,
}


def main() -> None:
    """Print a table for careful limits and one for learned ones; with --page put them there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--page", type=Path, help="put the tables between the marks of this page")
    given = parser.parse_args()
    rows = [_judged(given.data / name / "train" / "good") for name in SETS]
    tables = [about(_machine())]
    for at, limits in enumerate(("careful limits", "learned limits")):
        lines = [
            [name, str(row[0]), *(f"{100 * share:.1f}" for share in row[1][at])]
            for name, row in zip(SETS, rows, strict=True)
        ]
        tables.append(markdown([limits, "photographs", "as they are", *SPOILT], lines))
    text = "\n\n".join(tables)
    print(text)
    if given.page:
        put(given.page, QUALITY, text)


def _machine() -> dict[str, str]:
    known = machine()
    del known["onnxruntime"]
    return known


def _judged(folder: Path) -> tuple[int, tuple[list[float], list[float]]]:
    """How many photographs, and the shares called unusable: as they are, and spoilt each way."""
    paths = sorted(folder.iterdir())
    photos = [_photo(np.asarray(Image.open(path).convert("RGB"))) for path in paths]
    careful = _model(())
    seen = [quality for quality in map(_quality, photos) if quality]
    learned = [
        _model([each for i, each in enumerate(seen) if i % PARTS != part]) for part in range(PARTS)
    ]
    shares: tuple[list[float], list[float]] = ([], [])
    for spoil in (lambda pixels: pixels, *SPOILT.values()):
        spoilt = [_photo(spoil(photo.pixels)) for photo in photos]
        shares[0].append(_share([careful] * len(spoilt), spoilt))
        shares[1].append(_share([learned[i % PARTS] for i in range(len(spoilt))], spoilt))
    return len(photos), shares


def _share(models: Sequence[Model], photos: Sequence[Photo]) -> float:
    said = [model.predict([photo])[0] for model, photo in zip(models, photos, strict=True)]
    return sum(each.verdict is Verdict.UNUSABLE for each in said) / len(said)


def _model(seen: Sequence[Quality]) -> Model:
    return ImageQuality(quality_artefact(learned_limits(seen) if seen else None), label="quality")


def _photo(pixels: Pixels) -> Photo:
    return from_array(pixels)


def _quality(photo: Photo) -> Quality | None:
    return measured(photo, longest_px=1024)


if __name__ == "__main__":
    main()
