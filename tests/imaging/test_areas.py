import dataclasses
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from walkdown.errors import ImageError, SpecError
from walkdown.imaging.areas import (
    Areas,
    Mask,
    Point,
    Polygon,
    Unit,
    Use,
    coverage,
    from_json,
    holds,
    read_mask,
    share_of_box,
    to_json,
)

shares = st.floats(0, 1)
lines = st.lists(st.tuples(shares, shares), min_size=3, max_size=9).map(tuple)
polygons = st.builds(Polygon, lines, st.sampled_from(("only", "ignore")))


def rectangle(
    left: float, top: float, right: float, bottom: float, *, use: Use = "only", unit: Unit = "share"
) -> Polygon:
    return Polygon(((left, top), (right, top), (right, bottom), (left, bottom)), use, unit)


def file_of(white: NDArray[np.uint8], kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(white).save(out, kind)
    return out.getvalue()


def mask_of(white: NDArray[np.uint8]) -> Mask:
    return read_mask(file_of(white), name="mask.png")


def cells(areas: Areas, rows: int, columns: int) -> NDArray[np.float32]:
    return coverage(areas, rows=rows, columns=columns, width_px=400, height_px=200)


def is_inside(points: tuple[Point, ...], x: float, y: float) -> bool:
    """Even-odd: how often a ray to the left meets the line."""
    met = 0
    for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1], strict=True):
        if (y1 > y) != (y2 > y):
            met += x1 + (y - y1) / (y2 - y1) * (x2 - x1) < x
    return met % 2 == 1


def test_without_areas_everything_counts() -> None:
    assert not Areas()
    assert np.array_equal(cells(Areas(), 3, 5), np.ones((3, 5), np.float32))


def test_cells_count_by_their_share() -> None:
    found = cells(Areas((rectangle(0.125, 0, 0.5, 1),)), 2, 4)
    assert found.dtype == np.float32
    assert np.array_equal(found, [[0.5, 1, 0, 0]] * 2)


