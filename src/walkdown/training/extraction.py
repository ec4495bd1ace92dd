"""From photographs to raw patches: one session, many photographs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from walkdown.errors import ImageError
from walkdown.models.looking import CELL_PX, counting, scaled
from walkdown.models.whole import quarters
from walkdown.parallel import ordered_map
from walkdown.training import variants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from walkdown.models.graphs.session import Session
    from walkdown.models.looking import InputSize, Window
    from walkdown.models.whole import Part
    from walkdown.ports import Progress
    from walkdown.training.anomalies import Anomaly
    from walkdown.types import ImageRef, Photo

    Load = Callable[[ImageRef, int | None], Photo]


COUNTS = 0.5
"""Share of a cell from which on it is learned from, where parts of a photograph don't count."""


Kept = TypeVar("Kept", "Image", "Anomaly")


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """What is kept of a photograph: how many cells it has, and some of its patches, (n, d).

    ``origin`` is (n, 4) int32: the box of the cell that each shows, in px of the photograph.
    ``wholes`` is (copies, v): what `models.whole.quarters` gives of it, and of each copy.
    """

    ref: ImageRef
    content: str
    cells: int
    patches: NDArray[np.float32]
    origin: NDArray[np.int32]
    wholes: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Some:
    """Some (n, d) patches of an image, their numbers in its grid, and its vector as a whole."""

    patches: NDArray[np.float32]
    numbers: NDArray[np.intp]
    whole: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Extractor:
    """Gives the raw patches of photographs; thread-safe.

    ``channels`` are those of a patch that say what a photograph is like as a whole.
    """

    session: Session
    load: Load
    size: InputSize
    channels: tuple[int, int] | None = None

    def photo(self, ref: ImageRef) -> Photo:
        """A photograph at about the size that is looked at. Raises `ImageError`."""
        return self.load(ref, self.size.long_side_px)

    def windows(self, image: NDArray[np.uint8]) -> Iterator[tuple[Window, NDArray[np.float32]]]:
        """The windows of a scaled (1, h, w, 3) image, each with its core's (d, rows, columns)."""
        for window in self.size.windows(image.shape[2], image.shape[1]):
            patches = self.session.run(["patches"], {"image": window.of_image(image)})[0]
            grid = patches.reshape(len(patches), window.height // CELL_PX, -1)
            yield window, grid[:, *window.core]

    def of(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The (d, rows, columns) patches of a scaled image that fits into one window."""
        patches = self.session.run(["patches"], {"image": image})[0]
        return patches.reshape(len(patches), image.shape[1] // CELL_PX, -1)

    def some(
        self, image: NDArray[np.uint8], among: NDArray[np.bool_], quota: int, seed: tuple[int, ...]
    ) -> Some:
        """Random (n, d) patches of an image, at most ``quota``, and their numbers in its grid.

        ``among`` (rows * columns,) says which cells may be taken.
        """
        rows, columns = image.shape[1] // CELL_PX, image.shape[2] // CELL_PX
        chosen = np.zeros(rows * columns, dtype=bool)
        chosen[np.random.default_rng(seed).permutation(np.flatnonzero(among))[:quota]] = True
        numbers = np.arange(rows * columns).reshape(rows, columns)
        parts, vectors = [], []
        for window, patches in self.windows(image):
            wanted = chosen[numbers[window.of_grid]]
            parts.append((patches[:, wanted].T, numbers[window.of_grid][wanted]))
            if self.channels is not None:
                # A copy of that part alone: the window's patches must not stay.
                vectors.append((window.of_grid, patches[slice(*self.channels)].copy()))
        found = np.ascontiguousarray(np.concatenate([part for part, _ in parts]))
        counts = among.reshape(rows, columns).astype(np.float32)
        return Some(found, np.concatenate([at for _, at in parts]), self._whole(vectors, counts))

    def _whole(self, parts: list[Part], counts: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.channels is None:
            return np.zeros(0, np.float32)
        of = 0, self.channels[1] - self.channels[0]
        rows, columns = counts.shape
        return quarters(parts, (rows, columns), channels=of, keep=counts)


@dataclass(frozen=True, slots=True)
class Work:
    """How a fit goes over photographs: up to ``quota`` patches of each, in so many threads.

    ``copies`` are learned from besides the photographs as they are.
    """

    extractor: Extractor
    quota: int
    seed: int
    workers: int
    progress: Progress
    copies: tuple[str, ...] = ()


def extract(refs: Sequence[ImageRef], work: Work) -> tuple[list[Image], list[tuple[str, str]]]:
    """Some patches of each photograph, and (name, reason) of those left out.

    What can't be decoded is left out, so is one of which nothing counts, and so is an exact copy of
    another photograph, which would make cross-fitting lie.
    """

    def one(numbered: tuple[int, ImageRef]) -> Image | tuple[str, str]:
        number, ref = numbered
        try:
            photo = work.extractor.photo(ref)
        except ImageError as e:
            return ref.name, str(e)
        image = _image(ref, photo, number, work)
        return image if len(image.patches) else (ref.name, "all of it is ignored")

    work.progress.start("looking at normal photographs", len(refs))
    return each_once(ordered_map(one, enumerate(refs), workers=work.workers), work.progress)


def each_once(
    found: Iterable[Kept | tuple[str, str]], progress: Progress
) -> tuple[list[Kept], list[tuple[str, str]]]:
    """The first of each content, and (name, reason) of copies of it and of what can't be used."""
    kept: dict[str, Kept] = {}
    left_out: list[tuple[str, str]] = []
    for one in found:
        progress.advance()
        if isinstance(one, tuple):
            left_out.append(one)
        elif one.content in kept:
            twin = kept[one.content].ref.name
            left_out.append((one.ref.name, f"an exact copy of {twin}"))
        else:
            kept[one.content] = one
    return list(kept.values()), left_out


def _image(ref: ImageRef, photo: Photo, number: int, work: Work) -> Image:
    """Patches of a photograph, and of its copies in equal shares."""
    image = scaled(photo, work.extractor.size)
    rows, columns = image.shape[1] // CELL_PX, image.shape[2] // CELL_PX
    keep = counting(photo, image.shape[1:3])
    counts = np.ones(rows * columns, bool) if keep is None else keep.ravel() >= COUNTS
    looks = ("", *work.copies)
    quota = -(-work.quota // len(looks))
    patches, origins, wholes = [], [], []
    for at, copy in enumerate(looks):
        cells = variants.cells_of(rows, columns, copy)
        seed = (work.seed, number, at)
        changed = variants.changed(image, copy)
        found = work.extractor.some(changed, counts[cells], quota, seed)
        patches.append(found.patches)
        origins.append(cells[found.numbers])
        wholes.append(found.whole)
    origin = _boxes(np.concatenate(origins), (rows, columns), (photo.width_px, photo.height_px))
    every = np.concatenate(patches)
    return Image(ref, photo.content, rows * columns, every, origin, np.stack(wholes))


def _boxes(
    cells: NDArray[np.intp], grid: tuple[int, int], size_px: tuple[int, int]
) -> NDArray[np.int32]:
    """(n, 4) boxes in px of cells, by their numbers in a grid over an image of that size."""
    rows, columns = np.divmod(cells, grid[1])
    high, wide = size_px[1] / grid[0], size_px[0] / grid[1]
    boxes: NDArray[np.float64] = np.stack(
        [columns * wide, rows * high, np.full(len(cells), wide), np.full(len(cells), high)], axis=1
    )
    whole: NDArray[np.int32] = np.rint(boxes).astype(np.int32)
    return whole
