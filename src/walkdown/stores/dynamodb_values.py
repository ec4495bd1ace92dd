"""What an item holds: text, whole numbers and bytes; documents are compressed JSON.

Nothing else is stored: floats live in the documents, where they keep every bit.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from walkdown.errors import StoreError
from walkdown.stores.fields import dumps, loads

if TYPE_CHECKING:
    from walkdown.stores.dynamodb_keys import Key
    from walkdown.stores.fields import Json

Value = str | int | bytes
Item = Mapping[str, Value]

T = TypeVar("T")


def pack(doc: Json) -> bytes:
    """A document as it is stored: a third to a half of its JSON, and costs are by the kilobyte."""
    return zlib.compress(dumps(doc).encode("ascii"))


def unpack(packed: bytes) -> Json:
    """Back from `pack`. Raises `StoreError` for anything else."""
    try:
        return loads(zlib.decompress(packed).decode("ascii"))
    except (zlib.error, UnicodeDecodeError) as error:
        raise StoreError(f"a stored record is damaged, it cannot be unpacked: {error}") from error


def key_of(item: Item) -> Key:
    """The key of an item."""
    return text(item, "pk"), text(item, "sk")


def text(item: Item, name: str) -> str:
    """A string attribute. Raises `StoreError` where it is something else."""
    return _checked(item, name, str)


def number(item: Item, name: str) -> int:
    """A whole number. Raises `StoreError` where it is something else."""
    return _checked(item, name, int)


def data(item: Item, name: str) -> bytes:
    """Bytes. Raises `StoreError` where it is something else."""
    return _checked(item, name, bytes)


def size_of(item: Item) -> int:
    """Bytes that DynamoDB counts, give or take a few for numbers."""
    return sum(
        len(name) + (len(str(value).encode()) if isinstance(value, str | int) else len(value))
        for name, value in item.items()
    )


def sent(item: Item) -> dict[str, dict[str, object]]:
    """As DynamoDB is told of it: each value under its type."""
    return {name: _typed(value) for name, value in item.items()}


def _typed(value: Value) -> dict[str, object]:
    if isinstance(value, str):
        return {"S": str(value)}
    return {"N": str(value)} if isinstance(value, int) else {"B": value}


def received(attributes: Mapping[str, Mapping[str, Any]]) -> Item:
    """Back from what DynamoDB answers."""
    return {name: _untyped(value) for name, value in attributes.items()}


def _untyped(value: Mapping[str, Any]) -> Value:
    if "N" in value:
        return int(value["N"])
    plain: Value = value["S"] if "S" in value else bytes(value["B"])
    return plain


def _checked(item: Item, name: str, kind: type[T]) -> T:
    value = item.get(name)
    if isinstance(value, kind):
        return value
    raise StoreError(
        f"a stored item is damaged: its '{name}' is {value!r:.40} ({item.get('pk')!r})"
    )
