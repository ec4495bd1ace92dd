"""From a pipeline file's `prepare` section to what is done to photos; its images are read here.

Relative paths lie below the pipeline file, and nothing outside of its folder is opened, so that a
folder with its pipeline can be moved as a whole, and a pipeline file from elsewhere reads no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from walkdown.errors import SpecError
from walkdown.imaging.areas import Areas, Mask, Polygon, read_mask
from walkdown.imaging.own_steps import OwnStep
from walkdown.imaging.preparing import Preparation, Reference, check, read_reference

if TYPE_CHECKING:
    from walkdown.spec import AreasSpec, PrepareSpec

Read = Callable[[str, str], bytes]
OpenStep = Callable[[str, Mapping[str, object]], OwnStep]

MAX_BYTES: Final = 200_000_000
MASK, ALIGN = "prepare.areas.mask", "prepare.align"


def placed(prepare: PrepareSpec, folder: Path) -> PrepareSpec:
    """The section with its paths made absolute. Raises `SpecError` for one outside of the folder.

    ``folder`` is that of the pipeline file; links are followed before it is asked where they lead.
    """
    areas = prepare.areas.model_copy(update={"mask": _within(folder, prepare.areas.mask, MASK)})
    align = _within(folder, prepare.align, ALIGN)
    return prepare.model_copy(update={"areas": areas, "align": align})


def open_preparation(
    prepare: PrepareSpec, *, read: Read | None = None, open_step: OpenStep | None = None
) -> Preparation:
    """The preparation that a section asks for; paths are taken as they are (see `placed`).

    ``read`` gives the bytes of a path, called by a name for errors; a file's, unless given.
    ``open_step`` makes the team's own steps, by name and settings.

    Raises `SpecError` for a file that can't be read, and for areas that leave nothing to look at.
    """
    read = read or read_file
    mask = _mask(prepare, read)
    areas = Areas(_polygons(prepare.areas), mask)
    if prepare.steps and open_step is None:
        raise SpecError("the steps of 'prepare' can't be used here")
    steps = tuple(open_step(s.use, s.settings) for s in prepare.steps) if open_step else ()
    preparation = Preparation(areas, _reference(prepare, read), steps)
    check(preparation)
    return preparation


def _polygons(areas: AreasSpec) -> tuple[Polygon, ...]:
    only = (Polygon(points, "only", areas.unit) for points in areas.only)
    ignore = (Polygon(points, "ignore", areas.unit) for points in areas.ignore)
    return (*only, *ignore)


def _mask(prepare: PrepareSpec, read: Read) -> Mask | None:
    path = prepare.areas.mask
    if path is None:
        return None
    name = f"'{MASK}': {Path(path).name}"
    return read_mask(read(path, name), name=name, max_pixels=prepare.max_pixels)


def _reference(prepare: PrepareSpec, read: Read) -> Reference | None:
    path = prepare.align
    if path is None:
        return None
    data = read(path, f"'{ALIGN}': {Path(path).name}")
    return read_reference(data, name=Path(path).name, max_pixels=prepare.max_pixels)


def _within(folder: Path, path: str | None, key: str) -> str | None:
    if path is None:
        return None
    try:
        root = folder.resolve()
        found = (root / path).resolve()
    except (OSError, ValueError, RuntimeError) as e:
        raise SpecError(f"'{key}': {path!r} is no path of a file") from e
    if not found.is_relative_to(root):
        raise SpecError(
            f"'{key}': {path} lies outside of the pipeline file's folder; put the image beside "
            "the pipeline file, or in a folder below it"
        )
    return str(found)


def read_file(path: str, name: str) -> bytes:
    """A file's bytes. Raises `SpecError` that calls it by ``name``."""
    file = Path(path)
    try:
        if not file.is_file():
            reason = "it is not a file" if file.exists() else "there is no such file"
            raise SpecError(f"{name}: {reason}; paths are meant from the pipeline file's folder")
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except (OSError, ValueError) as e:
        reason = e.strerror if isinstance(e, OSError) and e.strerror else "no path of a file"
        raise SpecError(f"{name}: it can't be read: {reason}") from e
    if len(data) > MAX_BYTES:
        raise SpecError(f"{name}: the file is over {MAX_BYTES // 10**6} MB; save it smaller")
    return data
