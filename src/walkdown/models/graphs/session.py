"""onnxruntime's session: one place in which graphs are opened, and how."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

import onnxruntime as ort

from walkdown.errors import ArtefactError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray


class Session(Protocol):
    """The part of onnxruntime's session that is used here."""

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]
    ) -> list[NDArray[np.float32]]:
        """Run the graph; thread-safe."""


def open_graph(
    graph: bytes, *, threads: int, weights: Mapping[str, bytes] | None = None
) -> Session:
    """A session on the CPU. With one thread it runs in its caller's: callers are the workers.

    ``weights`` are the files that the graph's own say lie beside it, by name. A graph that names
    others would have them read from the current folder: see `external`.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Image sizes vary: a plan per size costs memory and is not reused.
    options.enable_mem_pattern = False
    if weights:
        if not hasattr(options, "add_external_initializers_from_files_in_memory"):
            raise ArtefactError(
                "the model keeps its weights in files of their own, which this onnxruntime can't "
                "be given: pip install --upgrade onnxruntime"
            )
        options.add_external_initializers_from_files_in_memory(
            list(weights), list(weights.values()), [len(data) for data in weights.values()]
        )
    try:
        # Without fallback: trying again what failed would print to stdout, and fail again.
        session: Session = ort.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as e:
        raise ArtefactError(f"the model's graph can't be opened: {e}") from e
    return session


def run_within(
    session: Any, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]], seconds: float
) -> list[NDArray[np.float32]]:
    """Run the graph, but no longer than so. Raises `TimeoutError`."""
    options = ort.RunOptions()
    late = threading.Event()

    def end() -> None:
        late.set()
        options.terminate = True

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        found: list[NDArray[np.float32]] = session.run(outputs, inputs, options)
    except Exception as e:  # onnxruntime raises a bare type of its own
        if late.is_set():
            raise TimeoutError(f"it took longer than {seconds:g} s") from e
        raise
    finally:
        timer.cancel()
    return found
