import hashlib
import io
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from walkdown.errors import ImageError, SpecError
from walkdown.imaging.areas import Areas, Mask, Polygon, Unit, Use, read_mask
from walkdown.imaging.decode import from_array
from walkdown.imaging.preparing import (
    Preparation,
    Reference,
    check,
    prepared,
    read_reference,
    restored,
)
from walkdown.pipeline.predictions import failed
from walkdown.types import HeatMap, Nearest, Photo, Prediction, Region, Verdict

WIDE, TALL = 256, 192
MOVED = (12, 8)


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@cache
def scene() -> Image.Image:
    """Something larger than a photo: boxes and discs on grey."""
    rng = np.random.default_rng(3)
    picture = Image.new("L", (WIDE + 100, TALL + 100), 110)
    pen = ImageDraw.Draw(picture)
    for number in range(120):
        x, y, wide, tall = rng.uniform((0, 0, 6, 6), (WIDE + 100, TALL + 100, 40, 40)).tolist()
        draw = pen.ellipse if number % 3 else pen.rectangle
        draw((x, y, x + wide, y + tall), fill=int(rng.integers(20, 200)))
    return picture.convert("RGB")


def shot(right: int = 0, down: int = 0) -> Image.Image:
    """A photo on which the scene lies so many pixels further right and down."""
    left, top = 50 - right, 50 - down
    return scene().crop((left, top, left + WIDE, top + TALL))


@cache
def reference() -> Reference:
    return read_reference(png(shot()), name="view.png")


def photo_of(image: Image.Image) -> Photo:
    return from_array(np.asarray(image))


def rectangle(
    left: float, top: float, right: float, bottom: float, *, use: Use, unit: Unit = "share"
) -> Polygon:
    return Polygon(((left, top), (right, top), (right, bottom), (left, bottom)), use, unit)


def half(use: Use = "ignore") -> Areas:
    return Areas((rectangle(0, 0, 0.5, 1, use=use),))


def mask(grey: int) -> Mask:
    return read_mask(png(Image.new("L", (4, 4), grey)), name="mask.png")


def said(*regions: Region, grid: NDArray[np.float32] | None = None) -> Prediction:
    heatmap = None if grid is None else HeatMap(grid, WIDE, TALL)
    return Prediction(Verdict.ANOMALY, 0.9, 9.0, regions=regions, heatmap=heatmap)


def test_without_a_preparation_nothing_happens() -> None:
    photo = photo_of(shot())
    made = prepared(photo, Preparation())
    assert made.photo is photo
    assert Preparation().digest == ""
    prediction = said(Region((1, 2, 3, 4), 1.0, 0.9))
    assert restored(prediction, made) is prediction


def test_the_digest_is_of_all_that_changes_what_models_see() -> None:
    other = read_reference(png(shot(1, 1)), name="view.png")
    made = [
        Preparation(half()),
        Preparation(half("only")),
        Preparation(Areas((rectangle(0, 0, 0.5, 0.9, use="ignore"),))),
        Preparation(Areas(mask=mask(255))),
        Preparation(Areas(mask=mask(200))),
        Preparation(reference=reference()),
        Preparation(half(), reference()),
        Preparation(reference=other),
    ]
    assert len({each.digest for each in made} | {""}) == len(made) + 1
    renamed = read_reference(png(shot()), name="another.png")
    assert Preparation(reference=renamed).digest == Preparation(reference=reference()).digest
    assert renamed.sha256 == hashlib.sha256(png(shot())).hexdigest()


def test_areas_become_the_shares_that_count() -> None:
    photo = photo_of(shot())
    made = prepared(photo, Preparation(half()))
    keep = made.photo.keep
    assert keep is not None
    assert keep.shape == (96, 128)
    assert keep.dtype == np.float32
    assert (keep[:, :64] == 0).all()
    assert (keep[:, 64:] == 1).all()
    assert made.photo.pixels is photo.pixels
    assert made.alignment is None


def test_areas_that_leave_all_of_it_are_none() -> None:
    whole = Areas((rectangle(0, 0, 1, 1, use="only"),))
    assert prepared(photo_of(shot()), Preparation(whole)).photo.keep is None


