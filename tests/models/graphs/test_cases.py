"""Every kind and task keeps to what every model must."""

from __future__ import annotations

import numpy as np
import pytest
from tests.services import cases_onnx, cases_openvino
from tests.services.cases_onnx import CARDS

from walkdown.models.conformance import CHECKS, examine, photo_of
from walkdown.registry import open_model
from walkdown.types import Photo

CASES = {**cases_onnx.CASES, **cases_openvino.CASES}


def patch(grey: int, *, at: tuple[int, int, int, int] = (60, 40, 80, 60)) -> Photo:
    """A dark photograph with a patch of that grey: left, top, width, height."""
    pixels = np.full((240, 300, 3), 40, np.uint8)
    left, top, width, height = at
    pixels[top : top + height, left : left + width] = grey
    return photo_of(pixels)


PHOTOS = [patch(255), patch(40), patch(250, at=(10, 100, 200, 120))]


@pytest.mark.parametrize("name", CASES)
def test_a_graph_keeps_to_what_every_model_must(name: str) -> None:
    with CASES[name]() as running:
        found = list(examine(open_model(running.artefact, label="graph@1"), PHOTOS))
    assert [(each.check, each.why) for each in found if each.why] == []
    assert len(found) == len(CHECKS)


@pytest.mark.parametrize("task", CARDS)
def test_both_runtimes_say_the_same(task: str) -> None:
    said = []
    for kind in ("onnx", "openvino"):
        with CASES[f"{kind}, {task}"]() as running:
            said.append(open_model(running.artefact, label="graph@1").predict(PHOTOS))
    for one, other in zip(*said, strict=True):
        assert one.error is None
        assert (one.verdict, one.labels) == (other.verdict, other.labels)
        assert one.raw_score == pytest.approx(other.raw_score, abs=1e-5)
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert [r.box for r in one.regions] == [r.box for r in other.regions]
        if one.heatmap is not None:
            assert other.heatmap is not None
            assert np.abs(one.heatmap.grid - other.heatmap.grid).max() <= 1e-5
