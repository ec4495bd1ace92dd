"""A pipeline as it was deployed: what every function of a workflow must agree upon, in one file.

The file is immutable and named by its own sha256: a running inspection keeps its plan, whatever is
deployed meanwhile. Models and the images of the preparation lie beside it, named by content.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

from pydantic import ValidationError

from walkdown.app.preparations import open_preparation, read_file
from walkdown.errors import ArtefactError, StoreError, WalkdownError
from walkdown.models import artefact
from walkdown.pipeline.budget import Charge
from walkdown.pipeline.plan import make_plan
from walkdown.runners.stepfunctions import Shape
from walkdown.spec import PipelineSpec
from walkdown.stores.fields import Fields, Json, dumps, present
from walkdown.types import ModelInfo, Permission

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from walkdown.app.preparations import OpenStep
    from walkdown.imaging.preparing import Preparation
    from walkdown.pipeline.plan import Plan
    from walkdown.ports import Blobs
    from walkdown.types import Capability, StageKind

FOLDER = "pipelines/"


@dataclass(frozen=True, slots=True)
class Deployed:
    """A checked pipeline file and what its models' names meant when it was deployed.

    ``models`` is by the name that a stage gives; ``prefix`` is what the keys of its photographs
    begin with, ``prepared`` the preparation's digest, ``shape`` how its workflow runs, ``key``
    where this is stored, and ``charge`` what its budget counts with, where it has one.
    """

    spec: PipelineSpec
    models: Mapping[str, ModelInfo]
    prefix: str
    prepared: str
    shape: Shape
    key: str
    charge: Charge | None = None

    def preparation(self, blobs: Blobs, open_step: OpenStep) -> Preparation:
        """What is done to photographs before models see them. Raises `StoreError` if it changed."""
        preparation = open_preparation(
            self.spec.prepare, read=lambda key, _: blobs.get(key), open_step=open_step
        )
        if preparation.digest != self.prepared:
            raise StoreError(f"an image or a step of the deployed pipeline {self.key} was changed")
        return preparation

    def plan(self) -> Plan:
        """The plan: the same wherever it is asked for."""
        return make_plan(self.spec, self.models, preparation=self.prepared)


def publish(
    spec: PipelineSpec,
    models: Mapping[str, ModelInfo],
    *,
    prefix: str,
    shape: Shape,
    charge: Charge | None = None,
    here: Blobs,
    there: Blobs,
    open_step: OpenStep | None = None,
) -> Deployed:
    """Store a pipeline with its models and images ``there``; repeatable.

    ``models`` are by name, with artefacts in the store ``here``; ``open_step`` is needed for a
    preparation with steps.
    """
    for info in models.values():
        _copy_model(info.digest, here, there)
    prepared = open_preparation(spec.prepare, open_step=open_step).digest
    return _put(spec, models, prefix, prepared, shape, charge, there)


def keep(
    spec: PipelineSpec, models: Mapping[str, ModelInfo], prepared: str, blobs: Blobs
) -> Deployed:
    """Store what an inspection's plan is made of, so that it can be made again; repeatable.

    In the form of a deployed pipeline, without what tells people: that changes no result.
    ``prepared`` is the preparation's digest.
    """
    bare = spec.model_copy(update={"alerts": (), "budget": None})
    return _put(bare, models, "", prepared, Shape({}), None, blobs)


def _put(
    spec: PipelineSpec,
    models: Mapping[str, ModelInfo],
    prefix: str,
    prepared: str,
    shape: Shape,
    charge: Charge | None,
    there: Blobs,
) -> Deployed:
    spec = _with_images(spec.model_copy(update={"source": None}), there)
    data = _to_bytes(spec, models, prefix, prepared, shape, charge)
    key = f"{FOLDER}{spec.name}/{hashlib.sha256(data).hexdigest()[:32]}.json"
    if there.size(key) != len(data):
        there.put(key, data)
    return Deployed(spec, models, prefix, prepared, shape, key, charge)


def kept(blobs: Blobs) -> Iterator[Deployed]:
    """All pipelines that are stored; one that is damaged, or of another version, is left out."""
    for key in blobs.list(FOLDER):
        with suppress(WalkdownError, ValueError):
            yield read_deployed(key, blobs)


def read_deployed(key: str, blobs: Blobs) -> Deployed:
    """Back from `publish`. Raises `StoreError` for a file that was changed, and `NotFound`."""
    data = blobs.get(key)
    if hashlib.sha256(data).hexdigest()[:32] != key.rpartition("/")[2].removesuffix(".json"):
        raise StoreError(f"the deployed pipeline {key} was changed since; deploy it again")
    fields = Fields("deployed pipeline", json.loads(data))
    try:
        spec = PipelineSpec.model_validate(fields.get("spec", dict))
    except ValidationError as e:
        raise StoreError(f"the deployed pipeline {key} is of another version: {e}") from e
    named = cast("dict[str, object]", fields.get("models", dict))
    models = {name: _info_from_json(value) for name, value in named.items()}
    return Deployed(
        spec,
        models,
        prefix=fields.text("prefix"),
        prepared=fields.text("prepared"),
        shape=_shape(fields),
        key=key,
        charge=_charge(fields),
    )


def _shape(fields: Fields) -> Shape:
    batch = cast("dict[str, int]", fields.get("batch", dict))
    try:
        return Shape(batch, fields.whole("concurrency"), fields.whole("tolerated_pct"))
    except (ValueError, TypeError) as e:
        raise StoreError(f"a deployed pipeline is damaged: {e}") from e


def _charge(fields: Fields) -> Charge | None:
    charge = fields.maybe("charge", lambda name: Fields("charge", fields.get(name, dict)))
    if charge is None:
        return None
    return Charge(charge.number("usd_per_inspection"), charge.number("usd_per_image"))


def _copy_model(digest: str, here: Blobs, there: Blobs) -> None:
    """Checked on the way; what is there already, whole, stays."""
    try:
        artefact.load(digest, there)
    except ArtefactError:
        artefact.save(artefact.load(digest, here), there)


def _with_images(spec: PipelineSpec, there: Blobs) -> PipelineSpec:
    """The specification with the preparation's images by blob key instead of by path."""
    prepare = spec.prepare
    areas = prepare.areas.model_copy(update={"mask": _stored(prepare.areas.mask, there)})
    prepare = prepare.model_copy(update={"areas": areas, "align": _stored(prepare.align, there)})
    return spec.model_copy(update={"prepare": prepare})


