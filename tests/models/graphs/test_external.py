"""No graph reads a file but those that lie beside it in the artefact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from tests.services import graphs

from walkdown.errors import ArtefactError
from walkdown.models.artefact import pack
from walkdown.models.conformance import photo_of
from walkdown.models.graphs.external import beside, locations
from walkdown.registry import open_model

CARD = {"task": "anomaly", "threshold": 0.5, "range": [0, 1]}
DARK = photo_of(np.full((30, 40, 3), 30, np.uint8))


def elsewhere(name: str) -> onnx.TensorProto:
    """A tensor that lies in a file."""
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), "t")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=name)
    return tensor


def in_every_place() -> onnx.ModelProto:
    """A model that names a file wherever a tensor can stand."""
    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value=elsewhere("inner constant"))],
        "inner", [], [], [elsewhere("inner initializer")],
    )  # fmt: skip
    node = helper.make_node("If", ["x"], ["y"], then_branch=inner)
    node.attribute.append(helper.make_attribute("several", [elsewhere("list")]))
    node.attribute.append(helper.make_attribute("graphs", [inner]))
    sparse = onnx.SparseTensorProto(
        values=elsewhere("sparse values"), indices=elsewhere("sparse indices"), dims=[9]
    )
    node.attribute.append(helper.make_attribute("sparse", sparse))
    node.attribute.append(helper.make_attribute("sparse_list", [sparse]))
    model = helper.make_model(helper.make_graph([node], "g", [], [], [elsewhere("initializer")]))
    model.graph.sparse_initializer.append(sparse)
    body = helper.make_node("Constant", [], ["c"], value=elsewhere("function"))
    function = helper.make_function("d", "f", [], ["c"], [body], [helper.make_opsetid("", 17)])
    function.attribute_proto.append(helper.make_attribute("a", elsewhere("function default")))
    model.functions.append(function)
    return model


def test_a_file_is_found_wherever_it_is_named() -> None:
    assert locations(in_every_place().SerializeToString()) == {
        "inner constant", "inner initializer", "list", "sparse values", "sparse indices",
        "initializer", "function", "function default",
    }  # fmt: skip


def test_weights_beside_the_graph_are_given_to_it() -> None:
    graph, data = graphs.keeping_weights_in(graphs.anomaly(), "weights.bin")
    files = {"model.onnx": graph, "weights.bin": data}
    (said,) = open_model(pack("onnx", CARD, files), label="m@1").predict([DARK])
    assert said.raw_score == pytest.approx(30 / 255)
    assert locations(graph) == {"weights.bin"}


@pytest.mark.parametrize(
    "name", ["../weights.bin", "/etc/passwd", "a/b.bin", "..", ".", "", "a\\b", "./../x"]
)
def test_a_file_elsewhere_is_refused(name: str) -> None:
    graph, data = graphs.keeping_weights_in(graphs.anomaly(), name)
    with pytest.raises(ArtefactError, match=r"m@1: its graph wants to read .* no file beside it"):
        open_model(pack("onnx", CARD, {"model.onnx": graph, "weights.bin": data}), label="m@1")


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_a_file_in_the_current_folder_is_none_of_the_models(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both runtimes would read it: a graph from memory has no other folder."""
    graph, data = graphs.keeping_weights_in(graphs.anomaly(), "weights.bin")
    (tmp_path / "weights.bin").write_bytes(data)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtefactError, match=r"weights\.bin"):
        open_model(pack(kind, CARD, {"model.onnx": graph}), label="m@1")


@pytest.mark.parametrize("before", [b"", b"\n\x00", b"\n\x01\n"])
def test_an_onnx_that_is_called_xml_is_none(
    before: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenVINO goes by what is in a file; what is put before is a field that readers skip."""
    graph, data = graphs.keeping_weights_in(graphs.anomaly(), "weights.bin")
    (tmp_path / "weights.bin").write_bytes(data)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtefactError, match=r"model\.xml is no XML"):
        open_model(
            pack("openvino", CARD, {"model.xml": before + graph, "model.bin": b""}), label="m@1"
        )


def test_the_runtimes_own_format_is_refused() -> None:
    """It could be made to look like ONNX without any weights in files."""
    rest = b"\x00" * 100
    with pytest.raises(ArtefactError, match="onnxruntime's own format"):
        locations(b"\x0a\x66\x00\x00ORTM" + rest)


def test_a_dot_before_a_name_is_the_same_folder() -> None:
    graph, data = graphs.keeping_weights_in(graphs.anomaly(), "./weights.bin")
    assert beside(graph, {"weights.bin": data}) == {"./weights.bin": data}
    opened = open_model(pack("onnx", CARD, {"model.onnx": graph, "weights.bin": data}), label="m@1")
    assert opened.predict([DARK])[0].error is None


@given(st.binary(max_size=400))
@example(b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
@example(b"\x3b")
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    try:
        found = locations(data)
    except ArtefactError:
        return
    assert all(isinstance(name, str) for name in found)


def test_a_graph_in_graphs_without_end_is_walked_over() -> None:
    """Depth is a list here, not a stack of calls."""
    message = elsewhere("deep").SerializeToString()
    entry = b"\x2a" + _length(len(message)) + message  # an initializer
    for _ in range(3000):
        attribute = b"\x32" + _length(len(entry)) + entry  # attribute.g
        node = b"\x2a" + _length(len(attribute)) + attribute  # node.attribute
        entry = b"\x0a" + _length(len(node)) + node  # graph.node
    assert locations(b"\x3a" + _length(len(entry)) + entry) == {"deep"}


def _length(size: int) -> bytes:
    found = bytearray()
    while size >= 0x80:
        found.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*found, size])
