"""The weights reader takes sound files apart, and lets hostile ones do nothing at all."""

from __future__ import annotations

import hashlib
import os
import pickle
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from walkdown.errors import ArtefactError
from walkdown.training.backbones import lite2, weights_path
from walkdown.training.weights import read_weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from walkdown.training.weights import Array

    Read = Callable[[bytes], dict[str, Array]]

HEAD = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True, "type_sizes": {"int": 4}}]
DICT = b"ccollections\nOrderedDict\n)R"


def coded(value: object) -> bytes:
    """A plain value as opcodes, without the pickle's beginning and end."""
    return pickle.dumps(value, protocol=2)[2:-1]


def storage(*, key: object = "7", kind: bytes = b"torch\nFloatStorage", count: object = 6) -> bytes:
    parts = [coded("storage"), b"c" + kind + b"\n", coded(key), coded("cpu"), coded(count), b"N"]
    return b"(" + b"".join(parts) + b"tQ"


def tensor(
    *,
    held: bytes | None = None,
    offset: object = 0,
    size: object = (2, 3),
    stride: object = (3, 1),
) -> bytes:
    parts = [held or storage(), coded(offset), coded(size), coded(stride), b"\x89", DICT]
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + b"".join(parts) + b"tR"


def state(**tensors: bytes) -> bytes:
    items = b"".join(coded(name) + code for name, code in tensors.items())
    return b"\x80\x02" + DICT + b"(" + items + b"u."


def weights_file(
    tensors: bytes, *, keys: object = ("7",), head: list[object] | None = None, tail: bytes = b""
) -> bytes:
    """A file with the given pickle of tensors and one storage, 0 to 5 as float32."""
    begin = b"".join(pickle.dumps(part, protocol=2) for part in head or HEAD)
    numbers = struct.pack("<q6f", 6, *range(6))
    return begin + tensors + pickle.dumps(list(keys), protocol=2) + numbers + tail  # type: ignore[call-overload]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(raw: bytes) -> dict[str, Array]:
        path = tmp_path / "weights.pth"
        path.write_bytes(raw)
        return read_weights(path, sha256=hashlib.sha256(raw).hexdigest())

    return read


