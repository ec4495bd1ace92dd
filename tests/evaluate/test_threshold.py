"""What is told of a threshold: its sentence, its card, and what new images will show."""

import json
from dataclasses import asdict

import pytest

from walkdown.evaluate.intervals import predictive_interval
from walkdown.evaluate.labelled_thresholds import from_costs, from_recall
from walkdown.evaluate.threshold import Threshold
from walkdown.evaluate.thresholds import from_false_alarms, with_recall

SCORES = tuple(float(v) for v in range(1, 101))


def test_what_twenty_images_say_of_one_per_cent() -> None:
    assert from_false_alarms(range(1, 21), 0.01).sentence == (
        "the 1 % budget is a guess; 99 or more normal images would support it; with 95 % "
        "confidence at most 14 % of new normal images raise a false alarm (from 20 normal images)"
    )


def test_what_enough_images_say() -> None:
    assert from_false_alarms(range(1, 301), 0.01).sentence == (
        "the 1 % budget is kept on average; with 95 % confidence between 0.081 and 2.4 % of new "
        "normal images raise a false alarm (from 300 normal images)"
    )


def test_what_a_certain_budget_says() -> None:
    assert from_false_alarms(SCORES, 0.05, strict=True).sentence == (
        "the 5 % budget is certain; with 95 % confidence at most 4.7 % of new normal images raise "
        "a false alarm (from 100 normal images)"
    )


def test_what_images_set_aside_add() -> None:
    assert from_false_alarms(SCORES, 0.05, set_aside=[1e4]).sentence == (
        "the 5 % budget is kept on average; with 95 % confidence between 1.6 and 11 % of new "
        "normal images raise a false alarm (from 101 normal images, 1 of them unlike all others "
        "and set aside)"
    )


def test_what_known_anomalies_add() -> None:
    judged = with_recall(from_false_alarms(SCORES, 0.05), [50.0, 200.0, 300.0])
    assert judged.sentence.endswith(
        "(from 100 normal images), and between 9.4 and 99.2 % of such anomalies are found (2 of "
        "the 3 labelled ones)"
    )


def test_what_a_recall_says() -> None:
    anomalies = [90.5, *(200.0 + i for i in range(99))]
    assert from_recall(SCORES, anomalies, recall=0.95).sentence == (
        "with 95 % confidence at most 3.6 % of new normal images raise a false alarm (from 100 "
        "normal images), and at least 95 % of such anomalies are found (99 of the 100 labelled "
        "ones)"
    )


def test_what_costs_say() -> None:
    chosen = from_costs(SCORES, [200.0] * 30, miss=50, false_alarm=1)
    assert chosen.sentence.startswith(
        "cheapest where a miss costs 50, a false alarm 1 and 1 % of images show an anomaly: expect "
        "a cost of 0.013 an image; with 95 % confidence at most 3.6 % of new normal images"
    )


@pytest.mark.parametrize(
    "threshold",
    [
        from_false_alarms(SCORES, 0.05, set_aside=[500.0]),
        from_recall(SCORES, [200.0] * 30, recall=0.9),
        from_costs(SCORES, [200.0] * 30, miss=50, false_alarm=1),
    ],
    ids=lambda t: t.chosen_by,
)
def test_a_card_holds_it_as_plain_json(threshold: Threshold) -> None:
    card = json.loads(json.dumps(asdict(threshold), allow_nan=False))
    assert card["chosen_by"] == threshold.chosen_by
    assert card["value"] == threshold.value
    assert (card["recall"] is None) == (threshold.recall is None)


def test_a_card_without_labelled_anomalies_is_read_back_as_it_was() -> None:
    threshold = from_false_alarms(SCORES, 0.05)
    assert Threshold(**json.loads(json.dumps(asdict(threshold)))) == threshold


def test_new_images_show_a_wider_span_than_the_rate_has() -> None:
    threshold = from_false_alarms(SCORES, 0.05)
    fewest, most = predictive_interval(threshold.alarms, 100, 50)
    assert threshold.expected(50) == (fewest / 50, most / 50)
    assert threshold.expected(50)[1] > threshold.high
    assert threshold.expected(100_000) == pytest.approx((threshold.low, threshold.high), abs=1e-3)


def test_above_all_scores_no_alarm_at_all_may_be_seen() -> None:
    threshold = from_false_alarms(range(1, 21), 0.05)
    assert threshold.expected(100_000) == pytest.approx((0.0, threshold.high), abs=1e-3)
    fixed = from_recall(range(1, 21), [200.0] * 30, recall=0.9)
    assert fixed.low == 0.0
    assert fixed.expected(100_000)[1] == pytest.approx(fixed.high, abs=1e-3)
    assert fixed.high > threshold.high, "chosen without them, so both sides can be missed"
