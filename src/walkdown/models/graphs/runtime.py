"""What a graph looks like from outside: what it takes, what it gives, and how it is run.

`Graph` is the seam between formats and everything else; here is the one of onnxruntime.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from walkdown.errors import ArtefactError
from walkdown.models.graphs.external import beside
from walkdown.models.graphs.session import open_graph, run_within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[np.generic]]

NUMPY_NAMES: Final = {
    "float": "float32",
    "float16": "float16",
    "double": "float64",
    "uint8": "uint8",
    "int8": "int8",
    "int32": "int32",
    "int64": "int64",
    "bool": "bool",
}
"""onnxruntime's names of numbers, as in ``tensor(float)``, and numpy's."""

_NO_SUCH_OPERATOR = re.compile(r"([\w.]+:)?([\w.]+)\(-?\d+\) is not a registered function/op")


@dataclass(frozen=True, slots=True)
class Slot:
    """An input or output: its name, its shape (None for what varies), and numpy's word for it."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str

    def __str__(self) -> str:
        """As an error names it: ``images (any, 3, 640, 640) float32``."""
        sides = ", ".join("any" if side is None else str(side) for side in self.shape)
        return f"{self.name} ({sides}) {self.dtype}"


class Graph(Protocol):
    """An opened graph with one input or more."""

    @property
    def inputs(self) -> Sequence[Slot]:
        """What it takes."""

    @property
    def outputs(self) -> Sequence[Slot]:
        """What it gives; shapes may be less than the truth."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What its exporter wrote into it."""

    def run(self, image: NDArray[np.generic], *, within_s: float | None = None) -> Arrays:
        """The outputs by name for the one input; thread-safe. Raises `TimeoutError`."""


class OnnxGraph:
    """A graph in onnxruntime, on the CPU, in its caller's thread."""

    def __init__(self, graph: bytes, files: Mapping[str, bytes]) -> None:
        """Open it. Raises `ArtefactError`, which says what to do."""
        weights = beside(graph, files)
        try:
            self._session = cast("Any", open_graph(graph, threads=1, weights=weights))
        except ArtefactError as e:
            unknown = _NO_SUCH_OPERATOR.search(str(e))
            if unknown is None:
                raise
            raise ArtefactError(
                f"its graph uses the operator {''.join(filter(None, unknown.groups()))!r}, which "
                "onnxruntime does not know; export it without operators of its own"
            ) from e
        self.inputs = tuple(_slot(each) for each in self._session.get_inputs())
        self.outputs = tuple(_slot(each) for each in self._session.get_outputs())
        self.metadata: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map

    def run(self, image: NDArray[np.generic], *, within_s: float | None = None) -> Arrays:
        """All outputs; onnxruntime may be called from several threads."""
        names = [slot.name for slot in self.outputs]
        given = {self.inputs[0].name: image}
        if within_s is None:
            found = self._session.run(names, given)
        else:
            found = run_within(self._session, names, given, within_s)
        return dict(zip(names, found, strict=True))


def _slot(given: Any) -> Slot:
    inner = re.fullmatch(r"tensor\((\w+)\)", given.type)
    dtype = NUMPY_NAMES.get(inner[1], inner[1]) if inner else given.type
    shape = given.shape or ()
    sides = tuple(side if isinstance(side, int) and side > 0 else None for side in shape)
    return Slot(given.name, sides, dtype)
