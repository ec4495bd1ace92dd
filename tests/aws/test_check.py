"""Each check sees what is wrong; those that put something into the account clear up after them."""

import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from walkdown.aws.check import asking, live
from walkdown.aws.check.__main__ import CHECKS, carried_out, main
from walkdown.aws.check.account import Account, Checked, Wish, failed, passed, unless
from walkdown.aws.check.deployer import policy
from walkdown.errors import StoreError
from walkdown.runners.executions import Deployment
from walkdown.sdk.aws import Aws, AwsError
from walkdown.settings import Stack

TOPIC = "arn:aws:sns:eu-central-1:123456789012:plant-alarms"
MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:plant-cells"
ALARM = "plant-IntakeDeadLettersAlarm-1"
STACK = Stack("plant", "default", "records", "data", "source", "walkdown_plant", "plant")


class Time:
    """A clock that goes on while somebody sleeps, and what happens then."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.now = 0.0
        self.meanwhile = meanwhile

    def __call__(self) -> float:
        self.now += 1.0
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()


def account(aws: Aws, *, time: Time | None = None, **more: Any) -> Account:
    time = time or Time()
    wish: dict[str, Any] = {"timeout_s": 5.0} | more.pop("wish", {})
    known: dict[str, Any] = {
        "app": SimpleNamespace(),
        "resources": {"IntakeDeadLettersAlarm": ALARM},
        "outputs": {"AlarmTopicArn": TOPIC},
        "parameters": {},
        "pipelines": {"cells": (Deployment("cells", "cells/", MACHINE, "k"), 50)},
    }
    return Account(aws, STACK, **(known | more), wish=Wish(**wish), sleep=time.sleep, clock=time)


def answering(service: str, **answers: Any) -> Aws:
    """AWS whose one service gives these answers."""
    aws = Aws(region="eu-central-1")
    client = SimpleNamespace(
        **{name: lambda answer=answer, **_: answer for name, answer in answers.items()}
    )
    aws._clients[service] = client
    return aws


def with_endpoint(aws: Aws, url: str) -> Aws:
    meta = SimpleNamespace(endpoint_url=url, region_name="eu-central-1")
    aws._clients["sts"] = SimpleNamespace(meta=meta)
    return aws


def make_buckets(aws: Aws, *, closed: bool) -> None:
    s3 = aws.client("s3")
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    for bucket in ("source", "data"):
        s3.create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        block = dict.fromkeys(names, True) | {"BlockPublicPolicy": closed or bucket == "data"}
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
        s3.put_bucket_encryption(
            Bucket=bucket,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def test_a_bucket_that_is_open_is_named(moto_aws: Aws) -> None:
    make_buckets(moto_aws, closed=False)
    assert asking.buckets(account(moto_aws)) == failed("source is not closed to the public")


def test_buckets_that_are_as_they_should_be(moto_aws: Aws) -> None:
    make_buckets(moto_aws, closed=True)
    assert asking.buckets(account(moto_aws)).state == "passed"


def test_a_table_that_cannot_be_restored_is_seen(moto_aws: Aws) -> None:
    dynamodb = moto_aws.client("dynamodb")
    dynamodb.create_table(
        TableName="records",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.update_time_to_live(
        TableName="records",
        TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"},
    )
    checked = asking.table(account(moto_aws))
    assert checked == failed("it cannot be restored to a point in time")
    dynamodb.update_continuous_backups(
        TableName="records",
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
    assert asking.table(account(moto_aws)).state == "passed"


@pytest.mark.parametrize(("free", "state"), [(10, "failed"), (69, "failed"), (70, "passed")])
def test_too_few_functions_at_once_are_told(free: int, state: str) -> None:
    limits = {"AccountLimit": {"UnreservedConcurrentExecutions": free}}
    checked = asking.quotas(account(answering("lambda", get_account_settings=limits)))
    assert checked.state == state
    assert "70" in checked.why


def test_what_step_functions_says_of_a_definition_is_told() -> None:
    said = {"result": "FAIL", "diagnostics": [{"message": "no state 'fnish'"}]}
    aws = answering(
        "stepfunctions",
        describe_state_machine={"definition": "{}"},
        validate_state_machine_definition=said,
    )
    assert asking.machines(account(aws)) == failed("cells: no state 'fnish'")


@pytest.fixture
def topic(moto_aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """A topic and its alarm; nothing of the check is left behind, and nobody waits for long."""
    sqs = moto_aws.client("sqs")
    receive = sqs.receive_message
    monkeypatch.setattr(sqs, "receive_message", lambda **asked: receive(QueueUrl=asked["QueueUrl"]))
    moto_aws.client("sns").create_topic(Name="plant-alarms")
    moto_aws.client("cloudwatch").put_metric_alarm(
        AlarmName=ALARM,
        MetricName="m",
        Namespace="n",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0.0,
        Statistic="Sum",
        ComparisonOperator="GreaterThanThreshold",
    )
    yield moto_aws
    assert "QueueUrls" not in moto_aws.client("sqs").list_queues()
    assert moto_aws.client("sns").list_subscriptions()["Subscriptions"] == []
    alarm = moto_aws.client("cloudwatch").describe_alarms(AlarmNames=[ALARM])["MetricAlarms"][0]
    assert alarm["StateValue"] == "OK"


def test_an_alarm_that_is_heard(topic: Aws) -> None:
    def as_cloudwatch() -> None:
        topic.client("sns").publish(TopicArn=TOPIC, Message=json.dumps({"AlarmName": ALARM}))

    heard = live.alarm(account(topic, time=Time(as_cloudwatch), wish={"alarm": True}))
    assert heard.state == "passed", heard


def test_an_alarm_that_nobody_hears(topic: Aws) -> None:
    checked = live.alarm(account(topic, wish={"alarm": True}))
    assert checked.state == "failed"
    assert ALARM in checked.why


@pytest.mark.parametrize("check", [live.photograph, live.workflow, live.logs, live.signed_upload])
def test_nothing_is_put_that_nobody_asked_for(check: Callable[[Account], Checked]) -> None:
    assert check(account(Aws())).state == "skipped"


def test_no_alarm_is_rung_and_no_bill_asked_for_that_nobody_wants() -> None:
    assert [check(account(Aws())).state for check in (live.alarm, live.cost)] == ["skipped"] * 2


def test_an_address_that_presign_refuses_is_told(tmp_path: Path) -> None:
    photo = tmp_path / "a.png"
    photo.write_bytes(b"photo")
    refusal = io.BytesIO(b'{"error": "the stack has no pipeline \'cells\'"}')
    aws = answering("lambda", invoke={"Payload": refusal})
    outputs = {"PresignFunctionName": "plant-Presign"}
    checked = live.signed_upload(account(aws, outputs=outputs, wish={"photo": photo}))
    assert checked.state == "failed"
    assert "no pipeline 'cells'" in checked.why


class Address(BaseHTTPRequestHandler):
    """A signed address that notes what it was sent, and refuses what is no image."""

    got: list[tuple[str, str | None, bytes]]

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, self.headers["Content-Type"], body))
        self.send_response(200 if self.headers["Content-Type"] == "image/png" else 400)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    Address.got = []
    with HTTPServer(("127.0.0.1", 0), Address) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/cells/a.png"
        server.shutdown()
        thread.join()


def test_a_photograph_is_sent_to_the_address_as_the_address_wants_it(
    address: str, tmp_path: Path
) -> None:
    photo = tmp_path / "a.png"
    photo.write_bytes(b"photo")
    asked: list[dict[str, Any]] = []

    def presign(**call: Any) -> dict[str, Any]:
        asked.append(json.loads(call["Payload"]))
        headers = {"content-type": asked[0]["content_type"], "content-length": "5"}
        said = {"url": address, "headers": headers, "key": "cells/a.png"}
        return {"Payload": io.BytesIO(json.dumps(said).encode())}

    aws = Aws()
    aws._clients["lambda"] = SimpleNamespace(invoke=presign)
    aws._clients["s3"] = SimpleNamespace(head_object=lambda **_: {})
    outputs = {"PresignFunctionName": "plant-Presign"}
    checked = live.signed_upload(account(aws, outputs=outputs, wish={"photo": photo}))
    assert checked == passed("a photograph arrived as cells/a.png")
    assert Address.got == [("/cells/a.png", "image/png", b"photo")]
    assert asked[0]["size"] == 5


def test_what_an_address_refuses_is_told(address: str) -> None:
    refused = live._sent({"url": address, "headers": {"content-type": "text/plain"}}, b"photo")
    assert refused is not None
    assert refused.startswith("400")
    assert live._sent({"url": "file:///etc/hosts"}, b"") == "it is no address: file:///etc/hosts"


def test_the_bill_is_told() -> None:
    amounts = [{"Total": {"UnblendedCost": {"Amount": "1.25", "Unit": "USD"}}}]
    aws = answering("ce", get_cost_and_usage={"ResultsByTime": amounts})
    app = SimpleNamespace(clock=lambda: datetime(2026, 1, 31, tzinfo=UTC))
    assert live.cost(account(aws, app=app, wish={"cost": True})) == passed("1.25 USD this month")


@pytest.mark.parametrize(("day", "end"), [(1, "2026-01-02"), (2, "2026-01-02"), (31, "2026-01-31")])
def test_the_bills_month_is_never_empty(day: int, end: str) -> None:
    month = live._month(datetime(2026, 1, day, tzinfo=UTC))
    assert month == {"Start": "2026-01-01", "End": end}


@pytest.mark.parametrize(
    ("url", "state"),
    [
        ("https://sts.eu-central-1.amazonaws.com", "failed"),
        ("https://sts.cn-north-1.amazonaws.com.cn", "failed"),
        ("http://127.0.0.1:5000", "skipped"),
        ("https://amazonaws.com.example.org", "skipped"),
    ],
)
def test_what_aws_refuses_has_failed_and_what_an_emulator_lacks_is_skipped(
    url: str, state: str
) -> None:
    def refused(_: Account) -> Checked:
        raise AwsError("cannot do it", code="AccessDenied", status=403)

    assert carried_out(refused, account(with_endpoint(Aws(), url))).state == state


def test_what_is_wrong_with_the_stack_has_failed_everywhere() -> None:
    def broken(_: Account) -> Checked:
        raise StoreError("the question cannot be answered")

    aws = with_endpoint(Aws(), "http://127.0.0.1:5000")
    assert carried_out(broken, account(aws)) == failed("the question cannot be answered")


def test_three_of_many_things_are_told() -> None:
    assert unless(list("abcde"), "fine") == failed("a; b; c (and 2 more)")
    assert unless([], "fine") == passed("fine")


def test_the_policy_is_printed_without_an_account() -> None:
    told = CliRunner().invoke(main, ["--stack", "plant", "--policy"])
    assert json.loads(told.output) == policy("plant")


def test_every_line_has_a_name_of_its_own(tmp_path: Path) -> None:
    assert len({what for what, _ in CHECKS}) == len({check for _, check in CHECKS}) == len(CHECKS)
