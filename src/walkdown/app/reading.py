"""Look things up again: inspections, results, one image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from walkdown.errors import NotFound
from walkdown.pipeline.keys import image_key
from walkdown.stores.s3_reading import s3_uri

if TYPE_CHECKING:
    from walkdown.app.context import App
    from walkdown.ports import Blobs
    from walkdown.types import Inspection, Result


def find_inspection(app: App, inspection_id: str | None) -> Inspection:
    """An inspection by its id or a unique beginning of it; the newest without one."""
    all_of_them = app.records.inspections()
    if not all_of_them:
        raise NotFound(
            f"nothing was inspected in this workspace yet ({app.place}): "
            "walkdown inspect FOLDER --model NAME"
        )
    if inspection_id is None:
        return all_of_them[0]
    fitting = [i for i in all_of_them if i.id.startswith(inspection_id)]
    exact = [i for i in fitting if i.id == inspection_id]
    if len(exact or fitting) != 1:
        shown = ", ".join(i.id for i in (fitting or all_of_them)[:5])
        what = "fits several inspections" if fitting else "is no inspection; the newest are"
        raise NotFound(f"{inspection_id!r} {what}: {shown}")
    return (exact or fitting)[0]


def results_of(app: App, inspection: Inspection) -> list[Result]:
    """All results of an inspection, worst first; failed ones last."""
    found = app.records.results(inspection_id=inspection.id)
    return sorted(found, key=lambda r: (r.score is None, -(r.score or 0.0), r.image))


def results_for_image(app: App, image: str) -> list[Result]:
    """All results for an image, newest first, by its path, URI, sha256 or a beginning of that."""
    found = list(app.records.results(image=image))
    if not found:
        found = list(app.records.results(image=_uri(image)))
    if not found:
        raise NotFound(
            f"no result for {image!r} in this workspace ({app.place}); "
            "give its path as it was inspected, or the first 6 or more digits of its sha256. "
            "List what there is: walkdown results"
        )
    return sorted(found, key=lambda r: r.recorded_at, reverse=True)


def _uri(image: str) -> str:
    """The URI of a file, or of an object in S3 whose key is written as it is."""
    if image.startswith("s3://"):
        bucket, _, key = image.removeprefix("s3://").partition("/")
        return s3_uri(bucket, key)
    return Path(image).absolute().as_uri()


def kept_copy(result: Result, *, blobs: Blobs) -> bytes:
    """The copy of a result's photograph that a workspace keeps. Raises `NotFound`."""
    return blobs.get(image_key(result.content or ""))
