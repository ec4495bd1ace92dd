"""SageMaker as far as its models are asked: endpoints, asynchronous ones, transform jobs, and S3.

The model in it is a function from the body of a request to the bytes of an answer. S3 is moto's,
over HTTP, as is everything else.
"""

from __future__ import annotations

import io
import itertools
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
import numpy as np
from moto.server import ThreadedMotoServer
from PIL import Image
from tests.services.aws_stub import Answer, AwsStub, Refused, aws_stub

REGION = "eu-central-1"
BUCKET = "photographs"

Answering = Callable[[bytes, str], bytes]
"""From a body and its content type to an answer. Raises `Refused` where the container does."""


def brightness(body: bytes, _: str) -> bytes:
    """A model that says how bright an image is, 0..255."""
    try:
        mean = float(np.asarray(Image.open(io.BytesIO(body)).convert("RGB")).mean())
    except OSError as e:
        raise Refused("ModelError", 424, 'Received client error (400) from primary: "bad"') from e
    return json.dumps({"predictions": [{"score": mean}]}).encode()


@dataclass
class SageMaker:
    """The stubs' state. ``slow`` jobs are answered from the ``polls``-th question on."""

    stub: AwsStub
    s3: Any = None
    variables: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """What the calls of an operation were given."""
        return [call.given for call in self.stub.calls if call.operation == operation]


@contextmanager
def sagemaker(answering: Answering = brightness) -> Iterator[SageMaker]:
    """An account with an endpoint of any name and a model behind it; no S3."""

    def invoke(given: dict[str, Any]) -> dict[str, Any]:
        said = answering(given["Body"], given.get("ContentType", ""))
        return {"Body": said, "ContentType": "application/json"}

    with aws_stub({("sagemaker-runtime", "InvokeEndpoint"): invoke}) as stub:
        yield SageMaker(stub, variables=stub.variables(REGION))


@contextmanager
def sagemaker_with_s3(
    answering: Answering = brightness, *, polls: int = 2, ends: Iterator[str] | None = None
) -> Iterator[SageMaker]:
    """As `sagemaker`, by way of S3. A job is done when it was asked for so many times.

    ``ends`` are the states in which transform jobs end, one by one; the last ones are completed.
    """
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    # moto keeps its buckets as long as the process lives.
    bucket = f"{BUCKET}-{uuid.uuid4().hex[:8]}"
    key = "test"
    s3 = boto3.client("s3", endpoint_url=url, region_name=REGION, aws_access_key_id=key,
                      aws_secret_access_key=key)  # fmt: skip
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    try:
        with _stubbed(_Account(s3, bucket, answering, polls, ends or iter(()))) as account:
            account.variables |= {"AWS_ENDPOINT_URL_S3": url, "BUCKET": bucket}
            account.s3 = s3
            yield account
    finally:
        s3.close()
        server.stop()


@dataclass
class _Account:
    s3: Any
    bucket: str
    answering: Answering
    polls: int
    ends: Iterator[str]
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    names: Iterator[int] = field(default_factory=itertools.count)

    def invoke_async(self, given: dict[str, Any]) -> dict[str, Any]:
        """Answers at once, though nobody may know."""
        number = next(self.names)
        output, failure = f"async/out/{number}.out", f"async/failed/{number}.out"
        try:
            said = self.answering(self.read(given["InputLocation"]), given["ContentType"])
        except Refused as e:
            self.write(failure, str(e).encode())
        else:
            self.write(output, said)
        return {
            "InferenceId": str(number),
            "OutputLocation": f"s3://{self.bucket}/{output}",
            "FailureLocation": f"s3://{self.bucket}/{failure}",
        }

    def create(self, given: dict[str, Any]) -> dict[str, Any]:
        name = given["TransformJobName"]
        if name in self.jobs:
            raise Refused("ResourceInUse", 400, "Job name must be unique within an AWS account")
        end = next(self.ends, "Completed")
        self.jobs[name] = {"given": given, "left": self.polls, "end": end}
        return {"TransformJobArn": f"arn:aws:sagemaker:{REGION}:1:transform-job/{name}"}

    def describe(self, given: dict[str, Any]) -> dict[str, Any]:
        job = self.jobs.get(given["TransformJobName"])
        if job is None:
            raise Refused("ResourceNotFound", 400, "no such job")
        job["left"] -= 1
        status = "InProgress" if job["left"] > 0 else job["end"]
        if job["left"] == 0:
            self.transform(job["given"], whole=status == "Completed")
        asked = {name: job["given"][name] for name in (
            "TransformJobName", "ModelName", "TransformInput", "TransformResources")}  # fmt: skip
        return {
            **asked,
            "TransformJobArn": f"arn:aws:sagemaker:{REGION}:1:transform-job/x",
            "TransformJobStatus": status,
            "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
            **({"FailureReason": "ClientError: see job logs"} if status == "Failed" else {}),
        }

    def transform(self, given: dict[str, Any], *, whole: bool) -> None:
        """All inputs below the prefix; of a job that fails, only the first is got through."""
        _, _, prefix = _split(given["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])
        _, _, output = _split(given["TransformOutput"]["S3OutputPath"])
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)["Contents"]
        for one in listed if whole else listed[:1]:
            name = one["Key"].removeprefix(prefix)
            body = self.read(f"s3://{self.bucket}/{one['Key']}")
            said = self.answering(body, given["TransformInput"]["ContentType"])
            self.write(f"{output}/{name}.out", said)

    def read(self, uri: str) -> bytes:
        bucket, _, key = _split(uri)
        data: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return data

    def write(self, key: str, data: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data)


@contextmanager
def _stubbed(account: _Account) -> Iterator[SageMaker]:
    answers: dict[tuple[str, str], Answer] = {
        ("sagemaker-runtime", "InvokeEndpointAsync"): account.invoke_async,
        ("sagemaker", "CreateTransformJob"): account.create,
        ("sagemaker", "DescribeTransformJob"): account.describe,
    }
    with aws_stub(answers) as stub:
        yield SageMaker(stub, variables=stub.variables(REGION), jobs=account.jobs)


def _split(uri: str) -> tuple[str, str, str]:
    return uri.removeprefix("s3://").partition("/")