def test_a_sound_file_gives_its_tensors(read: Read) -> None:
    transposed = tensor(size=(3, 2), stride=(1, 3))
    last = tensor(offset=5, size=(), stride=())
    arrays = read(weights_file(state(a=tensor(), b=transposed, c=last)))
    np.testing.assert_array_equal(arrays["a"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(arrays["b"], [[0, 3], [1, 4], [2, 5]])
    assert arrays["c"].shape == ()
    assert arrays["c"] == 5
    assert arrays["a"].dtype == np.float32
    assert not arrays["a"].flags.writeable


def test_several_storages_follow_in_the_order_of_the_keys(read: Read) -> None:
    whole = storage(key="9", kind=b"torch\nLongStorage", count=1)
    tensors = state(a=tensor(held=whole, size=(1,), stride=(1,)), b=tensor())
    arrays = read(weights_file(tensors, keys=("7", "9"), tail=struct.pack("<2q", 1, -3)))
    assert arrays["a"].tolist() == [-3]
    assert arrays["a"].dtype == np.int64
    assert arrays["b"][1, 2] == 5


def test_attributes_of_the_dictionary_are_ignored(read: Read) -> None:
    versions = coded({"_metadata": {"": {"version": 1}}}) + b"b."
    assert list(read(weights_file(state(a=tensor())[:-1] + versions))) == ["a"]


def test_the_installed_weights_can_be_read() -> None:
    arrays = read_weights(weights_path(lite2()), sha256=lite2().sha256)
    assert len(arrays) == 386
    assert arrays["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert np.isfinite(arrays["_conv_stem.weight"]).all()
    assert (arrays["_bn0.running_var"] >= 0).all()


def test_an_unknown_name_is_refused_even_where_nothing_uses_it(read: Read) -> None:
    attributes = b"}" + coded("_metadata") + b"cos\nsystem\nsb."
    with pytest.raises(ArtefactError, match="asks for 'os system'"):
        read(weights_file(state(a=tensor())[:-1] + attributes))


def test_another_hash_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"not even a pickle")
    with pytest.raises(ArtefactError, match=r"weights\.pth: these are not the published weights"):
        read_weights(path, sha256="0" * 64)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"can't be read .* install their package again"):
        read_weights(tmp_path / "absent.pth", sha256="0" * 64)


class _Call:
    """Pickles as a call of a function."""

    def __init__(self, function: object, *arguments: object) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[object, ...]:
        return self._call


def hostile_pickles(witness: str) -> dict[str, bytes]:
    """Pickles that would make the file ``witness`` if Python's own unpickler read them."""
    command = f"open({witness!r}, 'w').close()"
    nested = f"cos\nsystem\n(S'touch {witness}'\ntR".encode()
    return {
        "reduce": pickle.dumps(_Call(os.system, f"touch {witness}"), protocol=2),
        "eval": pickle.dumps(_Call(eval, command), protocol=2),
        "exec, protocol 4": pickle.dumps(_Call(exec, command), protocol=4),
        "inst": f"(S'touch {witness}'\nios\nsystem\n.".encode(),
        "obj": f"(cos\nsystem\nS'touch {witness}'\no.".encode(),
        "nested in a value": state(a=nested),
        "nested in a size": state(a=tensor(size=()).replace(coded(()), nested, 1)),
        "nested in a key": b"\x80\x02}" + nested + coded(1) + b"s.",
        "call of an allowed name": b"\x80\x02ccollections\nOrderedDict\n(]tR.",
        "attribute of an allowed name": b"\x80\x02ctorch.utils\n_rebuild_tensor_v2\n.",
        "name with a dot": b"\x80\x02ctorch\nFloatStorage.__init__.__globals__\n.",
        "new object": b"\x80\x02ccollections\nOrderedDict\n)\x81.",
    }


@pytest.mark.parametrize("name", hostile_pickles(""))
@pytest.mark.parametrize("place", ["tensors", "keys", "magic"])
def test_nothing_in_a_hostile_file_runs(read: Read, tmp_path: Path, name: str, place: str) -> None:
    witness = tmp_path / "witness"
    hostile = hostile_pickles(str(witness))[name]
    sound = weights_file(state(a=tensor()))
    places = {
        "tensors": weights_file(hostile),
        "keys": sound.replace(pickle.dumps(["7"], protocol=2), hostile),
        "magic": hostile + sound,
    }
    with pytest.raises(ArtefactError, match="nothing of it was used"):
        read(places[place])
    assert not witness.exists()


def test_the_hostile_pickles_are_hostile(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    for name in ("reduce", "eval", "exec, protocol 4", "inst", "obj"):
        pickle.loads(hostile_pickles(str(witness))[name])  # noqa: S301 - made just above
        assert witness.exists(), name
        witness.unlink()


SHAPES: dict[str, bytes] = {
    "offset too large": tensor(offset=1),
    "negative offset": tensor(offset=-1),
    "size too large": tensor(size=(3, 3)),
    "stride too large": tensor(stride=(4, 1)),
    "negative stride": tensor(stride=(-3, 1)),
    "negative size": tensor(size=(-2, 3)),
    "empty": tensor(size=(0, 3)),
    "stride of zero makes it endless": tensor(size=(2**40, 3), stride=(0, 1)),
    "huge stride of one row": tensor(size=(1, 3), stride=(2**1000, 1)),
    "huge offset": tensor(offset=2**1000),
    "fewer strides": tensor(stride=(1,)),
    "too many dimensions": tensor(size=(1,) * 9, stride=(1,) * 9),
    "size of text": tensor(size=("2", 3)),
    "size of truths": tensor(size=(True, 3)),
    "list as size": tensor(size=[2, 3]),
    "storage is a number": tensor(held=coded(5)),
    "storage counts more than it has": tensor(held=storage(count=7)),
    "storage counts less than it has": tensor(held=storage(count=5), size=(5,), stride=(1,)),
    "huge storage": tensor(held=storage(count=2**62)),
    "larger than any number": tensor(held=storage(count=2**1000)),
    "negative storage": tensor(held=storage(count=-6)),
    "storage of another kind": tensor(held=storage(kind=b"torch\nDoubleStorage")),
    "storage of a function's kind": tensor(held=storage(kind=b"torch._utils\n_rebuild_tensor_v2")),
    "key is no text": tensor(held=storage(key=7)),
    "unknown key": tensor(held=storage(key="8")),
    "a number": coded(5),
    "a name": b"ctorch\nFloatStorage\n",
    "recall of nothing": b"h\xfe",
    "huge memo": coded(5) + b"r\xff\xff\xff\x7f",
    "text without end": b"X\xff\xff\xff\x7fabc",
    "mark that is missing": b"tt",
    "nothing left": b"000000",
}


@pytest.mark.parametrize("name", SHAPES)
def test_numbers_that_do_not_fit_are_refused(read: Read, name: str) -> None:
    with pytest.raises(ArtefactError, match=r"weights\.pth: not a weights file"):
        read(weights_file(state(a=SHAPES[name])))


def test_two_tensors_must_agree_about_their_storage(read: Read) -> None:
    other = tensor(held=storage(kind=b"torch\nLongStorage"))
    with pytest.raises(ArtefactError, match="disagree about their storage"):
        read(weights_file(state(a=tensor(), b=other)))


@pytest.mark.parametrize("keys", [(), ("7", "7"), ("8",), ("7", "8"), (7,), ("7", ["7"])])
def test_the_list_of_storages_must_fit(read: Read, keys: tuple[object, ...]) -> None:
    with pytest.raises(ArtefactError, match="list of storages"):
        read(weights_file(state(a=tensor()), keys=keys))


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ([1, 1001, HEAD[2]], "magic number"),
        ([HEAD[0], 1002, HEAD[2]], "version"),
        ([HEAD[0], 1001, {"little_endian": False}], "little-endian"),
        ([HEAD[0], 1001, 5], "little-endian"),
    ],
)
def test_the_beginning_must_fit(read: Read, head: list[object], message: str) -> None:
    with pytest.raises(ArtefactError, match=message):
        read(weights_file(state(a=tensor()), head=head))


