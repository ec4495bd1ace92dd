"""A photograph as the body of a request: an image, an image in JSON, or a tensor."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from PIL import Image
from pydantic import Field, model_validator

from walkdown.errors import ImageError
from walkdown.imaging.encoding import Encoded, Limits, encoded
from walkdown.imaging.formats import open_image
from walkdown.imaging.quiet import quiet
from walkdown.models.cards import Card

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from walkdown.types import Photo

Side = Annotated[int, Field(ge=1, le=16_384)]
Three = tuple[float, float, float]

_SMALLER = 0.8
_BASE64 = 4 / 3
_LEAST_STD, _LARGEST = 1e-6, 1e6
_ROOM = 1000
"""Bytes of JSON around an image."""


class InputCard(Card):
    """What a service is sent of a photograph.

    ``size`` is width and height in px, to which a photograph is stretched. A tensor has a batch
    axis of one; as float32 it is ``(value / 255 - mean) / std``, by colour, without ``scale``
    ``(value - mean) / std``. In JSON, image or tensor stand below ``key``, and ``more`` beside it.
    """

    format: Literal["jpeg", "png", "base64", "tensor"] = "jpeg"
    size: tuple[Side, Side] | None = None
    max_side_px: Side | None = None
    max_bytes: int = Field(4_000_000, ge=1_000, le=1_000_000_000)
    dtype: Literal["float32", "uint8"] = "float32"
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    encoding: Literal["json", "npy"] = "json"
    scale: bool = True
    mean: Three = (0.0, 0.0, 0.0)
    std: Three = (1.0, 1.0, 1.0)
    key: str | None = None
    more: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _makes_sense(self) -> InputCard:
        if self.format == "tensor" and self.size is None:
            raise ValueError("a tensor needs a 'size': [width, height]")
        if self.size and self.max_side_px:
            raise ValueError("has both 'size' and 'max_side_px'; give one of them")
        of_tensors = {"dtype", "layout", "encoding", "scale", "mean", "std"} & self.model_fields_set
        if self.format != "tensor" and of_tensors:
            raise ValueError(f"{sorted(of_tensors)[0]!r} belongs to 'format: tensor'")
        of_numbers = {"scale", "mean", "std"} & self.model_fields_set
        if self.dtype == "uint8" and of_numbers:
            raise ValueError(f"{sorted(of_numbers)[0]!r} belongs to 'dtype: float32'")
        in_json = self.format == "base64" or (self.format == "tensor" and self.encoding == "json")
        if not in_json and (self.key or self.more):
            raise ValueError("'key' and 'more' belong to what is sent as JSON")
        if self.format == "base64" and not self.key:
            raise ValueError("'format: base64' needs a 'key', under which the image stands")
        if self.more and (not self.key or self.key in self.more):
            raise ValueError("'more' stands beside a 'key' of another name")
        return self

    @model_validator(mode="after")
    def _can_be_sent(self) -> InputCard:
        if not all(_LEAST_STD <= value <= _LARGEST for value in self.std):
            raise ValueError(f"'std' must be {_LEAST_STD:g} to {_LARGEST:g}: above 0")
        if not all(abs(value) <= _LARGEST for value in self.mean):
            raise ValueError(f"'mean' must be {-_LARGEST:g} to {_LARGEST:g}")
        if self.least_bytes > self.max_bytes:
            raise ValueError(
                f"a tensor of this 'size' takes {self.least_bytes:,} bytes or more, and "
                f"'max_bytes' is {self.max_bytes:,}: make it smaller, send it as npy, or raise it"
            )
        try:
            json.dumps(self.more, allow_nan=False)
        except (TypeError, ValueError) as e:
            raise ValueError(f"'more' can't be written as JSON: {e}") from e
        return self

    @property
    def least_bytes(self) -> int:
        """What a tensor takes at least, whatever is on a photograph; 0 for an image."""
        if self.format != "tensor" or self.size is None:
            return 0
        is_float = self.dtype == "float32"
        # In JSON "0.0," or "0,".
        each = (4 if is_float else 2) if self.encoding == "json" or is_float else 1
        return 3 * self.size[0] * self.size[1] * each

    @property
    def input_px(self) -> int | None:
        """The longest side that the service looks at, with room for what is stretched."""
        return 2 * max(self.size) if self.size else self.max_side_px


@dataclass(frozen=True, slots=True)
class Sent:
    """The body of a request, and the size in px of the image in it, which boxes may be told in."""

    data: bytes
    content_type: str
    width_px: int
    height_px: int

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        return self.width_px, self.height_px


def body(input: InputCard, photo: Photo) -> tuple[bytes, str]:  # noqa: A002 - as the card's key
    """The bytes of a request and their content type. Raises `ImageError` for what can't be sent."""
    made = sent(input, photo)
    return made.data, made.content_type