@given(lines)
@settings(max_examples=60, deadline=None)
def test_lines_that_cross_themselves_are_filled_by_the_even_odd_rule(
    points: tuple[Point, ...],
) -> None:
    # With the whole frame to look at as well, and this ignored, something is always left.
    ignored = Areas((Polygon(points, "ignore"), rectangle(0, 0, 1, 1)))
    wanted = np.zeros((6, 7), np.float32)
    for row in range(6 * 8):
        for column in range(7 * 8):
            inside = is_inside(points, (column + 0.5) / 56, (row + 0.5) / 48)
            wanted[row // 8, column // 8] += 0 if inside else 1 / 64
    try:
        found = cells(ignored, 6, 7)
    except ImageError:
        found = np.zeros((6, 7), np.float32)
    # A point on the line itself may fall on either side.
    assert np.abs(found - wanted).max() <= 2 / 64


@given(st.lists(polygons, max_size=4).map(tuple))
@settings(max_examples=60, deadline=None)
def test_the_same_counts_at_any_fineness(drawn: tuple[Polygon, ...]) -> None:
    areas = Areas(drawn)
    try:
        fine = cells(areas, 80, 160)
    except ImageError:
        return
    coarse = fine.reshape(10, 8, 20, 8).mean(axis=(1, 3))
    if coarse.max() > 0.2:
        assert np.abs(cells(areas, 10, 20) - coarse).max() < 0.2
        assert cells(areas, 10, 20).mean() == pytest.approx(coarse.mean(), abs=0.01)


def test_areas_to_look_at_are_joined_without_a_seam_and_ignored_ones_win() -> None:
    halves = (rectangle(0, 0, 0.3, 1), rectangle(0.3, 0, 1, 1))
    assert np.array_equal(cells(Areas(halves), 1, 5), np.ones((1, 5)))
    drawn = (*halves, rectangle(0.2, 0, 0.4, 1, use="ignore"))
    for order in (drawn, drawn[::-1]):
        assert np.array_equal(cells(Areas(order), 1, 5), [[1, 0, 1, 1, 1]])


def test_pixels_mean_the_original_image() -> None:
    areas = Areas((rectangle(100, 50, 400, 200, unit="px"),))
    assert np.array_equal(cells(areas, 4, 4)[:, 1], [0, 1, 1, 1])
    assert np.array_equal(cells(areas, 4, 4)[1], [0, 1, 1, 1])


def test_a_mask_of_any_size_is_laid_over_the_image() -> None:
    white = np.zeros((2, 3), np.uint8)
    white[:, 1:] = 255
    for times in (1, 10, 301):
        areas = Areas(mask=mask_of(np.kron(white, np.ones((times, times), np.uint8))))
        assert np.allclose(cells(areas, 4, 6), [[0, 0, 1, 1, 1, 1]] * 4, atol=0.01)
        assert np.allclose(cells(areas, 1, 2), [[1 / 3, 1]], atol=0.05)


def test_mask_and_polygons_must_agree() -> None:
    white = np.zeros((1, 4), np.uint8)
    white[:, :3] = 255
    areas = Areas((rectangle(0.25, 0, 1, 1),), mask_of(white))
    assert np.array_equal(cells(areas, 1, 4), [[0, 1, 1, 0]])


def test_a_box_is_held_from_half_on() -> None:
    white = np.zeros((10, 10), np.uint8)
    white[:, :5] = 255
    for areas in (Areas((rectangle(0, 0, 0.5, 1),)), Areas(mask=mask_of(white))):
        share = share_of_box(areas, (190, 10, 40, 7), width_px=400, height_px=200)
        assert share == pytest.approx(0.25, abs=0.01)
        assert holds(areas, (180, 0, 40, 200), width_px=400, height_px=200)
        assert not holds(areas, (182, 0, 40, 200), width_px=400, height_px=200)
        assert not holds(areas, (399, 199, 1, 1), width_px=400, height_px=200)


@pytest.mark.parametrize(
    ("points", "unit", "message"),
    [
        (((0, 0), (1, 1)), "share", "has 2 points; give 3 to 10000"),
        (((0, 0), (1, 0), (120, 80)), "share", "point 3 .* x = 120 and y = 80, lies outside"),
        (((0, 0), (1, 0), (-0.1, 0)), "share", "point 3 .* outside of the image"),
        (((0, 0), (5, 0), (5, -1)), "px", "point 3 .* outside of any image"),
        (((0, 0), (float("nan"), 0), (1, 1)), "share", "point 2"),
        (((0, 0), (float("inf"), 0), (1, 1)), "px", "point 2"),
    ],
)
def test_points_that_no_image_has_are_refused(
    points: tuple[Point, ...], unit: Unit, message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        Polygon(points, "ignore", unit)


def test_points_outside_of_this_image_are_a_reason_that_names_both() -> None:
    areas = Areas((rectangle(100, 50, 401, 200, unit="px"),))
    with pytest.raises(ImageError, match=r"point 2 .*x = 401 and y = 50 px.*400 x 200 px"):
        cells(areas, 4, 4)
    with pytest.raises(ImageError, match="point 2"):
        holds(areas, (0, 0, 9, 9), width_px=400, height_px=200)


def test_an_image_of_which_nothing_is_left_is_refused() -> None:
    with pytest.raises(ImageError, match="nothing of the image is left"):
        cells(Areas((rectangle(0, 0, 1, 1, use="ignore"),)), 4, 4)


def test_masks_that_are_none_are_refused() -> None:
    with pytest.raises(SpecError, match=r"roi\.txt: not an image.*must be an image such as a PNG"):
        read_mask(b"hello", name="roi.txt")
    with pytest.raises(SpecError, match=r"classes\.png: nothing in this mask is white.*1 of 255"):
        read_mask(file_of(np.ones((4, 4), np.uint8)), name="classes.png")


@given(st.lists(polygons, max_size=3).map(tuple), st.booleans())
@settings(max_examples=40, deadline=None)
def test_areas_come_back_from_their_json(drawn: tuple[Polygon, ...], masked: bool) -> None:
    mask = mask_of(np.full((2, 2), 255, np.uint8)) if masked else None
    areas = Areas(drawn, mask)
    back = from_json(to_json(areas), mask=mask.data if mask else None)
    assert back == areas
    assert hash(back) == hash(areas)
    assert back.digest == areas.digest


def test_whatever_decides_enters_the_digest() -> None:
    whole = rectangle(0, 0, 1, 1)
    dark = np.full((2, 2), 255, np.uint8)
    light = np.full((2, 3), 255, np.uint8)
    all_areas = [
        Areas(),
        Areas((whole,)),
        Areas((dataclasses.replace(whole, use="ignore"),)),
        Areas((dataclasses.replace(whole, unit="px"),)),
        Areas((whole, whole)),
        Areas((whole,), mask_of(dark)),
        Areas((whole,), mask_of(light)),
    ]
    assert len({areas.digest for areas in all_areas}) == len(all_areas)
    assert Areas((Polygon(((0, 0), (1, 0), (1, 1)), "only"),)) == Areas(
        (Polygon(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)), "only"),)
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"mask": null, "polygons": [{"use": "both", "unit": "px", "points": []}]}',
        '{"mask": null, "polygons": [{"use": "only", "unit": "m", "points": []}]}',
        '{"mask": null, "polygons": [{"use": "only", "unit": "px", "points": [[1]]}]}',
        '{"mask": null, "polygons": [{"use": "only", "unit": "px", "points": ["ab", "cd", "ef"]}]}',
    ],
)
def test_damaged_json_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="damaged"):
        from_json(text)


def test_a_mask_that_was_changed_is_refused() -> None:
    mask = mask_of(np.full((2, 2), 255, np.uint8))
    text = to_json(Areas(mask=mask))
    for data in (None, file_of(np.full((3, 3), 255, np.uint8))):
        with pytest.raises(SpecError, match="missing or was changed"):
            from_json(text, mask=data)