def test_a_file_cut_short_anywhere_is_refused(read: Read) -> None:
    whole = weights_file(state(a=tensor()))
    for length in range(len(whole)):
        with pytest.raises(ArtefactError, match="nothing of it was used"):
            read(whole[:length])


def test_the_count_before_the_numbers_must_fit(read: Read) -> None:
    raw = weights_file(state(a=tensor()))
    with pytest.raises(ArtefactError, match="another size than announced"):
        read(raw.replace(struct.pack("<q", 6), struct.pack("<q", 5)))


def test_what_follows_the_last_storage_is_refused(read: Read) -> None:
    with pytest.raises(ArtefactError, match="something follows"):
        read(weights_file(state(a=tensor()), tail=b"\0"))


@pytest.mark.parametrize(
    "deep",
    [
        b"\x80\x02" + b")" + b"\x85" * 200_000 + b".",
        b"\x80\x02" + b"(" * 200_000 + b".",
        b"\x80\x02]q\x00(h\x00e.",
        b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"Ns.",
        b"\x80\x02}" + b")" + b"q\x00h\x00\x86" * 5_000 + b"Ns.",
    ],
    ids=["deep tuple", "deep marks", "list in itself", "deep key", "key of doubling size"],
)
def test_nesting_costs_no_more_than_its_bytes(read: Read, deep: bytes) -> None:
    for raw in (weights_file(deep), deep):
        with pytest.raises(ArtefactError, match="nothing of it was used"):
            read(raw)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(data=st.data())
def test_a_changed_byte_gives_sound_tensors_or_our_error(read: Read, data: st.DataObject) -> None:
    raw = bytearray(weights_file(state(a=tensor(), b=tensor(size=(3, 2), stride=(1, 3)))))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        arrays = read(bytes(raw))
    except ArtefactError:
        return
    assert all(np.asarray(a).nbytes <= len(raw) and a.sum() is not None for a in arrays.values())
