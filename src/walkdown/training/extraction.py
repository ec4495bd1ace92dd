"""From photographs to raw patches: one session, many photographs, each as it is or turned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from walkdown.errors import ImageError
from walkdown.models import memory_bank
from walkdown.parallel import ordered_map

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from walkdown.models.memory_bank import InputSize, Session
    from walkdown.ports import Progress
    from walkdown.types import ImageRef, Photo

    Load = Callable[[ImageRef, int | None], Photo]
    Pixels = NDArray[np.uint8]

TURNS: Mapping[str, Callable[[Pixels], Pixels]] = {
    "mirrored": lambda pixels: pixels[:, ::-1],
    "upside down": lambda pixels: pixels[::-1],
    "turned by 180": lambda pixels: pixels[::-1, ::-1],
    "turned by 90": lambda pixels: np.rot90(pixels),
    "turned by 270": lambda pixels: np.rot90(pixels, 3),
}
"""What can be done to (H, W, 3) pixels without losing any."""


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

    def photo(self, ref: ImageRef, turn: str | None = None) -> Photo:
        """A photograph at about the size that is looked at. Raises `ImageError`."""
        photo = self.load(ref, self.size.long_side_px)
        return photo if turn is None else turned(photo, turn)


@dataclass(frozen=True, slots=True)
class Work:
    """How a fit goes over photographs: up to ``quota`` patches of each, in so many threads."""

    extractor: Extractor
    quota: int
    seed: int
    workers: int
    progress: Progress


def turned(photo: Photo, turn: str) -> Photo:
    """A photograph mirrored or turned; its sides are swapped where they have to be."""
    pixels = np.ascontiguousarray(TURNS[turn](photo.pixels))
    width, height = photo.width_px, photo.height_px
    if turn in ("turned by 90", "turned by 270"):
        width, height = height, width
    return replace(photo, pixels=pixels, width_px=width, height_px=height)


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


def with_turns(images: Sequence[Image], turns: Sequence[str], work: Work) -> list[Image]:
    """The same images with patches of their turned copies; the quota is for all together."""
    if not turns:
        return list(images)
    share = max(1, work.quota // (1 + len(turns)))

    def one(numbered: tuple[int, Image]) -> Image:
        number, image = numbered
        copies = [
            some(
                work.extractor.of(work.extractor.photo(image.ref, turn)),
                share,
                (work.seed, number, 1 + at),
            )
            for at, turn in enumerate(turns)
        ]
        return replace(image, patches=np.concatenate([image.patches[:share], *copies]))

    work.progress.start("looking at them mirrored and turned", len(images))
    result = []
    for image in ordered_map(one, enumerate(images), workers=work.workers):
        result.append(image)
        work.progress.advance()
    return result
