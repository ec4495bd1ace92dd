"""The commands that look after a stack, each against a stack that runs."""

from __future__ import annotations

import io
import json
import shlex
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.aws.emulator.handle import Handle
from tests.aws.emulator.patching import ACCOUNT, REGION
from tests.aws.places import RUNTIME, Place
from tests.proof.scenes import register

from walkdown import wiring_aws
from walkdown.app import commissioning
from walkdown.cli.entry import run
from walkdown.clock import utc_now
from walkdown.models import artefact
from walkdown.models.fake import fake_artefact
from walkdown.pipeline.budget import month_of
from walkdown.settings import environment, load_settings
from walkdown.stores.files import FileBlobs

pytestmark = pytest.mark.proof

DARK, BRIGHT = 30, 220
PATIENCE_S = 400
"""The first call of each function unpacks its code."""

PIPELINE = """\
stages:
  - {name: screen, model: cheap}
  - {name: confirm, model: dear, when: "screen.verdict == 'anomaly'"}
asset: "{asset}/{name}"
"""


@dataclass(frozen=True, slots=True)
class Town:
    """A deployed stack with the pipelines ``poles`` and ``roofs``, and its commands."""

    place: Place
    capture: pytest.CaptureFixture[str]

    @property
    def aws(self) -> Handle:
        return self.place.aws

    @property
    def bucket(self) -> str:
        return self.place.outputs()["SourceBucketName"]

    def command(self, *args: str, code: int = 0) -> str:
        """Run a command in this process; what it prints."""
        self.capture.readouterr()
        got = run(list(args))
        told = self.capture.readouterr()
        assert got == code, f"{args}: {got}\n{told.out}\n{told.err}"
        return told.out

    def lines(self, *args: str, code: int = 0) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.command(*args, code=code).splitlines()]


