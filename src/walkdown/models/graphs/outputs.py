"""What all tasks need of a graph's outputs: the right one, without its batch, as probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from walkdown.errors import ArtefactError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from walkdown.models.graphs.card import Activation
    from walkdown.models.graphs.placing import Placement
    from walkdown.models.graphs.runtime import Arrays
    from walkdown.types import Capability, Photo, Prediction

NEARLY = 1e-3
"""By how much probabilities may leave 0..1, and their sum 1: float16 is as coarse as that."""


class Task(Protocol):
    """What is made of a graph's outputs."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What its predictions can hold."""

    @property
    def threshold(self) -> float | None:
        """The raw score from which on it sees an anomaly."""

    def read(self, said: Arrays, where: Placement, photo: Photo) -> Prediction:
        """The prediction. Raises `ModelError` for numbers that make no sense."""


def described(said: Arrays) -> str:
    """The outputs as an error names them: ``output0 (1, 84, 8400) float32``."""
    return "; ".join(f"{name} {value.shape} {value.dtype}" for name, value in said.items())


def chosen(said: Arrays, name: str | None, fits: Callable[[NDArray[np.generic]], bool]) -> str:
    """The output that a card names, or else the only one that fits. Raises `ArtefactError`."""
    if name is not None:
        if name not in said:
            raise ArtefactError(f"its graph has no output {name!r}: it gives {described(said)}")
        if not fits(said[name]):
            raise ArtefactError(
                f"its graph's output {name!r} is not of a form that its task can read: it gives "
                f"{described(said)}"
            )
        return name
    found = [each for each, value in said.items() if fits(value)]
    if len(found) != 1:
        many = (
            "several outputs, of which one must be named in its card"
            if found
            else ("no output that its task can read")
        )
        raise ArtefactError(f"its graph has {many}: it gives {described(said)}")
    return found[0]


def numbers(value: NDArray[np.generic]) -> NDArray[np.float32]:
    """As float32. Raises `ModelError` where one is none."""
    found = np.asarray(value, np.float32)
    if not np.isfinite(found).all():
        raise ModelError("its graph answered with what is no number")
    return found


def activated(
    values: NDArray[np.float32], activation: Activation, *, axis: int
) -> NDArray[np.float32]:
    """Probabilities of what a graph says. Raises `ModelError` where ``none`` makes them and isn't
    any.
    """
    if activation == "softmax":
        return softmax(values, axis=axis)
    if activation == "sigmoid":
        return sigmoid(values)
    if not are_probabilities(values):
        raise ModelError(
            f"its graph's values reach from {values.min():.3g} to {values.max():.3g}, which are no "
            "probabilities: say activation: softmax or sigmoid in its card"
        )
    return values.clip(0.0, 1.0)


def guessed(values: NDArray[np.float32], *, axis: int) -> Activation:
    """What turns a graph's values into probabilities, from what it says of some image.

    Those that are between 0 and 1 and whose sum is 1 are there already: logits would be so by
    chance only.
    """
    if values.shape[axis] == 1:
        return "none" if are_probabilities(values) else "sigmoid"
    is_whole = np.abs(values.sum(axis=axis) - 1.0).max() <= NEARLY
    return "none" if are_probabilities(values) and is_whole else "softmax"


def are_probabilities(values: NDArray[np.float32]) -> bool:
    """Whether all lie within 0..1, but for the arithmetic."""
    return bool(values.min(initial=0.0) >= -NEARLY and values.max(initial=1.0) <= 1.0 + NEARLY)


def softmax(values: NDArray[np.float32], *, axis: int) -> NDArray[np.float32]:
    """Along an axis, for values of any size."""
    powers = np.exp(values - values.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True), np.float32)


def sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each value; those beyond 80 are as good as 0 and 1."""
    return np.asarray(1.0 / (1.0 + np.exp(-values.clip(-80.0, 80.0))), np.float32)
