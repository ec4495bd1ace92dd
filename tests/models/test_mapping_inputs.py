"""What services are sent of a photograph: images, images in JSON, tensors; what is too large."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from walkdown.errors import ImageError
from walkdown.imaging.decode import decode
from walkdown.models.mapping import InputCard, body, sent
from walkdown.types import Photo


def photo(width: int = 64, height: int = 48, form: str = "JPEG") -> Photo:
    rng = np.random.default_rng(width)
    image = Image.fromarray(rng.integers(0, 255, (height, width, 3), np.uint8))
    out = io.BytesIO()
    image.save(out, form)
    return decode(out.getvalue(), name="it")


def card(**keys: Any) -> InputCard:
    return InputCard.model_validate(keys)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_a_jpeg_is_sent_as_it_is() -> None:
    one = photo()
    assert body(card(), one) == (one.data, "image/jpeg")
    assert sent(card(), one).size_px == (64, 48)


def test_any_other_image_is_sent_as_the_card_says() -> None:
    data, kind = body(card(), photo(form="PNG"))
    assert (opened(data).format, kind) == ("JPEG", "image/jpeg")
    data, kind = body(card(format="png"), photo())
    assert kind == "image/png"
    assert np.array_equal(np.asarray(opened(data)), photo().pixels)


def test_an_image_is_stretched_or_made_smaller() -> None:
    for form in ("jpeg", "png"):
        made = sent(card(format=form, size=[32, 16]), photo())
        assert opened(made.data).size == made.size_px == (32, 16)
        made = sent(card(format=form, max_side_px=16), photo())
        assert opened(made.data).size == made.size_px == (16, 12)


def test_an_image_fits_into_the_bytes() -> None:
    large = photo(400, 300)
    for form in ("jpeg", "png", "base64"):
        more = {"key": "image"} if form == "base64" else {}
        made = sent(card(format=form, max_bytes=9_000, **more), large)
        assert len(made.data) <= 9_000
        assert max(made.size_px) < 400


@pytest.mark.parametrize(
    "keys",
    [{"size": [300, 300]}, {"size": [300, 300], "format": "png"},
     {"size": [10, 8], "format": "tensor"}],
)  # fmt: skip
def test_what_can_not_be_made_smaller_is_refused(keys: Any) -> None:
    with pytest.raises(ImageError, match="the service takes 1,000"):
        body(card(max_bytes=1_000, **keys), photo(400, 300))


def test_an_image_in_json_stands_below_its_key() -> None:
    data, kind = body(card(format="base64", key="inputs", more={"top_k": 3}), photo())
    assert kind == "application/json"
    value = json.loads(data)
    assert value["top_k"] == 3
    assert base64.b64decode(value["inputs"]) == photo().data


def test_a_tensor_is_what_the_card_says() -> None:
    small = photo(8, 6)
    keys = {"format": "tensor", "size": [8, 6]}
    raw = np.load(io.BytesIO(body(card(**keys, encoding="npy", dtype="uint8"), small)[0]))
    assert (raw.shape, raw.dtype) == ((1, 3, 6, 8), np.uint8)
    assert np.array_equal(raw[0].transpose(1, 2, 0), small.pixels)
    data, kind = body(
        card(**keys, encoding="npy", layout="NHWC", mean=[0.5, 0.4, 0.3], std=[0.2, 0.5, 1]), small
    )
    assert kind == "application/x-npy"
    found = np.load(io.BytesIO(data))
    expected = (small.pixels / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.5, 1]
    assert (found.shape, found.dtype) == ((1, 6, 8, 3), np.float32)
    assert np.allclose(found[0], expected, atol=1e-6)
    unscaled = np.load(io.BytesIO(body(card(**keys, encoding="npy", scale=False), small)[0]))
    assert unscaled.max() == small.pixels.max()


def test_a_tensor_in_json_says_the_same() -> None:
    small = photo(8, 6)
    keys = {"format": "tensor", "size": [4, 4], "mean": [0.5, 0.5, 0.5]}
    binary = np.load(io.BytesIO(body(card(**keys, encoding="npy"), small)[0]))
    data, kind = body(card(**keys, key="instances", more={"signature_name": "s"}), small)
    assert kind == "application/json"
    value = json.loads(data)
    assert value["signature_name"] == "s"
    assert np.allclose(value["instances"], binary, atol=1e-6)
    bare = json.loads(body(card(**keys), small)[0])
    assert np.shape(bare) == (1, 3, 4, 4)


def test_a_photograph_of_one_pixel_is_sent() -> None:
    one = photo(1, 1)
    for keys in ({}, {"format": "png"}, {"format": "tensor", "size": [4, 4]}, {"size": [4, 4]}):
        assert body(card(**keys), one)[0]


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"format": "tensor"}, "needs a 'size'"),
        ({"size": [8, 8], "max_side_px": 8}, "both 'size'"),
        ({"layout": "NCHW"}, "belongs to 'format: tensor'"),
        ({"format": "tensor", "size": [8, 8], "dtype": "uint8", "mean": [0, 0, 0]}, "float32"),
        ({"format": "tensor", "size": [8, 8], "std": [0, 1, 1]}, "above 0"),
        ({"format": "tensor", "size": [8, 8], "std": [1, 1, 1e-7]}, "above 0"),
        ({"format": "tensor", "size": [8, 8], "std": [1, 1, float("inf")]}, "'std' must"),
        ({"format": "tensor", "size": [8, 8], "mean": [0, -1e7, 0]}, "'mean' must be"),
        ({"format": "tensor", "size": [8, 8], "mean": [0, float("nan"), 0]}, "'mean' must be"),
        ({"format": "tensor", "size": [16384, 16384], "encoding": "npy"}, "takes 3,221,225,472 by"),
        ({"format": "tensor", "size": [50, 50], "max_bytes": 29_999}, "takes 30,000 bytes"),
        ({"format": "base64", "key": "a", "more": {"b": float("nan")}}, "be written as JSON"),
        ({"format": "base64"}, "needs a 'key'"),
        ({"key": "a"}, "sent as JSON"),
        ({"format": "base64", "key": "a", "more": {"a": 1}}, "another name"),
        ({"format": "gif"}, "format"),
        ({"sizes": [8, 8]}, "Extra inputs"),
    ],
)
def test_a_card_that_makes_no_sense_is_told(keys: Any, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        card(**keys)


def test_the_decoder_is_told_what_is_looked_at() -> None:
    assert card().input_px is None
    assert card(max_side_px=640).input_px == 640
    assert card(size=[224, 200]).input_px == 448


def test_the_size_that_boxes_are_told_in_is_that_of_what_is_sent() -> None:
    claimed = replace(photo(), width_px=640, height_px=480)
    assert sent(card(), claimed).size_px == (64, 48)
