"""Every example about AWS in README and docs is a command that exists; a proof carries them out."""

import json
import os
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import botocore.session
import click
import pytest
from botocore import xform_name
from tests.aws.emulator.handle import Handle
from tests.aws.emulator.patching import REGION
from tests.aws.places import RUNTIME, Place
from tests.pipeline.plans import plan_of
from tests.test_docs import BLOCK, PAGES, ROOT, texture

from walkdown.aws.check.__main__ import main as check
from walkdown.cli.commands import cli
from walkdown.runners.stepfunctions import Shape, definition

PAGE = ROOT / "docs" / "aws.md"
RENAMED = {("sns", "notification-endpoint"): "endpoint"}
"""Options that the AWS command line calls otherwise than its services do."""

A_BUCKET = "plant-sourcebucket-1a2b3c"
FILE = re.compile(r"`([\w-]+\.(?:json|yaml))`[^`]*:\n\n```\w+\n(.*?)^```", re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[str]:
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [line for language, text in blocks if language == "sh" for line in text.splitlines()]


def files() -> dict[str, str]:
    """Files that the page has its reader write."""
    return dict(FILE.findall(PAGE.read_text(encoding="utf-8")))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the page describes it, made the current one."""
    for folder, count in (("normal", 12), ("new", 4)):
        (tmp_path / "photos" / folder).mkdir(parents=True)
        for i in range(count):
            picture = texture(i + len(folder) * 100, blob=folder == "new" and i == 3)
            picture.save(tmp_path / "photos" / folder / f"{15 + i}.png")
    for name, text in files().items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


ALL = [line for page in PAGES for line in commands(page)]


@pytest.mark.parametrize("line", [line for line in ALL if line.startswith("walkdown ")])
def test_a_documented_command_is_understood(line: str, desk: Path) -> None:
    name, *args = shlex.split(line)[1:]
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, f"there is no walkdown {name}"
    command.make_context(name, args, parent=click.Context(cli))


@pytest.mark.parametrize("line", [line for line in ALL if line.startswith("python ")])
def test_a_documented_check_is_understood(line: str, desk: Path) -> None:
    words = shlex.split(line)
    assert words[:3] == ["python", "-m", "walkdown.aws.check"]
    check.make_context("check", words[3:])


@pytest.mark.parametrize("line", [line for line in ALL if line.startswith("aws ")])
def test_a_documented_call_of_aws_is_one(line: str, desk: Path) -> None:
    service, operation, given = as_call(line)
    model = botocore.session.get_session().get_service_model(service)
    named = {xform_name(name): name for name in model.operation_names}
    shape = model.operation_model(named[operation]).input_shape
    assert shape is not None
    assert set(shape.required_members) <= set(given) <= set(shape.members)


def test_every_other_example_is_of_docker_and_names_the_file_that_is_there() -> None:
    known = ("walkdown ", "python ", "aws ")
    others = [line for line in ALL if not line.startswith(known)]
    assert {line.split()[0] for line in others} == {"docker"}
    named = [re.search(r"--file (\S+)", line) for line in others]
    assert {found[1] for found in named if found} == {"deploy/aws/Dockerfile"}


def as_call(line: str) -> tuple[str, str, dict[str, Any]]:
    """A command of the AWS command line as service, method and arguments of boto3."""
    _, service, operation, *rest = shlex.split(line)
    model = botocore.session.get_session().get_service_model(service)
    called = operation.replace("-", "_")
    named = {xform_name(name): name for name in model.operation_names}
    shape = model.operation_model(named[called]).input_shape
    members = {xform_name(name): name for name in (shape.members if shape else {})}
    given: dict[str, Any] = {}
    for option, value in zip(rest[::2], rest[1::2], strict=True):
        name = option.removeprefix("--")
        member = members[RENAMED.get((service, name), name).replace("-", "_")]
        is_file = value.startswith("file://")
        given[member] = (
            json.loads(Path(value.removeprefix("file://")).read_text()) if is_file else value
        )
    return service, called, given


def test_the_policies_within_the_files_are_json() -> None:
    queue, subscription = (
        json.loads(files()["queue.json"]),
        json.loads(files()["subscription.json"]),
    )
    statement = json.loads(queue["Policy"])["Statement"][0]
    assert statement["Action"] == "sqs:SendMessage"
    alerts = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    assert json.dumps(json.loads(subscription["FilterPolicy"])) in alerts


def states(machine: Mapping[str, Any]) -> set[str]:
    """All states, those within maps as well."""
    found = set(machine["States"])
    for state in machine["States"].values():
        found |= states(state["ItemProcessor"]) if "ItemProcessor" in state else set()
    return found


def test_the_page_tells_of_every_state_of_its_pipelines_workflow() -> None:
    plan = plan_of(None, "a.score > 0.3")
    machine = definition(plan, Shape({"a": 9, "b": 9}), plan_key="pipelines/p/0.json")
    renamed = {"a": "screen", "b": "confirm"}
    found = {re.sub(r"\b[ab](?=$|:|\?)", lambda m: renamed[m[0]], name) for name in states(machine)}
    section = PAGE.read_text(encoding="utf-8").partition("\n## The workflow\n")[2]
    rows = re.findall(r"^\| (`.*?) \|", section.partition("\n## ")[0], re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    # What is said of the first stage's batches holds for the second's.
    assert told == {name for name in found if not name.startswith("confirm:")}


def test_the_pages_hours_are_what_its_formula_says() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| ([\d,]+) \| ([\d.]+) (min|h) \| ([\d.]+) (s|min|h) \|", text, re.MULTILINE
    )
    unit_s = {"s": 1.0, "min": 60.0, "h": 3600.0}
    assert len(rows) == 3
    for count, sent, sent_unit, looked, looked_unit in rows:
        images = int(count.replace(",", ""))
        sending_s, looking_s = images * 2e6 * 8 / 100e6, images * 0.4 / 50
        assert float(sent) == pytest.approx(sending_s / unit_s[sent_unit], rel=0.05)
        assert float(looked) == pytest.approx(looking_s / unit_s[looked_unit], rel=0.05)


@pytest.mark.proof
def test_the_pages_examples_work(aws: Handle, desk: Path) -> None:
    place = Place(aws, desk)
    aws.hurry(1.0)
    # The page goes on after its first hour, at whose end the stack is destroyed.
    for line in sorted(commands(PAGE), key=lambda line: " destroy " in line):
        _carry_out(line, place)


def _carry_out(line: str, place: Place) -> None:
    words = shlex.split(_with_bucket(line, place))
    if words[0] == "aws":
        service, operation, given = as_call(line)
        getattr(place.aws.client(service), operation)(**given)
    elif words[0] == "python":
        environment = {**os.environ, **place.aws.variables()}
        done = subprocess.run([sys.executable, *words[1:]], env=environment, check=False)
        assert done.returncode == 0, line
    elif words[0] == "walkdown":
        if words[1] == "query":
            _let_athena_answer(place.aws)
        place.walkdown(*words[1:], *_unasked(words[1:]))
        if words[1] == "upload" and "--presign" not in words:
            place.until_done()


def _let_athena_answer(aws: Handle) -> None:
    """The emulator carries out no SQL: its next answer is given before."""
    names = ("verdict", "images")
    rows = [{"Data": [{"VarCharValue": text} for text in row]} for row in (names, ("normal", "3"))]
    columns = [
        {"Name": name, "Type": kind}
        for name, kind in zip(names, ("varchar", "bigint"), strict=True)
    ]
    body = {"results": [{"rows": rows, "column_info": columns}], "region": REGION}
    request = urllib.request.Request(
        f"{aws.url}/moto-api/static/athena/query-results",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 201


def _unasked(words: list[str]) -> list[str]:
    """What spares a question, and makes the functions run here."""
    if words[0] == "deploy":
        return ["--runtime", RUNTIME, *([] if "--dry-run" in words else ["--yes"])]
    return ["--yes"] if words[0] == "destroy" else []


def _with_bucket(line: str, place: Place) -> str:
    return line.replace(A_BUCKET, place.outputs()["SourceBucketName"]) if A_BUCKET in line else line
