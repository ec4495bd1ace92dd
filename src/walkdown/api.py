"""The Python face: train a model, load it, look at images. The command line does the same.

>>> import walkdown
>>> walkdown.load.__name__
'load'
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from walkdown.app import training
from walkdown.app.versions import open_version, resolve
from walkdown.errors import ImageError, ModelError
from walkdown.imaging import heatmaps
from walkdown.imaging.decode import decode, from_array
from walkdown.pipeline.predictions import failed
from walkdown.silent import Silent
from walkdown.training.demands import Demand
from walkdown.training.memory_bank import Options
from walkdown.wiring import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from walkdown import ports
    from walkdown.app.context import App
    from walkdown.types import ModelVersion, Photo, Region, Verdict
    from walkdown.types import Prediction as Bare

    ImageLike = str | Path | NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one image.

    ``verdict`` is "normal", "anomaly" or "unusable" and, like ``score`` and ``raw_score``, None
    where ``error`` says why the image could not be looked at.
    """

    bare: Bare

    @property
    def verdict(self) -> Verdict | None:
        """The verdict, a string."""
        return self.bare.verdict

    @property
    def score(self) -> float | None:
        """0..1, with 0.5 at the threshold; not a probability."""
        return self.bare.score

    @property
    def raw_score(self) -> float | None:
        """The model's own number, never clipped."""
        return self.bare.raw_score

    @property
    def p_normal(self) -> float | None:
        """Share of normal images that look at least as odd, in (0, 1]."""
        return self.bare.p_normal

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of what is seen, where the model has any."""
        return self.bare.labels

    @property
    def regions(self) -> tuple[Region, ...]:
        """Places that are wrong, worst first, in pixels of the upright original."""
        return self.bare.regions

    @property
    def heatmap(self) -> NDArray[np.float32] | None:
        """(H, W) float32 scores at the size of the upright original; made at each access."""
        return None if self.bare.heatmap is None else heatmaps.upsample(self.bare.heatmap)

    @property
    def error(self) -> str | None:
        """Why there is no verdict."""
        return self.bare.error


class Model:
    """A trained model, ready to look at images."""

    def __init__(self, model: ports.Model, version: ModelVersion) -> None:
        self._model = model
        self.version = version

    def __repr__(self) -> str:
        return f"walkdown.Model({self.version.label!r})"

    def predict(self, images: ImageLike | Iterable[ImageLike]) -> list[Prediction]:
        """One prediction per image: paths, or arrays (H, W) or (H, W, 3 or 4) uint8 RGB.

        A single path or array is taken as one image. An image that can't be read is a prediction
        with an ``error``, not an exception.
        """
        one = isinstance(images, str | Path) or (isinstance(images, np.ndarray) and images.ndim < 4)
        many = [cast("ImageLike", images)] if one else cast("Iterable[ImageLike]", images)
        return [self._predict_one(image) for image in many]

    def _predict_one(self, image: ImageLike) -> Prediction:
        try:
            photo = _photo(image, self._model.info.input_px)
        except ImageError as e:
            return Prediction(failed(str(e)))
        try:
            return Prediction(self._model.predict([photo])[0])
        except ModelError as e:
            return Prediction(failed(str(e)))


def _photo(image: ImageLike, at_least_px: int | None) -> Photo:
    if isinstance(image, np.ndarray):
        return from_array(image)
    try:
        data = Path(image).read_bytes()
    except (OSError, ValueError) as e:
        reason = e.strerror if isinstance(e, OSError) else "not a file's name"
        raise ImageError(f"{image}: {reason}") from e
    return decode(data, name=str(image), at_least_px=at_least_px)


def train(
    name: str,
    *,
    normal: str | Path | Sequence[str | Path],
    anomaly: str | Path | Sequence[str | Path] = (),
    masks: str | Path | None = None,
    false_alarms: float = 0.05,
    recall: float | None = None,
    fast: bool = False,
    workspace: str | Path | None = None,
) -> Model:
    """Learn what normal looks like from photographs, and make it ``name@live`` of the workspace.

    ``normal`` and ``anomaly`` are files or folders; anomalies are learned from where that helps,
    ``masks`` is a folder with masks of them. ``false_alarms`` is the share (0..0.5) of normal
    images that may raise an alarm; with ``recall`` (0..1) the threshold finds that share of
    anomalies instead. ``fast`` compares no ways to look. Raises `TrainingError` where the
    photographs are too few.
    """
    demand = Demand(false_alarms=false_alarms, recall=recall)
    with closing(_app(workspace)) as app:
        trained = training.train(
            app,
            name,
            normal=_paths(normal),
            anomaly=_paths(anomaly),
            masks=None if masks is None else str(masks),
            options=Options(demand=demand, fast=fast),
            progress=Silent(),
        )
        return Model(open_version(app, trained.version), trained.version)


def load(name: str, *, workspace: str | Path | None = None) -> Model:
    """The model ``name``, ``name@alias`` or ``name@3`` of the workspace. Raises `NotFound`."""
    with closing(_app(workspace)) as app:
        version = resolve(app, name)
        return Model(open_version(app, version), version)


def _app(workspace: str | Path | None) -> App:
    return open_workspace(None if workspace is None else str(workspace))


def _paths(given: str | Path | Sequence[str | Path]) -> list[str]:
    return [str(given)] if isinstance(given, str | Path) else [str(path) for path in given]
