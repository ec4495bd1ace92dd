"""What a worker remembers of an image."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from walkdown.models.fake import Fake, fake_artefact
from walkdown.pipeline.plan import make_plan
from walkdown.runners.worker import Work, look
from walkdown.spec import OutputsSpec, one_stage
from walkdown.stores.memory import MemoryBlobs, MemoryRecords, MemorySource


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
