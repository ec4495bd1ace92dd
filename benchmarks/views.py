"""Does `template` see what was changed on a view, and nothing but that? `make views`.

Each photograph of ``train/good`` is a reference of its own. It is taken again in another place and
light (turned, stretched, shifted, with another tone curve, gain, tint and slope of light, noise and
JPEG), as it is, and with a square of it replaced by what another part of it shows. Chance is
seeded, so that the figures come out again.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from benchmarks.bench import machine
from benchmarks.pages import VIEWS, about, markdown, put
from PIL import Image

from walkdown.imaging.decode import from_array
from walkdown.models.artefact import pack
from walkdown.registry import open_model
from walkdown.types import Prediction, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

SETS = ("circuitboard", "cookie")
SIZES = (0.0, 0.04, 0.06, 0.1)
"""Sides of the square that is replaced, as shares of the longer side; 0 replaces nothing."""

HEAD = ("set", "photographs", "square, % of the longer side", "anomaly %", "marked there %",
        "unusable %")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Taken:
    """A photograph, and where on it (px) the middle of the square lies."""

    image: Image.Image
    x: float
    y: float


def main() -> None:
    """Print the table; with --page put it there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--page", type=Path, help="put the table between the marks of this page")
    given = parser.parse_args()
    known = machine()
    del known["onnxruntime"]
    lines = [
        [name, *line] for name in SETS for line in _judged(given.data / name / "train" / "good")
    ]
    text = f"{about(known)}\n\n{markdown(HEAD, lines)}"
    print(text)
    if given.page:
        put(given.page, VIEWS, text)


def _judged(folder: Path) -> list[list[str]]:
    paths = sorted(folder.iterdir())
    rng = np.random.default_rng(7)
    said: dict[float, list[tuple[Prediction, Taken]]] = {size: [] for size in SIZES}
    for path in paths:
        image = Image.open(path).convert("RGB")
        model = open_model(pack("template", {}, {path.name: path.read_bytes()}), label="view")
        for size in SIZES:
            again = _taken(image, size, rng)
            photo = from_array(np.asarray(again.image))
            said[size].append((model.predict([photo])[0], again))
    return [
        [str(len(paths)), f"{100 * size:.0f}", *(f"{100 * s:.1f}" for s in _shares(found, size))]
        for size, found in said.items()
    ]


def _shares(said: list[tuple[Prediction, Taken]], size: float) -> tuple[float, float, float]:
    odd = [each.verdict is Verdict.ANOMALY for each, _ in said]
    there = [size > 0 and _marks(each, taken) for each, taken in said]
    unusable = [each.verdict is Verdict.UNUSABLE for each, _ in said]
    return sum(odd) / len(said), sum(there) / len(said), sum(unusable) / len(said)


def _marks(said: Prediction, taken: Taken) -> bool:
    return any(
        x <= taken.x <= x + width and y <= taken.y <= y + height
        for x, y, width, height in (region.box for region in said.regions)
    )


def _taken(image: Image.Image, size: float, rng: np.random.Generator) -> Taken:
    """The photograph again, with a square replaced, in another place and light."""
    width, height = image.size
    side = round(size * max(width, height))
    x, y, other_x, other_y = (
        int(rng.uniform(0.2, 0.75) * each) for each in (width, height, width, height)
    )
    pixels = np.asarray(image).copy()
    if side:
        pixels[y : y + side, x : x + side] = pixels[
            other_y : other_y + side, other_x : other_x + side
        ]
    turn = np.exp(1j * np.radians(rng.uniform(-3, 3))) * rng.uniform(0.97, 1.03)
    middle = complex(width / 2, height / 2)
    shift = complex(*(rng.uniform(-0.04, 0.04, 2) * width))
    start = middle - turn * (middle + shift)
    affine = (turn.real, -turn.imag, start.real, turn.imag, turn.real, start.imag)
    moved = Image.fromarray(pixels).transform(
        image.size, Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC
    )
    there = (complex(x + side / 2, y + side / 2) - start) / turn
    return Taken(_lit(np.asarray(moved, np.float64), rng), there.real, there.imag)


def _lit(pixels: NDArray[np.float64], rng: np.random.Generator) -> Image.Image:
    height, width = pixels.shape[:2]
    lit = 255.0 * (pixels / 255.0) ** rng.uniform(0.7, 1.4) * rng.uniform(0.7, 1.25, 3)
    lit *= _slope(width, rng)[None, :, None]
    lit *= _slope(height, rng)[:, None, None]
    lit += rng.normal(0, 4, lit.shape)
    out = io.BytesIO()
    Image.fromarray(lit.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=75)
    return Image.open(out).convert("RGB")


def _slope(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Light from one end to the other."""
    first, last = rng.uniform(0.75, 1.25, 2).tolist()
    return np.linspace(first, last, count)


if __name__ == "__main__":
    main()
