import numpy as np
import pytest

from walkdown.models.fake import Fake, fake_artefact
from walkdown.types import Photo, Verdict


def grey(value: int) -> Photo:
    return Photo(np.full((4, 6, 3), value, np.uint8), 6, 4, "c")


@pytest.mark.parametrize(
    ("value", "score", "verdict"),
    [
        (0, 0.0, Verdict.NORMAL),
        (127, 127 / 255, Verdict.NORMAL),
        (128, 128 / 255, Verdict.ANOMALY),
        (255, 1.0, Verdict.ANOMALY),
    ],
)
def test_brightness_is_the_score(value: int, score: float, verdict: Verdict) -> None:
    (said,) = Fake(fake_artefact(), label="f").predict([grey(value)])
    assert (said.score, said.raw_score, said.verdict) == (score, value, verdict)
    assert [r.box for r in said.regions] == ([(0, 0, 6, 4)] if verdict is Verdict.ANOMALY else [])


def test_salt_makes_another_model() -> None:
    assert fake_artefact().digest == fake_artefact().digest != fake_artefact(salt="x").digest
