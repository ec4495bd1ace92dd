"""Regions beside the normal patches they are compared to: which are drawn, and what they show."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from tests.app.reports import CHROMIUM, Blobs, browse, make, opened, result, stored

from walkdown.app import report_pictures
from walkdown.app.report_pictures import Patch, drawn_patches, plan_pictures
from walkdown.pipeline.keys import image_key
from walkdown.types import Nearest, Region, Result

if TYPE_CHECKING:
    from pathlib import Path

SHEET = "models/" + "d" * 64 + "/patches.jpg"
TILE = 16
SHADES = (20, 60, 100, 140)


def sheet() -> bytes:
    """Four tiles in a row, each of one shade."""
    out = io.BytesIO()
    tiles = [np.full((TILE, TILE), shade, np.uint8) for shade in SHADES]
    Image.fromarray(np.hstack(tiles)).save(out, "JPEG", quality=95)
    return out.getvalue()


def near(tile: int, place: tuple[int, int, int, int] = (0, 0, 8, 8), *, image: str = "") -> Nearest:
    at = (tile * TILE, 0, TILE, TILE)
    return Nearest(image or f"good/{tile}.png", (3, 4, 8, 8), place, SHEET, at)


def region(score: float, nearest: Nearest | None) -> Region:
    return Region((4, 3, 10, 6), 5.0, score, nearest=nearest)


def seen(name: str, score: float, *regions: Region) -> Result:
    """A result with these regions and an image that is in no store."""
    plain = result(name, score)
    by = plain.stages[0]
    stage = replace(by, prediction=replace(by.prediction, regions=regions))
    content = hashlib.sha256(name.encode()).hexdigest()
    return replace(plain, content=content, stages=(stage,))


def halves() -> bytes:
    """40 x 30 px: black on the left, white on the right."""
    pixels = np.zeros((30, 40), np.uint8)
    pixels[:, 20:] = 255
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def shade(uri: str) -> int:
    return int(np.asarray(opened(uri).convert("L")).mean())


def test_a_region_is_shown_beside_its_nearest_normal_patch(tmp_path: Path) -> None:
    blobs = Blobs()
    blobs.put(SHEET, sheet())
    regions = (region(0.9, near(2, (30, 10, 8, 8))), region(0.8, near(0, (2, 2, 8, 8))))
    bad = seen("bad.png", 0.9, *regions)
    blobs.put(image_key(bad.content or ""), halves())
    page = make(tmp_path, [bad], blobs)
    (picture,) = page.pictures()
    patches = json.loads(page.scripts["patches-0"])
    pairs = [(one["region"], patches[one["patch"]]) for one in picture["compared"]]
    assert [(number, patch["image"]) for number, patch in pairs] == [
        (0, "good/2.png"),
        (1, "good/0.png"),
    ]
    assert [shade(one["place"]) > 128 for one in picture["compared"]] == [True, False]
    assert abs(shade(pairs[0][1]["picture"]) - 100) < 4
    assert abs(shade(pairs[1][1]["picture"]) - 20) < 4
    rows = page.data["results"][0]["stages"][0]["regions"]
    assert [row["nearest"] for row in rows] == ["good/2.png", "good/0.png"]
    table = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert table["results"][0]["stages"][0]["regions"][0]["nearest"] == {
        "image": "good/2.png",
        "box": [3, 4, 8, 8],
        "place": [30, 10, 8, 8],
        "picture": SHEET,
        "at": [32, 0, 16, 16],
    }


def test_a_patch_is_stored_once_for_all_that_come_near_it(tmp_path: Path) -> None:
    blobs = Blobs()
    blobs.put(SHEET, sheet())
    results = [seen(f"{n}.png", 0.9, region(0.9, near(n % 2))) for n in range(60)]
    for one in results:
        blobs.put(image_key(one.content or ""), halves() + one.image.encode())
    page = make(tmp_path, results, blobs)
    assert len(json.loads(page.scripts["patches-0"])) == 2
    assert [len(picture["compared"]) for picture in page.pictures()] == [1] * 60
    assert blobs.reads.count(SHEET) == 1


def test_the_worst_three_regions_of_an_image_are_compared() -> None:
    scores = (0.6, 0.9, 0.7, 0.8, 0.95)
    known = [region(s, None if s == 0.95 else near(0)) for s in scores]
    (picture,) = plan_pictures([seen("a", 0.95, *known)]).pictures
    assert [comparison.region for comparison in picture.comparisons] == [1, 3, 2]


def test_where_there_are_too_many_each_image_keeps_its_worst_region(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(report_pictures, "_MOST_COMPARISONS", 4)
    ranked = [seen(f"{n}", 0.9, *[region(0.9, near(n))] * 3) for n in range(3)]
    plan = plan_pictures(ranked)
    assert [len(picture.comparisons) for picture in plan.pictures] == [2, 1, 1]
    monkeypatch.setattr(report_pictures, "_MOST_COMPARISONS", 2)
    plan = plan_pictures(ranked)
    assert [len(picture.comparisons) for picture in plan.pictures] == [1, 1, 0]
    assert [patch.image for patch in plan.patches] == ["good/0.png", "good/1.png"]


def test_what_is_missing_costs_only_its_own_picture(tmp_path: Path) -> None:
    blobs = Blobs()
    gone = replace(near(0), picture="models/gone/patches.jpg")
    torn = replace(near(1), picture="models/torn/patches.jpg")
    blobs.put(torn.picture, b"\xff\xd8\xff torn")
    blobs.put(SHEET, sheet())
    outside = replace(near(2), at=(900, 900, 16, 16), place=(500, 500, 8, 8))
    nearest = (gone, torn, outside)
    bad = seen("bad.png", 0.9, *[region(0.9, one) for one in nearest])
    blobs.put(image_key(bad.content or ""), halves())
    page = make(tmp_path, [bad], blobs)
    patches = json.loads(page.scripts["patches-0"])
    assert [patch["picture"] for patch in patches] == [None] * 3
    assert [patch["image"] for patch in patches] == ["good/0.png", "good/1.png", "good/2.png"]
    places = [one["place"] for one in page.pictures()[0]["compared"]]
    assert [place and place[:16] for place in places] == ["data:image/webp;"] * 2 + [None]


def test_patches_keep_their_numbers_over_several_sheets() -> None:
    blobs = Blobs()
    blobs.put("a", sheet())
    blobs.put("b", sheet())
    at = [(n * TILE, 0, TILE, TILE) for n in range(4)]
    wanted = [Patch(key, at[n], f"{key}{n}") for key, n in (("a", 3), ("b", 0), ("a", 1))]
    drawn = drawn_patches(wanted, blobs=blobs)
    assert [one["image"] for one in drawn] == ["a3", "b0", "a1"]
    shades = [shade(str(one["picture"])) for one in drawn]
    assert shades == pytest.approx([140, 20, 60], abs=3)


def test_a_place_is_no_sharper_than_the_patch_beside_it(tmp_path: Path) -> None:
    blobs = Blobs()
    blobs.put(SHEET, sheet())
    out = io.BytesIO()
    Image.new("RGB", (400, 300), (90, 90, 90)).save(out, "JPEG")
    bad = replace(
        seen("bad.jpg", 0.9, region(0.9, near(0, (100, 100, 120, 120)))),
        width_px=400,
        height_px=300,
    )
    blobs.put(image_key(bad.content or ""), out.getvalue())
    (picture,) = make(tmp_path, [bad], blobs).pictures()
    assert opened(picture["compared"][0]["place"]).size == (TILE, TILE)


def test_a_photograph_is_decoded_as_large_as_its_places_need() -> None:
    small = seen("a", 0.9, region(0.9, near(0, (0, 0, 8, 8))))
    plan = plan_pictures([replace(small, width_px=4000, height_px=3000)])
    assert report_pictures._detail_px(plan.pictures[0], plan, 480) == 4000 * TILE // 8 + 1
    large = seen("b", 0.9, region(0.9, near(0, (0, 0, 800, 800))))
    plan = plan_pictures([replace(large, width_px=4000, height_px=3000)])
    assert report_pictures._detail_px(plan.pictures[0], plan, 480) == 480
    plan = plan_pictures([replace(large, width_px=None, height_px=None)])
    assert report_pictures._detail_px(plan.pictures[0], plan, 480) is None


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine to open the page with")
def test_a_browser_shows_the_pairs_and_names_the_rest(tmp_path: Path) -> None:
    blobs = Blobs()
    blobs.put(SHEET, sheet())
    hostile = near(3, image="good\\<img src=x onerror=alert(1)>.png")
    nearest = (near(0), near(1), near(2), hostile)
    bad = seen("bad.png", 0.9, *[region(0.9 - n / 100, one) for n, one in enumerate(nearest)])
    blobs.put(image_key(bad.content or ""), halves())
    plain = stored(blobs, result("plain.png", 0.8), 40)
    make(tmp_path / "out", [bad, plain], blobs)
    page = (tmp_path / "out/index.html").as_uri()
    dom, log = browse(f"{page}#image={bad.key.id}", tmp_path)
    seen_tags = [attributes for _, attributes in dom.tags]
    assert sum(a.get("class") == "pair" for a in seen_tags) == 3
    alts = [a.get("alt") or "" for a in seen_tags]
    pairs = [alt for alt in alts if " place" in alt]
    assert pairs[::2] == [f"The worst place of region {n} in bad.png" for n in (1, 2, 3)]
    assert pairs[1::2] == [f"The nearest normal place, in {n}.png" for n in (0, 1, 2)]
    assert any(a.get("title") == hostile.image for a in seen_tags)
    assert not any(a.get("src") == "x" for a in seen_tags)
    assert "CONSOLE" not in log, log
    dom, log = browse(f"{page}#image={plain.key.id}", tmp_path)
    assert not any(a.get("class") == "pair" for _, a in dom.tags)
    assert "CONSOLE" not in log, log
