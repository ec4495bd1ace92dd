"""Heads: small functions on a cell's features that learned what a defect looks like.

Every head is a frozen value of float32 arrays, called with (n, d) rows, and made of clipping,
products, sums and the positive part alone, so that it can be written as a few ONNX nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from numpy.random import Generator

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

CLIP: Final = 8.0
"""Heads see cells clipped to +-CLIP standard deviations: beyond, more says no more."""

_BATCH: Final = 512
_DEFECTIVE_IN_BATCH: Final = _BATCH // 4
_NOISE_ROWS: Final = 4 * _BATCH
_MOMENT, _SQUARE = 0.9, 0.999
_SURE: Final = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Mlp:
    """One hidden layer: logit = max(0, clip(x) @ inner + inner_bias) @ outer + outer_bias.

    ``inner`` is (d, hidden), ``inner_bias`` (hidden,), ``outer`` (hidden, 1), ``outer_bias`` (1,).
    """

    inner: Floats
    inner_bias: Floats
    outer: Floats
    outer_bias: Floats

    def __call__(self, cells: Floats) -> Floats:
        """Logits (n,) float32 of (n, d) standardised cells: the higher, the more like a defect."""
        hidden = np.maximum(_clipped(cells) @ self.inner + self.inner_bias, 0)
        logits: Floats = (hidden @ self.outer + self.outer_bias)[:, 0]
        return logits


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """logit = clip(x) @ weights + bias, with ``weights`` (d, 1) and ``bias`` (1,)."""

    weights: Floats
    bias: Floats

    def __call__(self, cells: Floats) -> Floats:
        """Logits (n,) float32 of (n, d) standardised cells; 0 is halfway between the groups."""
        logits: Floats = (_clipped(cells) @ self.weights + self.bias)[:, 0]
        return logits


def fit_mlp(
    normal: Floats,
    defective: Floats,
    *,
    rng: Generator,
    hidden: int = 64,
    steps: int = 400,
    rate: float = 2e-3,
    decay: float = 1e-3,
    noise: float = 0.5,
) -> Mlp:
    """Learn to tell (n, d) standardised normal cells from (m, d) defective ones.

    Logistic loss by Adam with decoupled weight decay (Loshchilov and Hutter, Decoupled weight decay
    regularization, 2019) and a step that falls from ``rate`` to 0. A quarter of each batch is
    defective. ``noise`` is the standard deviation of what is added to the cells at each step, so
    that the head doesn't learn the given ones by heart. Neither group may be empty.
    """
    batches = _Batches(normal, defective, noise, rng)
    layers = _start(normal.shape[1], hidden, rng)
    moments = [np.zeros_like(layer) for layer in layers]
    squares = [np.zeros_like(layer) for layer in layers]
    for step in range(steps):
        slopes = _slopes(layers, batches.draw(), batches.truth)
        step_size = np.float32(rate * (1 - step / steps))
        for layer, slope, moment, square in zip(layers, slopes, moments, squares, strict=True):
            moment += (1 - _MOMENT) * (slope - moment)
            square += (1 - _SQUARE) * (slope * slope - square)
            size = np.sqrt(square / (1 - _SQUARE ** (step + 1))) + 1e-8
            layer *= 1 - step_size * decay * (layer.ndim > 1)
            layer -= step_size * (moment / (1 - _MOMENT ** (step + 1))) / size
    return Mlp(*layers)


def fit_linear(normal: Floats, defective: Floats, *, shrinkage: float = 0.3) -> Linear:
    """Linear discriminant of (n, d) standardised normal cells and (m, d) defective ones.

    Both share one covariance, of each cell from the mean of its group, shrunk towards a multiple of
    the identity by ``shrinkage`` in 0..1 (Friedman, Regularized discriminant analysis, 1989; Ledoit
    and Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004). The
    groups count as equally likely, whatever their sizes. One defective cell is enough.
    """
    groups = [_clipped(group) for group in (normal, defective)]
    means = [group.mean(axis=0, dtype=np.float64) for group in groups]
    covariance = _covariance(groups, means, shrinkage)
    weights = np.linalg.solve(covariance, means[1] - means[0])
    bias = -weights @ (means[0] + means[1]) / 2
    return Linear(weights[:, None].astype(np.float32), np.array([bias], dtype=np.float32))


def _clipped(cells: Floats) -> Floats:
    return np.clip(cells, -CLIP, CLIP)


def _covariance(groups: list[Floats], means: list[Doubles], shrinkage: float) -> Doubles:
    """(d, d) shrunk covariance of the rows of all groups, each from the mean of its own."""
    scatter = np.zeros((len(means[0]), len(means[0])))
    for group, mean in zip(groups, means, strict=True):
        centred = group - mean.astype(np.float32)
        scatter += centred.T @ centred
    return shrunk(scatter / sum(map(len, groups)), shrinkage)


def shrunk(covariance: Doubles, shrinkage: float) -> Doubles:
    """A covariance (d, d) drawn towards the identity times its mean variance; never singular."""
    variance = max(float(np.trace(covariance)) / len(covariance), 1e-6)
    mixed: Doubles = (1 - shrinkage) * covariance
    mixed[np.diag_indices_from(mixed)] += max(shrinkage, 1e-6) * variance
    return mixed


class _Batches:
    """Random batches into one buffer: first the normal rows, then the defective ones."""

    def __init__(self, normal: Floats, defective: Floats, noise: float, rng: Generator) -> None:
        self._groups = (normal, defective)
        self._rng = rng
        depth = normal.shape[1]
        # Drawing fresh noise would take longer than all the rest; rows of a bank, from a random
        # one on, are as good.
        self._noise = rng.standard_normal((_NOISE_ROWS, depth), dtype=np.float32)
        self._noise *= np.float32(noise)
        self._rows = np.empty((_BATCH, depth), dtype=np.float32)
        self.truth = np.zeros((_BATCH, 1), dtype=np.float32)
        self.truth[-_DEFECTIVE_IN_BATCH:] = 1

    def draw(self) -> Floats:
        """(_BATCH, d) cells, clipped, with noise; the buffer is used again by the next call."""
        parts = self._rows[:-_DEFECTIVE_IN_BATCH], self._rows[-_DEFECTIVE_IN_BATCH:]
        for group, part in zip(self._groups, parts, strict=True):
            np.take(group, self._rng.integers(len(group), size=len(part)), axis=0, out=part)
        np.clip(self._rows, -CLIP, CLIP, out=self._rows)
        at = self._rng.integers(_NOISE_ROWS - _BATCH)
        self._rows += self._noise[at : at + _BATCH]
        return self._rows


def _start(depth: int, hidden: int, rng: Generator) -> list[Floats]:
    """Random layers that keep the size of what goes through (He et al., 2015)."""
    inner = rng.standard_normal((depth, hidden), dtype=np.float32) * np.float32((2 / depth) ** 0.5)
    outer = rng.standard_normal((hidden, 1), dtype=np.float32) * np.float32(hidden**-0.5)
    return [inner, np.zeros(hidden, np.float32), outer, np.zeros(1, np.float32)]


def _slopes(layers: list[Floats], cells: Floats, truth: Floats) -> list[Floats]:
    """The gradient of the mean logistic loss, in the order of the layers."""
    inner, inner_bias, outer, outer_bias = layers
    hidden = np.maximum(cells @ inner + inner_bias, 0)
    logits = np.clip(hidden @ outer + outer_bias, -_SURE, _SURE)
    error = (1 / (1 + np.exp(-logits)) - truth) / np.float32(len(cells))
    back = (error @ outer.T) * (hidden > 0)
    return [cells.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(axis=0)]