@pytest.mark.parametrize(
    ("size", "cells"),
    [((24, 40), (128, 77)), ((2048, 1024), (128, 256)), ((5000, 2), (1, 625))],
)
def test_the_grid_has_two_cells_for_each_16_px_and_is_never_coarse(
    size: tuple[int, int], cells: tuple[int, int]
) -> None:
    photo = from_array(np.zeros((size[1], size[0]), np.uint8))
    ignored = Areas((rectangle(0, 0, 0.25, 1, use="ignore"),))
    keep = prepared(photo, Preparation(ignored)).photo.keep
    assert keep is not None
    assert keep.shape == cells
    assert float(keep.mean()) == pytest.approx(0.75, abs=0.02)


def test_shares_are_worked_out_once_for_each_size_of_image() -> None:
    preparation = Preparation(half())
    first, second = (prepared(photo_of(shot()), preparation).photo.keep for _ in range(2))
    assert first is second
    small = prepared(photo_of(shot().resize((64, 48))), preparation).photo
    assert small.keep is not None
    in_px = Preparation(Areas((rectangle(0, 0, 32, 48, use="ignore", unit="px"),)))
    for image, share in ((shot(), 1 - 1 / 32), (shot().resize((64, 48)), 0.5)):
        keep = prepared(photo_of(image), in_px).photo.keep
        assert keep is not None
        assert float(keep.mean()) == pytest.approx(share, abs=1e-3)


def test_many_sizes_do_not_pile_up() -> None:
    preparation = Preparation(half())
    for width in range(1, 100):
        preparation.shares(4, 4, width, 10)
    assert len(preparation._shares) <= 32


def test_a_photo_is_laid_over_the_reference() -> None:
    photo = photo_of(shot(*MOVED))
    made = prepared(photo, Preparation(reference=reference()))
    assert made.alignment is not None
    assert made.alignment.right_px == pytest.approx(MOVED[0], abs=0.3)
    assert made.alignment.down_px == pytest.approx(MOVED[1], abs=0.3)
    wanted = np.asarray(shot(), np.float64)[:-20, :-20]
    before = np.abs(photo.pixels[:-20, :-20] - wanted).mean()
    after = np.abs(made.photo.pixels[:-20, :-20] - wanted).mean()
    assert after < 0.1 * before
    assert made.photo.data == b""
    assert made.photo.content == photo.content


def test_what_the_photo_does_not_show_does_not_count() -> None:
    keep = prepared(photo_of(shot(*MOVED)), Preparation(reference=reference())).photo.keep
    assert keep is not None
    # The scene has moved to the right and down: the reference's right and lower edges are lost.
    assert (keep[-3:] == 0).all()
    assert (keep[:, -5:] == 0).all()
    assert (keep[:-5, :-8] == 1).all()


