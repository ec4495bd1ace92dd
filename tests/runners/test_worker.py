"""What a worker remembers of an image."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from walkdown.models.fake import Fake, fake_artefact
from walkdown.pipeline.plan import make_plan
from walkdown.runners.worker import Work, look
from walkdown.spec import OutputsSpec, PipelineSpec, StageSpec, one_stage
from walkdown.stores.memory import MemoryBlobs, MemoryRecords, MemorySource
from walkdown.types import ModelInfo, Photo, Prediction, Verdict


@pytest.mark.parametrize("wanted", [True, False])
def test_a_prediction_is_remembered_only_with_its_heat_map(wanted: bool) -> None:
    """A pipeline without heat maps must not leave one that wants them without any."""
    model = Fake(fake_artefact(), label="fake@1")
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG")
    source, blobs = MemorySource({"a.png": out.getvalue()}), MemoryBlobs()
    work = Work(
        plan=make_plan(one_stage("fake"), {"fake": model.info}),
        models={model.info.digest: model},
        source=source,
        blobs=blobs,
        records=MemoryRecords(workspace="w"),
        outputs=OutputsSpec(heatmaps=wanted),
        max_pixels=100,
    )
    (outcome,) = look(work, list(source.refs()))
    assert [heatmap for _, _, heatmap in outcome.cache] == list(blobs.list("heatmaps/"))
    assert bool(outcome.cache) is wanted


class Deviation:
    """Its raw score is the deviation of the pixels it is shown, which any other size changes."""

    def __init__(self, name: str, input_px: int | None) -> None:
        self.info = ModelInfo(f"{name}@1", f"digest of {name}", max_batch=2, input_px=input_px)

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        return [Prediction(Verdict.NORMAL, 0.1, float(photo.pixels.std())) for photo in photos]


def test_a_score_does_not_depend_on_the_other_models_of_a_pipeline() -> None:
    """A large JPEG is decoded at the size that each model wants, whatever the others want."""
    noise = np.random.default_rng(3).integers(0, 255, (300, 400, 3)).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "JPEG", quality=95)
    files = {"a.jpg": out.getvalue(), "b.jpg": out.getvalue()}
    models = [Deviation("small", 90), Deviation("whole", None), Deviation("half", 200)]

    def raw_scores(*which: Deviation) -> dict[str, float | None]:
        names = [model.info.label.partition("@")[0] for model in which]
        stages = tuple(StageSpec(name=name, model=name) for name in names)
        infos = {name: model.info for name, model in zip(names, which, strict=True)}
        source = MemorySource(files)
        work = Work(
            plan=make_plan(PipelineSpec(name="p", stages=stages), infos),
            models={model.info.digest: model for model in which},
            source=source,
            blobs=MemoryBlobs(),
            records=MemoryRecords(workspace="w"),
            outputs=OutputsSpec(),
            max_pixels=1_000_000,
        )
        first, second = look(work, list(source.refs()))
        assert [s.prediction for s in first.stages] == [s.prediction for s in second.stages]
        assert (first.width_px, first.height_px) == (400, 300)
        return {stage.stage: stage.prediction.raw_score for stage in first.stages}

    alone = raw_scores(models[0]) | raw_scores(models[1]) | raw_scores(models[2])
    assert len(set(alone.values())) == 3
    assert raw_scores(*models) == alone
    assert raw_scores(*reversed(models)) == alone


def test_heat_maps_of_what_depends_on_more_than_the_image_are_a_captures_own() -> None:
    """Two files of the same bytes may come to other heat maps: neither may replace the other."""
    model = Fake(fake_artefact(), label="fake@1")
    info = replace(model.info, remember=False)
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG")
    source = MemorySource({"a.png": out.getvalue(), "b.png": out.getvalue()})
    blobs = MemoryBlobs()
    work = Work(
        plan=make_plan(one_stage("fake"), {"fake": info}),
        models={info.digest: model},
        source=source,
        blobs=blobs,
        records=MemoryRecords(workspace="w"),
        outputs=OutputsSpec(),
        max_pixels=100,
    )
    outcomes = look(work, list(source.refs()))
    assert len(list(blobs.list("heatmaps/"))) == 2
    assert [outcome.cache for outcome in outcomes] == [[], []]


class Placed:
    """Says where the photographs that it is shown belong."""

    info = ModelInfo("placed@1", "digest")

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        return [
            Prediction(Verdict.NORMAL, None, None, note=f"{photo.asset}, {photo.viewpoint}")
            for photo in photos
        ]


def test_models_are_told_asset_and_viewpoint_as_they_will_be_recorded() -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG")
    source = MemorySource({"pole/front/a.png": out.getvalue(), "b.png": out.getvalue()})
    spec = one_stage("placed").model_copy(update={"asset": "{asset}/{view}/{name}"})
    work = Work(
        plan=make_plan(spec, {"placed": Placed.info}),
        models={"digest": Placed()},
        source=source,
        blobs=MemoryBlobs(),
        records=MemoryRecords(workspace="w"),
        outputs=OutputsSpec(),
        max_pixels=100,
    )
    outcomes = look(work, list(source.refs()))
    said = {o.ref.relative: o.stages[0].prediction.note for o in outcomes}
    assert said == {"pole/front/a.png": "pole, front", "b.png": "None, None"}
