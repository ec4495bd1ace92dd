"""Photographs of very different sizes, trained and inspected with no option given.

A drone photograph of 4000 px with a scratch of about 25 px on it, and thermal pictures of solar
modules of 24 x 40 px: nothing but the photographs says how they are to be looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from tests.e2e.conftest import Desk

    from walkdown.types import Box

WIDTH_PX, HEIGHT_PX = 4000, 3000
PANEL_PX = 800


def surface(seed: int) -> Image.Image:
    """A photograph of a coated steel wall: panels, seams and bolts, stains, grain, uneven light.

    Where the camera stood, how it was lit and what stains there are differ from one to the next.
    """
    rng = np.random.default_rng(seed)
    grey = np.full((HEIGHT_PX, WIDTH_PX), 128.0, np.float32)
    for cells, strength in ((4, 12.0), (20, 5.0), (120, 3.0)):
        grey += _cloud(rng, cells, strength)
    grey += rng.normal(0.0, 4.0, grey.shape).astype(np.float32)
    picture = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
    _structure(picture, shift=(int(rng.integers(PANEL_PX)), int(rng.integers(PANEL_PX))))
    tint = [
        picture.point([min(255, round(v * share)) for v in range(256)]) for share in (0.96, 0.9)
    ]
    return Image.merge("RGB", (picture, *tint))


def _cloud(rng: np.random.Generator, cells: int, strength: float) -> NDArray[np.float32]:
    """A smooth random field, some ``cells`` blotches wide."""
    coarse = rng.normal(0.0, strength, (cells * 3 // 4, cells)).astype(np.float32)
    drawn = Image.fromarray(coarse).resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BICUBIC)
    return np.asarray(drawn, np.float32)


def _structure(picture: Image.Image, *, shift: tuple[int, int]) -> None:
    draw = ImageDraw.Draw(picture)
    across = range(shift[0] - PANEL_PX, WIDTH_PX + PANEL_PX, PANEL_PX)
    down = range(shift[1] - PANEL_PX, HEIGHT_PX + PANEL_PX, PANEL_PX)
    for x in across:
        draw.rectangle((x, 0, x + 9, HEIGHT_PX), fill=70)
        draw.line((x + 10, 0, x + 10, HEIGHT_PX), fill=165, width=3)
    for y in down:
        draw.rectangle((0, y, WIDTH_PX, y + 9), fill=70)
    for y in down:
        for x in across:
            for at in (60, PANEL_PX // 2, PANEL_PX - 60):
                draw.ellipse(
                    (x + at - 14, y + 40, x + at + 14, y + 68), fill=95, outline=60, width=3
                )
                draw.ellipse((x + at - 8, y + 44, x + at + 2, y + 54), fill=150)


def scratch(picture: Image.Image, x: int, y: int) -> Box:
    """Paste a bright, slightly bent scratch with a dark edge; its box, 27 x 15 px."""
    draw = ImageDraw.Draw(picture)
    bend = [(x + 1, y + 12), (x + 9, y + 9), (x + 17, y + 4), (x + 25, y + 2)]
    draw.line([(a, b + 2) for a, b in bend], fill=(52, 48, 46), width=2)
    draw.line(bend, fill=(228, 224, 216), width=3)
    return x, y, 27, 15


def module(seed: int, *, hot: tuple[int, int] | None = None) -> Image.Image:
    """A thermal picture of a solar module, 24 x 40 px: 6 x 10 cells of 4 px, one of them hot."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:40, :24].astype(np.float32)
    grey = 110.0 + rng.normal(0, 4) + 8 * (y / 40) * rng.normal(1, 0.3) - 4 * np.abs(x - 12) / 12
    grey[::4] -= 7.0
    grey[:, ::4] -= 7.0
    grey[:3, 10:14] += 10.0  # the junction box is warm on every module
    if hot is not None:
        grey[hot[1] : hot[1] + 4, hot[0] : hot[0] + 4] += 55.0
    return Image.fromarray((grey + rng.normal(0, 2.0, grey.shape)).clip(0, 255).astype(np.uint8))


def _share_covered(box: Box, by: Sequence[int]) -> float:
    wide = min(box[0] + box[2], by[0] + by[2]) - max(box[0], by[0])
    high = min(box[1] + box[3], by[1] + by[3]) - max(box[1], by[1])
    return max(0, wide) * max(0, high) / (box[2] * box[3])


def _inspected(desk: Desk) -> dict[str, dict[str, Any]]:
    """Train on ``normal``, inspect ``new``: each photograph's line by its name without ending."""
    code, _, err = desk.run("train", "sizes", "--normal", "normal")
    assert code == 0, err
    code, lines = desk.lines("inspect", "new", "--model", "sizes")
    assert code == 0
    return {line["image"].split("/")[-1].split(".")[0]: line for line in lines}


@pytest.mark.proof
def test_a_small_scratch_on_a_drone_photograph(desk: Desk) -> None:
    for folder in ("normal", "new"):
        (desk.folder / folder).mkdir()
    for i in range(12):
        surface(i).save(desk.folder / "normal" / f"{i}.jpg", quality=92)
    boxes: dict[str, Box] = {}
    for i, place in enumerate(((1830, 1210), (3333, 600), (420, 2480))):
        whole = surface(100 + i)
        whole.save(desk.folder / "new" / f"whole{i}.jpg", quality=92)
        boxes[f"scratched{i}"] = scratch(whole, *place)
        whole.save(desk.folder / "new" / f"scratched{i}.jpg", quality=92)
    surface(110).save(desk.folder / "new" / "whole3.jpg", quality=92)
    seen = _inspected(desk)
    for name, box in boxes.items():
        assert seen[name]["verdict"] == "anomaly", name
        assert _share_covered(box, seen[name]["regions"][0]["box"]) > 0.5, name
    normal = [seen[f"whole{i}"]["verdict"] for i in range(4)]
    assert normal.count("normal") >= 3


@pytest.mark.proof
def test_a_hot_cell_of_a_tiny_thermal_picture(desk: Desk) -> None:
    for folder in ("normal", "new"):
        (desk.folder / folder).mkdir()
    for i in range(30):
        module(i).save(desk.folder / "normal" / f"{i}.png")
    boxes: dict[str, Box] = {}
    for i in range(10):
        module(100 + i).save(desk.folder / "new" / f"whole{i}.png")
    for i, (x, y) in enumerate(((4, 8), (16, 20), (8, 32), (12, 16), (0, 36))):
        module(200 + i, hot=(x, y)).save(desk.folder / "new" / f"hot{i}.png")
        boxes[f"hot{i}"] = x, y, 4, 4
    seen = _inspected(desk)
    for name, box in boxes.items():
        assert seen[name]["verdict"] == "anomaly", name
        assert _share_covered(box, seen[name]["regions"][0]["box"]) > 0.5, name
    normal = [seen[f"whole{i}"]["verdict"] for i in range(10)]
    assert normal.count("normal") >= 8
