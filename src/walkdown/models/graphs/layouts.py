"""How detectors write down what they see, and which of these ways a graph follows.

Each layout turns a graph's outputs into `Candidates`: corners in px of the input, a confidence and
a class for each. C is the number of labels, N that of candidates:

- ``v5``: (1, N, 5 + C), rows of centre, size, objectness and class scores;
- ``v8``: (1, 4 + C, N) or (1, N, 4 + C), centre, size and class scores;
- ``end_to_end``: (1, N, 6), corners, confidence and class, with no two for one thing;
- ``yolox``: as v5, with centre and size yet to be put on the grids of strides 8, 16 and 32;
- ``detr``: ``logits`` (1, N, C or C + 1) and ``pred_boxes`` (1, N, 4), centre and size in shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from walkdown.errors import ArtefactError
from walkdown.models.graphs import outputs
from walkdown.models.graphs.boxes import corners

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from walkdown.models.graphs.card import DetectionCard, Layout
    from walkdown.models.graphs.runtime import Arrays

    Size = tuple[int, int]

LOGITS, BOXES = "logits", "pred_boxes"
STRIDES: Final = (8, 16, 32)
END_TO_END_ROWS: Final = 1000
"""Candidates that an end-to-end graph has at most; others have one for each place."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What may be seen: (n, 4) corners in px of the input, (n,) confidences, (n,) classes."""

    boxes: NDArray[np.float32]
    confidences: NDArray[np.float32]
    classes: NDArray[np.intp]


def layout_of(card: DetectionCard, said: Arrays, count: int) -> tuple[Layout, str]:
    """The layout and its output's name, by the card or by the shapes. Raises `ArtefactError`."""
    if card.layout == "detr" or (card.layout is None and {LOGITS, BOXES} <= said.keys()):
        _check_detr(said, count)
        return "detr", LOGITS
    name = outputs.chosen(said, card.output, lambda value: value.ndim == 3 and len(value) == 1)
    shape = said[name].shape[1:]
    fitting = [way for way, fits in _FITS.items() if fits(shape, count)]
    if card.layout is not None and card.layout in fitting:
        return card.layout, name
    if card.layout is None and fitting:
        return fitting[0], name
    asked = f"layout {card.layout!r}" if card.layout else "any known layout"
    raise ArtefactError(
        f"its graph gives {outputs.described(said)}, which is not of {asked} with {count} labels: "
        f"that would be (1, N, {5 + count}) for v5 and yolox, (1, {4 + count}, N) for v8, "
        "(1, N, 6) for end_to_end, logits and pred_boxes for detr"
    )


def candidates(
    layout: Layout, name: str, said: Arrays, *, count: int, size: Size, activation: str | None
) -> Candidates:
    """What the graph says, in one form. Raises `ModelError` for what makes no sense."""
    value = outputs.numbers(said[name])[0]
    if layout == "detr":
        return _detr(value, outputs.numbers(said[BOXES])[0], count, size, activation)
    if layout == "end_to_end":
        return Candidates(value[:, :4], value[:, 4], np.rint(value[:, 5]).astype(np.intp))
    if layout == "v8":
        rows = value if value.shape[1] == 4 + count else value.T
        return _surest(corners(rows[:, :4]), rows[:, 4:])
    if layout == "yolox":
        value = _on_grids(value, size)
    return _surest(corners(value[:, :4]), value[:, 5:] * value[:, 4:5])


def _surest(boxes: NDArray[np.float32], classes: NDArray[np.float32]) -> Candidates:
    """Each candidate as the class that it is most surely of."""
    found = classes.argmax(axis=1)
    return Candidates(boxes, np.take_along_axis(classes, found[:, None], axis=1)[:, 0], found)


def _detr(
    logits: NDArray[np.float32],
    boxes: NDArray[np.float32],
    count: int,
    size: Size,
    activation: str | None,
) -> Candidates:
    """With a class more than labels, the last is that of nothing: classes exclude each other."""
    exclude = activation or ("softmax" if logits.shape[1] == count + 1 else "sigmoid")
    likely = outputs.softmax(logits, axis=1) if exclude == "softmax" else outputs.sigmoid(logits)
    sides = np.array([*size, *size], np.float32)
    return _surest(corners(boxes * sides), likely[:, :count])


def _on_grids(value: NDArray[np.float32], size: Size) -> NDArray[np.float32]:
    """Centres from within their cells, sizes from their logarithms, by the stride of each."""
    cells = [(size[0] // stride, size[1] // stride, stride) for stride in STRIDES]
    starts = np.concatenate(
        [np.stack(np.meshgrid(range(w), range(h)), axis=-1).reshape(-1, 2) for w, h, _ in cells]
    )
    strides = np.concatenate([np.full((w * h, 1), stride) for w, h, stride in cells])
    found = value.copy()
    found[:, :2] = (value[:, :2] + starts) * strides
    found[:, 2:4] = np.exp(value[:, 2:4].clip(-20.0, 20.0)) * strides
    return found


def _check_detr(said: Arrays, count: int) -> None:
    logits, boxes = (said[n].shape if n in said else () for n in (LOGITS, BOXES))
    if len(logits) != 3 or boxes != (1, logits[1], 4) or logits[2] not in (count, count + 1):
        raise ArtefactError(
            f"its graph gives {outputs.described(said)}; of layout 'detr' with {count} labels "
            f"would be logits (1, N, {count}) or (1, N, {count + 1}) and pred_boxes (1, N, 4)"
        )


_FITS: Mapping[Layout, Callable[[tuple[int, ...], int], bool]] = {
    "v8": lambda shape, count: (shape[0] == 4 + count) != (shape[1] == 4 + count),
    "end_to_end": lambda shape, count: shape[1] == 6 and shape[0] <= END_TO_END_ROWS,
    "v5": lambda shape, count: shape[1] == 5 + count,
    "yolox": lambda shape, count: shape[1] == 5 + count,
}
"""By (rows, columns) and the number of labels; the first that fits is taken. Of `v5` and `yolox`,
whose shapes are the same, `v5` is."""