def sent(input: InputCard, photo: Photo) -> Sent:  # noqa: A002 - as the card's key
    """What is sent of a photo. Raises `ImageError` where that does not fit the service's limits."""
    if input.format == "tensor":
        return _tensor(input, photo)
    if input.format == "base64":
        image = _image(input, photo, int((input.max_bytes - _ROOM) / _BASE64))
        text = base64.b64encode(image.data).decode("ascii")
        whole = json.dumps({str(input.key): text, **input.more}, allow_nan=False).encode()
        return Sent(whole, "application/json", *_size(image))
    image = _image(input, photo, input.max_bytes)
    return Sent(image.data, image.content_type, *_size(image))


def _size(image: Encoded) -> tuple[int, int]:
    """Width and height as the service will find them, whatever a photo says of its file."""
    with quiet():
        width, height = open_image(image.data, image.format).size
    return width, height


def _image(input: InputCard, photo: Photo, max_bytes: int) -> Encoded:  # noqa: A002
    if input.size and photo.pixels.shape[1::-1] != input.size:
        photo = replace(photo, pixels=_stretched(photo.pixels, input.size), data=b"")
    if input.size:
        width, height = input.size
        photo = replace(photo, width_px=width, height_px=height)
    if input.format == "png":
        return _png(photo, max_bytes, input)
    side = input.max_side_px or 100_000
    image = encoded(photo, Limits(max_bytes, max_side_px=side, formats=("JPEG",)))
    if input.size and (image.width_px, image.height_px) != input.size:
        raise _too_large(len(photo.pixels.tobytes()), max_bytes)
    return image


def _png(photo: Photo, max_bytes: int, input: InputCard) -> Encoded:  # noqa: A002
    """As PNG, smaller where it must be: a PNG is asked for since it loses nothing else."""
    height, width = photo.pixels.shape[:2]
    scale = min(1.0, (input.max_side_px or max(width, height)) / max(width, height))
    while True:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        out = io.BytesIO()
        Image.fromarray(_stretched(photo.pixels, size)).save(out, "PNG", compress_level=4)
        if len(out.getvalue()) <= max_bytes:
            return Encoded(out.getvalue(), *size, "PNG")
        if input.size or max(size) == 1:
            raise _too_large(len(out.getvalue()), max_bytes)
        scale *= _SMALLER


def _tensor(input: InputCard, photo: Photo) -> Sent:  # noqa: A002
    size = input.size or photo.pixels.shape[1::-1]
    tensor: NDArray[Any] = _stretched(photo.pixels, size)[np.newaxis]
    if input.dtype == "float32":
        shares = tensor.astype(np.float32) / np.float32(255.0 if input.scale else 1.0)
        tensor = (shares - np.array(input.mean, np.float32)) / np.array(input.std, np.float32)
    if input.layout == "NCHW":
        tensor = np.ascontiguousarray(tensor.transpose(0, 3, 1, 2))
    if input.encoding == "npy":
        out = io.BytesIO()
        np.save(out, tensor, allow_pickle=False)
        data, kind = out.getvalue(), "application/x-npy"
    else:
        # Six digits tell any two of 256 values apart, in a third of the bytes.
        values = np.round(tensor.astype(np.float64), 6).tolist()
        if input.dtype == "uint8":
            values = tensor.tolist()
        whole = {input.key: values, **input.more} if input.key else values
        text = json.dumps(whole, separators=(",", ":"), allow_nan=False)
        data, kind = text.encode(), "application/json"
    if len(data) > input.max_bytes:
        raise _too_large(len(data), input.max_bytes)
    return Sent(data, kind, *size)


def _stretched(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if pixels.shape[1::-1] == size:
        return pixels
    image = Image.fromarray(pixels)
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0))


def _too_large(size: int, max_bytes: int) -> ImageError:
    return ImageError(
        f"the photograph takes {size:,} bytes as the service wants it, and the service takes "
        f"{max_bytes:,} ('max_bytes'); send it smaller, as JPEG, or as npy instead of JSON"
    )
