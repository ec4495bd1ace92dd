"""What needs somebody is said with what to do; what runs or is over needs nobody."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from walkdown.aws.health import (
    LATE,
    Alarm,
    Failed,
    Health,
    Images,
    Outbox,
    PipelineHealth,
    Queue,
    problems_of,
)
from walkdown.runners.executions import Deployment, Ran

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
RAN = Ran("20260501-1", "arn", "FAILED", NOW)
POLES = PipelineHealth(
    Deployment("poles", "poles/", "machine", "plan"), ("cells@1",), (RAN,), (), 3, Images(10)
)
WELL = Health("plant", "UPDATE_COMPLETE", NOW, "bucket", (POLES,), Queue(100, 10))


def test_all_is_well() -> None:
    assert list(problems_of(WELL)) == []
    assert list(problems_of(replace(WELL, status="UPDATE_IN_PROGRESS"))) == []
    early = Outbox(3, 5, LATE)
    assert list(problems_of(replace(WELL, outbox=early))) == []


@pytest.mark.parametrize(
    ("sick", "words"),
    [
        (replace(WELL, status="UPDATE_ROLLBACK_COMPLETE"), "deploy it again"),
        (replace(WELL, status="DELETE_FAILED"), "DELETE_FAILED"),
        (replace(WELL, dead_letters=Queue(2, 0)), "2 photographs could not be taken in"),
        (
            replace(WELL, pipelines=(replace(POLES, failed=(Failed(RAN, "States.X: y"),)),)),
            r"20260501-1 of poles broke off \(States.X: y\); .*walkdown redrive --stack plant",
        ),
        (replace(WELL, outbox=Outbox(3, 0, LATE + timedelta(minutes=1))), "oldest for 16 minutes"),
        (replace(WELL, alarms=(Alarm("plant-Late", "look there"),)), "plant-Late: look there"),
    ],
)
def test_what_needs_somebody(sick: Health, words: str) -> None:
    (problem,) = problems_of(sick)
    assert re.search(words, problem)


def test_images_are_added_up() -> None:
    tally = {"images": 5, "anomalies": 2, "failed": 1, "done": 4}
    assert Images(1, 1, 1).plus(tally).plus({}) == Images(6, 3, 2)
