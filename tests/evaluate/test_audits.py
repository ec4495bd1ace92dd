"""What an audit says of the stages before it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from walkdown.evaluate.audits import Audit, Labelled, audits_of, words
from walkdown.evaluate.intervals import share_interval
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


def test_the_interval_is_that_of_these_very_images() -> None:
    """Two of three passed ones audited: nothing is left open but the third."""
    audit = Audit("confirm", flagged=2, flagged_anomalies=1, passed=3, audited=2, missed=1)
    assert audit.missed_of_passed == pytest.approx((0.5, 1 / 3, 2 / 3))
    assert audit.miss_rate == pytest.approx((0.6, 0.5, 2 / 3))


def named(name: str, *stages: StageResult) -> Result:
    """The result of a capture whose file has the content of its name."""
    one = result(*stages)
    return replace(one, key=ResultKey("w", f"capture-{name}", "p"), content=f"content-{name}")


def labelled_cascade() -> list[Result]:
    passed, flagged = said("screen", NORMAL), said("screen", ANOMALY)
    return [
        named("a", flagged, said("confirm", ANOMALY)),
        named("b", flagged, said("confirm", NORMAL)),
        named("c", passed, said("confirm", ANOMALY, audited=True)),
        named("d", passed, said("confirm", NORMAL, audited=True)),
        named("e", passed),
        named("f", passed),
        named("broken", passed, said("confirm", None, audited=True)),
    ]


def test_people_s_labels_are_another_truth_beside_it() -> None:
    labels = {
        **{f"capture-{name}": True for name in "abc"},
        **{f"content-{name}": True for name in ("d", "e", "f", "broken", "not-inspected")},
        "capture-f": False,
    }
    (audit,) = audits_of(labelled_cascade(), labels=labels)
    assert audit.labelled == Labelled(anomalies=5, passed=3, missed=3)
    by_stage, by_all = audit.labelled.pass_rate, audit.labelled.miss_rate
    assert by_stage == by_all == pytest.approx((0.6, *share_interval(3, 5)))
    (without,) = audits_of(labelled_cascade())
    assert without.labelled is None
    assert replace(audit, labelled=None) == without


def test_where_no_anomaly_is_labelled_nothing_is_said_of_any() -> None:
    (audit,) = audits_of(labelled_cascade(), labels={"capture-a": False})
    assert audit.labelled == Labelled()
    assert audit.labelled.pass_rate is audit.labelled.miss_rate is None


def test_what_was_saved_is_told_in_dollars_where_a_look_costs_some() -> None:
    expected = {"screen": 0.5, "confirm": 0.02}
    (audit,) = audits_of(labelled_cascade(), usd_per_look=expected)
    assert audit.saved_usd == pytest.approx(2 * 0.02)
    assert words(audit).endswith("2 looks were saved, about $0.040")
    assert words(replace(audit, usd_per_look=0.0001)).endswith("were saved, less than $0.001")
    assert words(replace(audit, usd_per_look=800.0)).endswith("were saved, about $1,600.00")
    assert words(replace(audit, usd_per_look=0.0)).endswith("2 looks were saved")


def test_what_looks_did_cost_counts_more_than_what_they_should() -> None:
    def paid(stage: StageResult, usd: float) -> StageResult:
        return replace(stage, prediction=replace(stage.prediction, cost_usd=usd))

    flagged, passed = said("screen", ANOMALY), said("screen", NORMAL)
    results = [
        result(flagged, paid(said("confirm", ANOMALY), 0.3)),
        result(passed, paid(said("confirm", NORMAL, audited=True), 0.1)),
        result(passed),
    ]
    (audit,) = audits_of(results, usd_per_look={"confirm": 9.0})
    assert audit.usd_per_look == pytest.approx(0.2)
    assert audit.saved_usd == pytest.approx(0.2)
