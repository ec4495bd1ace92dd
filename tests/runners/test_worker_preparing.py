"""What models see of a prepared photo, and what becomes of what they say."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image, ImageDraw

from walkdown.imaging.areas import Areas, Polygon, Use
from walkdown.imaging.preparing import Preparation, read_reference
from walkdown.pipeline.plan import make_plan
from walkdown.runners.outcomes import Outcome
from walkdown.runners.worker import Work, look
from walkdown.spec import OutputsSpec, one_stage
from walkdown.stores.memory import MemoryBlobs, MemoryRecords, MemorySource
from walkdown.types import HeatMap, ModelInfo, Photo, Prediction, Region, Verdict

WIDE, TALL = 256, 192
SPOT = (180, 60, 16, 16)


class Spots:
    """Marks the box of all pure white pixels, and remembers what it was shown."""

    def __init__(self, input_px: int | None = None) -> None:
        self.info = ModelInfo("spots@1", "digest of spots", max_batch=4, input_px=input_px)
        self.shown: list[Photo] = []

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        self.shown += photos
        return [self._one(photo) for photo in photos]

    def _one(self, photo: Photo) -> Prediction:
        hot = (photo.pixels.min(axis=2) >= 250).astype(np.float32)
        if not hot.any():
            return Prediction(Verdict.NORMAL, 0.1, 0.1)
        down, across = (np.flatnonzero(hot.any(axis=axis)) for axis in (1, 0))
        x, y = int(across[0]), int(down[0])
        box = (x, y, int(across[-1]) + 1 - x, int(down[-1]) + 1 - y)
        heatmap = HeatMap(hot, photo.width_px, photo.height_px)
        return Prediction(
            Verdict.ANOMALY, 0.9, 0.9, regions=(Region(box, 1.0, 0.9),), heatmap=heatmap
        )


class CarefulSpots(Spots):
    """It leaves out what does not count by itself."""

    knows_keep = True


def picture(right: int = 0, *, spot: bool = True) -> bytes:
    """Boxes on grey, moved to the right, with a white spot."""
    rng = np.random.default_rng(5)
    image = Image.new("L", (WIDE + 100, TALL), 110)
    pen = ImageDraw.Draw(image)
    for _ in range(120):
        x, y, wide, tall = rng.uniform((0, 0, 6, 6), (WIDE + 100, TALL, 40, 40)).tolist()
        pen.rectangle((x, y, x + wide, y + tall), fill=int(rng.integers(20, 200)))
    if spot:
        x, y, wide, tall = SPOT
        pen.rectangle((50 + x, y, 50 + x + wide - 1, y + tall - 1), fill=255)
    out = io.BytesIO()
    image.crop((50 - right, 0, 50 - right + WIDE, TALL)).save(out, "PNG")
    return out.getvalue()


def inspect(
    model: Spots, preparation: Preparation, **files: bytes
) -> tuple[list[Outcome], MemoryBlobs]:
    source = MemorySource({f"{name}.png": data for name, data in files.items()})
    blobs = MemoryBlobs()
    work = Work(
        plan=make_plan(one_stage("spots"), {"spots": model.info}),
        models={model.info.digest: model},
        source=source,
        blobs=blobs,
        records=MemoryRecords(workspace="w"),
        outputs=OutputsSpec(),
        max_pixels=1_000_000,
        preparation=preparation,
    )
    return look(work, list(source.refs())), blobs


def areas(use: Use) -> Areas:
    """The right half, in which the spot lies."""
    return Areas((Polygon(((0.5, 0), (1, 0), (1, 1), (0.5, 1)), use),))


def test_a_model_that_knows_nothing_of_areas_does_not_see_the_rest() -> None:
    model = Spots()
    (outcome,), _ = inspect(model, Preparation(areas("ignore")), a=picture())
    assert outcome.stages[0].prediction.verdict is Verdict.NORMAL
    assert model.shown[0].keep is None
    assert model.shown[0].data == b""


def test_what_counts_is_still_found() -> None:
    (outcome,), _ = inspect(Spots(), Preparation(areas("only")), a=picture())
    prediction = outcome.stages[0].prediction
    assert prediction.verdict is Verdict.ANOMALY
    assert [region.box for region in prediction.regions] == [SPOT]


def test_a_model_that_knows_it_sees_all_and_what_counts() -> None:
    model = CarefulSpots()
    (outcome,), _ = inspect(model, Preparation(areas("ignore")), a=picture())
    assert model.shown[0].keep is not None
    assert float(model.shown[0].keep.mean()) == 0.5
    assert [region.box for region in outcome.stages[0].prediction.regions] == [SPOT]


@pytest.mark.parametrize("model", [Spots(), CarefulSpots()])
def test_what_is_found_on_an_aligned_photo_fits_the_photo_as_it_was_taken(model: Spots) -> None:
    reference = read_reference(picture(spot=False), name="view.png")
    (outcome,), blobs = inspect(model, Preparation(reference=reference), a=picture(right=20))
    (region,) = outcome.stages[0].prediction.regions
    x, y, width, height = SPOT
    assert np.allclose(region.box, (x + 20, y, width, height), atol=3)
    hot = np.flatnonzero((model.shown[0].pixels >= 250).any(axis=(0, 2)))
    assert abs(int(hot[0]) - x) <= 1, "the model saw it where the reference has it"
    (key,) = blobs.list("heatmaps/")
    drawn = np.asarray(Image.open(io.BytesIO(blobs.get(key))))
    assert (drawn.shape, drawn.max()) == ((TALL, WIDE), 255)
    assert drawn[y + 8, x + 28] > 200
    assert drawn[y + 8, x + 8 - 10] == 0


def test_areas_move_with_the_view() -> None:
    reference = read_reference(picture(spot=False), name="view.png")
    x, y, width, height = (float(at) for at in SPOT)
    ring = ((x - 4, y - 4), (x + width + 4, y - 4), (x + width + 4, y + height + 4))
    box = Polygon((*ring, (x - 4, y + height + 4)), "ignore", "px")
    for right in (0, 25):
        aligned = Preparation(Areas((box,)), reference)
        (outcome,), _ = inspect(Spots(), aligned, a=picture(right=right))
        assert outcome.stages[0].prediction.verdict is Verdict.NORMAL
    (outcome,), _ = inspect(Spots(), Preparation(Areas((box,))), a=picture(right=25))
    assert outcome.stages[0].prediction.verdict is Verdict.ANOMALY


def test_a_photo_that_can_not_be_aligned_fails_alone_and_is_kept() -> None:
    reference = read_reference(picture(spot=False), name="view.png")
    out = io.BytesIO()
    Image.new("L", (WIDE, TALL), 90).save(out, "PNG")
    preparation = Preparation(areas("only"), reference)
    (bad, good), blobs = inspect(Spots(), preparation, a=out.getvalue(), b=picture())
    assert bad.error is not None
    assert bad.error.startswith("it can't be aligned with view.png: too little of what they show")
    assert (bad.stages, bad.decision, bad.width_px) == ([], None, WIDE)
    assert good.error is None
    assert good.decision is not None
    assert len(list(blobs.list("images/"))) == 2


def test_what_is_aligned_is_not_decoded_too_small_for_that() -> None:
    reference = read_reference(picture(spot=False), name="view.png")
    out = io.BytesIO()
    Image.open(io.BytesIO(picture())).resize((WIDE * 4, TALL * 4)).save(out, "JPEG", quality=95)
    model = Spots(input_px=64)
    (outcome,), _ = inspect(model, Preparation(reference=reference), a=out.getvalue())
    assert outcome.error is None
    assert model.shown[0].pixels.shape == (TALL * 2, WIDE * 2, 3)
    (outcome,), _ = inspect(model, Preparation(), a=out.getvalue())
    assert model.shown[1].pixels.shape == (TALL // 2, WIDE // 2, 3)


def test_polygons_that_do_not_fit_fail_the_image() -> None:
    box = Polygon(((0, 0), (500, 0), (500, 100)), "ignore", "px")
    (outcome,), _ = inspect(Spots(), Preparation(Areas((box,))), a=picture())
    assert outcome.error is not None
    assert "lies outside of this image of 256 x 192 px" in outcome.error
