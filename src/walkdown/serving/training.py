"""Training in a container of SageMaker: folders of photographs come in, a model's goes out."""

from __future__ import annotations

import json
import tempfile
from contextlib import closing
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from walkdown.app import training
from walkdown.errors import SpecError
from walkdown.models import artefact
from walkdown.silent import Silent
from walkdown.training.demands import Demand
from walkdown.training.memory_bank import Options
from walkdown.wiring import open_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from walkdown.app.training import Trained

NAME = "model"


class Hyperparameters(BaseModel):
    """What SageMaker passes on of a training job's settings, all of it as text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    false_alarms: float = Field(0.05, gt=0, lt=0.5)
    recall: float | None = Field(None, gt=0, lt=1)
    fast: bool = False


def train(data: Path, settings: Path, model: Path) -> Trained:
    """Learn from the channels ``normal`` and, where it is there, ``anomaly`` below ``data``.

    ``settings`` is the file of hyperparameters, which need not be there; the model's files are
    written to the folder ``model``. Raises `WalkdownError`.
    """
    normal, anomaly = data / "normal", data / "anomaly"
    if not normal.is_dir():
        raise SpecError(
            "there is no channel 'normal': give the training job one with photographs of what is "
            "normal, and, if you have them, one called 'anomaly'"
        )
    options = _options(settings)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(open_workspace(folder)) as app,
    ):
        trained = training.train(
            app,
            NAME,
            normal=[str(normal)],
            anomaly=[str(anomaly)] if anomaly.is_dir() else [],
            options=options,
            progress=Silent(),
        )
        packed = artefact.load(trained.version.digest, app.blobs)
    model.mkdir(parents=True, exist_ok=True)
    for name, content in artefact.contents(packed).items():
        (model / name).write_bytes(content)
    return trained


def _options(settings: Path) -> Options:
    try:
        found = Hyperparameters.model_validate(json.loads(settings.read_bytes()))
    except FileNotFoundError:
        found = Hyperparameters()
    except ValidationError as e:
        first = e.errors(include_url=False)[0]
        known = ", ".join(Hyperparameters.model_fields)
        raise SpecError(
            f"the hyperparameter {'.'.join(map(str, first['loc']))}: {first['msg']}; there are: "
            f"{known}"
        ) from e
    except ValueError as e:
        raise SpecError("the hyperparameters are no JSON") from e
    demand = Demand(false_alarms=found.false_alarms, recall=found.recall)
    return Options(demand=demand, fast=found.fast)
