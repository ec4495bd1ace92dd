"""What a graph is given of a photograph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from walkdown.errors import ArtefactError
from walkdown.models.conformance import photo_of
from walkdown.models.graphs.card import InputCard
from walkdown.models.graphs.inputs import Frame, frame, trained_at
from walkdown.models.graphs.runtime import Slot

ANY = (None, 3, None, None)


def framed(shape: tuple[int | None, ...], dtype: str = "float32", **card: Any) -> Frame:
    return frame([Slot("x", shape, dtype)], InputCard.model_validate(card), resize="stretch")


def plain(rgb: tuple[int, int, int], width: int = 40, height: int = 20) -> np.ndarray[Any, Any]:
    return np.full((height, width, 3), rgb, np.uint8)


def test_values_are_scaled_shifted_and_in_the_order_of_channels() -> None:
    photo = photo_of(plain((255, 102, 0)))
    image = framed((1, 3, 8, 16)).image(photo)
    assert image.shape == (1, 3, 8, 16)
    assert image.dtype == np.float32
    assert image[0, :, 0, 0].tolist() == pytest.approx([1.0, 0.4, 0.0])
    card: dict[str, Any] = {"colour": "bgr", "mean": [0.1, 0.2, 0.3], "std": 0.5}
    turned = framed((1, 3, 8, 16), **card).image(photo)
    assert turned[0, :, 0, 0].tolist() == pytest.approx([-0.2, 0.4, 1.4])
    whole = framed((1, 3, 8, 16), scale=1, mean=[1, 2, 3]).image(photo)
    assert whole[0, :, 0, 0].tolist() == pytest.approx([254.0, 100.0, -3.0])


def test_layout_kind_and_channels_are_the_graphs() -> None:
    photo = photo_of(plain((200, 100, 50)))
    last = framed((None, 8, 16, 3), "uint8").image(photo)
    assert last.shape == (1, 8, 16, 3)
    assert last.dtype == np.uint8
    assert last[0, 0, 0].tolist() == [200, 100, 50]
    half = framed((1, 3, 8, 16), "float16").image(photo)
    assert half.dtype == np.float16
    grey = framed((1, 1, 8, 16), scale=1).image(photo)
    assert grey.shape == (1, 1, 8, 16)
    assert float(grey[0, 0, 0, 0]) == pytest.approx(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    assert framed((1, None, None, 3), size=8).is_nchw is False
    assert framed(ANY, size=[30, 20]).image(photo).shape == (1, 3, 20, 30)


def test_a_letterbox_has_bars_and_a_crop_the_middle() -> None:
    pixels = plain((255, 255, 255), 100, 50)
    pixels[:, :25] = pixels[:, 75:] = 0
    boxed = framed((1, 3, 64, 64), resize="letterbox", padding=51).image(photo_of(pixels))[0, 0]
    assert np.allclose(boxed[:16], 0.2)
    assert np.allclose(boxed[48:], 0.2)
    assert boxed[32].mean() == pytest.approx(0.5, abs=0.02)
    middle = framed((1, 3, 64, 64), resize="center_crop").image(photo_of(pixels))
    # The outermost px are mixed with what lies beyond them.
    assert middle[..., 2:-2].min() == 1.0


def test_how_far_a_photograph_may_be_shrunk_while_it_is_decoded() -> None:
    assert framed((1, 3, 64, 64), resize="letterbox").input_px == 64
    assert framed((1, 3, 64, 96)).input_px == 192


def test_a_size_that_the_exporter_wrote_down() -> None:
    assert trained_at({"imgsz": "[480, 640]"}) == (640, 480)
    assert trained_at({"imgsz": "[640]"}) is None
    assert trained_at({}) is None


@pytest.mark.parametrize(
    ("slots", "card", "words"),
    [
        ([Slot("a", ANY, "float32"), Slot("b", (1, 2), "int64")], {}, "takes 2 inputs"),
        ([Slot("a", (3, 8, 8), "float32")], {}, "a (3, 8, 8) float32"),
        ([Slot("a", (4, 3, 8, 8), "float32")], {}, "batch"),
        ([Slot("a", ANY, "int64")], {"size": 8}, "must be one of uint8, float16, float32"),
        ([Slot("a", ANY, "float32")], {}, "say input: size"),
        ([Slot("a", (1, 3, 8, 8), "float32")], {"size": 9}, "leave the size out"),
        ([Slot("a", (1, 3, 8, 8), "float32")], {"layout": "nhwc"}, "layout 'nhwc'"),
        ([Slot("a", (1, 5, 8, 8), "float32")], {}, "1 or 3 channels"),
        ([Slot("a", (1, 8, 8, 3), "uint8")], {"mean": 0.5}, "leave out scale, mean and std"),
        ([Slot("a", (1, 1, 8, 8), "float32")], {"mean": [1, 2, 3]}, "gives 3 of mean"),
    ],
)
def test_graph_and_card_must_fit(slots: list[Slot], card: dict[str, Any], words: str) -> None:
    with pytest.raises(ArtefactError) as raised:
        frame(slots, InputCard.model_validate(card), resize="stretch")
    assert words in str(raised.value)
