"""How fast images are inspected here, beside what the network alone would allow, and why not more.

Both run in this process in turns, so that what else the machine does falls on both: an inspection
from reading the first file to the last record, each in a new temporary workspace, and the limit,
the network on inputs of the same sizes. The share of a round is its figure, not its speeds.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from walkdown.app import stopwatch
from walkdown.app.inspecting import inspect
from walkdown.app.limit import BACKBONE, limit_of
from walkdown.app.specs import pipeline_of
from walkdown.app.stopwatch import Stopwatch, watched
from walkdown.app.versions import LIVE, resolve
from walkdown.errors import ImageError, NotFound
from walkdown.imaging.decode import decode
from walkdown.memory import peak_mib
from walkdown.models import artefact
from walkdown.spec import DEFAULT_MAX_PIXELS, SourceSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from walkdown.app.context import App
    from walkdown.models.artefact import Artefact
    from walkdown.ports import Progress, Source
    from walkdown.types import ImageRef, ModelVersion, Photo

FULL = 0.75
"""A share from which on the limit itself is what limits."""

IDLE = 0.75
"""Of the processors' time: below it they waited, or other programs had them."""


@dataclass(frozen=True, slots=True)
class Step:
    """Milliseconds of processor time that one step takes for an image."""

    name: str
    ms: float


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Medians over the rounds. ``limit`` names what ran alone: "backbone" or "model".

    ``share`` is the median of the rounds' shares, ``busy`` the part of the ``workers`` processors'
    time that went into inspecting; ``peak_mib`` is that of the process until the first inspection
    had ended. ``px`` are the sizes (width, height) at which the backbone looks.
    """

    model: str
    images: int
    failed: int
    rounds: int
    workers: int
    images_per_s: float
    limit: str
    limit_per_s: float
    share: float
    steps: tuple[Step, ...]
    busy: float
    peak_mib: int
    px: tuple[tuple[int, int], ...]

    @property
    def limited_by(self) -> str:
        """What to look at for more speed, in a sentence."""
        if self.share >= FULL:
            return (
                f"the {self.limit} itself: smaller images for training and inspection, or more "
                "processors, would be faster"
            )
        if self.busy < IDLE:
            return (
                f"waiting: the processors worked {self.busy:.0%} of the time; the disk is slow, or "
                "other programs use them"
            )
        others = [step for step in self.steps if step.name != self.limit]
        worst = max(others, key=lambda step: step.ms)
        return f"{worst.name}: {worst.ms:.1f} ms an image, the most beside the {self.limit} itself"


def benchmark(
    app: App,
    name: str,
    paths: Sequence[str],
    *,
    rounds: int = 3,
    at_most: int = 100,
    fresh: Callable[[str], App],
    progress: Progress,
) -> Benchmark:
    """Inspect ``paths`` (evenly picked, ``at_most`` images) and measure; ``app`` is only read.

    ``fresh`` opens a new workspace in an empty folder. Raises `NotFound` where there is no such
    model or no image, and `ImageError` where not one image could be inspected.
    """
    version = resolve(app, name)
    model = artefact.load(version.digest, app.blobs)
    run = partial(_inspect, version, model, tuple(paths), at_most=at_most, fresh=fresh)
    progress.start("measuring", rounds)
    done = [run()]
    peak = peak_mib()
    opened = app.open_model(model, version.label)
    photos = _photos(app, paths, at_most, opened.info.input_px)
    limit = limit_of(opened, model, photos, workers=app.settings.workers)
    alone = [limit.measure()]
    progress.advance()
    for _ in range(1, rounds):
        done.append(run())
        alone.append(limit.measure())
        progress.advance()
    return Benchmark(
        model=version.label,
        images=done[0].images,
        failed=done[0].failed,
        rounds=rounds,
        workers=app.settings.workers,
        images_per_s=median(each.speed for each in done),
        limit=limit.name,
        limit_per_s=median(speed for speed, _ in alone),
        share=median(a.speed / b for a, (b, _) in zip(done, alone, strict=True)),
        steps=_steps(done, median(ms for _, ms in alone) if limit.name == BACKBONE else None),
        busy=median(each.busy_s / each.wall_s for each in done) / app.settings.workers,
        peak_mib=peak,
        px=limit.px,
    )


class _Round(NamedTuple):
    images: int
    failed: int
    wall_s: float
    busy_s: float
    watch: Stopwatch

    @property
    def speed(self) -> float:
        return self.images / self.wall_s

    def ms(self, step: str) -> float:
        """Of an image; the rest is whatever of the process's time no step has."""
        seconds = self.watch.seconds(step)
        if step == stopwatch.REST:
            seconds += max(0.0, self.busy_s - self.watch.total())
        return 1000.0 * seconds / self.images


