"""walkdown: visual anomaly inspection of assets and equipment, with any model plugged in.

    import walkdown
    model = walkdown.train("cells", normal="photos/normal")
    for seen in model.predict(["photos/new/17.png"]):
        print(seen.verdict, seen.score, seen.regions)

Nothing heavy is loaded before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from walkdown.api import Model, Prediction, load, train

__version__ = "0.1.0"
__all__ = ["Model", "Prediction", "__version__", "load", "train"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from walkdown import api

        return getattr(api, name)
    raise AttributeError(f"module 'walkdown' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
