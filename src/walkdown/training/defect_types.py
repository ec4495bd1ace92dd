"""Names the type of a defect from a few labelled ones, and says "other" of what is like none.

A linear discriminant with one shared covariance. Vectors are whitened once, so that a distance is a
plain one and leaving one member out, which sets how sure the head is and how far is too far, has a
closed form: nothing is fitted twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from walkdown.errors import TrainingError
from walkdown.training.head import shrunk

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

OTHER: Final = "other"
_WITHIN: Final = 0.99
_TEMPERATURES: Final = tuple(float(t) for t in np.geomspace(0.25, 4096, 29))


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """p = softmax(-|x @ whiten - mean|^2 / (2 temperature)) over the classes.

    ``whiten`` is (d, d), ``means`` (classes, d) whitened, ``spread`` (classes,) the variance of the
    distance of a new member by that of an old one: 1 + 1 / members. A vector whose squared distance
    to each class, by its spread, exceeds ``limit`` belongs to none. ``accuracy`` is the share of
    members that were named rightly when left out, None where no class has two.
    """

    names: tuple[str, ...]
    whiten: Floats
    means: Floats
    spread: Floats
    temperature: float
    limit: float
    accuracy: float | None

    def __call__(self, vectors: Floats) -> Floats:
        """Probabilities (n, classes) float32 of (n, d) vectors, which sum to 1 in each row."""
        return _softmax(self.squared_distances(vectors), self.temperature)

    def squared_distances(self, vectors: Floats) -> Floats:
        """Squared Mahalanobis distance (n, classes) of each vector to each class."""
        return _squared_distances(vectors @ self.whiten, self.means).astype(np.float32)

    def is_other(self, vectors: Floats) -> NDArray[np.bool_]:
        """(n,) whether a vector is far from every class."""
        far: NDArray[np.bool_] = (self.squared_distances(vectors) / self.spread).min(1) > self.limit
        return far

    def name(self, vectors: Floats) -> list[str]:
        """The likeliest class of each vector, or "other"."""
        best, other = self(vectors).argmax(axis=1), self.is_other(vectors)
        return [OTHER if o else self.names[b] for b, o in zip(best, other, strict=True)]


def fit_classes(vectors: Floats, classes: Sequence[str], *, shrinkage: float = 0.3) -> Classes:
    """Learn to name the types of (n, d) vectors from the ``classes`` (n,) that people gave them.

    The shared covariance is shrunk as in `head.fit_linear`. A class may have one member; where all
    have, the classes are taken for round, and "other" is what is farther from all of them than half
    the way between the closest two. Raises `TrainingError` where there is nothing to learn from.
    """
    if not len(vectors) or len(vectors) != len(classes):
        message = (
            f"{len(classes)} defect types were given for {len(vectors)} labelled defects: "
            "give one type for each, and at least one"
        )
        raise TrainingError(message)
    names, own = np.unique(np.asarray(classes), return_inverse=True)
    members = np.bincount(own)
    wide = vectors.astype(np.float64)
    means = np.stack([wide[own == c].mean(axis=0) for c in range(len(names))])
    whiten = _whitening(wide, wide - means[own], shrinkage)
    left_out = _left_out(wide @ whiten, means @ whiten, own, shrinkage)
    again = members[own] > 1
    temperature = _temperature(left_out[again], own[again])
    return Classes(
        names=tuple(str(name) for name in names),
        whiten=whiten.astype(np.float32),
        means=(means @ whiten).astype(np.float32),
        spread=(1 + 1 / members).astype(np.float32),
        temperature=temperature,
        limit=_limit(left_out[again], own[again], members, means @ whiten),
        accuracy=float((left_out.argmin(axis=1) == own)[again].mean()) if again.any() else None,
    )


def _whitening(vectors: Doubles, residuals: Doubles, shrinkage: float) -> Doubles:
    """(d, d) symmetric inverse root of the shrunk covariance; round where no class has two."""
    if not residuals.any():
        round_root: Doubles = np.eye(vectors.shape[1]) / (vectors.var(axis=0).mean() or 1.0) ** 0.5
        return round_root
    covariance = shrunk(residuals.T @ residuals / len(residuals), shrinkage)
    variances, axes = np.linalg.eigh(covariance)
    root: Doubles = (axes / np.sqrt(variances)) @ axes.T
    return root


def _left_out(points: Doubles, means: Doubles, own: NDArray[np.intp], shrinkage: float) -> Doubles:
    """Squared distances (n, classes) of each whitened point by a fit that has not seen it.

    Without a point, its class's mean moves away from it and the covariance loses one rank, so its
    inverse is that of Sherman and Morrison. A point that is alone keeps its class's mean.
    """
    members = np.bincount(own)[own]
    away = members / np.maximum(members - 1, 1)
    residual = points - means[own]
    to_means = points[:, None, :] - means
    to_means[np.arange(len(points)), own] *= away[:, None]
    lost = (1 - shrinkage) / len(points) * away
    rest = 1 - lost * np.einsum("nd,nd->n", residual, residual)
    along = np.einsum("nd,ncd->nc", residual, to_means)
    squared = np.einsum("ncd,ncd->nc", to_means, to_means)
    distances: Doubles = squared + (lost / np.maximum(rest, 1e-9))[:, None] * along**2
    return distances


def _temperature(left_out: Doubles, own: NDArray[np.intp]) -> float:
    """What makes the probabilities of left-out members likeliest; 1 where there is none."""
    if not len(own):
        return 1.0
    at = np.arange(len(own))
    loss = [-np.log(_softmax(left_out, t)[at, own] + 1e-12).mean() for t in _TEMPERATURES]
    return _TEMPERATURES[int(np.argmin(loss))]


def _limit(
    left_out: Doubles, own: NDArray[np.intp], members: NDArray[np.intp], means: Doubles
) -> float:
    """The largest squared distance, by its class's spread, of what still belongs to a class.

    The 99 % quantile of left-out members, wider the fewer they are: a next one may well be farther
    than any of three.
    """
    distances = left_out[np.arange(len(own)), own] / (1 + 1 / (members[own] - 1))
    if distances.any():
        widest = float(np.quantile(distances, _WITHIN, method="higher"))
        return widest * (1 + 1 / len(own)) ** 2
    if len(means) == 1:
        return float("inf")
    between = _squared_distances(means, means)
    closest = between[~np.eye(len(means), dtype=np.bool_)].min()
    return float(closest) / 4 / 2


def _squared_distances(points: NDArray[np.floating], means: NDArray[np.floating]) -> Doubles:
    own = np.einsum("nd,nd->n", points, points)[:, None]
    squared = own - 2 * points @ means.T + np.einsum("cd,cd->c", means, means)
    positive: Doubles = np.maximum(squared, 0)
    return positive


def _softmax(squared: NDArray[np.floating], temperature: float) -> Floats:
    logits = -squared / (2 * temperature)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities
