"""From photographs to raw patches: one session, many photographs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from walkdown.errors import ImageError
from walkdown.models import memory_bank
from walkdown.parallel import ordered_map

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from walkdown.models.memory_bank import InputSize, Session
    from walkdown.ports import Progress
    from walkdown.types import ImageRef, Photo

    Load = Callable[[ImageRef, int | None], Photo]


@dataclass(frozen=True, slots=True)
class Image:
    """What is kept of a photograph: how many cells it has, and some of its patches, (n, d)."""

    ref: ImageRef
    content: str
    cells: int
    patches: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Extractor:
    """Gives the raw patches of a photograph, (d, cells) float32; thread-safe."""

    session: Session
    load: Load
    size: InputSize

    def of(self, photo: Photo) -> NDArray[np.float32]:
        """Patches of a decoded photograph."""
        image = memory_bank.scaled(photo, self.size)
        return self.session.run(["patches"], {"image": image})[0]

    def photo(self, ref: ImageRef) -> Photo:
        """A photograph at about the size that is looked at. Raises `ImageError`."""
        return self.load(ref, self.size.long_side_px)


@dataclass(frozen=True, slots=True)
class Work:
    """How a fit goes over photographs: up to ``quota`` patches of each, in so many threads."""

    extractor: Extractor
    quota: int
    seed: int
    workers: int
    progress: Progress


def extract(refs: Sequence[ImageRef], work: Work) -> tuple[list[Image], list[tuple[str, str]]]:
    """Some patches of each photograph, and (name, reason) of those left out.

    What can't be decoded is left out, and so is an exact copy of another photograph, which would
    make cross-fitting lie.
    """

    def one(numbered: tuple[int, ImageRef]) -> Image | tuple[str, str]:
        number, ref = numbered
        try:
            photo = work.extractor.photo(ref)
        except ImageError as e:
            return ref.name, str(e)
        patches = work.extractor.of(photo)
        kept = some(patches, work.quota, (work.seed, number))
        return Image(ref, photo.content, patches.shape[1], kept)

    work.progress.start("looking at normal photographs", len(refs))
    images: dict[str, Image] = {}
    left_out: list[tuple[str, str]] = []
    for found in ordered_map(one, enumerate(refs), workers=work.workers):
        work.progress.advance()
        if isinstance(found, tuple):
            left_out.append(found)
        elif found.content in images:
            twin = images[found.content].ref.name
            left_out.append((found.ref.name, f"an exact copy of {twin}"))
        else:
            images[found.content] = found
    return list(images.values()), left_out


def some(patches: NDArray[np.float32], quota: int, seed: tuple[int, ...]) -> NDArray[np.float32]:
    """A random (n, d) part of (d, cells) patches, in random order, at most ``quota`` of them."""
    chosen = np.random.default_rng(seed).permutation(patches.shape[1])[:quota]
    return np.ascontiguousarray(patches.T[chosen])
