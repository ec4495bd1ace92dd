"""From a photograph to the input of a graph, by what graph and card say together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from walkdown.errors import ArtefactError
from walkdown.imaging.resize import resize
from walkdown.models.graphs.card import LONGEST
from walkdown.models.graphs.placing import placed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from walkdown.models.graphs.card import InputCard, Resize
    from walkdown.models.graphs.placing import Placement
    from walkdown.models.graphs.runtime import Slot
    from walkdown.types import Photo

TAKEN: Final = ("uint8", "float16", "float32")
LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)
"""Shares of red, green and blue in the grey of a graph with one channel (ITU-R BT.601)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """How a photograph becomes an input: its size in px, its channels, and their values."""

    size: tuple[int, int]
    resize: Resize
    channels: int
    is_nchw: bool
    dtype: str
    bgr: bool
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    padding: int

    @property
    def input_px(self) -> int:
        """The longest side to which a photograph may be shrunk while it is decoded.

        Where its sides are not kept as they are to each other, the shorter one has to suffice.
        """
        return max(self.size) * (1 if self.resize == "letterbox" else 2)

    def place(self, photo: Photo) -> Placement:
        """Where the photograph comes to lie."""
        return placed(self.resize, (photo.width_px, photo.height_px), self.size)

    def image(self, photo: Photo) -> NDArray[np.generic]:
        """The input: one image of the graph's layout and kind of number."""
        pixels = self._laid(photo.pixels, self.place(photo))
        if self.channels == 1:
            values = np.dot(pixels.astype(np.float32), LUMA)[..., None]
        else:
            values = (pixels[..., ::-1] if self.bgr else pixels).astype(np.float32)
        if self.dtype == "uint8":
            values = np.rint(values)
        else:
            values = values / np.float32(self.scale)
            values = (values - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        if self.is_nchw:
            values = values.transpose(2, 0, 1)
        return np.ascontiguousarray(values[None].astype(self.dtype))

    def _laid(self, pixels: NDArray[np.uint8], where: Placement) -> NDArray[np.uint8]:
        """The part that is seen at its place, (height, width, 3)."""
        height, width = pixels.shape[:2]
        x, y, wide, high = where.seen
        part = (x * width, y * height, (x + wide) * width, (y + high) * height)
        left, top, across, down = where.at
        seen = resize(pixels, width_px=across, height_px=down, part=part)
        if seen.shape[1::-1] == self.size:
            return seen
        laid = np.full((self.size[1], self.size[0], 3), self.padding, np.uint8)
        laid[top : top + down, left : left + across] = seen
        return laid


def frame(
    slots: Sequence[Slot],
    card: InputCard,
    *,
    resize: Resize,
    size: tuple[int, int] | None = None,
) -> Frame:
    """What a graph with these inputs is given; ``resize`` and ``size`` where nothing else says so.

    Raises `ArtefactError` where graph and card contradict each other, or leave something open.
    """
    slot = _only(slots)
    is_nchw, channels = _layout(slot, card)
    mean, std, scale = _values(slot, card, channels)
    return Frame(
        size=_size(slot, card, is_nchw, size),
        resize=card.resize or resize,
        channels=channels,
        is_nchw=is_nchw,
        dtype=slot.dtype,
        bgr=card.colour == "bgr",
        scale=scale,
        mean=mean,
        std=std,
        padding=card.padding,
    )


def trained_at(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """The (width, height) that some exporters write down, as ``imgsz``: height first."""
    found = re.fullmatch(r"\[(\d{1,4}), ?(\d{1,4})\]", metadata.get("imgsz", ""))
    return (int(found[2]), int(found[1])) if found else None


def _only(slots: Sequence[Slot]) -> Slot:
    if len(slots) != 1:
        raise ArtefactError(
            f"its graph takes {len(slots)} inputs, and it would be given one image: "
            f"{'; '.join(map(str, slots))}; export it with the image alone"
        )
    slot = slots[0]
    if len(slot.shape) != 4 or slot.shape[0] not in (None, 1):
        raise ArtefactError(
            f"its graph takes {slot}; an image must have four sides, of which the first is a batch "
            "of 1, or of any size: export it so"
        )
    if slot.dtype not in TAKEN:
        raise ArtefactError(f"its graph takes {slot}; it must be one of {', '.join(TAKEN)}")
    return slot


def _layout(slot: Slot, card: InputCard) -> tuple[bool, int]:
    """Whether channels come first, and how many there are."""
    sides = {"nchw": slot.shape[1], "nhwc": slot.shape[3]}
    # A side of 1 or 3 is no image's; where none is, one that is not said may be.
    fits = [name for name, side in sides.items() if side in (1, 3)]
    fits = fits or [name for name, side in sides.items() if side is None]
    layout = card.layout or (fits[0] if fits else "nchw")
    if layout not in fits:
        raise ArtefactError(
            f"its graph takes {slot}, which is no image of layout {layout!r} with 1 or 3 channels"
        )
    channels = sides[layout]
    return layout == "nchw", channels or 3


def _size(
    slot: Slot, card: InputCard, is_nchw: bool, size: tuple[int, int] | None
) -> tuple[int, int]:
    high, wide = slot.shape[2:] if is_nchw else slot.shape[1:3]
    asked = card.size or size or (0, 0)
    if asked == (0, 0) and (wide is None or high is None):
        raise ArtefactError(
            f"its graph takes images of any size, {slot}: say input: size, as [width, height] "
            "in px, at which it was trained"
        )
    width, height = wide or asked[0], high or asked[1]
    if card.size not in (None, (width, height)):
        raise ArtefactError(
            f"its card says input: size: {list(asked)}, width and height, and its graph takes "
            f"{slot}; leave the size out"
        )
    if max(width, height) > LONGEST:
        raise ArtefactError(
            f"its graph takes images of {width} x {height} px, {slot}; up to {LONGEST} px a side "
            "are taken: export it for a smaller size"
        )
    return width, height


def _values(
    slot: Slot, card: InputCard, channels: int
) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    """Mean and std for each channel, and the scale."""
    if slot.dtype == "uint8":
        if card.mean or card.std or card.scale not in (None, 1.0):
            raise ArtefactError(
                f"its graph takes {slot}, values from 0 to 255 as they are; leave out scale, mean "
                "and std"
            )
        return (0.0,) * channels, (1.0,) * channels, 1.0
    mean, std = (
        given * channels if len(given) == 1 else given
        for given in (card.mean or (0.0,), card.std or (1.0,))
    )
    if len(mean) != channels or len(std) != channels:
        raise ArtefactError(
            f"its graph takes {channels} channels, {slot}; its card gives {len(mean)} of mean and "
            f"{len(std)} of std"
        )
    return mean, std, card.scale or 255.0
