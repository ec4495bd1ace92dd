"""The populations of the cascade's proof, and the shares of seconds that are saved."""

from datetime import UTC, datetime

import pytest
from benchmarks.cascade import Took, saved
from benchmarks.cascade_resamples import Looked, populations, row

from walkdown.pipeline.plan import Stage
from walkdown.types import ModelInfo, Prediction, Result, ResultKey, StageResult, Status, Verdict

STAGE = Stage("confirm", ModelInfo("confirm", "d"), audit=0.5)
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def looked(number: int, *, flagged: bool, anomaly: bool, labelled: bool) -> Looked:
    verdicts = [Verdict.ANOMALY if said else Verdict.NORMAL for said in (flagged, anomaly)]
    stages = tuple(
        StageResult(name, "m@1", "d", Prediction(verdict, None, None))
        for name, verdict in zip(("screen", "confirm"), verdicts, strict=True)
    )
    key = ResultKey("w", str(number), "p")
    result = Result(key, "u", "i", Status.DONE, "ada", NOW, verdict=verdicts[1], stages=stages)
    return Looked(result, flagged, labelled)


POOL = [
    *(looked(i, flagged=True, anomaly=True, labelled=True) for i in range(30)),
    *(looked(i, flagged=False, anomaly=True, labelled=True) for i in range(30, 40)),
    *(looked(i, flagged=True, anomaly=False, labelled=False) for i in range(40, 50)),
    *(looked(i, flagged=False, anomaly=False, labelled=False) for i in range(50, 90)),
]


def test_a_population_is_drawn_audited_and_told_of_as_an_inspection_is() -> None:
    drawn = populations(POOL, STAGE, images=400, share=0.2, count=50)
    assert drawn == populations(POOL, STAGE, images=400, share=0.2, count=50)
    truths = [one.truth for one in drawn]
    assert len(set(truths)) > 10
    assert sum(truths) / 50 == pytest.approx(0.25, abs=0.05)
    for one in drawn:
        assert 100 < one.audited < 230
        assert one.of_share[0] - 1e-9 <= one.told[1] <= one.told[0]
        assert one.told[0] <= one.told[2] <= one.of_share[1] + 1e-9
    assert sum(one.told[1] <= one.truth <= one.told[2] for one in drawn) >= 43
    figures = row(drawn, images=400, share=0.2, audit=0.5)
    assert figures[:2] == ["400", "20%"]
    assert int(figures[5]) >= 43
    assert float(figures[-2]) < 1.0


def test_what_everything_is_audited_of_is_known() -> None:
    everything = Stage("confirm", ModelInfo("confirm", "d"), audit=1.0)
    for one in populations(POOL, everything, images=100, share=None, count=5):
        assert one.told == pytest.approx((one.truth,) * 3)


def test_seconds_saved_are_the_median_of_the_turns() -> None:
    turns = tuple((Took(cascade, 1.0), Took(10.0, 4.0)) for cascade in (6.0, 9.0, 5.0))
    assert saved(turns, "wall_s") == "40% (10% to 50%)"
    assert saved(turns, "busy_s") == "75% (75% to 75%)"
