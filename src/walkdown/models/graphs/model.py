"""A graph of anybody's as a model, whatever runtime it is opened in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from walkdown.errors import ArtefactError, ModelError, WalkdownError
from walkdown.models.cards import read_card
from walkdown.models.graphs import anomalib
from walkdown.models.graphs.card import (
    CARDS,
    AnomalibCard,
    AnomalyCard,
    ClassificationCard,
    DetectionCard,
    GraphCard,
    SegmentationCard,
)
from walkdown.models.graphs.classifying import Classifying
from walkdown.models.graphs.detecting import Detecting
from walkdown.models.graphs.inputs import frame, trained_at
from walkdown.models.graphs.oddities import Oddities
from walkdown.models.graphs.runtime import OnnxGraph
from walkdown.models.graphs.segmenting import Segmenting
from walkdown.pipeline.predictions import failed
from walkdown.types import ModelInfo, Photo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from walkdown.models.artefact import Artefact
    from walkdown.models.graphs.inputs import Frame
    from walkdown.models.graphs.outputs import Task
    from walkdown.models.graphs.runtime import Arrays, Graph
    from walkdown.types import Prediction

SHOWN: Final = 300
"""Characters of a runtime's own error that are worth repeating."""


TRIAL_S = 30.0
"""How long a graph may take for the one image of noise that it is shown when it is opened."""


class GraphModel(ABC):
    """The `Model` port over an opened graph; kinds differ in the runtime that opens it."""

    suffixes: tuple[str, ...] = (".onnx",)

    def __init__(self, artefact: Artefact, *, label: str) -> None:
        """Open the graph, and run it once on noise: what it gives says how it is read.

        Raises `ArtefactError` where card and graph do not fit each other.
        """
        card = _card(artefact, label)
        try:
            name = _file(card, artefact.files, self.suffixes)
            self._graph = self.opened(name, artefact.files)
            self._frame, self._task = _read(card, self._graph, artefact.files)
        except ModelError as e:
            raise ArtefactError(f"model {label}: {e}") from e
        self._info = ModelInfo(
            label,
            artefact.digest,
            max_batch=1,
            input_px=self._frame.input_px,
            threshold=self._task.threshold,
            capabilities=self._task.capabilities,
        )

    @abstractmethod
    def opened(self, name: str, files: Mapping[str, bytes]) -> Graph:
        """The graph in this kind's runtime."""

    @property
    def info(self) -> ModelInfo:
        """Inline, one image at a time: other images can't change a score, and memory stays flat."""
        return self._info

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        """One prediction per photo."""
        return [self._one(photo) for photo in photos]

    def _one(self, photo: Photo) -> Prediction:
        try:
            said = self._graph.run(self._frame.image(photo))
            return self._task.read(said, self._frame.place(photo), photo)
        except WalkdownError as e:
            return failed(f"model {self._info.label}: {e}")
        except Exception as e:  # runtimes raise bare types of their own
            why = f"{type(e).__name__}: {e}"
            return failed(f"model {self._info.label} failed on this image: {why[:SHOWN]}")


class OnnxModel(GraphModel):
    """The kind ``onnx``: onnxruntime on the CPU, one thread in its caller's."""

    def opened(self, name: str, files: Mapping[str, bytes]) -> Graph:
        """From memory, with no file but those of the artefact."""
        return OnnxGraph(files[name], files)


def _card(artefact: Artefact, label: str) -> GraphCard:
    task = artefact.card.get("task")
    if task is None:
        return read_card(AnomalibCard, artefact, label=label)
    if not isinstance(task, str) or task not in CARDS:
        raise ArtefactError(
            f"the card of {label}: 'task' must be one of {', '.join(CARDS)}, not {task!r:.60}; "
            "leave it out for a model that anomalib exported"
        )
    return read_card(CARDS[task], artefact, label=label)


def _file(card: GraphCard, files: Mapping[str, bytes], suffixes: tuple[str, ...]) -> str:
    """The file that is the graph."""
    wanted = " or ".join(f"*{suffix}" for suffix in suffixes)
    if card.graph is not None:
        if card.graph not in files or not card.graph.endswith(suffixes):
            raise ArtefactError(
                f"its card says graph: {card.graph}, which is no {wanted} among its files: "
                f"{', '.join(sorted(files)) or 'none'}"
            )
        return card.graph
    found = sorted(name for name in files if name.endswith(suffixes))
    if len(found) != 1:
        there = ", ".join(found or sorted(files)) or "none"
        raise ArtefactError(
            f"it needs one {wanted} among its files (there are: {there}); list it under 'files', "
            "and where there are several, say which as graph:"
        )
    return found[0]


def _read(card: GraphCard, graph: Graph, files: Mapping[str, bytes]) -> tuple[Frame, Task]:
    """How photographs go in, and how what comes out is read."""
    recognised = None
    size = trained_at(graph.metadata)
    if isinstance(card, AnomalibCard):
        recognised = anomalib.recognise(card, graph.outputs, files)
        card, size = recognised.card, anomalib.SIZE
    given = frame(
        graph.inputs,
        card.input,
        resize="letterbox" if isinstance(card, DetectionCard) else "stretch",
        size=size,
    )
    said = _tried(graph, given)
    if not isinstance(card, DetectionCard):  # of noise, a detector may rightly say nothing
        _none_is_empty(said)
    if recognised is not None:
        return given, anomalib.Anomalib(recognised, said)
    if isinstance(card, DetectionCard):
        return given, Detecting(card, said, files, graph.metadata, given.size)
    return given, _task(card, said, files, graph.metadata)


def _task(
    card: GraphCard, said: Arrays, files: Mapping[str, bytes], metadata: Mapping[str, str]
) -> Task:
    if isinstance(card, ClassificationCard):
        return Classifying(card, said, files, metadata)
    if isinstance(card, SegmentationCard):
        return Segmenting(card, said, files, metadata)
    return Oddities(cast("AnomalyCard", card), said)


def _none_is_empty(said: Arrays) -> None:
    empty = [name for name, value in said.items() if value.size == 0]
    if empty:
        sides = ", ".join(map(str, said[empty[0]].shape))
        raise ArtefactError(
            f"its graph's output {empty[0]!r} holds nothing: it is ({sides}); check the export"
        )


def _tried(graph: Graph, given: Frame) -> Arrays:
    """What the graph says of noise: the same noise each time."""
    width, height = given.size
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    try:
        said = graph.run(given.image(Photo(noise, width, height, "noise")), within_s=TRIAL_S)
    except TimeoutError as e:
        raise ArtefactError(
            f"its graph needs more than {TRIAL_S:g} s for one image of {width} x {height} px; "
            "export a smaller one, or for a smaller input"
        ) from e
    except Exception as e:  # runtimes raise bare types of their own
        raise ArtefactError(
            f"its graph takes {graph.inputs[0]}, and fails on an image of {width} x {height} px: "
            f"{str(e)[:SHOWN]}; check its input: size"
        ) from e
    unreadable = [name for name, value in said.items() if not isinstance(value, np.ndarray)]
    if unreadable:
        raise ArtefactError(
            f"its graph's output {unreadable[0]!r} is no tensor; export it without lists and maps"
        )
    return said
