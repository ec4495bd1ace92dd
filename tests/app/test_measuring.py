"""What is measured of a pipeline, with a model whose answers are known and a clock that is told."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint
from itertools import count
from pathlib import Path

import pytest
from PIL import Image

from walkdown import registry
from walkdown.app.context import App
from walkdown.app.measuring import measure
from walkdown.app.specs import pipeline_of
from walkdown.app.synthetic import photograph
from walkdown.cli.progress import Silent
from walkdown.clock import utc_now
from walkdown.errors import ImageError, NotFound
from walkdown.models import artefact
from walkdown.models.artefact import Artefact, pack
from walkdown.models.fake import Fake, fake_artefact
from walkdown.spec import OutputsSpec, PipelineSpec, StageSpec
from walkdown.types import ModelVersion, Photo, Prediction
from walkdown.wiring import open_workspace

SPEC = PipelineSpec(
    name="p",
    stages=(
        StageSpec(name="screen", model="bright"),
        StageSpec(name="confirm", model="bright", when="screen.verdict == 'anomaly'"),
    ),
)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = open_workspace(str(tmp_path / "mine"), workers=1)
    made = fake_artefact()
    artefact.save(made, app.blobs)
    app.versions.add(ModelVersion("bright", 0, made.digest, utc_now(), "test", ("live",)))
    yield app
    app.close()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four of five are dark, one is an anomaly; another file is none at all."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, grey in enumerate((10, 20, 30, 40, 240)):
        Image.new("L", (8 + i, 6), grey).save(folder / f"{i}.png")
    return folder


def of(photos: Path, spec: PipelineSpec = SPEC) -> PipelineSpec:
    source = pipeline_of(model="bright", file=None, paths=[str(photos)]).source
    return spec.model_copy(update={"source": source})


def test_each_stage_is_measured_on_all_images_whatever_its_condition(
    app: App, photos: Path
) -> None:
    ticks = (0.25 * n for n in count())
    found = measure(app, of(photos), clock=lambda: next(ticks), progress=Silent())
    assert [stage.seconds for stage in found.stages] == [0.25, 0.25]
    assert [stage.share for stage in found.stages] == [1.0, 0.2]
    assert found.seconds == pytest.approx(0.25 * 1.2)
    assert (found.images, found.found_share, found.generated) == (5, 0.2, False)
    assert [stage.model for stage in found.stages] == ["bright@1", "bright@1"]


def test_a_service_is_not_asked_and_its_price_is_told(
    app: App, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Service(Fake):
        def __init__(self, artefact: Artefact, *, label: str) -> None:
            super().__init__(artefact, label=label)
            self._info = replace(self._info, kind="call", usd_per_image=0.004)

        def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
            asked.append(photos)
            return super().predict(photos)

    made = pack("service", {}, {})
    artefact.save(made, app.blobs)
    app.versions.add(ModelVersion("expert", 0, made.digest, utc_now(), "test", ("live",)))
    provide = EntryPoint("service", "nowhere:Service", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda *, group: [provide])
    monkeypatch.setattr(registry, "_loaded", lambda entry, what: Service)
    screen, confirm = SPEC.stages
    spec = SPEC.model_copy(
        update={"stages": (screen, confirm.model_copy(update={"model": "expert"}))}
    )
    found = measure(app, of(photos, spec), progress=Silent())
    assert asked == []
    assert [stage.usd_per_look for stage in found.stages] == [0.0, 0.004]
    assert [stage.waits_seconds > 0 for stage in found.stages] == [False, True]
    assert [stage.share for stage in found.stages] == [1.0, 0.2]


def test_sizes_are_those_of_what_would_be_stored(app: App, photos: Path) -> None:
    found = measure(app, of(photos), progress=Silent())
    first = found.stages[0]
    assert 60 < first.heatmap_bytes < 200
    assert first.model_files == 1
    assert 0 < first.heatmap_seconds <= first.seconds
    assert (found.width_px, found.height_px) == (8, 6)
    assert 60 < found.image_bytes < 200
    assert found.result.indexes == 2, "its name and its content"
    assert 400 < found.result.bytes < 1024
    assert 100 < found.member.bytes < found.result.bytes
    assert found.finding.indexes == found.alert.indexes == 1
    assert found.peak_mib > 10
    assert not app.records.inspections()


def test_an_asset_is_one_more_index(app: App, photos: Path) -> None:
    spec = of(photos, SPEC.model_copy(update={"asset": "{asset}.png"}))
    with_asset = measure(app, spec, progress=Silent()).result.indexes
    assert with_asset == measure(app, of(photos), progress=Silent()).result.indexes + 1


def test_without_heat_maps_there_are_none(app: App, photos: Path) -> None:
    spec = of(photos, SPEC.model_copy(update={"outputs": OutputsSpec(heatmaps=False)}))
    found = measure(app, spec, progress=Silent())
    assert {(s.heatmap_bytes, s.heatmap_seconds) for s in found.stages} == {(0, 0.0)}


def test_made_up_photographs_stand_in(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    small = photograph(400, 300)
    monkeypatch.setattr("walkdown.app.measuring.photograph", lambda: small)
    found = measure(app, SPEC, progress=Silent())
    assert (found.generated, found.images) == (True, 1)
    assert (found.width_px, found.height_px) == (400, 300)
    assert found.with_share(0.05).stages[1].share == 0.05


def test_a_made_up_photograph_is_as_large_as_a_cameras() -> None:
    data = photograph()
    assert Image.open(io.BytesIO(data)).size == (4000, 3000)
    assert 1.5e6 < len(data) < 2.5e6
    assert photograph(400, 300, seed=1) != photograph(400, 300, seed=2)


def test_a_photograph_that_cannot_be_read_is_left_out_and_none_is_an_error(
    app: App, photos: Path
) -> None:
    (photos / "0.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    found = measure(app, of(photos), progress=Silent())
    assert [stage.share for stage in found.stages] == [1.0, 0.25]
    for file in photos.iterdir():
        file.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(ImageError, match=r"not one photograph .*\.png: "):
        measure(app, of(photos), progress=Silent())


def test_nothing_to_measure_says_what_to_do(app: App, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="there is no photograph"):
        measure(app, of(tmp_path / "empty"), progress=Silent())
    wrong = SPEC.model_copy(update={"stages": (StageSpec(name="a", model="none"),)})
    with pytest.raises(NotFound, match="no model 'none'"):
        measure(app, wrong, progress=Silent())


def test_without_heatmaps_is_what_the_pipeline_would_measure(app: App, photos: Path) -> None:
    found = measure(app, of(photos), progress=Silent())
    stage = found.without_heatmaps().stages[0]
    assert stage == replace(
        found.stages[0],
        seconds=found.stages[0].seconds - found.stages[0].heatmap_seconds,
        heatmap_seconds=0.0,
        heatmap_bytes=0,
    )
