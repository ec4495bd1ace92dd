"""What is counted for a bill, beside the requests that the workflow's own steps really make.

The steps run over S3 and DynamoDB in this process. Not made here, and left out of the comparison:
what Step Functions reads and writes for its maps, and what a function reads when it starts.
"""

from __future__ import annotations

import base64
import io
import json
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from tests.stores.dynamodb_tables import NAME, NOW, _session, dynamodb_client, store_of

from walkdown.app import workflow
from walkdown.app.delivery import Delivery
from walkdown.app.measured import Measured, StageMeasured, Stored
from walkdown.app.workflow import Batch
from walkdown.aws import environment
from walkdown.aws.cost import CHANNELS, bill_of
from walkdown.aws.estimating import moves_of, stack_template
from walkdown.aws.load import Case, standing_of
from walkdown.aws.prices import prices_of
from walkdown.models.fake import Fake, fake_artefact
from walkdown.notify.memory import MemoryNotifier
from walkdown.pipeline.plan import make_plan
from walkdown.runners.recording import Recorder
from walkdown.runners.stepfunctions import Shape
from walkdown.runners.worker import Work
from walkdown.spec import OutputsSpec, PipelineSpec, StageSpec
from walkdown.stores.athena import AthenaLake
from walkdown.stores.s3 import ManifestSource, S3Blobs
from walkdown.stores.s3_reading import S3Reader, s3_ref
from walkdown.types import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walkdown.aws.bill import Bill

IMAGES, BATCH, FOUND = 48, 12, 12
STAGES = ("screen", "confirm")
NAMES = ("eventbridge", "sns")
SPEC = PipelineSpec(
    name="p",
    stages=(
        StageSpec(name="screen", model="screen"),
        StageSpec(name="confirm", model="confirm", when="screen.verdict == 'anomaly'"),
    ),
)


@dataclass
class Seen:
    """Requests by operation; for DynamoDB also the units that they are charged as."""

    requests: Counter[str] = field(default_factory=Counter)
    write_units: int = 0
    read_units: float = 0.0

    def hear(self, client: Any) -> None:
        client.meta.events.register("before-call.s3", self._s3)
        client.meta.events.register("before-call.dynamodb", self._dynamodb)

    def _s3(self, model: Any, **_: Any) -> None:
        self.requests[model.name] += 1

    def _dynamodb(self, model: Any, params: Any, **_: Any) -> None:
        self.requests[model.name] += 1
        body = json.loads(params["body"])
        match model.name:
            case "BatchWriteItem":
                for write in body["RequestItems"][NAME]:
                    self._put(write["PutRequest"]["Item"], times=1)
            case "TransactWriteItems":
                for action in body["TransactItems"]:
                    self._put(action["Put"]["Item"], times=2)
            case "UpdateItem":
                # It leaves one index; all items here are of one unit.
                self.write_units += 2
            case "BatchGetItem":
                self.read_units += len(body["RequestItems"][NAME]["Keys"])
            case "Query":
                self.read_units += 0.5 if "IndexName" in body else 1.0

    def _put(self, item: Any, *, times: int) -> None:
        size = sum(len(name) + _size(value) for name, value in item.items())
        indexes = sum(name in item for name in ("lpk", "npk", "cpk"))
        self.write_units += times * math.ceil(size / 1024) + indexes


def _size(value: dict[str, str]) -> int:
    ((kind, text),) = value.items()
    return len(base64.b64decode(text)) if kind == "B" else len(text)


