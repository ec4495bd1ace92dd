"""Small photographs held in memory, and what extracts their patches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from walkdown.errors import ImageError
from walkdown.models.looking import CELL_PX, InputSize
from walkdown.training import choosing
from walkdown.training.extraction import Extractor, Work
from walkdown.training.memory_bank import extractor_of
from walkdown.types import ImageRef, Photo


class Silence:
    """Progress that nobody watches."""

    def start(self, what: str, total: int | None) -> None:
        pass

    def advance(self, count: int = 1) -> None:
        pass

    def note(self, text: str) -> None:
        pass


class Means:
    """A network of one number per channel: the mean of the cell."""

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]
    ) -> list[NDArray[np.float32]]:
        image = inputs["image"][0].astype(np.float32)
        rows, columns = image.shape[0] // CELL_PX, image.shape[1] // CELL_PX
        cells = image.reshape(rows, CELL_PX, columns, CELL_PX, 3).mean(axis=(1, 3))
        return [np.ascontiguousarray(cells.reshape(-1, 3).T)]


@dataclass
class Shelf:
    """Photographs by name; None can't be decoded."""

    photos: dict[str, Photo | None] = field(default_factory=dict)

    def add(
        self, name: str, pixels: NDArray[np.uint8] | None, keep: NDArray[np.float32] | None = None
    ) -> ImageRef:
        self.photos[name] = None if pixels is None else photo_of(pixels, keep)
        return ImageRef(f"memory:{name}", "1", name, name)

    def load(self, ref: ImageRef, at_least_px: int | None) -> Photo:
        photo = self.photos[ref.name]
        if photo is None:
            raise ImageError(f"{ref.name}: not an image")
        return photo

    def means(self, side_px: int = 64, **of_work: Any) -> Work:
        """Work whose patches are the means of cells."""
        extractor = Extractor(Means(), self.load, InputSize(side_px, 32))
        return work_of(extractor, **of_work)

    def network(self, candidate: choosing.Candidate, **of_work: Any) -> Work:
        """Work with the real network."""
        return work_of(extractor_of(candidate, self.load), **of_work)


def work_of(extractor: Extractor, **changes: Any) -> Work:
    usual: dict[str, Any] = {"quota": 1000, "seed": 0, "workers": 2, "progress": Silence()}
    return Work(extractor, **usual | changes)


def photo_of(pixels: NDArray[np.uint8], keep: NDArray[np.float32] | None = None) -> Photo:
    content = hashlib.sha256(pixels.tobytes()).hexdigest()
    return Photo(pixels, pixels.shape[1], pixels.shape[0], content, keep=keep)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def silence() -> Silence:
    return Silence()


@pytest.fixture(scope="session")
def weave() -> Callable[..., NDArray[np.uint8]]:
    """Draws a dark weave, as normal as a photograph can be."""

    def draw(seed: int, width: int = 192, height: int = 160) -> NDArray[np.uint8]:
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:height, :width]
        grey = 60 + 30 * np.sin(x / 5) * np.sin(y / 5) + rng.normal(0, 5, (height, width))
        return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)

    return draw
