"""The kind ``openvino``: the same cards, in OpenVINO on the CPU, as exact as float32."""

from __future__ import annotations

import os
import re
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import openvino as ov

from walkdown.errors import ArtefactError
from walkdown.models.graphs.external import locations
from walkdown.models.graphs.model import SHOWN, GraphModel
from walkdown.models.graphs.runtime import Slot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from walkdown.models.graphs.runtime import Arrays, Graph

NUMPY_NAMES: Final = {"f32": "float32", "f16": "float16", "u8": "uint8", "i64": "int64"}


class OpenVinoGraph:
    """A compiled graph. OpenVINO's own threads run it: as many at once as there are cores."""

    def __init__(self, name: str, files: Mapping[str, bytes]) -> None:
        """Open it. Raises `ArtefactError`, which says what to do."""
        self.metadata: Mapping[str, str] = {}
        model = _read(name, files)
        cores = os.cpu_count() or 1
        # The default may be bfloat16, depending on the machine, and so would scores.
        options = {
            "INFERENCE_PRECISION_HINT": "f32",
            "EXECUTION_MODE_HINT": "ACCURACY",
            "INFERENCE_NUM_THREADS": str(cores),
            "NUM_STREAMS": str(cores),
        }
        try:
            self._compiled: Any = ov.Core().compile_model(model, "CPU", options)
        except RuntimeError as e:
            raise ArtefactError(f"its graph can't be compiled: {_short(e)}") from e
        # Compiling may give a value the names of what led to it as well.
        self.inputs, self.outputs = _slots(model.inputs, "input"), _slots(model.outputs, "output")
        self._idle: SimpleQueue[Any] = SimpleQueue()

    def run(self, image: NDArray[np.generic], *, within_s: float | None = None) -> Arrays:
        """A request serves one caller at a time; those that are idle are used again.

        ``within_s`` counts for nothing: OpenVINO does not leave a loop that it has begun.
        """
        try:
            request = self._idle.get_nowait()
        except Exception:  # queue.Empty: all are at work
            request = self._compiled.create_infer_request()
        request.infer([image])
        found = [np.array(request.get_output_tensor(i).data) for i in range(len(self.outputs))]
        self._idle.put(request)
        return dict(zip((slot.name for slot in self.outputs), found, strict=True))


class OpenVinoModel(GraphModel):
    """The kind ``openvino``: ``model.xml`` with ``model.bin``, or a ``model.onnx`` in one file."""

    suffixes = (".xml", ".onnx")

    def opened(self, name: str, files: Mapping[str, bytes]) -> Graph:
        """From memory, with no file but those of the artefact."""
        return OpenVinoGraph(name, files)


def _read(name: str, files: Mapping[str, bytes]) -> Any:
    weights = b""
    if name.endswith(".xml"):
        beside = re.sub(r"xml$", "bin", name)
        if not files[name].startswith(b"<"):
            # OpenVINO goes by what is in a file: it would read an ONNX, and files that it names.
            raise ArtefactError(f"{name} is no XML; convert the model again")
        if beside not in files:
            raise ArtefactError(f"its weights are missing: list {beside} under 'files' as well")
        weights = files[beside]
    elif named := locations(files[name]):
        raise ArtefactError(
            f"its graph keeps weights in {min(named)[:80]!r}: OpenVINO is given ONNX in one file "
            "only. Convert it to model.xml and model.bin, or use it as kind: onnx"
        )
    try:
        return ov.Core().read_model(model=files[name], weights=weights)
    except RuntimeError as e:
        raise ArtefactError(f"its graph can't be opened: {_short(e)}") from e


def _slots(ports: Any, what: str) -> tuple[Slot, ...]:
    found = []
    for i, port in enumerate(ports):
        names = sorted(port.get_names())
        sides = tuple(s.get_length() if s.is_static else None for s in port.partial_shape)
        kind = port.element_type.get_type_name()
        found.append(Slot(names[0] if names else f"{what}{i}", sides, NUMPY_NAMES.get(kind, kind)))
    return tuple(found)


def _short(error: Exception) -> str:
    """What OpenVINO says, without the places in its own code that it begins with."""
    lines = [line.strip() for line in str(error).splitlines()]
    unknown = [line for line in lines if line.startswith("-- No conversion rule found")]
    if unknown:
        return f"{unknown[0][3:]}; export it without operators of its own"[:SHOWN]
    said = [line for line in lines if line and not line.startswith(("Exception from", "Check"))]
    return " ".join(said)[:SHOWN] or type(error).__name__