def png(grey: int, wide: int) -> bytes:
    out = io.BytesIO()
    Image.new("L", (wide, 8), grey).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    """One inspection, step by step, over stores that are listened to."""
    with dynamodb_client() as dynamodb:
        s3 = _session().client("s3")
        place = {"LocationConstraint": "eu-central-1"}
        for bucket in ("photos", "data"):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
        refs = []
        for i in range(IMAGES):
            key = f"p/site/{i:03}.png"
            # Bright ones are spread over all batches.
            bright = i % (IMAGES // FOUND) == 0
            put = s3.put_object(Bucket="photos", Key=key, Body=png(200 if bright else 20, 8 + i))
            refs.append(s3_ref("photos", key, version_id=None, etag=put["ETag"], prefix="p/"))
        heard = Seen()
        heard.hear(s3)
        heard.hear(dynamodb)
        _inspect(s3, dynamodb, refs)
        yield heard


def _inspect(s3: Any, dynamodb: Any, refs: Any) -> None:
    store, blobs = store_of(dynamodb), S3Blobs(s3, "data")
    models = {name: Fake(fake_artefact(salt=name), label=f"{name}@1") for name in STAGES}
    plan = make_plan(SPEC, {name: model.info for name, model in models.items()})
    inspection = workflow.inspection_of(
        refs, plan, workspace="w", actor="ada", sources=("s3://photos/p/",), at=NOW
    )
    recorder = Recorder(
        plan=plan,
        records=store,
        workspace="w",
        inspection=inspection.id,
        run=0,
        actor="ada",
        clock=lambda: NOW,
        channels=tuple((name, Severity.LOW) for name in NAMES),
    )
    work = Work(
        plan=plan,
        models={model.info.digest: model for model in models.values()},
        source=ManifestSource(S3Reader(s3), ()),
        blobs=blobs,
        records=store,
        outputs=OutputsSpec(images=False),
        max_pixels=10**6,
    )
    begun = workflow.begin(refs, inspection, recorder, blobs)
    manifest = begun.manifest
    for stage in STAGES:
        if stage != STAGES[0]:
            manifest, _ = workflow.choose(inspection.id, stage, blobs)
        text = s3.get_object(Bucket="data", Key=manifest)["Body"].read().decode()
        lines = text.splitlines()
        for at in range(0, len(lines), BATCH):
            batch = Batch(inspection.id, 0, stage, tuple(lines[at : at + BATCH]))
            workflow.look(work, batch)
            workflow.record(batch, recorder, blobs)
    tally = workflow.finish(inspection.id, begun.images, store, blobs, now=NOW)
    assert (tally.done, tally.anomalies) == (IMAGES, FOUND)
    lake = AthenaLake(blobs, None)  # type: ignore[arg-type]
    Delivery(
        records=store,
        outbox=store,
        analytics=lake,
        pipeline=None,
        channels={name: MemoryNotifier() for name in NAMES},
        note=lambda _: None,
    ).deliver(last=True)


@pytest.fixture(scope="module")
def bill() -> Bill:
    share = FOUND / IMAGES
    stages = tuple(
        StageMeasured(name, f"{name}@1", 0.1, s, heatmap_bytes=100)
        for name, s in zip(STAGES, (1.0, share), strict=True)
    )
    one = Stored(600, 1)
    measured = Measured(
        stages, 5, 200, 8, 8, 100, share,
        result=Stored(600, 2), member=Stored(300), prediction=Stored(400), finding=one, alert=one,
        lake_bytes=200,
    )  # fmt: skip
    shape = Shape(dict.fromkeys(STAGES, BATCH))
    return bill_of(
        measured,
        moves=moves_of(measured, shape),
        shape=shape,
        standing=standing_of(stack_template()),
        case=Case(IMAGES, tiering=False),
        prices=prices_of("us-east-1"),
    )


def quantity(bill: Bill, unit: str, *, but: tuple[str, ...] = ()) -> float:
    return sum(line.quantity for line in bill.lines if line.unit == unit and line.what not in but)


def test_s3_is_written_as_often_as_is_counted(seen: Seen, bill: Bill) -> None:
    by_step_functions = 2 * len(STAGES)
    counted = quantity(bill, "puts and lists", but=("uploads",)) - by_step_functions
    made = seen.requests["PutObject"] + seen.requests["ListObjectsV2"]
    # How many batches name images for the second stage is a matter of chance.
    assert counted == pytest.approx(made, abs=0.5)


def test_s3_is_read_as_often_as_is_counted(seen: Seen, bill: Bill) -> None:
    batches = IMAGES // BATCH + math.ceil(FOUND / BATCH)
    # At its first call a function that looks reads plan, card and model; one that records, the
    # plan; and so does the one that takes in.
    at_first = batches * 3 + batches + 1
    counted = quantity(bill, "gets") - at_first
    made = seen.requests["GetObject"] + seen.requests["HeadObject"]
    assert counted == pytest.approx(made, abs=0.5)


def test_records_are_written_as_much_as_is_counted(seen: Seen, bill: Bill) -> None:
    counted = quantity(bill, "write units")
    assert counted == pytest.approx(seen.write_units, rel=0.01)


def test_records_are_read_as_much_as_is_counted(seen: Seen, bill: Bill) -> None:
    counted = quantity(bill, "read units")
    assert counted == pytest.approx(seen.read_units, rel=0.05)


def test_an_alert_is_written_for_as_many_channels_as_there_are() -> None:
    assert CHANNELS == len(environment.CHANNELS) == len(NAMES)
