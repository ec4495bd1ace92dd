"""Models are anyone's code: what they answer is checked where it comes in."""

from dataclasses import replace

import pytest

from walkdown.pipeline.predictions import checked
from walkdown.types import Prediction, Region, Verdict

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


def test_words_can_be_stored_and_printed_and_are_no_longer_than_anybody_reads() -> None:
    dirty = "a\ud800b\x1b[2Jc\td\ne"
    clean = "a\ufffdb\ufffd[2Jc\td\ne"
    region = Region((0, 0, 1, 1), 1.0, 0.7, dirty)
    (found,) = checked([replace(GOOD, labels=(dirty,), note=dirty, regions=(region,))], 1)
    assert (found.labels, found.note, found.regions[0].label) == ((clean,), clean, clean)
    assert checked([replace(GOOD, error=dirty)], 1)[0].error == clean
    long = "x" * 10_000
    (found,) = checked([replace(GOOD, labels=(long,), note=long)], 1)
    assert (len(found.labels[0]), len(found.note or "")) == (200, 4000)
    assert len(checked([replace(GOOD, error=long)], 1)[0].error or "") == 4000


def test_of_too_many_places_the_worst_are_kept() -> None:
    many = tuple(Region((i, 0, 1, 1), 1.0, (i % 5000) / 5000) for i in range(5000))
    (found,) = checked([replace(GOOD, labels=tuple(map(str, range(5000))), regions=many)], 1)
    assert [region.box[0] for region in found.regions] == list(range(4999, 3999, -1))
    assert found.labels == tuple(map(str, range(1000)))


def test_too_few_or_too_many_answers_fail_every_image_of_the_batch() -> None:
    for answers in ([], [GOOD], [GOOD] * 3):
        assert [p.verdict for p in checked(answers, 2)] == [None, None]
