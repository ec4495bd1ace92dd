"""`walkdown models start`, `stop` and `status`, with a model of Rekognition's Custom Labels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.conftest import Desk
from tests.services.aws_environment import nothing_else_of_aws
from tests.services.aws_stub import AwsStub, Refused, aws_stub
from tests.services.cases_rekognition import ARN, PROJECT_ARN

PAUSED = "parts@1 does not run in eu-west-1; start it: walkdown models start parts@1"


class Service:
    """A version of a project that starts at once and can be looked with only then."""

    def __init__(self) -> None:
        self.status = "STOPPED"
        self.given: list[dict[str, Any]] = []

    def start(self, given: dict[str, Any]) -> dict[str, Any]:
        if self.status == "RUNNING":
            raise Refused("ResourceInUseException")
        self.given.append(given)
        self.status = "RUNNING"
        return {"Status": "STARTING"}

    def stop(self, given: dict[str, Any]) -> dict[str, Any]:
        if self.status == "STOPPED":
            raise Refused("InvalidParameterException", message="it is not running")
        self.status = "STOPPED"
        return {"Status": "STOPPING"}

    def projects(self, given: dict[str, Any]) -> dict[str, Any]:
        assert given["ProjectNames"] == ["parts"]
        return {"ProjectDescriptions": [{"ProjectArn": PROJECT_ARN}]}

    def versions(self, given: dict[str, Any]) -> dict[str, Any]:
        assert given["ProjectArn"] == PROJECT_ARN
        found = {"ProjectVersionArn": ARN, "Status": self.status}
        running = {"MinInferenceUnits": 2} if self.status == "RUNNING" else {}
        return {"ProjectVersionDescriptions": [found | running]}

    def detect(self, given: dict[str, Any]) -> dict[str, Any]:
        if self.status != "RUNNING":
            raise Refused("ResourceNotReadyException")
        return {"CustomLabels": []}


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def stub(service: Service, monkeypatch: pytest.MonkeyPatch, desk: Desk) -> Iterator[AwsStub]:
    """The service, a card for its version, and the model `parts` made of it."""
    answers = {
        "StartProjectVersion": service.start,
        "StopProjectVersion": service.stop,
        "DescribeProjects": service.projects,
        "DescribeProjectVersions": service.versions,
        "DetectCustomLabels": service.detect,
    }
    (desk.folder / "card.yaml").write_text(
        f"kind: rekognition_custom\nproject_version: {ARN}\ninference_units: 2\n"
        "max_inference_units: 3\nrule: {forbidden: scratch}\n"
    )
    with aws_stub({("rekognition", name): answer for name, answer in answers.items()}) as stub:
        nothing_else_of_aws(monkeypatch)(stub.variables())
        assert desk.run("models", "add", "parts", str(desk.folder / "card.yaml"))[0] == 0
        assert stub.calls == [], "adding a model asks nobody"
        yield stub


def test_a_model_is_started_used_and_stopped(desk: Desk, stub: AwsStub, service: Service) -> None:
    from tests.e2e.conftest import picture

    for grey in (1, 2):
        picture(desk.folder / "photos" / f"{grey}.png", grey, (90, 80))
    code, out, err = desk.run("inspect", "photos", "--model", "parts")
    assert PAUSED in out + err
    code, out, err = desk.run("models", "start", "parts")
    assert (code, err) == (0, "")
    assert out == (
        "parts@1 is starting in eu-west-1, 2 inference units\n"
        "while it runs it costs $8.00 an hour, also when nobody asks; "
        "stop it: walkdown models stop parts@1\n"
    )
    assert service.given[0] == {
        "ProjectVersionArn": ARN,
        "MinInferenceUnits": 2,
        "MaxInferenceUnits": 3,
    }
    code, out, err = desk.run("models", "status", "parts")
    assert (code, out) == (0, "parts@1 is running in eu-west-1, 2 inference units\n")
    assert err == "", "an inspection has just asked it"
    assert desk.run("inspect", "photos", "--model", "parts")[0] == 0
    assert desk.run("models", "start", "parts", "--wait")[0] == 0, "once more is no error"
    assert len(service.given) == 1
    code, out, _ = desk.run("models", "stop", "parts", "--wait")
    assert (code, service.status) == (0, "STOPPED")
    assert out.endswith("parts@1 is stopped in eu-west-1, 2 inference units\n")
    assert desk.run("models", "stop", "parts")[0] == 0, "once more is no error"
    assert {call.region for call in stub.calls} == {"eu-west-1"}


def test_one_that_nobody_asks_is_warned_of(desk: Desk, stub: AwsStub, service: Service) -> None:
    service.status = "RUNNING"
    code, out, err = desk.run("models", "status")
    assert (code, out) == (0, "parts@1 is running in eu-west-1, 2 inference units\n")
    assert err == (
        "warning: no inspection of this workspace has asked parts@1 yet, and it costs $8.00 an "
        "hour; stop it: walkdown models stop parts@1\n"
    )
    _, out, _ = desk.run("models", "status", "--json")
    assert json.loads(out) == {
        "model": "parts@1", "status": "running", "said": "RUNNING", "units": 2,
        "usd_per_hour": 8.0, "where": "eu-west-1", "used_at": None, "idle": True, "error": None,
    }  # fmt: skip


def test_one_that_can_not_be_started_is_told(desk: Desk, stub: AwsStub, service: Service) -> None:
    service.status = "TRAINING_FAILED"
    code, out, _ = desk.run("models", "status", "parts")
    assert "parts@1 has failed (its service says TRAINING_FAILED) in eu-west-1" in out
    stub.refusals.append(Refused("ResourceInUseException"))
    code, _, err = desk.run("models", "start", "parts")
    assert code == 1
    assert "parts@1 is failed (its service says TRAINING_FAILED), and can't be started" in err
    assert "AWS says ResourceInUseException" in err
    stub.refusals += [Refused("LimitExceededException")] * 6
    code, _, err = desk.run("models", "start", "parts")
    assert code == 1
    assert "no more models or inference units running in eu-west-1; stop another" in err


def test_a_version_that_is_gone_is_told(desk: Desk, stub: AwsStub) -> None:
    stub.answers["rekognition", "DescribeProjects"] = lambda _: {"ProjectDescriptions": []}
    with pytest.raises(SystemExit, match="1"):
        desk.run("models", "status")
    out = desk.capture.readouterr().out
    assert out.startswith(
        "parts@1: eu-west-1 has no version 'parts.2025-01-31T10.00.00' of a project 'parts'"
    )


def test_nothing_to_start_is_told(desk: Desk) -> None:
    code, out, _ = desk.run("models", "status")
    assert (code, out) == (0, "no model here needs to be started\n")
