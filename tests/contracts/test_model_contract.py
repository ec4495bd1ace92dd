"""What every model keeps to."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.services.all_cases import all_cases

from walkdown.imaging.heatmaps import upsample
from walkdown.models.conformance import CHECKS, examine
from walkdown.models.fake import fake_artefact
from walkdown.models.fake_job import fake_job_artefact
from walkdown.registry import BUILT_IN, open_model
from walkdown.training import memory_bank
from walkdown.types import ImageRef, ModelInfo, Photo, Prediction, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from walkdown.models.artefact import Artefact
    from walkdown.ports import Model


class Silence:
    """Progress that nobody watches."""

    def start(self, what: str, total: int | None) -> None:
        pass

    def advance(self, count: int = 1) -> None:
        pass

    def note(self, text: str) -> None:
        pass


def photo_of(pixels: NDArray[np.uint8]) -> Photo:
    content = hashlib.sha256(pixels.tobytes()).hexdigest()
    return Photo(pixels, pixels.shape[1], pixels.shape[0], content)


def dark(seed: int, width: int = 192, height: int = 160) -> Photo:
    """A dark weave, as normal as a photograph can be."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    grey = 60 + 30 * np.sin(x / 5) * np.sin(y / 5) + rng.normal(0, 5, (height, width))
    return photo_of(np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2))


def bright(seed: int) -> Photo:
    """The same weave under a large white patch."""
    pixels = dark(seed).pixels.copy()
    pixels[20:150, 10:180] = 255
    return photo_of(pixels)


@pytest.fixture(scope="module")
def bank() -> Artefact:
    """A memory bank fitted on six tiny photographs."""
    photos = {f"{i}.png": dark(i) for i in range(6)}
    refs = [ImageRef(f"memory:{name}", "1", name, name) for name in photos]
    options = memory_bank.Options(wide_bank=150, fine_bank=150, pool_numbers=900_000, fast=True)
    fit = memory_bank.fit(
        refs, lambda ref, _: photos[ref.name], options=options, workers=2, progress=Silence()
    )
    return fit.artefact


@pytest.fixture(scope="module", params=["fake", "memory bank"])
def model(request: pytest.FixtureRequest, bank: Artefact) -> Model:
    artefact = fake_artefact() if request.param == "fake" else bank
    return open_model(artefact, label="cells@3")


def same(one: Prediction, other: Prediction) -> bool:
    """To the last bit, the heat map included, which equality leaves out."""
    assert one.heatmap is not None
    assert other.heatmap is not None
    return one == other and np.array_equal(one.heatmap.grid, other.heatmap.grid)


PHOTOS = [dark(20), bright(21), dark(22), bright(23)]


def test_a_model_says_what_it_is(model: Model, bank: Artefact) -> None:
    assert isinstance(model.info, ModelInfo)
    assert model.info == model.info
    assert model.info.label == "cells@3"
    assert model.info.digest in (bank.digest, fake_artefact().digest)
    assert model.info.max_batch >= 1


@pytest.mark.parametrize("kind", ["fake", "fake job", "memory bank"])
def test_a_model_keeps_to_what_every_model_must(kind: str, bank: Artefact) -> None:
    """Sums of floats may differ there; what our own models say is held to the last bit below."""
    artefacts = {"fake": fake_artefact(), "memory bank": bank}
    artefact = artefacts.get(kind) or fake_job_artefact(seconds=0.0)
    found = list(examine(open_model(artefact, label="cells@3"), PHOTOS))
    assert [(each.check, each.why) for each in found if each.why] == []
    assert [each.check for each in found] == list(CHECKS)


def test_a_batch_says_what_single_photos_say_in_order(model: Model) -> None:
    batch = model.predict(PHOTOS[: model.info.max_batch])
    singly = [model.predict([photo])[0] for photo in PHOTOS[: model.info.max_batch]]
    assert all(same(one, other) for one, other in zip(batch, singly, strict=True))
    turned = model.predict(PHOTOS[: model.info.max_batch][::-1])[::-1]
    assert all(same(one, other) for one, other in zip(batch, turned, strict=True))


def test_threads_do_not_disturb_each_other(model: Model) -> None:
    expected = [model.predict([photo])[0] for photo in PHOTOS]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(2):
            found = pool.map(lambda photo: model.predict([photo])[0], PHOTOS)
            assert all(same(one, other) for one, other in zip(found, expected, strict=True))


def test_the_model_opened_again_says_the_same(model: Model, bank: Artefact) -> None:
    artefact = bank if model.info.digest == bank.digest else fake_artefact()
    again = open_model(artefact, label="other")
    assert same(again.predict([PHOTOS[1]])[0], model.predict([PHOTOS[1]])[0])