def _inspect(
    version: ModelVersion,
    model: Artefact,
    paths: tuple[str, ...],
    *,
    at_most: int,
    fresh: Callable[[str], App],
) -> _Round:
    """One inspection where nothing is stored or known yet; opening the model is not in it."""
    with tempfile.TemporaryDirectory(prefix="walkdown-bench-") as folder:
        app = fresh(folder)
        try:
            artefact.save(model, app.blobs)
            app.versions.add(replace(version, aliases=(LIVE,)))
            watch = Stopwatch()
            timed = watched(replace(app, sources=_sampled(app, at_most)), watch)
            spec = pipeline_of(model=version.name, file=None, paths=paths)
            inspecting = inspect(timed, spec, progress=_Unheard())
            wall, busy = time.perf_counter(), time.process_time()
            results = [line.result for line in inspecting.lines()]
            wall, busy = time.perf_counter() - wall, time.process_time() - busy
        finally:
            app.close()
    failed = [r for r in results if r.verdict is None]
    if len(failed) == len(results):
        why = f"{failed[0].image}: {failed[0].error}" if failed else ""
        raise _nothing(paths, why)
    return _Round(len(results), len(failed), wall, busy, watch)


def _nothing(paths: Sequence[str], why: str) -> NotFound | ImageError:
    if not why:
        return NotFound(f"no image in {', '.join(paths)}: give photographs, or folders with some")
    return ImageError(f"not one image could be inspected, so there is no speed to tell; {why}")


def _sampled(app: App, at_most: int) -> Callable[[SourceSpec], Source]:
    return lambda spec: _Sample(app.sources(spec), at_most)


class _Sample:
    """The port Source with a few of another's captures, evenly picked."""

    def __init__(self, source: Source, at_most: int) -> None:
        self._source, self._at_most = source, at_most
        self.read, self.left_out = source.read, source.left_out

    def refs(self) -> Iterator[ImageRef]:
        found = list(self._source.refs())
        count = min(len(found), self._at_most)
        return (found[i * len(found) // count] for i in range(count))


class _Unheard:
    """Progress of the inspections within: the rounds are what is told."""

    def start(self, what: str, total: int | None) -> None: ...

    def advance(self, count: int = 1) -> None: ...

    def note(self, text: str) -> None: ...


def _photos(
    app: App, paths: Sequence[str], at_most: int, at_least_px: int | None
) -> Iterator[Photo]:
    """The images that can be decoded, one at a time."""
    source = _sampled(app, at_most)(SourceSpec(paths=tuple(paths)))
    for ref in source.refs():
        try:
            yield decode(
                source.read(ref).data,
                name=ref.name,
                at_least_px=at_least_px,
                max_pixels=DEFAULT_MAX_PIXELS,
            )
        except ImageError:
            continue


def _steps(rounds: Sequence[_Round], backbone_ms: float | None) -> tuple[Step, ...]:
    """Medians of the rounds; the model's time without the backbone's, where that is known."""
    ms = {step: median(each.ms(step) for each in rounds) for step in stopwatch.STEPS}
    steps = [Step(name, ms[name]) for name in stopwatch.STEPS]
    if backbone_ms is not None:
        own = min(backbone_ms, ms[stopwatch.MODEL])
        rest = ms[stopwatch.MODEL] - own
        at = stopwatch.STEPS.index(stopwatch.MODEL)
        steps[at : at + 1] = [Step(BACKBONE, own), Step("the model's other work", rest)]
    return tuple(steps)
