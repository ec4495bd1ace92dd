"""Train a model from photographs and register it as the next version of its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from walkdown.app.versions import LIVE, check_name, resolve
from walkdown.errors import ImageError, SpecError
from walkdown.imaging.decode import decode
from walkdown.imaging.preparing import Preparation, prepared
from walkdown.models import artefact
from walkdown.spec import DEFAULT_MAX_PIXELS, SourceSpec
from walkdown.training import extending, memory_bank
from walkdown.training.anomalies import Labelled
from walkdown.types import ModelVersion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from walkdown.app.context import App
    from walkdown.evaluate.threshold import Threshold
    from walkdown.ports import Progress, Source
    from walkdown.training.choosing import Choice
    from walkdown.training.demands import Demand
    from walkdown.training.extraction import Load
    from walkdown.training.memory_bank import Evaluation
    from walkdown.types import ImageRef, Photo


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training ended with.

    ``left_out`` are (name, reason) of photographs not used, ``odd`` (name, raw score) of those so
    unlike all others that a person should look at them; ``calibration`` are the sorted raw scores
    of held-out normal photographs.
    """

    version: ModelVersion
    threshold: Threshold
    images: int
    choice: Choice
    left_out: tuple[tuple[str, str], ...]
    odd: tuple[tuple[str, float], ...]
    calibration: tuple[float, ...]
    evaluation: Evaluation | None


def train(
    app: App,
    name: str,
    *,
    normal: Sequence[str],
    anomaly: Sequence[str] = (),
    masks: str | None = None,
    options: memory_bank.Options | None = None,
    preparation: Preparation | None = None,
    progress: Progress,
) -> Trained:
    """Fit on normal photographs, store the model, make it the live version of ``name``.

    Anomalous photographs are learned from where that helps; the folder that one lies in, below a
    path of ``anomaly``, names its defect. ``masks`` is a folder of masks of the same names. The
    same photographs, options and ``preparation`` give the same model, which is not numbered twice.
    """
    options = options or memory_bank.Options()
    _check(name, options.demand)
    source = app.sources(SourceSpec(paths=tuple(normal)))
    anomalies = app.sources(SourceSpec(paths=tuple(anomaly))) if anomaly else None
    refs = list(source.refs())
    sources = {ref.uri: source for ref in refs}
    labelled = list(_labelled(app, anomalies, masks)) if anomalies else []
    sources |= {one.ref.uri: anomalies for one in labelled if anomalies}
    fit = memory_bank.fit(
        refs,
        _loader(sources, preparation or Preparation()),
        options=options,
        workers=app.settings.workers,
        progress=progress,
        labelled=labelled,
    )
    return _registered(app, name, fit)


def add(
    app: App,
    name: str,
    *,
    normal: Sequence[str],
    demand: Demand | None = None,
    preparation: Preparation | None = None,
    progress: Progress,
) -> Trained:
    """Add normal photographs to the live version of ``name``, as its next version.

    How it looks and what it learned of anomalies stays; photographs that it knows are skipped.
    ``demand`` is what the new threshold has to meet, what the old one had to where it is None;
    ``preparation`` should be the one that the model was trained with. Raises `NotFound` where there
    is no such model, `TrainingError` where nothing can be added to it.
    """
    if demand is not None:
        _check(name, demand)
    source = app.sources(SourceSpec(paths=tuple(normal)))
    refs = list(source.refs())
    old = artefact.load(resolve(app, f"{name}@{LIVE}").digest, app.blobs)
    fit = extending.extend(
        old,
        refs,
        _loader({ref.uri: source for ref in refs}, preparation or Preparation()),
        demand=demand,
        workers=app.settings.workers,
        progress=progress,
    )
    return _registered(app, name, fit)


def _registered(app: App, name: str, fit: memory_bank.Fit) -> Trained:
    artefact.save(fit.artefact, app.blobs)
    version = app.versions.add(
        ModelVersion(
            name=name,
            version=0,
            digest=fit.artefact.digest,
            created_at=app.clock(),
            actor=app.settings.actor,
            aliases=(LIVE,),
            facts=_facts(fit),
        )
    )
    calibration = fit.calibration
    return Trained(
        version=version,
        threshold=calibration.threshold,
        images=fit.images,
        choice=fit.choice,
        left_out=fit.left_out,
        odd=calibration.odd,
        calibration=calibration.scores,
        evaluation=fit.evaluation,
    )


def _labelled(app: App, source: Source, masks: str | None) -> Iterator[Labelled]:
    """Anomalies with what their folder calls them, and their masks."""
    marked: dict[str, ImageRef] = {}
    drawn = app.sources(SourceSpec(paths=(masks,))) if masks else None
    for ref in drawn.refs() if drawn else ():
        marked[_stem(ref.relative)] = ref
    for ref in source.refs():
        kind, _, _ = ref.relative.rpartition("/")
        mask = marked.pop(_stem(ref.relative), None)
        data = drawn.read(mask).data if drawn and mask else None
        yield Labelled(ref, kind.partition("/")[0] or None, data)
    if marked:
        unused = next(iter(marked.values()))
        raise SpecError(
            f"the mask {unused.name} belongs to none of the anomalies: it must lie below its "
            "folder as the photograph does below its own, with the same name, or that and '_mask'"
        )


def _stem(relative: str) -> str:
    """What a mask and its photograph have in common."""
    return relative.rpartition(".")[0].removesuffix("_mask")


def _check(name: str, demand: Demand) -> None:
    check_name(name)
    if not 0.0 < demand.false_alarms < 0.5:
        raise SpecError(
            f"a false-alarm budget lies above 0 % and below 50 %, not {demand.false_alarms:%}"
        )


def _loader(sources: Mapping[str, Source], preparation: Preparation) -> Load:
    """Decodes and prepares photographs, each from the source that listed its URI."""

    def load(ref: ImageRef, at_least_px: int | None) -> Photo:
        if ref.problem is not None:
            raise ImageError(ref.problem)
        photo = decode(
            sources[ref.uri].read(ref).data,
            name=ref.name,
            at_least_px=preparation.at_least_px(at_least_px),
            max_pixels=DEFAULT_MAX_PIXELS,
        )
        return prepared(photo, preparation).photo

    return load


def _facts(fit: memory_bank.Fit) -> dict[str, str]:
    facts = {
        "kind": fit.artefact.kind,
        "normal images": str(fit.images),
        "looks at": fit.choice.candidate.name,
        "threshold": f"{fit.calibration.threshold.value:.4f}",
        "false alarms": fit.calibration.threshold.sentence,
    }
    if fit.evaluation:
        facts["AUROC"] = f"{fit.evaluation.auroc:.3f} on {fit.evaluation.anomalies} anomalies"
    return facts
