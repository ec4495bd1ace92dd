"""What an audit says of the stages before it."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from walkdown.evaluate.audits import Audit, audits_of, words
from walkdown.types import Prediction, Result, ResultKey, StageResult, Status, Verdict

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ANOMALY, NORMAL = Verdict.ANOMALY, Verdict.NORMAL


def said(stage: str, verdict: Verdict | None, *, audited: bool = False) -> StageResult:
    error = None if verdict else "broke"
    return StageResult(
        stage, "m@1", "d", Prediction(verdict, None, None, error=error), audited=audited
    )


def result(*stages: StageResult) -> Result:
    verdict = stages[-1].prediction.verdict
    status = Status.DONE if verdict else Status.PARTIAL
    return Result(ResultKey("w", str(id(stages)), "p"), "u", "i", status, "ada", NOW,
                  verdict=verdict or NORMAL, stages=stages)  # fmt: skip


def test_counts_are_those_of_the_stage_that_audits() -> None:
    passed, flagged = said("screen", NORMAL), said("screen", ANOMALY)
    results = [
        *[result(passed)] * 7,
        result(passed, said("confirm", NORMAL, audited=True)),
        result(passed, said("confirm", ANOMALY, audited=True)),
        *[result(flagged, said("confirm", ANOMALY))] * 3,
        result(flagged, said("confirm", NORMAL)),
        result(passed, said("confirm", None, audited=True)),
    ]
    (audit,) = audits_of(results)
    assert audit == Audit("confirm", flagged=4, flagged_anomalies=3, passed=9, audited=2, missed=1)
    assert audit.saved == 7
    rate = audit.miss_rate
    assert rate is not None
    assert rate[0] == pytest.approx(4.5 / 7.5)


def test_without_an_audit_nothing_is_said() -> None:
    flagged = result(said("screen", ANOMALY), said("confirm", NORMAL))
    assert audits_of([flagged, result(said("screen", NORMAL))]) == []


def test_of_no_anomalies_there_is_no_rate() -> None:
    audit = Audit("confirm", flagged=3, passed=100, audited=10)
    assert audit.miss_rate is None
    assert "It knows of no anomaly at all" in words(audit)


def test_the_interval_covers_the_true_rate() -> None:
    """1,000 cascades that miss 30 of 100 anomalies among 2,000 images, 10 % audited."""
    rng, inside = np.random.default_rng(5), 0
    passed, missed, found = 1900, 30, 70
    for _ in range(1000):
        drawn = rng.random(passed) < 0.1
        audit = Audit("confirm", 100, found, passed, int(drawn.sum()), int(drawn[:missed].sum()))
        rate = audit.miss_rate
        assert rate is not None
        inside += rate[1] <= missed / (missed + found) <= rate[2]
    assert inside >= 950


def test_all_audited_is_the_truth_and_the_words_say_it() -> None:
    audit = Audit("confirm", flagged=10, flagged_anomalies=6, passed=90, audited=90, missed=4)
    assert audit.miss_rate is not None
    assert audit.miss_rate[0] == pytest.approx(0.4)
    assert "found 4 anomalies there. Missed are 40 % of all anomalies" in words(audit)
    assert "0 looks were saved" in words(audit)
