"""What every model keeps to, of those that run here: on photographs that fit them, and others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.models.views import board, photo, taken
from tests.services.cases_local import CASES, photographs

from walkdown.app.synthetic import photograph
from walkdown.imaging.decode import decode
from walkdown.models.artefact import pack
from walkdown.models.conformance import CHECKS, examine
from walkdown.ports import Model
from walkdown.registry import Offers, open_model
from walkdown.types import Photo, Prediction


@pytest.mark.parametrize("name", list(CASES))
def test_a_model_keeps_to_what_every_model_must(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = [photo(image) for image in photographs()]
    photos.append(decode(photograph(320, 240, seed=1), name="made up"))
    with CASES[name]() as running:
        for variable, value in running.variables.items():
            monkeypatch.setenv(variable, value)
        model = open_model(running.artefact, label=f"{name}@1")
        found = list(examine(model, photos))
    assert [(each.check, each.why) for each in found if each.why] == []
    assert [each.check for each in found] == list(CHECKS)


def test_so_does_a_model_that_finds_an_earlier_visit() -> None:
    """Held to the last bit too, since its history stands still here."""

    def earlier(_: Photo) -> Photo:
        return photo(board())

    model = open_model(pack("change", {}, {}), label="c@1", offers=Offers(earlier=earlier))
    steady = _Steady(model)
    photos = [
        photo(image, asset="pole") for image in (taken(board()), taken(board(valve=None), seed=1))
    ]
    assert len({each.content for each in photos}) == 2
    found = list(examine(steady, photos))
    assert [(each.check, each.why) for each in found if each.why] == []
    verdicts = [said.verdict for said in model.predict(photos)]
    assert verdicts == ["normal", "anomaly"]


class _Steady:
    """A model that says of itself that it is deterministic, so that it is held to it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.info = replace(model.info, deterministic=True)

    def predict(self, photos: Sequence[Photo]) -> list[Prediction]:
        return self._model.predict(photos)
