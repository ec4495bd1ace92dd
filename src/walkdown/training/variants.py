"""Copies of a photograph that are just as normal: mirrored, turned, in other light.

Whether they are is for validation to say: a screw may lie any way round, a board may not.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Change = Callable[[NDArray[Any]], NDArray[Any]]


def _turned(image: NDArray[Any], *, quarters: int, mirror: bool) -> NDArray[Any]:
    """An (n, h, w, ...) array turned by quarters, and mirrored before."""
    mirrored = image[:, :, ::-1] if mirror else image
    turned: NDArray[Any] = np.ascontiguousarray(np.rot90(mirrored, quarters, axes=(1, 2)))
    return turned


def _lit(image: NDArray[Any], *, gain: float) -> NDArray[Any]:
    lit: NDArray[Any] = np.clip(image.astype(np.float32) * gain + 0.5, 0, 255).astype(np.uint8)
    return lit


_TURNS: Mapping[str, Change] = {
    f"{'mirrored ' if mirror else ''}{90 * quarters} degrees": partial(
        _turned, quarters=quarters, mirror=mirror
    )
    for mirror in (False, True)
    for quarters in range(4)
    if mirror or quarters
}
_LIGHTS: Mapping[str, Change] = {
    "darker": partial(_lit, gain=0.8),
    "brighter": partial(_lit, gain=1.25),
}

KINDS: Mapping[str, tuple[str, ...]] = {
    "mirrored": ("180 degrees", "mirrored 0 degrees", "mirrored 180 degrees"),
    "turned": tuple(_TURNS),
    "other light": tuple(_LIGHTS),
}
"""What a set of photographs can be learned from besides themselves, and the copies of each kind."""


def copies(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """The copies of these kinds, each once."""
    return tuple(dict.fromkeys(copy for kind in kinds for copy in KINDS[kind]))


def changed(image: NDArray[np.uint8], copy: str) -> NDArray[np.uint8]:
    """A (1, h, w, 3) image as this copy of it; itself for an empty name."""
    return {**_TURNS, **_LIGHTS}[copy](image) if copy else image


def cells_of(rows: int, columns: int, copy: str) -> NDArray[np.intp]:
    """For each cell of a copy, row by row, the number of the cell of the photograph it shows."""
    numbers = np.arange(rows * columns).reshape(1, rows, columns)
    return (_TURNS[copy](numbers) if copy in _TURNS else numbers).ravel()
