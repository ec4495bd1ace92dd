"""Labelled anomalies: which of their cells show the defect, and what the defect is called."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from walkdown.errors import ImageError
from walkdown.models.bank import NAMED_BY, Types
from walkdown.models.looking import CELL_PX, counting, scaled
from walkdown.parallel import ordered_map
from walkdown.training import judging
from walkdown.training.defect_types import fit_classes
from walkdown.training.extraction import each_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from walkdown.models.graphs.session import Session
    from walkdown.training import graph
    from walkdown.training.extraction import Extractor, Work
    from walkdown.types import ImageRef, Photo

WORST_SHARE, WORST_AT_LEAST, WORST_AT_MOST = 0.02, 4, 200
"""Without a mask the cells that the bank finds worst stand for the defect: which share of all."""

UNDER_MASK = 0.3
"""Share of a cell under a mask from which on it shows the defect."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A photograph of an anomaly: its defect's name and its mask's bytes, where known."""

    ref: ImageRef
    kind: str | None = None
    mask: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Anomaly:
    """What is learned from an anomaly: the (n, d) patches of its defect, the worst first."""

    ref: ImageRef
    content: str
    kind: str | None
    defective: NDArray[np.float32]


def extract(
    labelled: Sequence[Labelled], judge: graph.Judge, work: Work
) -> tuple[list[Anomaly], list[tuple[str, str]]]:
    """The anomalies that can be decoded, each content once, and (name, reason) of the others."""
    session = judging.open_judge(judge)

    def one(which: Labelled) -> Anomaly | tuple[str, str]:
        try:
            photo = work.extractor.photo(which.ref)
            cells = _defective(which, photo, work.extractor, session)
        except ImageError as e:
            return which.ref.name, str(e)
        return Anomaly(which.ref, photo.content, which.kind, cells)

    work.progress.start("looking at anomalies", len(labelled))
    return each_once(ordered_map(one, labelled, workers=work.workers), work.progress)


def _defective(
    which: Labelled, photo: Photo, extractor: Extractor, session: Session
) -> NDArray[np.float32]:
    image = scaled(photo, extractor.size)
    grid = (image.shape[1] // CELL_PX, image.shape[2] // CELL_PX)
    keep = counting(photo, (image.shape[1], image.shape[2]))
    weight = keep if which.mask is None else _under(which.mask, grid)
    parts, values = [], []
    for window, core in extractor.windows(image):
        patches = core.reshape(len(core), -1)
        found = session.run(["values"], {"patches": patches})[0]
        if weight is not None:
            found = found * weight[window.of_grid].ravel()
        worst = np.argsort(-found, kind="stable")[:WORST_AT_MOST]
        parts.append(patches[:, worst].T)
        values.append(found[worst])
    value = np.concatenate(values)
    order = np.argsort(-value, kind="stable")
    count = WORST_AT_MOST
    if which.mask is None:
        count = int(np.clip(WORST_SHARE * grid[0] * grid[1], WORST_AT_LEAST, WORST_AT_MOST))
    count = min(count, max(1, int(np.count_nonzero(value > 0.0))))
    return np.ascontiguousarray(np.concatenate(parts)[order[:count]])


def _under(data: bytes, grid: tuple[int, int]) -> NDArray[np.float32]:
    """1 for each cell under the mask, at least one of them, and 0 for the others."""
    try:
        with Image.open(io.BytesIO(data)) as file:
            mask = np.asarray(file.convert("L"), dtype=np.float32)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as e:
        raise ImageError(f"its mask can't be read: {e}") from e
    if not mask.any():
        raise ImageError("its mask is black all over: nothing is marked on it")
    drawn = Image.fromarray((mask > 0).astype(np.float32))
    share = np.asarray(drawn.resize((grid[1], grid[0]), Image.Resampling.BOX), dtype=np.float32)
    return np.where(share >= min(UNDER_MASK, float(share.max())), 1.0, 0.0).astype(np.float32)


def types(anomalies: Sequence[Anomaly], judge: graph.Judge) -> Types | None:
    """What defects are told apart by, where any bear names; one example of a name is not enough."""
    named: dict[str, list[NDArray[np.float32]]] = {}
    for anomaly in anomalies:
        if anomaly.kind is not None:
            cells = judge.scaling.standardise(anomaly.defective[:NAMED_BY])
            named.setdefault(anomaly.kind, []).append(cells.mean(axis=0))
    kinds = {kind: vectors for kind, vectors in sorted(named.items()) if len(vectors) > 1}
    if not kinds:
        return None
    vectors = np.array([v for vectors in kinds.values() for v in vectors])
    found = fit_classes(vectors, [kind for kind, vectors in kinds.items() for _ in vectors])
    reach = np.sqrt(found.limit * found.spread).astype(np.float32)
    return Types(found.names, found.whiten, found.means, reach)
