"""Reading plates and labels with the weights that the package brings."""

from __future__ import annotations

import socket
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from walkdown.errors import ArtefactError, MissingExtra
from walkdown.imaging.decode import from_array
from walkdown.models import ocr
from walkdown.models.artefact import pack
from walkdown.ports import Model
from walkdown.registry import open_model
from walkdown.types import Photo, Prediction, Verdict

OPEN = ocr._open
PLATE = (300, 200, 900, 420)


def plate(first: str = "HIGH VOLTAGE", second: str = "Unit P-0174") -> Photo:
    """A yellow plate with two lines on a grey wall, 1200 x 800 px."""
    image = Image.new("RGB", (1200, 800), (120, 130, 125))
    pen = ImageDraw.Draw(image)
    pen.rectangle(PLATE, fill=(240, 220, 60))
    for text, y, size in ((first, 225, 70), (second, 330, 50)):
        pen.text((340, y), text, font=ImageFont.load_default(size), fill=(20, 20, 20))
    noise = np.random.default_rng(1).normal(0, 4, (800, 1200, 3))
    return from_array((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


@cache
def engine() -> Any:
    """One for all tests: its weights are loaded once."""
    return OPEN(2000)


@pytest.fixture(autouse=True)
def _one_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "_open", lambda _: engine())


def opened(**card: Any) -> Model:
    return open_model(pack("ocr", card, {}), label="plates@1")


def said(photo: Photo, **card: Any) -> Prediction:
    return opened(**card).predict([photo])[0]


def test_what_stands_there_is_read_and_is_normal() -> None:
    found = said(plate(), expected="high voltage", pattern="P-[0-9]{4}")
    assert (found.verdict, found.score, found.error) == (Verdict.NORMAL, 0.0, None)
    assert found.note == 'read "HIGH VOLTAGE / Unit P-0174"'


def test_a_misspelled_text_is_marked_where_it_stands() -> None:
    found = said(plate("HIGH VOLTGE"), expected="HIGH VOLTAGE")
    assert (found.verdict, found.labels) == (Verdict.ANOMALY, ("wrong text",))
    assert str(found.note).endswith('expected "HIGH VOLTAGE", 1 off')
    (region,) = found.regions
    x, y, width, height = region.box
    assert 320 < x < 360
    assert 210 < y < 250
    assert 700 < x + width < 900
    assert 270 < y + height < 330


def test_boxes_are_in_pixels_of_the_original_also_with_a_region() -> None:
    large = replace(plate("HIGH VOLTGE"), width_px=3600, height_px=2400)
    found = said(large, expected="HIGH VOLTAGE", region=[0.25, 0.2, 0.6, 0.4])
    (region,) = found.regions
    x, y, width, height = region.box
    assert 960 < x < 1080
    assert 630 < y < 750
    assert 2100 < x + width < 2700
    assert 810 < y + height < 990


def test_what_stands_elsewhere_does_not_count() -> None:
    found = said(plate(), expected="HIGH VOLTAGE", region=[0.0, 0.6, 1.0, 0.4])
    assert (found.verdict, found.labels) == (Verdict.ANOMALY, ("missing text",))
    assert [region.box for region in found.regions] == [(0, 480, 1200, 320)]
    assert str(found.note).startswith("no text was read")


def test_a_plate_that_is_upside_down_is_read() -> None:
    turned = from_array(np.ascontiguousarray(plate().pixels[::-1, ::-1]))
    assert said(turned, expected="HIGH VOLTAGE").verdict is Verdict.NORMAL


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("it wants to talk to the network")

    monkeypatch.undo()
    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    found = said(plate(), expected="HIGH VOLTAGE")
    assert (found.error, found.verdict) == (None, Verdict.NORMAL)


def test_a_reader_that_breaks_fails_its_photograph_alone() -> None:
    def broken(part: Any) -> list[Any]:
        if part.shape[0] == 7:
            raise RuntimeError("no such shape")
        return []

    model: Any = opened()
    model._reader = broken
    odd = from_array(np.zeros((7, 9, 3), np.uint8))
    found = model.predict([odd, plate()])
    assert found[0].error == "plates@1 can't read this photograph: RuntimeError: no such shape"
    assert found[1].error is None


def test_what_is_very_long_and_thin_is_refused_before_it_fills_the_memory() -> None:
    strip = from_array(np.zeros((40, 1000, 3), np.uint8))
    assert "up to 12 times as long as wide, not 1000 x 40 px" in str(said(strip).error)
    assert said(strip, region=[0.0, 0.0, 0.4, 1.0]).error is None


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pip install 'walkdown\[ocr\]'"):
        opened()


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({"expect": "A"}, "did you mean 'expected'"),
        ({"pattern": "(a"}, "a ')' is missing"),
        ({"region": [0, 0, 2, 1]}, "at most 1"),
        ({"min_confidence": 80}, "at most 1"),
    ],
)
def test_a_wrong_card_says_what_is_wrong(card: dict[str, Any], words: str) -> None:
    with pytest.raises(ArtefactError) as told:
        opened(**card)
    assert words in str(told.value)
