"""Kinds of model by name: where their code is, ours and that of other packages.

A package adds a kind with an entry point in the group ``walkdown.models``, whose object is called
as ``kind(artefact, label=...)`` and returns something with the `Model` port. One with an attribute
``needs`` is also given, by keyword, what that names of `Offers`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final

from walkdown.errors import MissingExtra, ModelError, NotFound, SpecError, WalkdownError
from walkdown.imaging.own_steps import OwnStep
from walkdown.types import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from walkdown.models.artefact import Artefact
    from walkdown.ports import Model, Step
    from walkdown.types import Photo

GROUP, STEPS = "walkdown.models", "walkdown.steps"

BUILT_IN: dict[str, tuple[str, str | None]] = {
    "memory_bank": ("walkdown.models.memory_bank:MemoryBank", None),
    "bedrock": ("walkdown.models.bedrock.model:Bedrock", "aws"),
    "http": ("walkdown.models.http.model:HttpModel", "http"),
    "onnx": ("walkdown.models.graphs.model:OnnxModel", None),
    "openvino": ("walkdown.models.graphs.openvino:OpenVinoModel", "openvino"),
    "fake": ("walkdown.models.fake:Fake", None),
    "template": ("walkdown.models.template:Template", None),
    "ocr": ("walkdown.models.ocr:Ocr", "ocr"),
    "change": ("walkdown.models.change:Change", None),
    "image_quality": ("walkdown.models.image_quality:ImageQuality", None),
    "fake_job": ("walkdown.models.fake_job:FakeJob", None),
    "lookoutvision": ("walkdown.models.lookoutvision:LookoutVision", "aws"),
    "rekognition_labels": ("walkdown.models.rekognition.labels:Labels", "aws"),
    "rekognition_text": ("walkdown.models.rekognition.text:Text", "aws"),
    "rekognition_moderation": ("walkdown.models.rekognition.moderation:Moderation", "aws"),
    "rekognition_equipment": ("walkdown.models.rekognition.equipment:Equipment", "aws"),
    "rekognition_faces": ("walkdown.models.rekognition.faces:Faces", "aws"),
    "rekognition_custom": ("walkdown.models.rekognition.custom:CustomLabels", "aws"),
    "sagemaker": ("walkdown.models.sagemaker.endpoint:SageMakerEndpoint", "aws"),
    "sagemaker_async": ("walkdown.models.sagemaker.asynchronous:SageMakerAsync", "aws"),
    "sagemaker_batch": ("walkdown.models.sagemaker.batch:SageMakerBatch", "aws"),
}
"""Kind -> (dotted path of its class, the extra that it needs)."""


@dataclass(frozen=True, slots=True)
class Offers:
    """What a kind of model can ask for by its attribute ``needs``, such as ``needs = ("env",)``.

    ``env`` is the environment, for secrets that a card names; ``earlier`` finds the photograph of
    an asset's visit before the given one, from the same viewpoint, where there is one.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    earlier: Callable[[Photo], Photo | None] = lambda _: None


NOTHING: Final = Offers()


def open_model(artefact: Artefact, *, label: str, offers: Offers = NOTHING) -> Model:
    """The model that an artefact describes. Raises `NotFound` for a kind nobody provides.

    Raises `ModelError` where its code can't open it: a card without something that it needs, say.
    """
    make = _factory(artefact.kind)
    try:
        asked = {name: getattr(offers, name) for name in getattr(make, "needs", ())}
        model: Model = make(artefact, label=label, **asked)
    except WalkdownError:
        raise
    except Exception as e:  # a model may be anyone's code
        raise ModelError(
            f"{label} can't be opened as a model of kind {artefact.kind!r}: "
            f"{type(e).__name__}: {e}; see what its makers say of its card and files"
        ) from e
    return model


def open_step(name: str, settings: Mapping[str, object]) -> OwnStep:
    """A step of a pipeline's preparation, from the entry-point group ``walkdown.steps``.

    Its object is called with the settings, by keyword. Raises `NotFound` for a name that nobody
    provides, and `SpecError` where it can't be made with these settings.
    """
    entry = _entry(STEPS, name, (), what=f"the step {name!r}")
    make = _loaded(entry, f"the step {name!r}")
    try:
        step: Step = make(**settings)
    except Exception as e:  # a step may be anyone's code
        raise SpecError(f"'prepare.steps': {name!r} can't be made: {type(e).__name__}: {e}") from e
    of = (entry.dist.name, entry.dist.version) if entry.dist else ("", "")
    return OwnStep(name, digest_of("step", of, name, settings)[:32], step)


def provider(kind: str) -> str | None:
    """The package that provides a kind of model; None for our own. Raises `NotFound`."""
    if kind in BUILT_IN:
        return None
    dist = _entry(GROUP, kind, BUILT_IN, what=f"models of kind {kind!r}").dist
    return dist.name if dist else None


def step_provider(name: str) -> str | None:
    """The package that provides a step. Raises `NotFound`."""
    dist = _entry(STEPS, name, (), what=f"the step {name!r}").dist
    return dist.name if dist else None


def _factory(kind: str) -> Any:
    what = f"models of kind {kind!r}"
    if kind not in BUILT_IN:
        return _loaded(_entry(GROUP, kind, BUILT_IN, what=what), what)
    path, extra = BUILT_IN[kind]
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name)
    except ImportError as e:
        if extra is None:
            raise
        raise MissingExtra(extra, f"a model of kind {kind!r}") from e


def _entry(group: str, name: str, own: Iterable[str], *, what: str) -> EntryPoint:
    found = {e.name: e for e in entry_points(group=group)}
    if name not in found:
        known = ", ".join(sorted({*own, *found})) or "none"
        raise NotFound(f"no installed package provides {what}; known: {known}")
    return found[name]


def _loaded(entry: EntryPoint, what: str) -> Any:
    try:
        return entry.load()
    except Exception as e:  # another package's import can fail in any way
        raise ModelError(
            f"the package {entry.dist.name if entry.dist else entry.value!r} can't provide {what}: "
            f"{e}; install it again or ask its makers"
        ) from e
