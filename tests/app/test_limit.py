"""The backbone that is measured is the one inside the model, and nothing but it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from walkdown.app.limit import INPUT, Limit, Way, cut_trunk, limit_of
from walkdown.models.artefact import pack
from walkdown.models.fake import Fake, fake_artefact
from walkdown.models.graphs.session import open_graph
from walkdown.models.looking import InputSize
from walkdown.models.memory_bank import GRAPH, KIND, MemoryBank
from walkdown.types import Photo

if TYPE_CHECKING:
    from collections.abc import Iterator


def a_graph() -> bytes:
    """image -> 2 x -> trunk: negated, then squared -> score: the sum of both of its values."""
    nodes = [
        helper.make_node("Mul", ["image", "two"], [INPUT]),
        helper.make_node("Mul", [INPUT, "trunk.minus"], ["trunk.a"]),
        helper.make_node("Mul", ["trunk.a", "trunk.a"], ["trunk.b"]),
        helper.make_node("Add", ["trunk.a", "trunk.b"], ["score"]),
    ]
    constants = [
        numpy_helper.from_array(np.array(2.0, np.float32), "two"),
        numpy_helper.from_array(np.array(-1.0, np.float32), "trunk.minus"),
    ]
    shape = [1, 3, None, None]
    graph = helper.make_graph(
        nodes,
        "whole",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, shape)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return bytes(model.SerializeToString())


def test_the_trunk_is_cut_out_with_all_that_the_rest_takes_from_it() -> None:
    alone, outputs = cut_trunk(a_graph())
    assert outputs == ["trunk.a", "trunk.b"]
    assert [tensor.name for tensor in onnx.load_from_string(alone).graph.initializer] == [
        "trunk.minus"
    ]
    given = np.full((1, 3, 2, 5), 3.0, dtype=np.float32)
    a, b = open_graph(alone, threads=1).run(outputs, {INPUT: given})
    assert (a == -3.0).all()
    assert (b == 9.0).all()


def test_a_graph_without_a_trunk_has_none_to_cut_out() -> None:
    whole = onnx.load_from_string(a_graph())
    for node in whole.graph.node:
        node.output[0] = node.output[0].replace("trunk.", "other.")
        for i, name in enumerate(node.input):
            node.input[i] = name.replace("trunk.", "other.")
    assert cut_trunk(whole.SerializeToString())[1] == []


def photos(count: int) -> Iterator[Photo]:
    for _ in range(count):
        yield Photo(np.zeros((4, 6, 3), np.uint8), 6, 4, "")


@pytest.mark.parametrize("count", [1, 3, 100])
def test_a_model_without_a_known_backbone_is_measured_whole(count: int) -> None:
    made = fake_artefact()
    limit = limit_of(Fake(made, label="fake@1"), made, photos(count), workers=2)
    assert (limit.name, limit.px) == ("model", ())
    speed, ms = limit.measure()
    assert speed > 0
    assert ms >= 0


def test_the_fastest_way_counts_once_for_all_images() -> None:
    """Ten images that are five calls each; the warm-up is not counted."""
    calls: list[int] = []
    limit = Limit("backbone", 10, [Way(2, 50, calls.append), Way(1, 50, calls.append)])
    speed, _ = limit.measure()
    assert len(calls) == (2 + 50) + (1 + 50)
    assert speed > 0


def a_bank() -> MemoryBank:
    """One that knows its input size and nothing else."""
    bank = object.__new__(MemoryBank)
    bank.size = InputSize(64, 32)
    return bank


def test_a_backbone_is_run_at_the_sizes_at_which_the_model_looks() -> None:
    made = pack(KIND, {}, {GRAPH: a_graph()})
    many = [*photos(2), Photo(np.zeros((9, 3, 3), np.uint8), 3, 9, "")]
    limit = limit_of(a_bank(), made, iter(many), workers=2)
    assert (limit.name, limit.images) == ("backbone", 3)
    assert limit.px == ((64, 64),)
    assert [(way.threads, way.calls) for way in limit.ways] == [(2, 3), (1, 3)]
    assert limit.measure()[0] > 0


def test_large_images_are_looked_at_in_tiles() -> None:
    made = pack(KIND, {}, {GRAPH: a_graph()})
    bank = a_bank()
    bank.size = InputSize(1024, 32, tile_px=512)
    wide = Photo(np.zeros((100, 200, 3), np.uint8), 200, 100, "")
    limit = limit_of(bank, made, iter([wide]), workers=1)
    assert limit.px == ((512, 512),)
    assert [(way.threads, way.calls) for way in limit.ways] == [(1, 3)]