@pytest.fixture(scope="module")
def deployed(
    aws_server: Handle, functions: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    aws_server.reset()
    place = Place(aws_server, tmp_path_factory.mktemp("town"), stack="town")
    home = place.folder / ".walkdown"
    shutil.copytree(functions, home / "functions")
    for name in ("cheap", "dear"):
        made = fake_artefact(salt=name)
        artefact.save(made, FileBlobs(home / "blobs"))
        register(place.folder, name, made.digest)
    for name in ("poles", "roofs"):
        (place.folder / f"{name}.yaml").write_text(PIPELINE)
        place.walkdown(
            "deploy", "--stack", "town", "--pipeline", f"{name}.yaml", "--runtime", RUNTIME, "--yes"
        )
    yield place
    aws_server.reset()


@pytest.fixture
def town(
    deployed: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Town]:
    for name, value in deployed.aws.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WALKDOWN_ACTOR", "ada")
    monkeypatch.chdir(deployed.folder)
    monkeypatch.setattr(commissioning, "POLL_S", 0.1)
    wiring_aws.aws.cache_clear()
    yield Town(deployed, capsys)
    wiring_aws.aws.cache_clear()
    deployed.aws.settle(timeout_s=PATIENCE_S)


def photos(folder: Path, **brightness: int) -> Path:
    """A folder with photographs of one grey each; ``__`` in a name stands for a slash."""
    for name, grey in brightness.items():
        path = folder / f"{name.replace('__', '/')}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        out = io.BytesIO()
        image = Image.new("L", (8, 8), grey)
        image.putpixel((0, 0), sum(map(ord, str(path))) % 256)
        image.save(out, "PNG")
        path.write_bytes(out.getvalue())
    return folder


def test_uploaded_photographs_are_inspected_once_and_read_back(town: Town, tmp_path: Path) -> None:
    folder = photos(tmp_path / "in", a__1=DARK, a__2=BRIGHT, b__1=BRIGHT)
    (folder / "notes.txt").write_text("no photograph")
    args = ("upload", str(folder), "--stack", "town", "--pipeline", "poles")
    said = town.command(*args, "--viewpoint", "north")
    assert "3 sent" in said
    assert f"s3://{town.bucket}/poles/" in said
    town.aws.settle(timeout_s=PATIENCE_S)
    assert "0 sent (0.0 MB), 3 there already" in town.command(*args, "--viewpoint", "north")
    found = {r["image"]: r for r in everything(town, "poles")}
    assert {name.rpartition("poles/")[2]: r["verdict"] for name, r in found.items()} == {
        "a/1.png": "normal",
        "a/2.png": "anomaly",
        "b/1.png": "anomaly",
    }
    assert {r["viewpoint"] for r in found.values()} == {"north"}
    assert {r["asset"] for r in found.values()} == {"a", "b"}
    told = town.lines(*args, "--viewpoint", "north", "--json")
    assert sorted(line["status"] for line in told) == ["left out", "there", "there", "there"]

    image = next(name for name in found if name.endswith("a/2.png"))
    shown = town.command("show", image, "--workspace", "aws://town")
    assert "anomaly" in shown
    assert "heat map s3://" in shown
    models = town.command("models", "--workspace", "aws://town")
    assert "cheap@1" in models
    assert "live" in models


def everything(town: Town, pipeline: str) -> list[dict[str, Any]]:
    """All that was inspected of a pipeline: one inspection over it, where nothing is new."""
    return town.lines("inspect", "--pipeline", pipeline, "--workspace", "aws://town", "--json")


def test_a_report_has_the_pictures_of_photographs_in_the_bucket(town: Town, tmp_path: Path) -> None:
    folder = photos(tmp_path / "in", report__1=BRIGHT, report__2=DARK)
    town.command("upload", str(folder), "--stack", "town", "--pipeline", "roofs")
    town.aws.settle(timeout_s=PATIENCE_S)
    (newest, *_) = town.place.executions()
    # The report is of the version that was inspected, not of the one that came after it.
    town.place.put("roofs/report/1.png", b"no photograph any more")
    page = town.command(
        *("report", newest["name"], "--workspace", "aws://town", "--out", str(tmp_path / "out"))
    )
    text = Path(page.strip()).read_text()
    block = text.split('id="pictures-0">')[1].split("</script>")[0]
    pictures = json.loads(block)
    assert pictures
    assert all(picture and picture["image"] and picture["heat"] for picture in pictures)


def test_inspect_starts_a_workflow_and_prints_what_the_local_one_prints(
    town: Town, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "in", x__1=DARK, x__2=BRIGHT)
    town.command("upload", str(folder), "--stack", "town", "--prefix", "roofs/x")
    town.aws.settle(timeout_s=PATIENCE_S)
    place = f"s3://{town.bucket}/roofs/x"
    before = town.lines("inspect", place, "--workspace", "aws://town", "--json")
    assert {line["status"] for line in before} == {"skipped"}
    anew = ("inspect", place, "--workspace", "aws://town", "--again")
    lines = town.lines(*anew, "--json", "--fail-on-anomaly", code=3)
    assert sorted(line["verdict"] for line in lines) == ["anomaly", "normal"]
    assert {line["status"] for line in lines} == {"done"}
    assert {line["asset"] for line in lines} == {"x"}
    said = town.command(*anew)
    assert "2 images: 1 anomaly, 1 normal" in said
    assert "walkdown report" in said
    local = town.lines("inspect", str(folder), "--pipeline", "roofs.yaml", "--json")
    fields = ("asset", "verdict", "score", "raw_score", "severity", "regions", "sha256")
    assert sorted([line[f] for f in fields] for line in local) == sorted(
        [line[f] for f in fields] for line in lines
    )


def test_inspect_says_what_it_cannot_do(town: Town, tmp_path: Path) -> None:
    there = ("--workspace", "aws://town")
    town.command("inspect", "s3://another/roofs/", *there, code=1)
    town.command("inspect", f"s3://{town.bucket}/", *there, code=1)
    town.command("inspect", f"s3://{town.bucket}/roofs/nothing", *there, code=1)
    town.command("inspect", "--pipeline", "gone", *there, code=1)
    town.command("inspect", "--model", "cheap", *there, code=2)
    town.command("inspect", *there, code=2)
    town.command("status", "--stack", "gone", code=1)
    town.command("upload", str(tmp_path), "--stack", "town", code=2)


def test_inspect_that_is_left_goes_on_and_is_found_again(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos(tmp_path / "in", left__1=DARK, left__2=BRIGHT)
    town.command("upload", str(folder), "--stack", "town", "--prefix", "roofs/left")
    town.aws.settle(timeout_s=PATIENCE_S)
    args = ("inspect", f"s3://{town.bucket}/roofs/left", "--workspace", "aws://town", "--again")

    def leave(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    before = len(town.place.executions())
    with monkeypatch.context() as patch:
        patch.setattr(commissioning, "watch", leave)
        town.command(*args, code=130)
    (newest, *_) = town.place.executions()
    found = town.lines(*args, "--json")
    assert {line["status"] for line in found} <= {"done"}
    assert len(found) == 2
    town.aws.settle(timeout_s=PATIENCE_S)
    ran = [each["name"] for each in town.place.executions()]
    assert len(ran) in (before + 1, before + 2), "the same one where it was still running"
    rest = town.lines("results", newest["name"], "--workspace", "aws://town", "--json")
    assert len(rest) == 2


def test_status_is_quiet_when_all_is_well_and_says_what_is_not(town: Town, tmp_path: Path) -> None:
    town.aws.settle(timeout_s=PATIENCE_S)
    said = town.command("status", "--stack", "town")
    assert "town-poles" in said
    assert "alarms: none" in said
    alarms = town.aws.client("cloudwatch")
    name = next(
        each["AlarmName"]
        for each in alarms.describe_alarms()["MetricAlarms"]
        if "OutboxLate" in each["AlarmName"]
    )
    alarms.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    try:
        said = town.command("status", "--stack", "town", code=1)
        assert f"! alarm {name}: An alert" in said
    finally:
        alarms.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="a test")


def test_what_could_not_be_taken_in_is_redriven(town: Town, tmp_path: Path) -> None:
    folder = photos(tmp_path / "in", dead__1=BRIGHT)
    # As often as the queue gives a message out.
    intake = town.place.outputs()["IntakeFunctionName"]
    town.aws.refuse("ssm:GetParametersByPath", "AccessDeniedException", times=5, function=intake)
    town.command("upload", str(folder), "--stack", "town", "--prefix", "roofs/dead")
    town.aws.settle(timeout_s=PATIENCE_S)
    said = town.command("status", "--stack", "town", code=1)
    assert "! 1 photographs could not be taken in" in said
    assert "walkdown redrive --stack town" in said
    assert "1 photographs" in town.command("redrive", "--stack", "town")
    town.aws.settle(timeout_s=PATIENCE_S)
    town.command("status", "--stack", "town")
    results = town.lines("results", "--workspace", "aws://town", "--json")
    assert [line["asset"] for line in results] == ["dead"]
    logged = town.lines("logs", "--stack", "town", "--function", "intake", "--json")
    assert any(line["said"].get("New") == 1 for line in logged if "said" in line)


def test_an_inspection_that_broke_off_goes_on(town: Town, tmp_path: Path) -> None:
    folder = photos(tmp_path / "in", broke__1=BRIGHT, broke__2=DARK)
    look = town.place.outputs()["LookFunctionName"]
    # However often they are tried, in one inspection or, as they arrive, in two.
    town.aws.refuse("dynamodb:BatchGetItem", "AccessDeniedException", times=10_000, function=look)
    town.command("upload", str(folder), "--stack", "town", "--prefix", "poles/broke")
    town.aws.settle(timeout_s=PATIENCE_S)
    said = town.command("status", "--stack", "town", code=1)
    assert "broke off" in said
    broken = [each["name"] for each in town.place.executions() if each["status"] == "FAILED"]
    assert broken
    town.aws.relent()
    said = town.command("redrive", "--stack", "town")
    assert all(f"{name} goes on as" in said for name in broken)
    town.aws.settle(timeout_s=PATIENCE_S)
    town.command("status", "--stack", "town")
    results = [line for line in everything(town, "poles") if line["asset"] == "broke"]
    assert sorted(line["verdict"] for line in results) == ["anomaly", "normal"]
    assert "no inspection has broken off" in town.command("redrive", "--stack", "town")


def test_what_a_budget_has_no_room_for_waits_and_goes_on_by_itself(
    town: Town, tmp_path: Path
) -> None:
    file = tmp_path / "masts.yaml"
    deploy = ("deploy", "--stack", "town", "--pipeline", str(file), "--runtime", RUNTIME, "--yes")
    file.write_text(PIPELINE + "budget: {usd_per_month: 0.01}\n")
    town.command(*deploy)
    app = wiring_aws.open_stack(load_settings("aws://town", {}, environment()))
    month = month_of(utc_now())
    assert app.spending.reserve("masts", month, "earlier", amount=9_990, limit=10_000)
    folder = photos(tmp_path / "in", masts__1=BRIGHT, masts__2=DARK)
    town.command("upload", str(folder), "--stack", "town", "--pipeline", "masts")
    town.aws.settle(timeout_s=PATIENCE_S)
    said = town.command("status", "--stack", "town", code=1)
    assert "! masts: 2 images wait: they would cost " in said
    assert "$0.010 of this month's $0.010 are spent; raise 'budget.usd_per_month'" in said
    before = len(town.place.executions())
    assert "wait for a budget: 2; see" in town.command("redrive", "--stack", "town")
    there = ("--pipeline", "masts", "--workspace", "aws://town")
    town.command("inspect", *there, "--again", code=4)
    assert len(town.place.executions()) == before

    file.write_text(PIPELINE + "budget: {usd_per_month: 5}\n")
    town.command(*deploy)
    rules = town.aws.client("events").list_rules()["Rules"]
    (often,) = (r["Name"] for r in rules if r.get("ScheduleExpression") == "rate(15 minutes)")
    town.aws.fire(often)
    town.aws.settle(timeout_s=PATIENCE_S)
    # What arrived, in one batch of messages or two, and what was asked for again.
    assert before + 2 <= len(town.place.executions()) <= before + 3
    assert "budget of masts: $0.01" in town.command("status", "--stack", "town")
    assert sorted(r["verdict"] for r in everything(town, "masts")) == ["anomaly", "normal"]
    town.command(*deploy[:3], "--remove", "masts", *deploy[5:])


def test_logs_are_merged_by_time_and_found_by_inspection(town: Town, tmp_path: Path) -> None:
    folder = photos(tmp_path / "in", logs__1=DARK)
    town.command("upload", str(folder), "--stack", "town", "--prefix", "poles/logs")
    town.aws.settle(timeout_s=PATIENCE_S)
    newest = town.place.executions()[0]["name"]
    lines = town.lines("logs", "--stack", "town", "--inspection", newest, "--json")
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    steps = [line["said"]["step"] for line in lines if "said" in line]
    assert steps[:3] == ["intake", "look", "record"]
    assert "finish" in steps
    said = town.command("logs", "--stack", "town", "--inspection", newest)
    assert f"look     screen  {newest}" in said
    assert town.command("logs", "--stack", "town", "--since", "0s") == ""
    town.command("logs", "--stack", "town", "--function", "gone", code=1)
    town.command("logs", "--stack", "town", "--since", "soon", code=2)


def test_a_signed_address_takes_one_photograph(town: Town, tmp_path: Path) -> None:
    args = ("upload", "--stack", "town", "--pipeline", "poles", "--presign", "pole 9/front.png")
    said = town.command(*args, "--asset", "Mast 9")
    command = said.splitlines()[-1]
    assert command.startswith("curl --fail --upload-file 'pole 9/front.png' -H")
    photos(tmp_path, **{"pole 9/front": BRIGHT})
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    words = [curl, *shlex.split(command)[1:]]
    sent = subprocess.run(words, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert sent.returncode == 0, sent.stderr
    town.aws.settle(timeout_s=PATIENCE_S)
    (result,) = town.lines("results", "--workspace", "aws://town", "--json")
    assert result["asset"] == "Mast 9"
    assert result["image"].rpartition("/")[2].startswith("front-")
    keys = [town.lines(*args, "--json")[0]["key"] for _ in range(2)]
    assert len(set(keys)) == 2
    town.command("upload", "--stack", "town", "--pipeline", "poles", "--presign", "a.exe", code=1)
    assert town.lines("logs", "--stack", "town", "--function", "presign", "--json")


def test_questions_go_to_athena(town: Town) -> None:
    there = ("--workspace", "aws://town")
    told = [{"Data": [{"VarCharValue": value}]} for value in ("images", "6")]
    answer = {"rows": told, "column_info": [{"Name": "images", "Type": "varchar"}]}
    canned = {"account_id": ACCOUNT, "region": REGION, "results": [answer]}
    request = urllib.request.Request(
        f"{town.aws.url}/moto-api/static/athena/query-results",
        data=json.dumps(canned).encode(),
        headers={"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request).close()
    said = town.command("query", "select count(*) as images from results", *there)
    assert said.split() == ["images", "6"]
    town.command("query", "select 1; drop table results", *there, code=1)


@pytest.mark.parametrize("delete_data", [False, True], ids=["data stays", "data goes, too"])
def test_destroy(
    aws_server: Handle,
    functions: Path,
    tmp_path: Path,
    town: Town,
    capsys: pytest.CaptureFixture[str],
    delete_data: bool,
) -> None:
    name = f"gone{int(delete_data)}"
    place = Place(aws_server, town.place.folder, stack=name)
    place.walkdown("deploy", "--stack", name, "--runtime", RUNTIME, "--yes")
    outputs = place.outputs()
    for data in (b"one", b"two"):
        place.put("a.jpg", data)
    s3, dynamodb = aws_server.client("s3"), aws_server.client("dynamodb")
    s3.delete_object(Bucket=outputs["SourceBucketName"], Key="a.jpg")
    more = ["--delete-data"] if delete_data else []
    said = town.command("destroy", "--stack", name, *more, "--yes")
    assert f"{'goes, too' if delete_data else 'stays'}: s3://{outputs['DataBucketName']}/" in said
    town.command("status", "--stack", name, code=1)
    buckets = {each["Name"] for each in s3.list_buckets()["Buckets"]}
    tables = set(dynamodb.list_tables()["TableNames"])
    kept = {outputs["SourceBucketName"], outputs["DataBucketName"]}
    assert kept & buckets == (set() if delete_data else kept)
    assert (outputs["TableName"] in tables) is not delete_data
    assert town.place.outputs(), "another stack stays as it is"
