"""Reads a pinned weights file of torch without torch, and without running anything in it.

The legacy format is five pickles (magic number, version, platform, tensors, keys of the storages)
and then the numbers of each storage. The tensors come out as views of the file's own bytes, made
only after every offset, size, stride and count was checked against them.
"""

from __future__ import annotations

import hashlib
import io
import math
from typing import TYPE_CHECKING, Final

import numpy as np

from walkdown.errors import ArtefactError
from walkdown.training.unpickle import Malformed, Tensor, unpickle

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from walkdown.training.unpickle import Storage

    Array = NDArray[np.float32 | np.int64]

_MAGIC: Final = 0x1950A86A20F9469CFC6C
_VERSION: Final = 1001


def read_weights(path: Path, *, sha256: str) -> dict[str, Array]:
    """The tensors of a weights file by name, as read-only arrays (float32 or int64).

    Nothing in the file is looked at before its sha256 (64 hex digits) is the expected one. Raises
    `ArtefactError` for a file that is missing, differs, or isn't a sound one of this format.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ArtefactError(
            f"{path}: the weights can't be read ({error.strerror}): install their package again"
        ) from error
    found = hashlib.sha256(raw).hexdigest()
    if found != sha256:
        raise ArtefactError(
            f"{path}: these are not the published weights (sha256 {found[:12]}…, expected"
            f" {sha256[:12]}…): remove the file and install its package again"
        )
    try:
        return _read(raw)
    except Malformed as error:
        raise ArtefactError(
            f"{path}: not a weights file in torch's legacy format, or a damaged one ({error});"
            " nothing of it was used: install its package again"
        ) from error


def _read(raw: bytes) -> dict[str, Array]:
    stream = io.BytesIO(raw)
    _check_header(stream)
    state, keys = unpickle(stream), unpickle(stream)
    if not isinstance(state, dict):
        raise Malformed("it holds no named tensors")
    tensors = {name: _checked(name, value) for name, value in state.items()}
    numbers = _numbers(raw, stream.tell(), _ordered(keys, tensors.values()))
    return {name: _view(numbers[t.storage.key], t) for name, t in tensors.items()}


def _check_header(stream: io.BytesIO) -> None:
    magic, version, platform = (unpickle(stream) for _ in range(3))
    if type(magic) is not int or magic != _MAGIC:
        raise Malformed("it does not begin with the magic number")
    if type(version) is not int or version != _VERSION:
        raise Malformed(f"its version is not {_VERSION}")
    if not isinstance(platform, dict) or platform.get("little_endian") is not True:
        raise Malformed("its numbers are not little-endian")


def _checked(name: str, value: object) -> Tensor:
    """The tensor, once its furthest element is known to lie inside its storage.

    No more elements than the storage holds: else a stride of zero would make a small file look
    like a tensor of any size.
    """
    if not isinstance(value, Tensor):
        raise Malformed(f"{name[:80]!r} is not a tensor")
    steps = sum((n - 1) * stride for n, stride in zip(value.size, value.stride, strict=True))
    count = value.storage.count
    if value.offset + steps >= count or max((math.prod(value.size), *value.stride)) > count:
        raise Malformed(f"{name[:80]!r} reaches beyond its storage")
    return value


def _ordered(keys: object, tensors: Iterable[Tensor]) -> list[Storage]:
    """The storages in the order in which their numbers follow; each listed one has tensors."""
    used: dict[str, Storage] = {}
    for tensor in tensors:
        if used.setdefault(tensor.storage.key, tensor.storage) != tensor.storage:
            raise Malformed("two tensors disagree about their storage")
    names = [k for k in keys if isinstance(k, str)] if isinstance(keys, list) else []
    if keys != names or sorted(names) != sorted(used):
        raise Malformed("its list of storages does not fit its tensors")
    return [used[name] for name in names]


def _numbers(raw: bytes, start: int, storages: Iterable[Storage]) -> dict[str, Array]:
    """The numbers of each storage: its count as 8 bytes, then so many numbers, without gaps."""
    numbers: dict[str, Array] = {}
    for storage in storages:
        begin = start + 8
        dtype: np.dtype[np.float32 | np.int64] = np.dtype(storage.dtype)
        end = begin + storage.count * dtype.itemsize
        if end > len(raw) or int.from_bytes(raw[start:begin], "little") != storage.count:
            raise Malformed("it is cut short, or a storage has another size than announced")
        numbers[storage.key] = np.frombuffer(raw, dtype, storage.count, begin)
        start = end
    if start != len(raw):
        raise Malformed("something follows its last storage")
    return numbers


def _view(numbers: Array, tensor: Tensor) -> Array:
    strides = [step * numbers.itemsize for step in tensor.stride]
    return np.lib.stride_tricks.as_strided(
        numbers[tensor.offset :], tensor.size, strides, writeable=False
    )
