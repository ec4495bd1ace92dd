"""Stacks that the proofs run on: deployed by the product's own command, read by its own stores."""

from __future__ import annotations

import io
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from tests.aws import stand_in
from tests.aws.places import RUNTIME, Place
from tests.proof.scenes import register

from walkdown.aws.package import build
from walkdown.errors import StoreError
from walkdown.models import artefact
from walkdown.stores.dynamodb import DynamoDbStore
from walkdown.stores.files import FileBlobs
from walkdown.stores.s3 import S3Blobs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.aws.emulator.faults import Invocation
    from tests.aws.emulator.handle import Handle

    from walkdown.types import Result

Body = dict[str, Any]

POLES = """\
stages:
  - {name: screen, model: first}
  - {name: confirm, model: second, when: "screen.verdict == 'anomaly'"}
asset: "{site}/{asset}"
severity:
  - {severity: high, when: score >= 0.8}
  - severity: low
outputs: {heatmaps: false}
"""
DARK, BRIGHT = 40, 230


@dataclass(frozen=True, slots=True)
class Plant:
    """A stack that runs. ``queue_url`` is a queue that all topics of alerts send to."""

    place: Place
    outputs: Mapping[str, str]
    records: DynamoDbStore
    blobs: S3Blobs
    queue_url: str
    _told: list[Body] = field(default_factory=list)

    @property
    def aws(self) -> Handle:
        """The emulator."""
        return self.place.aws

    def function(self, name: str) -> str:
        """The name of a function of the stack, by what it does: Look."""
        return self.outputs[f"{name}FunctionName"]

    def put(self, photos: Mapping[str, bytes]) -> None:
        """Put photographs into the source bucket, by key."""
        s3, bucket = self.aws.client("s3"), self.outputs["SourceBucketName"]
        for key, data in photos.items():
            s3.put_object(Bucket=bucket, Key=key, Body=data)

    def run(self, photos: Mapping[str, bytes], *, timeout_s: float = 300.0) -> dict[str, Result]:
        """Put photographs, wait until nothing is left to do, and return their results."""
        self.put(photos)
        self.aws.settle(timeout_s=timeout_s)
        return self.results(photos)

    def door(self, model: str, name: str) -> Path:
        """A door of a model of the kind `stand_in`."""
        return self.place.folder / "doors" / model / name

    def looks(self, site: str, stage: str) -> list[Invocation]:
        """The looks of a stage at a site's photographs, in the order of ending."""
        return [
            each
            for each in self.aws.invocations(self.function("Look"))
            if each.event["batch"]["stage"] == stage
            and any(item["relative"].startswith(site) for item in each.event["items"])
        ]

    def results(self, keys: Mapping[str, object]) -> dict[str, Result]:
        """The results of these keys; fails where a capture has two."""
        bucket = self.outputs["SourceBucketName"]
        names = {f"s3://{bucket}/{key}": key for key in keys}
        found = [(names[r.image], r) for r in self.records.results() if r.image in names]
        assert len(found) == len(dict(found)), sorted(key for key, _ in found)
        return dict(found)

    def told(self, site: str) -> list[Body]:
        """Each alert that the topics have sent of a site's assets, as often as it came."""
        self._receive()
        return [alert for alert in self._told if alert["asset"].startswith(site)]

    def _receive(self) -> None:
        sqs = self.aws.client("sqs")
        while got := sqs.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=60
        ).get("Messages"):
            for message in got:
                notice = json.loads(message["Body"])
                self._told.extend(notice.get("alerts", [notice]))
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])


@dataclass(frozen=True, slots=True)
class Events:
    """What S3 tells of photographs, caught on its way to the queue of arrivals."""

    stack: Plant
    caught_url: str

    def of(self, photos: Mapping[str, bytes]) -> list[str]:
        """Put photographs; the events that tell of them, in the order of the keys."""
        self.stack.put(photos)
        sqs = self.stack.aws.client("sqs")
        found: dict[str, str] = {}
        while len(found) < len(photos):
            got = sqs.receive_message(QueueUrl=self.caught_url, MaxNumberOfMessages=10)
            for message in got.get("Messages", []):
                key = json.loads(message["Body"])["detail"]["object"]["key"]
                found[key] = message["Body"]
                sqs.delete_message(QueueUrl=self.caught_url, ReceiptHandle=message["ReceiptHandle"])
        return [found[key] for key in photos]

    def send(self, bodies: Sequence[str], *, settle: bool = True) -> None:
        """Let events arrive, ten at most and all at once, and wait until all is done."""
        entries = [{"Id": str(i), "MessageBody": body} for i, body in enumerate(bodies)]
        url = self.stack.outputs["IntakeQueueUrl"]
        self.stack.aws.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)
        if settle:
            self.stack.aws.settle(timeout_s=300)


