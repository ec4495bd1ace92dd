"""Walks the pickles of torch's legacy weights files as data.

Python's own unpickler runs what a file asks it to. This one is a stack machine that knows only the
opcodes and the four names that these files use, builds plain values, and calls nothing.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import io

Dtype = Literal["<f4", "<i8"]

_DICT: Final = "collections OrderedDict"
_REBUILD: Final = "torch._utils _rebuild_tensor_v2"
_DTYPES: Final[dict[str, Dtype]] = {"torch FloatStorage": "<f4", "torch LongStorage": "<i8"}
_MAX_DIMENSIONS: Final = 8

_CONSTANTS: Final = {b"N": None, b"\x88": True, b"\x89": False, b")": ()}
_NUMBERS: Final = {b"K": "<B", b"M": "<H", b"J": "<i"}
_TUPLES: Final = {b"\x85": 1, b"\x86": 2, b"\x87": 3}
_STORES: Final = {b"q": "<B", b"r": "<I"}
_RECALLS: Final = {b"h": "<B", b"j": "<I"}


class Malformed(Exception):
    """What is wrong with a file; `read_weights` makes it an error that names the file."""


@dataclass(frozen=True, slots=True)
class _Global:
    """One of the four names, as a word: there is nothing behind it that could be called."""

    name: str


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of ``count`` numbers of one type, found later in the file under ``key``."""

    key: str
    dtype: Dtype
    count: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A view of a storage; offset, size and stride count numbers, not bytes."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def unpickle(stream: io.BytesIO) -> object:
    """The value of the one pickle that begins at the stream's position. Raises `Malformed`."""
    return _Machine(stream).run()


class _Machine:
    """The stack machine of pickle protocol 2, reduced to what these files use.

    Dictionary keys are text, so that no value of the file's making is ever hashed or compared: a
    deeply nested or self-containing one costs no more than its own bytes. The letters are the
    opcodes as the standard library's ``pickletools`` lists them.
    """

    def __init__(self, stream: io.BytesIO) -> None:
        self._stream = stream
        self._stack: list[object] = []
        self._below: list[list[object]] = []
        self._memo: dict[int, object] = {}

    def run(self) -> object:
        while (code := self._take(1)) != b".":
            if not (self._put(code) or self._recall(code) or self._join(code) or self._ask(code)):
                raise Malformed(f"the operation {code!r} does not belong in it")
        return self._pop()

    def _put(self, code: bytes) -> bool:
        """Push a value that stands in the file as it is."""
        match code:
            case b"N" | b"\x88" | b"\x89" | b")":
                self._stack.append(_CONSTANTS[code])
            case b"K" | b"M" | b"J":
                self._stack.append(self._number(_NUMBERS[code]))
            case b"\x8a":
                data = self._take(self._number("<B"))
                self._stack.append(int.from_bytes(data, "little", signed=True))
            case b"X":
                self._stack.append(_text(self._take(self._number("<I"))))
            case b"]":
                self._stack.append([])
            case b"}":
                self._stack.append({})
            case _:
                return False
        return True

    def _recall(self, code: bytes) -> bool:
        """Store the value on top for later, or push a stored one again."""
        if code in _STORES:
            index, value = self._number(_STORES[code]), self._pop()
            self._memo[index] = value
            self._stack.append(value)
        elif code in _RECALLS:
            index = self._number(_RECALLS[code])
            _expect(index in self._memo)
            self._stack.append(self._memo[index])
        else:
            return False
        return True

    def _join(self, code: bytes) -> bool:
        """Make tuples, lists and dictionaries of what lies on the stack."""
        match code:
            case b"(":
                self._below.append(self._stack)
                self._stack = []
            case b"t":
                items = self._to_mark()
                self._stack.append(tuple(items))
            case b"\x85" | b"\x86" | b"\x87":
                parts = [self._pop() for _ in range(_TUPLES[code])]
                self._stack.append(tuple(reversed(parts)))
            case b"a":
                self._extend([self._pop()])
            case b"e":
                self._extend(self._to_mark())
            case b"s":
                value, key = self._pop(), self._pop()
                self._update([key, value])
            case b"u":
                self._update(self._to_mark())
            case _:
                return False
        return True

    def _ask(self, code: bytes) -> bool:
        """What Python would look up or call: here, four known names become plain values."""
        match code:
            case b"\x80":
                _expect(self._number("<B") == 2)
            case b"c":
                self._stack.append(_global(self._stream.readline(), self._stream.readline()))
            case b"Q":
                self._stack.append(_storage(self._pop()))
            case b"R":
                arguments, target = self._pop(), self._pop()
                self._stack.append(_reduced(target, arguments))
            case b"b":
                self._pop()  # attributes of the dictionary (versions of layers): of no use here
            case _:
                return False
        return True

    def _take(self, count: int) -> bytes:
        data = self._stream.read(count)
        if len(data) != count:
            raise Malformed("it is cut short")
        return data

    def _number(self, form: str) -> int:
        (number,) = struct.unpack(form, self._take(struct.calcsize(form)))
        return int(number)

    def _pop(self) -> object:
        _expect(bool(self._stack))
        return self._stack.pop()

    def _to_mark(self) -> list[object]:
        _expect(bool(self._below))
        items, self._stack = self._stack, self._below.pop()
        return items

    def _extend(self, items: list[object]) -> None:
        target = self._stack[-1] if self._stack else None
        if not isinstance(target, list):
            raise Malformed("it adds to something that is not a list")
        target.extend(items)

    def _update(self, items: list[object]) -> None:
        target = self._stack[-1] if self._stack else None
        if not isinstance(target, dict) or len(items) % 2:
            raise Malformed("it adds to something that is not a dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str):
                raise Malformed("a name in it is not text")
            target[key] = value


def _expect(condition: bool) -> None:
    if not condition:
        raise Malformed("its operations do not fit together")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Malformed("a text in it can't be read") from error


def _global(*lines: bytes) -> _Global:
    name = b" ".join(line.removesuffix(b"\n") for line in lines).decode("ascii", "replace")
    if name not in (_DICT, _REBUILD, *_DTYPES):
        raise Malformed(f"it asks for {name[:80]!r}, which does not belong in it")
    return _Global(name)


def _reduced(target: object, arguments: object) -> object:
    if target == _Global(_DICT) and arguments == ():
        return {}
    if target == _Global(_REBUILD):
        return _rebuilt(arguments)
    raise Malformed("it asks for a call that does not belong in it")


def _rebuilt(arguments: object) -> Tensor:
    """From (storage, offset, size, stride, wants a gradient, hooks); the last two do not matter."""
    match arguments:
        case (Storage() as storage, int(offset), tuple(size), tuple(stride), bool(), dict()):
            if offset < 0 or len(size) != len(stride) or len(size) > _MAX_DIMENSIONS:
                raise Malformed("a tensor has an impossible shape")
            return Tensor(storage, offset, _counts(size, 1), _counts(stride, 0))
    raise Malformed("a tensor is not described as it should be")


def _counts(values: tuple[object, ...], least: int) -> tuple[int, ...]:
    counts = tuple(v for v in values if type(v) is int and v >= least)
    if len(counts) != len(values):
        raise Malformed("a tensor has an impossible shape")
    return counts


def _storage(identity: object) -> Storage:
    """From ("storage", type, key, device, count, None)."""
    match identity:
        case ("storage", _Global(name), str(key), str(), int(count), None):
            if name in _DTYPES and count >= 1:
                return Storage(key, _DTYPES[name], count)
    raise Malformed("a storage is not described as it should be")
