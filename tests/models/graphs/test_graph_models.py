"""Opening graphs of anybody's, in both runtimes: what goes wrong, and what it says."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from tests.models.graphs.opening import grey, opened
from tests.services import graphs
from tests.services.cases_openvino import converted

from walkdown import registry
from walkdown.errors import ArtefactError, MissingExtra
from walkdown.models.artefact import pack
from walkdown.models.graphs import model as graph_models
from walkdown.registry import open_model

CARD: dict[str, Any] = {"task": "anomaly", "threshold": 0.5, "range": [0, 1]}
KINDS = ["onnx", "openvino"]


def sums_in_another_order() -> bytes:
    """A graph of a few thousand random weights: what float16 or bfloat16 would show in."""
    made = graphs.Making(size=(32, 32))
    rng = np.random.default_rng(0)
    value = made.brightness
    for wide, given in ((16, 1), (16, 16), (1, 16)):
        weights = rng.normal(0, given**-0.5 / 3, (wide, given, 3, 3)).astype(np.float32)
        value = made.do("Conv", value, made.constant(weights), pads=[1, 1, 1, 1])
        value = made.do("Sigmoid", value)
    return made.bytes({"map": value})


def test_both_runtimes_agree_to_one_in_a_hundred_thousand() -> None:
    graph, rng = sums_in_another_order(), np.random.default_rng(1)
    files = converted(graph)
    models = [
        open_model(pack("onnx", CARD, {"model.onnx": graph}), label="m@1"),
        open_model(pack("openvino", CARD, {"model.onnx": graph}), label="m@1"),
        open_model(pack("openvino", CARD, files), label="m@1"),
    ]
    for _ in range(5):
        photo = grey(0)
        photo = type(photo)(rng.integers(0, 256, (60, 80, 3), np.uint8), 80, 60, "noise")
        first, *others = (model.predict([photo])[0] for model in models)
        assert first.heatmap is not None
        for other in others:
            assert other.heatmap is not None
            assert first.raw_score == pytest.approx(other.raw_score, abs=1e-5)
            assert np.abs(first.heatmap.grid - other.heatmap.grid).max() <= 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_many_threads_get_their_own_answers(kind: str) -> None:
    model = opened(graphs.anomaly(), kind, **CARD)
    shades = [int(v) for v in np.linspace(10, 250, 40)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda v: model.predict([grey(v)])[0], shades * 3))
    for value, each in zip(shades * 3, found, strict=True):
        assert each.raw_score == pytest.approx(value / 255, abs=1e-4)


def strange() -> bytes:
    made = graphs.Making()
    return made.bytes({"map": made.do("Wonder", made.brightness, domain="acme")}, domains=["acme"])


def two_inputs() -> bytes:
    made = graphs.Making()
    import onnx

    model = onnx.load_from_string(made.bytes({"map": made.brightness}))
    model.graph.input.append(
        onnx.helper.make_tensor_value_info("orig_size", onnx.TensorProto.INT64, [1, 2])
    )
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("kind", "files", "card", "words"),
    [
        ("onnx", {"m.onnx": b"no graph"}, CARD, "no ONNX file, or a damaged one"),
        ("onnx", {"m.onnx": b""}, CARD, "can't be opened"),
        ("openvino", {"m.onnx": b""}, CARD, "can't be opened"),
        ("openvino", {"m.xml": b"<no/>", "m.bin": b""}, CARD, "can't be opened"),
        ("openvino", {"m.xml": b"<no/>"}, CARD, "list m.bin under 'files'"),
        ("onnx", {}, CARD, "needs one *.onnx among its files (there are: none)"),
        ("openvino", {}, CARD, "needs one *.xml or *.onnx"),
        ("onnx", {"a.onnx": b"", "b.onnx": b""}, CARD, "there are: a.onnx, b.onnx"),
        ("onnx", {"a.onnx": b""}, {**CARD, "graph": "b.onnx"}, "graph: b.onnx"),
        ("onnx", {"m.onnx": strange()}, CARD, "the operator 'acme:Wonder'"),
        ("onnx", {"m.onnx": two_inputs()}, CARD, "images (1, 3, 128, 160) float32; orig_size"),
        ("onnx", {"m.onnx": graphs.anomaly()}, {**CARD, "task": "detect"}, "'task' must be one of"),
        ("onnx", {"m.onnx": graphs.anomaly()}, {**CARD, "input": {"size": 99}}, "leave the size"),
        ("onnx", {"m.onnx": graphs.anomaly()}, {**CARD, "input": {"sice": 9}}, "sice"),
    ],
)
def test_what_can_not_be_opened_says_why(
    kind: str, files: dict[str, bytes], card: dict[str, Any], words: str
) -> None:
    with pytest.raises(ArtefactError) as raised:
        open_model(pack(kind, card, files), label="m@1")
    assert words in str(raised.value)
    assert "m@1" in str(raised.value)


def of_size(size: tuple[int, int]) -> bytes:
    made = graphs.Making(size=size)
    return made.bytes({"map": made.brightness})


def test_a_size_that_the_graph_fixes_is_held_to_the_card_s_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def tried(*_: object) -> None:
        raise AssertionError("it was tried all the same")

    monkeypatch.setattr(graph_models, "_tried", tried)
    with pytest.raises(
        ArtefactError, match=r"takes images of 9000 x 64 px, .* up to 8192 px a side"
    ):
        opened(of_size((9000, 64)), **CARD)


def endless() -> bytes:
    """A graph that adds one to its map a billion times."""
    from onnx import TensorProto, helper

    made = graphs.Making()
    types = TensorProto.INT64, TensorProto.BOOL, TensorProto.FLOAT
    shapes: tuple[list[int], ...] = ([], [], [1, 1, 128, 160])
    given = [
        helper.make_tensor_value_info(*each)
        for each in zip(("i", "go", "was"), types, shapes, strict=True)
    ]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Sigmoid", ["was"], ["is"]),
        ],
        "body",
        given,
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("is", TensorProto.FLOAT, shapes[2]),
        ],
    )
    trips = made.constant(np.array(10**9, np.int64))
    go = made.constant(np.array(True))
    return made.bytes({"map": made.do("Loop", trips, go, made.brightness, body=body)})


def test_a_graph_that_takes_for_ever_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_models, "TRIAL_S", 0.3)
    began = time.monotonic()
    with pytest.raises(ArtefactError, match=r"more than 0\.3 s for one image of 160 x 128 px"):
        opened(endless(), **CARD)
    assert time.monotonic() - began < 20


def test_an_output_that_holds_nothing_is_said_at_opening() -> None:
    made = graphs.Making()
    none, along = made.constant(np.array([0], np.int64)), made.constant(np.array([3], np.int64))
    graph = made.bytes({"map": made.do("Slice", made.brightness, none, none, along)})
    with pytest.raises(ArtefactError, match=r"'map' holds nothing: it is \(1, 1, 128, 0\)"):
        opened(graph, **CARD)


def test_a_graph_that_fails_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    test_a_size_at_which_the_graph_fails_is_said()
    assert capfd.readouterr().out == ""


def test_an_operator_that_openvino_does_not_know_is_said() -> None:
    with pytest.raises(ArtefactError, match=r"No conversion rule found .*: acme\.Wonder; export"):
        opened(strange(), "openvino", **CARD)


def test_weights_beside_an_onnx_are_not_for_openvino() -> None:
    graph, data = graphs.keeping_weights_in(graphs.anomaly(), "w.bin")
    with pytest.raises(ArtefactError, match=r"model\.xml and model\.bin, or use it as kind: onnx"):
        opened(graph, "openvino", **CARD, files={"w.bin": data})


def test_a_size_at_which_the_graph_fails_is_said() -> None:
    made = graphs.Making(size=None)
    wanted = made.constant(np.ones((1, 1, 128, 160), np.float32))
    graph = made.bytes({"map": made.do("Mul", made.brightness, wanted)})
    with pytest.raises(ArtefactError, match="fails on an image of 90 x 70 px"):
        opened(graph, **CARD, input={"size": [90, 70]})
    assert opened(graph, **CARD, input={"size": [160, 128]}).predict([grey(9)])[0].error is None


def test_a_graph_that_gives_no_numbers_fails_its_image_alone() -> None:
    made = graphs.Making()
    graph = made.bytes({"map": made.do("Log", made.plus(made.brightness, -0.2))})
    model = opened(graph, task="anomaly", threshold=0.5, range=[-99, 1])
    said = model.predict([grey(250), grey(10), grey(250)])
    assert [each.error is None for each in said] == [True, False, True]
    assert "no number" in str(said[1].error)


def test_a_graph_that_never_gives_numbers_is_not_opened() -> None:
    made = graphs.Making()
    mean = made.shaped(made.do("ReduceMean", made.brightness, axes=[1, 2, 3], keepdims=1), -1, 1)
    graph = made.bytes({"out": made.do("Log", made.times(mean, -1.0))})
    with pytest.raises(ArtefactError, match=r"m@1: its graph answered with what is no number"):
        opened(graph, task="classification", labels="odd")


def test_the_extra_is_named_where_openvino_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, extra = registry.BUILT_IN["openvino"]
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, path.partition(":")[0], raising=False)
    with pytest.raises(MissingExtra, match=r"pip install 'walkdown\[openvino\]'"):
        opened(graphs.anomaly(), "openvino", **CARD)
    assert extra == "openvino"


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
@pytest.mark.parametrize("nhwc", [False, True])
def test_kinds_of_numbers_and_layouts(dtype: str, nhwc: bool) -> None:
    top = 255.0 if dtype == "uint8" else 1.0
    model = opened(graphs.anomaly(dtype=dtype, nhwc=nhwc, top=top), **CARD)
    (found,) = model.predict([grey(100)])
    assert found.raw_score == pytest.approx(100 / 255, abs=1e-3)
