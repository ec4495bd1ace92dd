"""Boxes that lie over each other: which of them stay. Pure numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def corners(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 4) of centre, width and height as left, top, right, bottom."""
    half = boxes[:, 2:] / 2
    return np.concatenate((boxes[:, :2] - half, boxes[:, :2] + half), axis=1)


def overlaps(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """The share that a box (4,) and each of the others (n, 4) have in common of both together.

    >>> overlaps(np.float32([0, 0, 2, 2]), np.float32([[0, 0, 2, 2], [1, 0, 3, 2]])).round(3)
    array([1.   , 0.333], dtype=float32)
    """
    start = np.maximum(box[:2], others[:, :2])
    end = np.minimum(box[2:], others[:, 2:])
    common = (end - start).clip(0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).clip(0).prod(axis=1)
    area = (box[2:] - box[:2]).clip(0).prod()
    together = np.maximum(area + areas - common, np.float32(1e-9))
    return np.asarray(common / together, np.float32)


def kept(
    boxes: NDArray[np.float32],
    confidences: NDArray[np.float32],
    classes: NDArray[np.intp],
    *,
    overlap: float,
    most: int,
) -> NDArray[np.intp]:
    """Which boxes stay, the surest first, ``most`` at most.

    Of each class, the surest stays and those go that overlap it by more; and so on with the next.
    ``boxes`` are (n, 4) corners. Of equally sure ones the first counts as surer.
    """
    found: list[int] = []
    order = np.argsort(-confidences, kind="stable")
    for number in np.unique(classes):
        left = order[classes[order] == number]
        while len(left):
            first, left = left[0], left[1:]
            found.append(int(first))
            left = left[overlaps(boxes[first], boxes[left]) <= overlap]
    chosen = np.array(found, np.intp)
    return chosen[np.argsort(-confidences[chosen], kind="stable")][:most]