def _stored(path: str | None, there: Blobs) -> str | None:
    if path is None:
        return None
    data = read_file(path, path)
    key = f"preparations/{hashlib.sha256(data).hexdigest()}"
    if there.size(key) != len(data):
        there.put(key, data)
    return key


def _to_bytes(
    spec: PipelineSpec,
    models: Mapping[str, ModelInfo],
    prefix: str,
    prepared: str,
    shape: Shape,
    charge: Charge | None,
) -> bytes:
    value = {
        "spec": spec.model_dump(mode="json"),
        "models": {name: _info_to_json(info) for name, info in sorted(models.items())},
        "prefix": prefix,
        "prepared": prepared,
        "batch": dict(shape.batch),
        "concurrency": shape.concurrency,
        "tolerated_pct": shape.tolerated_pct,
        "charge": asdict(charge) if charge and spec.budget else None,
    }
    return dumps(value).encode("ascii")


def _info_to_json(info: ModelInfo) -> Json:
    return present(
        label=info.label,
        digest=info.digest,
        kind=info.kind,
        max_batch=info.max_batch,
        input_px=info.input_px,
        threshold=info.threshold,
        capabilities=sorted(info.capabilities),
        usd_per_image=info.usd_per_image,
        deterministic=info.deterministic,
        permissions=[[list(each.actions), list(each.resources)] for each in info.permissions],
    )


def _info_from_json(value: object) -> ModelInfo:
    fields = Fields("model", value)
    kind = fields.text("kind")
    if kind not in ("inline", "call", "job"):
        raise fields.damaged("kind")
    return ModelInfo(
        label=fields.text("label"),
        digest=fields.text("digest"),
        kind=cast("StageKind", kind),
        max_batch=fields.whole("max_batch"),
        input_px=fields.maybe("input_px", fields.whole),
        threshold=fields.maybe("threshold", fields.number),
        capabilities=frozenset(cast("tuple[Capability]", fields.texts("capabilities"))),
        usd_per_image=fields.maybe("usd_per_image", fields.number) or 0.0,
        deterministic=fields.maybe("deterministic", fields.flag) is not False,
        permissions=tuple(map(_permission, fields.many("permissions"))),
    )


def _permission(value: object) -> Permission:
    actions, resources = cast("list[list[str]]", value)
    return Permission(tuple(actions), tuple(resources))
