"""One answer of several models that each know how many normal images look as odd."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def fused_p(values: Sequence[float]) -> float:
    """One p-value of several on the same image: the Cauchy combination.

    Close to the truth for small values however the models depend on one another, which they do:
    Liu and Xie, Cauchy combination test, JASA 115 (2020). Raises ValueError for none.

    >>> round(fused_p([0.03, 0.03]), 6), fused_p([0.01, 0.9]) < 0.03
    (0.03, True)
    """
    if not values:
        raise ValueError("no p-value to fuse")
    # At 1 the tangent has no end: one model that finds all normal would silence every other.
    angles = [math.tan((0.5 - min(max(p, 1e-12), 0.99)) * math.pi) for p in values]
    return 0.5 - math.atan(sum(angles) / len(angles)) / math.pi
