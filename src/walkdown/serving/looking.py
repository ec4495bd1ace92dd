"""From the body of a request to an answer: which images are in it, and what the model says of each.

Nothing here knows HTTP but its status codes.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from walkdown.errors import ImageError
from walkdown.imaging.decode import decode
from walkdown.models.mapping import answers
from walkdown.pipeline.predictions import checked, failed
from walkdown.spec import DEFAULT_MAX_PIXELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.ports import Model
    from walkdown.types import Photo

JSON, JSON_LINES = "application/json", "application/jsonlines"
MAX_IMAGES = 100
MAX_PIXELS = 2 * DEFAULT_MAX_PIXELS
"""Of all images of a request together: a few bytes may hold very many."""

_BARE = ("application/x-image", "application/octet-stream")


class Refusal(Exception):
    """A request that is not answered: the HTTP status, and why in words for the caller."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of an answer and its content type."""

    data: bytes
    content_type: str


def answered(model: Model, body: bytes, *, content_type: str, accept: str) -> Answer:
    """What the model says of what is in a body. Raises `Refusal`.

    One image is answered by one value; several, in JSON, by a list, in which an image that can't
    be read has an ``error``.
    """
    kind, form = _essence(content_type), _accepted(accept)
    if kind.startswith("image/") or kind in _BARE:
        try:
            photo = _decoded(model, body)
        except ImageError as e:
            raise Refusal(400, str(e)) from e
        return _written(_looked(model, [photo]), form, is_one=True)
    if kind == JSON:
        return _written(_each_looked(model, _texts(body)), form, is_one=False)
    raise Refusal(
        415,
        f"{kind or 'no content type'} is not taken: send image/jpeg, image/png or "
        f"application/x-image, or {JSON} with images in base64",
    )


def _texts(body: bytes) -> list[str]:
    """The images in JSON, each one in base64."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise Refusal(400, "the body is no JSON") from e
    images = value.get("images") if isinstance(value, dict) else None
    if not isinstance(images, list) or not all(isinstance(each, str) for each in images):
        raise Refusal(400, 'the body must be {"images": ["..."]}, each one in base64')
    if len(images) > MAX_IMAGES:
        raise Refusal(413, f"{len(images)} images are too many: send {MAX_IMAGES} at most")
    return images


def _each_looked(model: Model, texts: Sequence[str]) -> list[dict[str, Any]]:
    """The answers, in order. Only as many images are decoded at once as the model takes."""
    found: list[dict[str, Any]] = []
    left = MAX_PIXELS
    for at in range(0, len(texts), model.info.max_batch):
        group: list[Photo | str] = []
        for text in texts[at : at + model.info.max_batch]:
            photo = _of_text(model, text)
            left -= 0 if isinstance(photo, str) else photo.width_px * photo.height_px
            if left < 0:
                raise Refusal(
                    413, f"the images have more than {MAX_PIXELS:,} pixels together: send fewer"
                )
            group.append(photo)
        found += _looked(model, group)
    return found


def _of_text(model: Model, text: str) -> Photo | str:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return "the image: it is no base64"
    try:
        return _decoded(model, data)
    except ImageError as e:
        return str(e)


def _decoded(model: Model, data: bytes) -> Photo:
    """As an inspection would decode it, so that the model says the same of it."""
    return decode(
        data, name="the image", at_least_px=model.info.input_px, max_pixels=DEFAULT_MAX_PIXELS
    )


def _looked(model: Model, photos: Sequence[Photo | str]) -> list[dict[str, Any]]:
    """The answers to images that are looked at together, in order."""
    good = [photo for photo in photos if not isinstance(photo, str)]
    said = iter(checked(model.predict(good), len(good)) if good else [])
    return [
        answers.write(failed(photo), width_px=1, height_px=1)
        if isinstance(photo, str)
        else answers.write(next(said), width_px=photo.width_px, height_px=photo.height_px)
        for photo in photos
    ]


def _written(found: list[dict[str, Any]], form: str, *, is_one: bool) -> Answer:
    if form == JSON_LINES:
        lines = [json.dumps(one, allow_nan=False) + "\n" for one in found]
        return Answer("".join(lines).encode(), JSON_LINES)
    value = found[0] if is_one else found
    return Answer(json.dumps(value, allow_nan=False).encode(), JSON)


def _essence(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _accepted(accept: str) -> str:
    """The first form of those wanted that there is. Raises `Refusal` where there is none."""
    wanted = [_essence(each) for each in accept.split(",") if each.strip()]
    for each in wanted or ["*/*"]:
        if each in ("*/*", "application/*", JSON):
            return JSON
        if each in (JSON_LINES, "application/x-jsonlines", "application/jsonl"):
            return JSON_LINES
    raise Refusal(406, f"{accept[:80]} can't be answered: accept {JSON} or {JSON_LINES}")
