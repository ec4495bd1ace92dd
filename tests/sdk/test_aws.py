"""boto3 is loaded late, its errors become sentences, and no secret gets into them."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from walkdown.errors import MissingExtra, StoreError
from walkdown.sdk.aws import Aws, AwsError, explained, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
TOKEN = "FwoGZXIvYXdzEXAMPLETOKEN//"  # noqa: S105 (an invented one)


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def moto_aws() -> Iterator[None]:
    from moto import mock_aws

    with mock_aws():
        yield


def refusal(code: str, message: str, operation: str = "GetObject", status: int = 403) -> Exception:
    from botocore.exceptions import ClientError

    answer = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, operation)  # type: ignore[arg-type]


def told(error: Exception, what: str = "read s3://photos/a.jpg") -> AwsError:
    with pytest.raises(AwsError) as raised, explained(what):
        raise error
    assert raised.value.__cause__ is error
    return raised.value


def test_importing_the_module_loads_no_sdk() -> None:
    code = "import sys, json, walkdown.sdk.aws as m\nm.Aws(region='eu-central-1')\n"
    command = [sys.executable, "-c", code + "print(json.dumps(sorted(sys.modules)))"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not {"boto3", "botocore", "urllib3"} & set(json.loads(done.stdout))


def test_without_boto3_the_install_command_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtra, match=r"pip install 'walkdown\[aws\]'"):
        Aws(region="eu-central-1").client("s3")


def test_one_client_per_service_from_many_threads(moto_aws: None) -> None:
    aws = Aws(region="eu-central-1")
    with ThreadPoolExecutor(16) as pool:
        clients = list(pool.map(aws.client, ["s3", "sqs"] * 32))
    assert len({id(client) for client in clients}) == 2
    assert clients[0].meta.region_name == "eu-central-1"
    assert aws == Aws(region="eu-central-1")
    assert "client" not in repr(aws)


def test_no_call_hangs_or_gives_up_at_once(moto_aws: None) -> None:
    config = Aws(region="eu-central-1").client("s3").meta.config
    assert (config.connect_timeout, config.read_timeout) == (5, 70)
    assert config.retries == {"mode": "standard", "total_max_attempts": 6}


def test_the_endpoint_is_given_or_found(monkeypatch: pytest.MonkeyPatch, moto_aws: None) -> None:
    given = Aws(region="eu-central-1", endpoint_url="http://127.0.0.1:5")
    assert given.client("sqs").meta.endpoint_url == "http://127.0.0.1:5"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:6")
    assert Aws(region="eu-central-1").client("sqs").meta.endpoint_url == "http://127.0.0.1:6"


def test_no_region_and_no_profile_are_said() -> None:
    with pytest.raises(StoreError, match=r"cannot use AWS \(sqs\): no AWS region is set"):
        Aws().client("sqs")
    with pytest.raises(StoreError, match="aws configure list-profiles"):
        Aws(profile="nobody").client("sqs")


def test_no_credentials_are_said_at_the_first_call() -> None:
    client = Aws(region="eu-central-1", endpoint_url="http://127.0.0.1:9").client("s3")
    with pytest.raises(AwsError) as raised, explained("list photos"):
        client.list_buckets()
    said = "cannot list photos: no AWS credentials were found; run: aws configure"
    assert str(raised.value).startswith(said)
    assert (raised.value.code, raised.value.status) == ("NoCredentialsError", None)


@pytest.mark.parametrize(
    ("code", "operation", "status", "words"),
    [
        ("AccessDenied", "ListObjectsV2", 403, "let your AWS user or role do s3:ListBucket"),
        ("AccessDeniedException", "StartExecution", 400, "do 'StartExecution'"),
        ("403", "HeadObject", 403, "do s3:GetObject"),
        ("ExpiredToken", "GetObject", 400, "aws sso login"),
        ("InvalidAccessKeyId", "GetObject", 403, "aws sts get-caller-identity"),
        ("SlowDown", "PutObject", 503, "run again in a minute"),
        ("NoSuchBucket", "PutObject", 404, "no such bucket"),
        ("PermanentRedirect", "GetObject", 301, "another region"),
        ("ResourceNotFoundException", "GetItem", 400, "does not exist in this account and region"),
        ("InternalError", "PutObject", 500, "a fault at the moment"),
        ("Strange", "PutObject", 400, "check what was asked for"),
    ],
)
def test_a_refusal_says_what_next(code: str, operation: str, status: int, words: str) -> None:
    error = told(refusal(code, "because", operation, status))
    assert str(error).startswith(f"cannot read s3://photos/a.jpg: AWS says {code} (because); ")
    assert words in str(error)
    assert (error.code, error.status) == (code, status)


def test_the_permission_that_aws_names_is_passed_on() -> None:
    said = "User: arn:aws:iam::1:user/ada is not authorized to perform: kms:Decrypt on resource: x"
    assert "do kms:Decrypt" in str(told(refusal("AccessDenied", said)))


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(KeyError), explained("read"):
        raise KeyError("x")


@pytest.mark.parametrize(
    "text",
    [
        f"The key {KEY_ID} is unknown",
        f"GET https://b.s3.amazonaws.com/a?X-Amz-Credential={KEY_ID}%2F1&X-Amz-Signature=5ab1c0de",
        f"x-amz-security-token:{TOKEN}",
        f"Credential={KEY_ID}/20260501, SignedHeaders=host, Signature=5ab1c0de",
        "http://ada:5ab1c0de@proxy:3128",
    ],
)
def test_secrets_are_never_shown(text: str) -> None:
    for message in (shown(text), str(told(refusal("Strange", text)))):
        assert not any(secret in message for secret in (KEY_ID, TOKEN, "5ab1c0de"))


def test_what_aws_repeats_of_a_badly_signed_request_is_left_out() -> None:
    message = str(told(refusal("SignatureDoesNotMatch", f"The canonical string {TOKEN}")))
    assert TOKEN not in message
    assert "aws sts get-caller-identity" in message


def test_a_message_is_one_line() -> None:
    assert "\n" not in str(told(refusal("Strange", "a\nb\n\tc")))
