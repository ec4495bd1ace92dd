"""Is a photograph good enough, and what is said where it is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from walkdown.app.quality import learn_quality
from walkdown.app.specs import preparation_of
from walkdown.app.versions import open_version, resolve
from walkdown.errors import ArtefactError, TrainingError
from walkdown.imaging.decode import from_array
from walkdown.imaging.quality import Quality, measured
from walkdown.models import artefact
from walkdown.models.image_quality import ImageQuality, quality_artefact
from walkdown.models.quality_limits import Ranges, learned_limits
from walkdown.registry import open_model
from walkdown.silent import Silent
from walkdown.types import Prediction, Verdict
from walkdown.wiring import open_workspace

Pixels = NDArray[np.uint8]


def scene(seed: int = 0, width: int = 320, height: int = 240) -> Pixels:
    """Boxes of many greys on a slope of light, and a little noise: sharp edges everywhere."""
    rng = np.random.default_rng(seed)
    grey = np.tile(np.linspace(90, 130, width), (height, 1))
    for _ in range(60):
        x, y = rng.integers(0, width - 20), rng.integers(0, height - 20)
        grey[y : y + rng.integers(8, 40), x : x + rng.integers(8, 40)] = rng.integers(30, 220)
    noisy = grey + rng.normal(0, 1.5, grey.shape)
    return np.repeat(noisy.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def blurred(pixels: Pixels, px: float) -> Pixels:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(px)))


def smeared(pixels: Pixels, px: int, *, down: bool = False) -> Pixels:
    axis = 0 if down else 1
    moved = [np.roll(pixels, at, axis).astype(np.float32) for at in range(px)]
    return np.asarray(np.rint(sum(moved) / px), np.uint8)


def quality(pixels: Pixels) -> Quality:
    found = measured(from_array(pixels), longest_px=1024)
    assert found is not None
    return found


def said(pixels: Pixels, limits: Ranges | None = None) -> Prediction:
    model = ImageQuality(quality_artefact(limits), label="q@1")
    return model.predict([from_array(pixels)])[0]


def sharpness(pixels: Pixels) -> float:
    found = quality(pixels).sharpness
    assert found is not None
    return found


def test_an_ideal_step_comes_to_ten_and_blur_to_less_and_less() -> None:
    step = np.zeros((256, 256, 3), np.uint8)
    for x in range(0, 256, 64):
        step[:, x : x + 32] = 200
    assert sharpness(step) == pytest.approx(10.0, rel=0.1)
    series = [sharpness(blurred(scene(), px)) for px in (0, 1, 2, 4)]
    assert series == sorted(series, reverse=True)
    assert series[0] > 3 * series[2]
    assert series[2] > 1.5 * series[3]


@pytest.mark.parametrize("noise", [0.0, 4.0, 8.0])
def test_noise_does_not_make_a_blurred_photograph_sharp(noise: float) -> None:
    rng = np.random.default_rng(1)
    soft = blurred(scene(), 4).astype(np.float64)
    grainy = (soft + rng.normal(0, noise, soft.shape)).clip(0, 255).astype(np.uint8)
    found = said(grainy)
    assert found.verdict is Verdict.UNUSABLE
    assert "blurred" in found.labels


def test_less_contrast_is_no_blur() -> None:
    faint = (100 + scene().astype(np.float64) * 0.15).astype(np.uint8)
    assert sharpness(faint) > 0.5 * sharpness(scene())
    assert said(faint).verdict is Verdict.NORMAL


def test_a_scene_that_shows_nothing_is_not_called_blurred() -> None:
    rng = np.random.default_rng(2)
    wall = (150 + rng.normal(0, 2, (240, 320, 3))).clip(0, 255).astype(np.uint8)
    assert quality(wall).sharpness is None
    assert said(wall).verdict is Verdict.NORMAL


def test_an_advice_says_what_to_do_and_by_how_much_it_fell_short() -> None:
    found = said(blurred(scene(), 4))
    assert found.verdict is Verdict.UNUSABLE
    measure = f"sharpness {sharpness(blurred(scene(), 4)):.1f}, at least 4 is needed"
    assert str(found.note).startswith("blurred: hold the camera still")
    assert measure in str(found.note)
    assert found.score is not None
    assert found.score > 0.5


@pytest.mark.parametrize(("down", "words"), [(False, "side to side"), (True, "up and down")])
def test_the_direction_of_a_smear_is_told(down: bool, words: str) -> None:
    found = said(smeared(scene(), 40, down=down))
    assert found.verdict is Verdict.UNUSABLE
    assert words in str(found.note)


@pytest.mark.parametrize(
    ("pixels", "label"),
    [
        (np.zeros((240, 320, 3), np.uint8), "too dark"),
        ((scene() * 0.12).astype(np.uint8), "too dark"),
        (np.minimum(scene().astype(np.uint16) * 5, 255).astype(np.uint8), "too bright"),
        (np.full((240, 320, 3), 128, np.uint8), "no contrast"),
        (scene()[:20, :20], "too small"),
    ],
    ids=["cap", "dark", "bright", "fog", "small"],
)
def test_what_careful_limits_find(pixels: Pixels, label: str) -> None:
    found = said(pixels)
    assert found.verdict is Verdict.UNUSABLE
    assert label in found.labels
    assert found.note


def test_scores_rise_with_raw_scores_and_agree_with_the_verdict() -> None:
    found = [said(blurred(scene(), px / 2)) for px in range(12)]
    pairs = sorted((p.raw_score or 0.0, p.score or 0.0) for p in found)
    assert [s for _, s in pairs] == sorted(s for _, s in pairs)
    assert {p.verdict for p in found} == {Verdict.NORMAL, Verdict.UNUSABLE}
    assert all(((p.score or 0) >= 0.5) == (p.verdict is Verdict.UNUSABLE) for p in found)


def test_what_is_ignored_does_not_count() -> None:
    pixels = scene().copy()
    pixels[:, :160] = 0
    keep = np.zeros((24, 32), np.float32)
    keep[:, 16:] = 1
    model = ImageQuality(quality_artefact(Ranges(shadows_pct=(None, 20.0))), label="q@1")
    whole = from_array(pixels)
    assert model.predict([whole])[0].labels == ("too dark",)
    assert model.predict([replace(whole, keep=keep)])[0].verdict is Verdict.NORMAL
    nothing = replace(whole, keep=np.zeros((24, 32), np.float32))
    assert model.predict([nothing])[0].labels == ("too small",)


def clip(values: NDArray[np.floating[Any]]) -> Pixels:
    clipped: Pixels = np.clip(values, 0, 255).astype(np.uint8)
    return clipped


def spoilt_light() -> dict[str, tuple[Pixels, str]]:
    pixels = scene(99)
    slope = np.linspace(0.4, 1.6, pixels.shape[1])[None, :, None]
    covered = pixels.copy()
    covered[:, :130] = (70, 20, 15)
    return {
        "darker": (clip(pixels * 0.55), "too dark"),
        "warmer": (clip(pixels * np.array((1.3, 1.0, 0.7))), "other colours"),
        "from the right": (clip(pixels * slope), "other light"),
        "finger": (covered, "covered"),
        "soft": (blurred(pixels, 1.0), "blurred"),
    }


@pytest.mark.parametrize("name", list(spoilt_light()))
def test_learned_limits_find_what_is_unlike_the_normal_photographs(name: str) -> None:
    pixels, label = spoilt_light()[name]
    limits = learned_limits([quality(scene(seed)) for seed in range(12)])
    assert said(pixels).verdict is Verdict.NORMAL, "careful limits let it pass"
    found = said(pixels, limits)
    assert found.verdict is Verdict.UNUSABLE
    assert label in found.labels
    others = [said(scene(seed), limits).verdict for seed in range(50, 70)]
    assert others.count(Verdict.UNUSABLE) <= 1


def test_one_odd_photograph_in_a_hundred_does_not_widen_the_limits() -> None:
    seen = [quality(scene(seed)) for seed in range(10)] * 10
    odd = learned_limits([*seen, quality(blurred(scene(), 6))])
    assert odd.sharpness[0] == pytest.approx(learned_limits(seen).sharpness[0] or 0.0, rel=0.1)


def test_normal_photographs_that_are_soft_themselves_are_not_blurred() -> None:
    soft = [quality(blurred(scene(seed), 4)) for seed in range(8)]
    limits = learned_limits(soft)
    assert said(blurred(scene(9), 4)).verdict is Verdict.UNUSABLE
    assert said(blurred(scene(9), 4), limits).verdict is Verdict.NORMAL


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({"limits": {"sharpnes": [1, None]}}, "sharpnes"),
        ({"limits": {"sharpness": [5, 4]}}, "5 is not below 4"),
        ({"limits": {"sharpness": 4}}, "must be a list"),
        ({"look_px": 20}, "must be at least 256"),
        ({"look": 1024}, "did you mean 'look_px'"),
    ],
)
def test_a_wrong_card_says_what_is_wrong(card: dict[str, Any], words: str) -> None:
    with pytest.raises(ArtefactError) as told:
        open_model(artefact.pack("image_quality", card, {}), label="q@1")
    assert words in str(told.value)


def stored(folder: Path, count: int) -> str:
    folder.mkdir(parents=True)
    for seed in range(count):
        Image.fromarray(scene(seed)).save(folder / f"{seed}.png")
    return str(folder)


def test_limits_are_learned_from_a_folder_and_opened_again(tmp_path: Path) -> None:
    app = open_workspace(str(tmp_path / "w"))
    folder = stored(tmp_path / "n", 6)
    (tmp_path / "n" / "broken.png").write_bytes(b"no picture")
    learned = learn_quality(app, "usable", normal=[folder], progress=Silent())
    assert (learned.version.label, learned.images) == ("usable@1", 6)
    assert [Path(name).name for name, _ in learned.left_out] == ["broken.png"]
    model: Any = open_version(app, resolve(app, "usable@live"))
    assert model.predict([from_array(scene(30))])[0].verdict is Verdict.NORMAL
    assert model.predict([from_array(blurred(scene(30), 3))])[0].verdict is Verdict.UNUSABLE
    assert learn_quality(app, "usable", normal=[folder], progress=Silent()).version.version == 1


def test_limits_are_of_what_counts(tmp_path: Path) -> None:
    """Photographs are prepared as the pipeline will: what it ignores teaches nothing."""
    app = open_workspace(str(tmp_path / "w"))
    folder = stored(tmp_path / "n", 6)
    (tmp_path / "p.yaml").write_text(
        "prepare: {areas: {ignore: [[[0, 0], [0.5, 0], [0.5, 1], [0, 1]]]}}\n"
        "stages: [{name: look, model: usable}]\n"
    )
    preparation = preparation_of(tmp_path / "p.yaml", app.open_step)
    for path in Path(folder).iterdir():
        pixels = np.asarray(Image.open(path)).copy()
        pixels[:, :150] = 255
        Image.fromarray(pixels).save(path)
    whole = learn_quality(app, "w", normal=[folder], progress=Silent()).limits
    part = learn_quality(
        app, "p", normal=[folder], preparation=preparation, progress=Silent()
    ).limits
    assert (whole.highlights_pct[1] or 0.0) > 40.0
    assert (part.highlights_pct[1] or 0.0) < 5.0


def test_too_few_photographs_make_no_limits(tmp_path: Path) -> None:
    app = open_workspace(str(tmp_path / "w"))
    with pytest.raises(TrainingError, match="4 of 4 photographs can be measured; 5 or more"):
        learn_quality(app, "usable", normal=[stored(tmp_path / "n", 4)], progress=Silent())


def test_large_photographs_are_measured_at_the_size_that_is_looked_at() -> None:
    large = np.asarray(Image.fromarray(scene()).resize((1280, 960), Image.Resampling.BICUBIC))
    small = measured(from_array(large), longest_px=320)
    at_full = measured(from_array(large), longest_px=1280)
    assert small is not None
    assert at_full is not None
    assert (small.sharpness or 0) > 2 * (at_full.sharpness or 0)


def test_a_photo_of_one_colour_has_no_direction_of_light() -> None:
    found = quality(np.full((64, 64, 3), (10, 20, 30), np.uint8))
    assert (found.red_cast, found.blue_cast) == (-10.0, 10.0)
    assert (found.light_right, found.light_down, found.smear) == (0.0, 0.0, 1.0)