@contextmanager
def held_back(stack: Plant) -> Iterator[Events]:
    """For the length of the block photographs arrive only as their events are sent."""
    events, sqs = stack.aws.client("events"), stack.aws.client("sqs")
    rules = events.list_rules()["Rules"]
    (rule,) = (r["Name"] for r in rules if "aws.s3" in r.get("EventPattern", ""))
    targets = events.list_targets_by_rule(Rule=rule)["Targets"]
    url = sqs.create_queue(QueueName="caught")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    events.remove_targets(Rule=rule, Ids=[each["Id"] for each in targets])
    events.put_targets(Rule=rule, Targets=[{"Id": "caught", "Arn": arn["QueueArn"]}])
    yield Events(stack, url)
    events.remove_targets(Rule=rule, Ids=["caught"])
    events.put_targets(Rule=rule, Targets=targets)


def plant(place: Place) -> Plant:
    """The deployed stack of a place, with a queue that hears its alerts."""
    outputs, aws = place.outputs(), place.aws
    sqs, sns = aws.client("sqs"), aws.client("sns")
    url = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    for severity in ("Low", "Medium", "High", "Critical"):
        sns.subscribe(
            TopicArn=outputs[f"Alerts{severity}Arn"],
            Protocol="sqs",
            Endpoint=arn["Attributes"]["QueueArn"],
            Attributes={"RawMessageDelivery": "true"},
        )
    records = DynamoDbStore(
        aws.client("dynamodb"),
        outputs["TableName"],
        workspace="default",
        clock=lambda: datetime.now(UTC),
    )
    blobs = S3Blobs(aws.client("s3"), outputs["DataBucketName"])
    return Plant(place, outputs, records, blobs, url)


def deploy(place: Place, file: str, *more: str) -> str:
    """Bring a pipeline file of the place to AWS, with functions for this interpreter."""
    return place.walkdown(
        *(
            "deploy",
            "--stack",
            place.stack,
            "--pipeline",
            file,
            "--runtime",
            RUNTIME,
            "--yes",
            "--no-measure",
        ),
        *more,
    )


def packed(folder: Path) -> Path:
    """The folder with the functions' zip, made where it is not there yet."""
    try:
        package = build(folder, runtime=RUNTIME)
    except StoreError as error:
        if os.environ.get("WALKDOWN_REQUIRE_TEST_DATA"):
            raise
        pytest.skip(f"no zip of functions: {error}")
    for other in folder.glob("*.zip"):
        if other != package.path:
            other.unlink()
    return folder


def stand_in_place(aws: Handle, folder: Path, functions: Path) -> Place:
    """A workspace with models of the kind `stand_in`, ``first`` and ``second``, and a pipeline.

    Each has a folder of its name below ``doors``; see `stand_in`.
    """
    home = folder / ".walkdown"
    shutil.copytree(functions, home / "functions")
    packages = folder / "packages"
    _write_package(packages)
    for name in ("first", "second"):
        doors = folder / "doors" / name
        doors.mkdir(parents=True)
        made = artefact.pack(stand_in.KIND, {"doors": str(doors)}, {})
        artefact.save(made, FileBlobs(home / "blobs"))
        register(folder, name, made.digest)
    (folder / "poles.yaml").write_text(POLES)
    return Place(aws, folder, packages=packages)


def _write_package(folder: Path) -> None:
    about = folder / "stand_in-1.dist-info"
    about.mkdir(parents=True)
    shutil.copyfile(stand_in.__file__, folder / "stand_in.py")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: stand-in\nVersion: 1\n")
    (about / "entry_points.txt").write_text(
        f"[walkdown.models]\n{stand_in.KIND} = stand_in:StandIn\n"
    )
    files = ("stand_in.py", *(f"{about.name}/{name}" for name in ("METADATA", "entry_points.txt")))
    (about / "RECORD").write_text("".join(f"{name},,\n" for name in files))


def photo(brightness: int, mark: int, *, width_px: int = stand_in.PLAIN) -> bytes:
    """A PNG file, unlike any with another ``mark``; see `stand_in` for its width."""
    image = Image.new("RGB", (width_px, 8), (brightness,) * 3)
    image.putpixel((0, 0), (mark % 256, mark // 256 % 256, mark // 65536))
    made = io.BytesIO()
    image.save(made, "PNG")
    return made.getvalue()
