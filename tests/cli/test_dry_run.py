"""What `inspect --dry-run` says of a stack, and how it words what it found."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.app.stacks import STACK, deployed, inspected, stack_app
from tests.e2e.judges import LOOKS

from walkdown import wiring_aws
from walkdown.cli.dry_run import run_dry_run_there
from walkdown.pipeline.budget import Charge
from walkdown.runners.executions import Deployment
from walkdown.sdk.aws import Aws

GREYS = {"a": 10, "b": 90, "c": 200}


class Workflows:
    def __init__(self, plan_key: str) -> None:
        self._plan_key = plan_key

    def deployments(self) -> list[Deployment]:
        return [Deployment("line", "line/", "machine", self._plan_key)]


def told(
    aws: Aws,
    patch: pytest.MonkeyPatch,
    capture: pytest.CaptureFixture[str],
    *,
    charge: Charge | None,
    again: bool = False,
) -> tuple[dict[str, Any], int, bool]:
    """The JSON, how often a model was asked, and whether anything was written."""
    with stack_app(aws, patch, GREYS) as app:
        plan_key = deployed(app, charge=charge).key
        patch.setattr(wiring_aws, "find_stack", lambda _: STACK)
        patch.setattr(wiring_aws, "workflows", lambda _: Workflows(plan_key))
        inspected(app)
        s3: Any = aws.client("s3")
        s3.put_object(Bucket="photos", Key="line/d.png", Body=b"of another day")
        before = list(app.blobs.list()), app.records.inspections(), list(app.records.results())
        LOOKS.clear()
        capture.readouterr()
        run_dry_run_there(app, "plant", (), pipeline="line", again=again, as_json=True)
        after = list(app.blobs.list()), app.records.inspections(), list(app.records.results())
        return json.loads(capture.readouterr().out), len(LOOKS), before != after


def test_a_stack_tells_what_is_new_and_what_its_budget_counts(
    moto_aws: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found, looks, changed = told(moto_aws, monkeypatch, capsys, charge=Charge(0.5, 0.25))
    assert (found["images"], found["new"], found["done_before"]) == (4, 1, 3)
    assert found["stack_usd"] == 0.75
    assert (looks, changed) == (0, False)


def test_without_a_budget_a_few_photographs_are_measured(
    moto_aws: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found, looks, changed = told(moto_aws, monkeypatch, capsys, charge=None, again=True)
    assert (found["images"], found["new"], found["done_before"]) == (4, 4, 0)
    assert 0 < found["stack_usd"] < 0.1
    assert (found["seconds_basis"], found["seconds"]["likely"] > 0) == ("measured", True)
    assert (looks > 0, changed) == (True, False)