def test_an_anomaly_has_places_and_a_normal_image_none(model: Model) -> None:
    for photo, verdict in zip(PHOTOS, [Verdict.NORMAL, Verdict.ANOMALY] * 2, strict=True):
        (said,) = model.predict([photo])
        assert said.error is None
        assert said.verdict is verdict
        assert said.score is not None
        assert (said.score >= 0.5) == (verdict is Verdict.ANOMALY)
        assert bool(said.regions) == (verdict is Verdict.ANOMALY)
        for region in said.regions:
            x, y, width, height = region.box
            assert 0 <= x < x + width <= photo.width_px
            assert 0 <= y < y + height <= photo.height_px
            assert 0.0 < region.area_pct <= 100.0
            assert 0.0 <= region.score <= 1.0


def test_scores_rise_with_raw_scores(model: Model) -> None:
    shades = [photo_of(np.full((96, 96, 3), v, np.uint8)) for v in range(0, 250, 50)]
    said = [model.predict([photo])[0] for photo in [*PHOTOS, *shades]]
    pairs = sorted((p.raw_score or 0.0, p.score or 0.0) for p in said)
    assert [score for _, score in pairs] == sorted(score for _, score in pairs)
    if model.info.threshold is not None:
        clear = [(r, s) for r, s in pairs if abs(r / model.info.threshold - 1.0) > 1e-3]
        assert all((raw > model.info.threshold) == (score >= 0.5) for raw, score in clear)


def test_the_heat_map_covers_the_photograph(model: Model) -> None:
    for photo in [*PHOTOS[:2], dark(22, 300, 90)]:
        (said,) = model.predict([photo])
        assert said.heatmap is not None
        assert said.heatmap.grid.dtype == np.float32
        drawn = upsample(said.heatmap)
        assert drawn.shape == (photo.height_px, photo.width_px)
        assert 0.0 <= drawn.min() <= drawn.max() <= 1.0


@pytest.mark.parametrize(("width", "height"), [(1, 1), (5000, 8), (64, 4096), (2, 3)])
def test_any_size_can_be_looked_at(model: Model, width: int, height: int) -> None:
    (said,) = model.predict([photo_of(np.full((height, width, 3), 90, np.uint8))])
    assert said.error is None
    assert said.score is not None
    assert 0.0 <= said.score <= 1.0
    assert said.heatmap is not None
    assert (said.heatmap.width_px, said.heatmap.height_px) == (width, height)


def test_boxes_are_in_pixels_of_the_original(model: Model) -> None:
    """A large JPEG is decoded smaller: its pixels are few, its boxes those of the whole."""
    small = bright(21)
    (said,) = model.predict([Photo(small.pixels, 1920, 1600, small.content)])
    assert said.regions
    assert max(x + width for x, _, width, _ in (r.box for r in said.regions)) > 192
    assert said.heatmap is not None
    assert (said.heatmap.width_px, said.heatmap.height_px) == (1920, 1600)


def test_a_photo_that_the_graph_refuses_fails_alone(bank: Artefact) -> None:
    colours = np.random.default_rng(1).integers(0, 256, (160, 192, 4), np.uint8)
    with_opacity = Photo(colours, 192, 160, "c")
    said = open_model(bank, label="cells@3").predict([PHOTOS[1], with_opacity, PHOTOS[1]])
    assert [p.error is None for p in said] == [True, False, True]
    assert (said[1].verdict, said[1].score, said[1].regions) == (None, None, ())
    assert "cells@3 failed on this image" in str(said[1].error)
    assert same(said[0], said[2])


def test_the_same_photographs_make_the_same_bank(bank: Artefact) -> None:
    photos = {f"{i}.png": dark(i) for i in range(6)}
    refs = [ImageRef(f"memory:{name}", "1", name, name) for name in photos]
    options = memory_bank.Options(wide_bank=150, fine_bank=150, pool_numbers=900_000, fast=True)
    again = memory_bank.fit(
        refs, lambda ref, _: photos[ref.name], options=options, workers=1, progress=Silence()
    )
    assert again.artefact.digest == bank.digest


def test_every_kind_of_ours_is_among_the_cases() -> None:
    """What runs over the cases, here and in functions, then runs over every plug-in."""
    kinds = {"fake", "fake_job", "memory_bank"}
    for case in all_cases().values():
        with case() as running:
            kinds.add(running.artefact.kind)
    assert kinds == set(BUILT_IN)
