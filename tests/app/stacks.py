"""A stack's workspace in this process: what a laptop sees of it, over moto."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import pytest
from PIL import Image
from tests.e2e.judges import add_judge, known

from walkdown import wiring_aws
from walkdown.app.context import App
from walkdown.app.deployed import Deployed, publish
from walkdown.app.versions import open_version, resolve
from walkdown.pipeline.budget import Charge
from walkdown.runners import local
from walkdown.runners.recording import Recorder
from walkdown.runners.stepfunctions import Shape
from walkdown.runners.worker import Work
from walkdown.sdk.aws import Aws
from walkdown.settings import Stack
from walkdown.spec import BudgetSpec, OutputsSpec, PipelineSpec, SourceSpec, StageSpec
from walkdown.stores.dynamodb_keys import TABLE
from walkdown.types import Inspection

STACK = Stack("plant", "w", table="records", bucket="data", source_bucket="photos")
SPEC = PipelineSpec(name="line", stages=(StageSpec(name="look", model="judge"),))


@contextmanager
def stack_app(aws: Aws, patch: pytest.MonkeyPatch, photographs: Mapping[str, int]) -> Iterator[App]:
    """The workspace of `STACK`, with photographs of one grey each below ``line/``."""
    patch.setattr(wiring_aws, "aws", lambda: aws)
    s3: Any = aws.client("s3")
    for bucket in ("data", "photos"):
        s3.create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
    s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    client: Any = aws.client("dynamodb")
    client.create_table(TableName="records", **cast("dict[str, Any]", TABLE))
    for name, grey in photographs.items():
        out = io.BytesIO()
        Image.new("L", (8, 6), grey).save(out, "PNG")
        s3.put_object(Bucket="photos", Key=f"line/{name}.png", Body=out.getvalue())
    with known(patch):
        app = wiring_aws.build_stack(STACK, actor="ada")
        add_judge(app, "judge")
        yield app


def deployed(app: App, *, charge: Charge | None = None) -> Deployed:
    """The pipeline ``line`` as it was deployed, with a budget where a charge is given."""
    model = open_version(app, resolve(app, "judge"))
    spec = SPEC.model_copy(update={"budget": BudgetSpec(usd_per_month=9) if charge else None})
    return publish(
        spec, {"judge": model.info}, prefix="line/", shape=Shape({}), charge=charge,
        here=app.blobs, there=app.blobs,
    )  # fmt: skip


def inspected(app: App) -> list[str]:
    """Inspect as the stack's functions do: its plan, no copies of photographs; the verdicts."""
    model = open_version(app, resolve(app, "judge"))
    plan = deployed(app).plan()
    source = app.sources(SourceSpec(paths=("s3://photos/line/",)))
    work = Work(
        plan=plan, models={model.info.digest: model}, source=source, blobs=app.blobs,
        records=app.records, outputs=OutputsSpec(images=False), max_pixels=10_000,
    )  # fmt: skip
    recorder = Recorder(plan, app.records, "w", "one", 0, "ada", app.clock)
    app.records.save_inspection(
        Inspection("one", "w", "line", plan.digest, ("s3://photos/line/",), "ada", app.clock())
    )
    done = [r for group in local.run(work, recorder, source.refs(), workers=1) for r in group]
    return [str(result.verdict) for result in done]
