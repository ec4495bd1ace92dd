"""Photographs of a set as the training's own steps take them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from walkdown.imaging.decode import decode
from walkdown.types import ImageRef

if TYPE_CHECKING:
    from walkdown.types import Photo


def ref(file: Path) -> ImageRef:
    """Names a file by its whole path: names repeat among the folders of a set."""
    return ImageRef(uri=str(file), version="", name=str(file), relative=file.name)


def load(which: ImageRef, at_least_px: int | None) -> Photo:
    """Decodes it, at about that size or larger."""
    return decode(Path(which.uri).read_bytes(), name=which.name, at_least_px=at_least_px)
