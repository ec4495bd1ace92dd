"""Models are anyone's code: what they answer is checked where it comes in."""

from dataclasses import replace

import pytest

from walkdown.pipeline.predictions import checked
from walkdown.types import Prediction, Verdict

GOOD = Prediction(Verdict.ANOMALY, 0.7, 3.0)


def test_whole_predictions_pass_unchanged() -> None:
    assert checked([GOOD, replace(GOOD, score=None, raw_score=None)], 2)[0] is GOOD


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Prediction(None, None, None), "neither a verdict nor an error"),
        (replace(GOOD, score=1.5), "1.5"),
        (replace(GOOD, score=float("nan")), "nan"),
        (replace(GOOD, raw_score=float("inf")), "inf"),
        (replace(GOOD, error="the lamp is off"), "the lamp is off"),
    ],
)
def test_nonsense_becomes_an_error_without_a_verdict(bad: Prediction, reason: str) -> None:
    (answer,) = checked([bad], 1)
    assert answer.verdict is None
    assert answer.score is None
    assert reason in (answer.error or "")


def test_too_few_or_too_many_answers_fail_every_image_of_the_batch() -> None:
    for answers in ([], [GOOD], [GOOD] * 3):
        assert [p.verdict for p in checked(answers, 2)] == [None, None]
