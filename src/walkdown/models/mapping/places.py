"""Detections in an answer: mappings, rows or columns, with boxes in any of the usual ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import Field, model_validator

from walkdown.errors import ModelError
from walkdown.models.cards import Card
from walkdown.models.mapping import paths
from walkdown.models.rules import Detected, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

Order = Literal["xyxy", "xywh", "cxcywh", "yxyx"]
FourPaths = tuple[paths.Path, paths.Path, paths.Path, paths.Path]


class DetectionsOutput(Card):
    """Things that were detected, and the rule that they are judged by.

    ``at`` leads to a list with one entry a detection, or to a mapping of columns, such as
    ``{"boxes": [...], "labels": [...], "scores": [...]}``. ``label``, ``confidence`` and ``box``
    are paths in an entry, or columns; ``box`` is one path to four numbers or four paths. With
    ``labels``, a label that is a number means the one at that position, from ``first_label`` on.
    ``unit`` is ``px`` of the image that was sent, or of one of the size ``of``, or ``share``.
    """

    at: paths.Path
    label: paths.Path = "label"
    confidence: paths.Path = "score"
    box: paths.Path | FourPaths | None = "box"
    order: Order = "xyxy"
    unit: Literal["px", "share"] = "px"
    of: tuple[int, int] | None = None
    labels: tuple[str, ...] = ()
    first_label: int = Field(0, ge=0, le=1)
    rule: Rule

    @model_validator(mode="after")
    def _makes_sense(self) -> DetectionsOutput:
        if self.of and (self.unit != "px" or min(self.of) < 1):
            raise ValueError("'of' is a width and a height in px, for 'unit: px'")
        return self


def detected(wanted: DetectionsOutput, answer: object, sent_px: tuple[int, int]) -> list[Detected]:
    """What an answer names, with boxes in shares of the image. Raises `ModelError`."""
    found = []
    for entry in _entries(wanted, paths.at(answer, wanted.at)):
        confidence = paths.number(entry, wanted.confidence)
        if not -1e-6 <= confidence <= 1.0 + 1e-6:
            raise ModelError(
                f"the answer has a confidence of {confidence:g} at {wanted.confidence!r}; "
                "it must lie in 0..1"
            )
        label = _label(wanted, paths.at(entry, wanted.label))
        if label is not None:
            box = _box(wanted, entry, sent_px)
            found.append(Detected(label, min(1.0, max(0.0, confidence)), box))
    return found


def _entries(wanted: DetectionsOutput, value: object) -> Iterator[object]:
    if not isinstance(value, dict):
        yield from paths.a_list(value, wanted.at)
        return
    names = [wanted.label, wanted.confidence, *_box_paths(wanted)]
    columns = {name: paths.a_list(paths.at(value, name), name) for name in names}
    counts = sorted({len(column) for column in columns.values()})
    if len(counts) != 1:
        raise ModelError(
            f"the answer has columns of {counts[0]} and of {counts[-1]} entries at {wanted.at!r}"
        )
    for row in zip(*columns.values(), strict=True):
        entry: dict[str, Any] = {}
        for name, each in zip(columns, row, strict=True):
            _put(entry, name, each)
        yield entry


def _put(entry: dict[str, Any], path: str, value: object) -> None:
    """So that the path of a column leads to its value in one entry as well."""
    steps = path.split(".")
    for step in steps[:-1]:
        entry = entry.setdefault(step, {})
        if not isinstance(entry, dict):
            break
    if not isinstance(entry, dict) or steps[-1] in entry:
        raise ModelError(
            f"the column {path!r} lies within another of the columns; correct 'output' in the "
            "model's card"
        )
    entry[steps[-1]] = value


def _box_paths(wanted: DetectionsOutput) -> tuple[str, ...]:
    if wanted.box is None:
        return ()
    return (wanted.box,) if isinstance(wanted.box, str) else wanted.box


def _label(wanted: DetectionsOutput, value: object) -> str | None:
    """A name. None for a number before the first label: background, or padding of the answer."""
    if isinstance(value, str) and not (wanted.labels and value.strip().isdigit()):
        return value
    try:
        number = int(paths.a_number(float(value) if isinstance(value, str) else value, "label"))
    except ValueError as e:
        raise ModelError(f"the answer has the label {value!r:.60}, which is no name") from e
    if not wanted.labels:
        return str(number)
    position = number - wanted.first_label
    if position >= len(wanted.labels):
        raise ModelError(
            f"the answer has the label {number} and the card {len(wanted.labels)} 'labels'"
        )
    return wanted.labels[position] if position >= 0 else None


def _box(
    wanted: DetectionsOutput, entry: object, sent_px: tuple[int, int]
) -> tuple[float, float, float, float] | None:
    """Left, top, width, height in shares."""
    if wanted.box is None:
        return None
    if isinstance(wanted.box, str):
        values = paths.a_list(paths.at(entry, wanted.box), wanted.box)
        numbers = [paths.a_number(each, wanted.box) for each in values]
    else:
        numbers = [paths.number(entry, each) for each in wanted.box]
    if len(numbers) != 4:
        raise ModelError(f"the answer has a box of {len(numbers)} numbers; it must have four")
    a, b, c, d = numbers
    if wanted.order == "xywh":
        left, top, width, height = a, b, c, d
    elif wanted.order == "cxcywh":
        left, top, width, height = a - c / 2, b - d / 2, c, d
    elif wanted.order == "yxyx":
        left, top, width, height = b, a, d - b, c - a
    else:
        left, top, width, height = a, b, c - a, d - b
    if width < 0 or height < 0:
        raise ModelError(
            f"the answer has a box {numbers}, which ends before it begins as {wanted.order}; "
            f"correct 'order' in the model's card: {', '.join(get_args(Order))}"
        )
    across, down = (1, 1) if wanted.unit == "share" else (wanted.of or sent_px)
    if wanted.unit == "share" and max(map(abs, numbers)) > 2.0:
        raise ModelError(f"the answer has a box {numbers}, which is no shares; say 'unit: px'")
    return left / across, top / down, width / across, height / down
