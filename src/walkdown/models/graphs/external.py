"""Which files an ONNX graph wants to have read, found without running or loading it.

Weights may lie beside a graph, in files that it names. Runtimes look for them on the disk, from the
current folder on where the graph comes from memory: so a graph from elsewhere could read any file.
All names are found here first, by walking over the file's messages, and only files of the artefact
are given. What is not understood is refused.

The field numbers are those of onnx.proto: a table, since loading onnx takes 30 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from walkdown.errors import ArtefactError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BELOW: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
"""Message -> field -> message: every way from a model to what is said of a file (an entry)."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def locations(graph: bytes) -> frozenset[str]:
    """The names of all files that tensors of a graph lie in. Raises `ArtefactError`."""
    found = set()
    pending = [("model", memoryview(graph))]
    try:
        while pending:
            kind, message = pending.pop()
            if kind == "entry":
                found.update(_location(message))
                continue
            below = _BELOW[kind]
            pending += [(below[f], value) for f, value in _fields(message) if f in below]
    except (IndexError, ValueError) as e:
        raise ArtefactError("it is no ONNX file, or a damaged one; export it again") from e
    return frozenset(found)


def beside(graph: bytes, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files that a graph needs, by the names that it calls them.

    Raises `ArtefactError` for one that is not there, or that would lie outside of the folder.
    """
    found = {}
    for location in sorted(locations(graph)):
        name = location.removeprefix("./")
        if not name or "/" in name or "\\" in name or name in (".", ".."):
            raise ArtefactError(
                f"its graph wants to read {location[:80]!r}, which is no file beside it; export "
                "the model again, into one file or with its weights in the same folder"
            )
        if name not in files:
            raise ArtefactError(
                f"its graph needs the file {name[:80]!r} for its weights; list it under 'files'"
            )
        found[location] = files[name]
    return found


def _location(entry: memoryview) -> list[str]:
    """What an entry says of a location; of its other keys (offset, length) nothing."""
    fields = list(_fields(entry))
    keys = {bytes(value) for field, value in fields if field == 1}
    if b"location" not in keys:
        return []
    return [bytes(value).decode("utf-8") for field, value in fields if field == 2]


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The fields of a message that hold bytes, texts or messages. Raises ValueError, IndexError."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        field, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            _, at = _varint(message, at)
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(wire)
        if size is None:
            if wire != _BYTES:
                raise ValueError(f"wire type {wire}")
            size, at = _varint(message, at)
        if at + size > len(message):
            raise ValueError("cut off")
        if wire == _BYTES:
            yield field, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("a number without end")
