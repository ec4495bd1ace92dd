"""Counts processor time by step, from outside: the ports of an `App` are wrapped, nothing else.

What a thread does between two calls of ports belongs to a step too: after a read comes decoding,
after a model's answer the drawing of its heat map. Threads that a library starts are not seen.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from walkdown.app.context import App
    from walkdown.models.artefact import Artefact
    from walkdown.ports import Analytics, Blobs, Model, Outbox, Records, Source
    from walkdown.spec import SourceSpec

READ, DECODE, MODEL = "read", "decode", "model"
COPY, HEATMAP = "copy of the image", "heat map"
RECORD, LAKE, REST = "record", "lake and alerts", "everything else"
STEPS = (READ, DECODE, MODEL, HEATMAP, COPY, RECORD, LAKE, REST)
_FOLLOWED_BY = {READ: DECODE, MODEL: HEATMAP}


class Stopwatch:
    """Seconds of processor time by step, over all threads."""

    def __init__(self, clock: Callable[[], float] = time.thread_time) -> None:
        self._clock = clock
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()
        self._last = threading.local()

    def seconds(self, step: str) -> float:
        """What a step took until now."""
        return self._seconds.get(step, 0.0)

    def total(self) -> float:
        """What all steps took until now."""
        return sum(self._seconds.values())

    def timed(self, step: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """A callable that does the same and is counted; what came before it is, too."""

        def call(*args: Any, **options: Any) -> Any:
            began = self._clock()
            before, left = getattr(self._last, "call", (REST, began))
            self._add(_FOLLOWED_BY.get(before, REST), began - left)
            try:
                return work(*args, **options)
            finally:
                ended = self._clock()
                self._add(step, ended - began)
                self._last.call = step, ended

        return call

    def _add(self, step: str, seconds: float) -> None:
        with self._lock:
            self._seconds[step] += seconds


class _Watched:
    """Anything, with some of its methods timed; ``steps`` holds a step by method."""

    def __init__(self, inner: object, watch: Stopwatch, steps: dict[str, str]) -> None:
        self._inner, self._watch, self._steps = inner, watch, steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._watch.timed(self._steps[name], found) if name in self._steps else found


class _WatchedBlobs(_Watched):
    """Blobs, whose step depends on what is stored."""

    def put(self, key: str, data: bytes) -> None:
        step = HEATMAP if key.startswith("heatmaps/") else COPY
        self._watch.timed(step, self._inner.put)(key, data)  # type: ignore[attr-defined]


_RECORDS = dict.fromkeys(("record", "cached", "findings", "add_members", "save_inspection"), RECORD)
_OUTBOX = dict.fromkeys(("pending", "settle"), LAKE)


def watched(app: App, watch: Stopwatch) -> App:
    """The same workspace, with every step of an inspection timed."""

    def sources(spec: SourceSpec) -> Source:
        return cast("Source", _Watched(app.sources(spec), watch, {"read": READ}))

    def open_model(artefact: Artefact, label: str) -> Model:
        return cast("Model", _Watched(app.open_model(artefact, label), watch, {"predict": MODEL}))

    return replace(
        app,
        blobs=cast("Blobs", _WatchedBlobs(app.blobs, watch, {"size": COPY})),
        records=cast("Records", _Watched(app.records, watch, _RECORDS)),
        outbox=cast("Outbox", _Watched(app.outbox, watch, _OUTBOX)),
        analytics=cast("Analytics", _Watched(app.analytics, watch, {"project": LAKE})),
        sources=sources,
        open_model=open_model,
    )
