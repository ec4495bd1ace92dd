"""Models that need neither weights of the user's nor a service: nothing runs beside them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image
from tests.models.views import PART, board, jpeg
from tests.services.cases import Case, Running

from walkdown.imaging.decode import from_array
from walkdown.imaging.quality import measured
from walkdown.models.artefact import Artefact, pack
from walkdown.models.image_quality import quality_artefact
from walkdown.models.quality_limits import learned_limits

VALVE = {"name": "valve", "box": [PART[0] / 800, PART[1] / 600, 60 / 800, 60 / 600]}


def _template(**card: Any) -> Artefact:
    return pack("template", card, {"reference.jpg": jpeg(board())})


def _learned() -> Artefact:
    seen = [
        measured(from_array(np.asarray(board(seed=seed).resize((400, 300)))), longest_px=1024)
        for seed in range(5)
    ]
    limits = learned_limits([each for each in seen if each])
    return quality_artefact(limits, learned_from=len(seen))


def _alone(artefact: Artefact) -> Case:
    @contextmanager
    def running() -> Iterator[Running]:
        yield Running(artefact)

    return running


CASES: dict[str, Case] = {
    "image_quality": _alone(quality_artefact()),
    "image_quality learned": _alone(_learned()),
    "template": _alone(_template()),
    "template with parts": _alone(_template(parts=[VALVE])),
    "change": _alone(pack("change", {}, {})),
    "ocr": _alone(pack("ocr", {"expected": "17", "region": [0.55, 0.45, 0.2, 0.2]}, {})),
}
"""``ocr`` needs the extra of that name where it runs; on AWS that is a container image."""


def photographs() -> list[Image.Image]:
    """What these models have something to say of: the view as it is, and without its valve."""
    return [board(), board(valve=None)]