def test_areas_are_those_of_the_reference() -> None:
    ignored = Areas((rectangle(0, 0, 64, 192, use="ignore", unit="px"),))
    for image in (shot(*MOVED), shot(*MOVED).resize((WIDE // 2, TALL // 2))):
        keep = prepared(photo_of(image), Preparation(ignored, reference())).photo.keep
        assert keep is not None
        assert (keep[:, :32] == 0).all()
        assert (keep[:-5, 33:-8] == 1).all()


def test_what_is_said_comes_back_to_the_photo_as_it_was_taken() -> None:
    made = prepared(photo_of(shot(*MOVED)), Preparation(reference=reference()))
    nearest = Nearest("n.png", (1, 1, 9, 9), (110, 90, 10, 10), "picture", (0, 0, 9, 9))
    grid = np.zeros((24, 32), np.float32)
    grid[11, 13] = 0.9
    prediction = said(Region((100, 80, 20, 16), 2.0, 0.9, nearest=nearest), grid=grid)
    back = restored(prediction, made)
    (region,) = back.regions
    assert np.allclose(region.box, (112, 88, 20, 16), atol=2)
    assert region.area_pct == pytest.approx(2.0, abs=0.1)
    assert region.nearest is not None
    assert np.allclose(region.nearest.place, (122, 98, 10, 10), atol=2)
    assert region.nearest.box == (1, 1, 9, 9)
    assert region.nearest.at == (0, 0, 9, 9)
    assert back.heatmap is not None
    at = np.unravel_index(back.heatmap.grid.argmax(), grid.shape)
    assert (int(at[0]), int(at[1])) in {(12, 14), (12, 15)}
    assert (back.verdict, back.score, back.raw_score) == ("anomaly", 0.9, 9.0)


def test_an_area_grows_with_the_photo() -> None:
    wide, tall = round(WIDE / 1.08), round(TALL / 1.08)
    nearer = scene().crop((62, 60, 62 + wide, 60 + tall)).resize((WIDE, TALL))
    made = prepared(photo_of(nearer), Preparation(reference=reference()))
    (region,) = restored(said(Region((100, 80, 20, 16), 2.0, 0.9)), made).regions
    assert region.area_pct == pytest.approx(2.0 * 1.08**2, abs=0.05)
    all_of_it = said(Region((0, 0, WIDE, TALL), 100.0, 0.9))
    assert restored(all_of_it, made).regions[0].area_pct == 100.0


def test_a_failed_prediction_is_left_alone() -> None:
    made = prepared(photo_of(shot(*MOVED)), Preparation(reference=reference()))
    prediction = failed("its service is down")
    assert restored(prediction, made) is prediction


def test_a_photo_that_can_not_be_aligned_is_taken_as_it_lies_without_areas() -> None:
    photo = photo_of(Image.new("RGB", (WIDE, TALL), "grey"))
    made = prepared(photo, Preparation(reference=reference()))
    assert made.photo is photo
    assert made.alignment is None


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (Image.new("RGB", (WIDE, TALL), "grey"), "too little of what they show agrees"),
        (shot().rotate(180), "too little of what they show agrees"),
        (shot().crop((0, 0, TALL, TALL)), "192 x 192 px are of another shape than 256 x 192 px"),
    ],
)
def test_with_areas_it_is_refused(image: Image.Image, reason: str) -> None:
    with pytest.raises(ImageError, match=f"can't be aligned with view.png: .*{reason}") as e:
        prepared(photo_of(image), Preparation(half(), reference()))
    assert "nobody can say where the areas lie" in str(e.value)


def test_a_photo_that_shows_nothing_that_counts_is_refused() -> None:
    corner = Areas((rectangle(0.99, 0, 1, 1, use="only"),))
    with pytest.raises(ImageError, match=r"nothing of view\.png that counts is on this image"):
        prepared(photo_of(shot(*MOVED)), Preparation(corner, reference()))


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGB", (WIDE, TALL), "grey"),
        Image.fromarray(np.tile(np.array([0, 255], np.uint8).repeat(8), (TALL, WIDE // 16))),
        shot().crop((0, 0, 20, 20)),
    ],
    ids=["even", "stripes", "small"],
)
def test_nothing_can_be_aligned_with_some_images(image: Image.Image) -> None:
    with pytest.raises(SpecError, match=r"^view\.png: nothing can be aligned with this image"):
        read_reference(png(image), name="view.png")


def test_a_reference_that_can_not_be_read() -> None:
    with pytest.raises(SpecError, match=r"^view\.png: .*give a photograph of the view"):
        read_reference(b"no image", name="view.png")
    with pytest.raises(SpecError, match=r"^view\.png: .*over the limit of 0.001 million pixels"):
        read_reference(png(shot()), name="view.png", max_pixels=1000)


def test_a_photo_is_not_decoded_too_small_to_be_aligned() -> None:
    aligning = Preparation(reference=reference())
    assert [aligning.at_least_px(px) for px in (None, 256, 640)] == [None, 384, 640]
    assert [Preparation(half()).at_least_px(px) for px in (None, 256)] == [None, 256]


def test_areas_that_leave_nothing_are_known_before_any_photo() -> None:
    nothing = Areas((rectangle(0, 0, 1, 1, use="ignore"),))
    with pytest.raises(SpecError, match=r"^the areas can't be used: nothing of the image is left"):
        check(Preparation(nothing))
    check(Preparation(half()))


def test_pixels_are_compared_with_the_reference() -> None:
    in_px = Areas((rectangle(0, 0, 600, 100, use="ignore", unit="px"),))
    check(Preparation(in_px))
    with pytest.raises(SpecError, match=r"can't be used \(on view.png\): point 2 .*256 x 192 px"):
        check(Preparation(in_px, reference()))
