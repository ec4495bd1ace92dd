"""Train a model from photographs and register it as the next version of its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from walkdown.app.versions import LIVE
from walkdown.errors import ImageError, SpecError, TrainingError
from walkdown.evaluate.intervals import share_interval
from walkdown.evaluate.metrics import auroc
from walkdown.imaging.decode import decode
from walkdown.models import artefact
from walkdown.spec import DEFAULT_MAX_PIXELS, NAME, SourceSpec
from walkdown.training import memory_bank
from walkdown.types import ModelVersion, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.app.context import App
    from walkdown.evaluate.thresholds import Threshold
    from walkdown.ports import Model, Progress, Source
    from walkdown.training.extraction import Load
    from walkdown.types import ImageRef, Photo


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How the given anomalies were told from held-out normal images; recall with its interval."""

    anomalies: int
    auroc: float
    recall: float
    recall_low: float
    recall_high: float


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
    false_alarms: float = 0.05,
    progress: Progress,
) -> Trained:
    """Fit on normal photographs, store the model, make it the live version of ``name``.

    Anomalous photographs are not learned from; they tell how well the model finds them. The same
    photographs and options give the same model, which is not numbered twice.
    """
    _check(name, false_alarms)
    source = app.sources(SourceSpec(paths=tuple(normal)))
    options = memory_bank.Options(false_alarms=false_alarms)
    fit = memory_bank.fit(
        list(source.refs()),
        _loader(source),
        options=options,
        workers=app.settings.workers,
        progress=progress,
    )
    artefact.save(fit.artefact, app.blobs)
    model = app.open_model(artefact.load(fit.artefact.digest, app.blobs), name)
    evaluation = (
        _evaluate(app, model, fit.calibration.scores, anomaly, progress) if anomaly else None
    )
    version = app.versions.add(
        ModelVersion(
            name=name,
            version=0,
            digest=fit.artefact.digest,
            created_at=app.clock(),
            actor=app.settings.actor,
            aliases=(LIVE,),
            facts=_facts(fit, evaluation),
        )
    )
    calibration = fit.calibration
    return Trained(
        version=version,
        threshold=calibration.threshold,
        images=fit.images,
        left_out=fit.left_out,
        odd=calibration.odd,
        calibration=calibration.scores,
        evaluation=evaluation,
    )


def _check(name: str, false_alarms: float) -> None:
    if not re.fullmatch(NAME, name):
        raise SpecError(
            f"{name!r} can't be a model's name: letters, digits, '.', '_' and '-', at most 63"
        )
    if not 0.0 < false_alarms < 0.5:
        raise SpecError(f"a false-alarm budget lies above 0 % and below 50 %, not {false_alarms:%}")


def _loader(source: Source) -> Load:
    def load(ref: ImageRef, at_least_px: int | None) -> Photo:
        if ref.problem is not None:
            raise ImageError(ref.problem)
        return decode(
            source.read(ref),
            name=ref.name,
            at_least_px=at_least_px,
            max_pixels=DEFAULT_MAX_PIXELS,
        )

    return load


def _evaluate(
    app: App,
    model: Model,
    calibration: Sequence[float],
    anomaly: Sequence[str],
    progress: Progress,
) -> Evaluation:
    """Anomalies by the whole bank, normal images by the banks that did not hold them."""
    source = app.sources(SourceSpec(paths=tuple(anomaly)))
    refs, load = list(source.refs()), _loader(source)
    progress.start("looking at anomalies", len(refs))
    raw: list[float] = []
    hits = 0
    for ref in refs:
        try:
            prediction = model.predict([load(ref, model.info.input_px)])[0]
        except ImageError as e:
            progress.note(f"left out: {ref.name}: {e}")
        else:
            if prediction.raw_score is not None:
                raw.append(prediction.raw_score)
                hits += prediction.verdict is Verdict.ANOMALY
        progress.advance()
    if not raw:
        raise TrainingError("none of the anomalous photographs can be read")
    low, high = share_interval(hits, len(raw))
    return Evaluation(len(raw), auroc(list(calibration), raw), hits / len(raw), low, high)


def _facts(fit: memory_bank.Fit, evaluation: Evaluation | None) -> dict[str, str]:
    facts = {
        "kind": fit.artefact.kind,
        "normal images": str(fit.images),
        "threshold": f"{fit.calibration.threshold.value:.4f}",
        "false alarms": fit.calibration.threshold.sentence,
    }
    if evaluation:
        facts["AUROC"] = f"{evaluation.auroc:.3f} on {evaluation.anomalies} anomalies"
    return facts
