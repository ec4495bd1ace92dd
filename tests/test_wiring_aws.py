"""What the composition root makes in AWS."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from tests.models.views import board, jpeg

from walkdown import wiring_aws
from walkdown.imaging.decode import decode
from walkdown.models.artefact import pack
from walkdown.sdk.aws import Aws
from walkdown.settings import Stack
from walkdown.stores.dynamodb_keys import TABLE
from walkdown.types import Entry, Result, ResultKey, Status, Verdict


def test_a_deployment_makes_the_lakes_views_in_their_order(
    moto_aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring_aws, "aws", lambda: moto_aws)
    monkeypatch.setattr("time.sleep", lambda _: None)
    stack = Stack("plant", "default", database="walkdown_plant", workgroup="primary")
    wiring_aws.make_views(stack)
    athena = moto_aws.client("athena")
    ids = athena.list_query_executions()["QueryExecutionIds"]
    asked = [athena.get_query_execution(QueryExecutionId=i)["QueryExecution"] for i in ids]
    assert {each["QueryExecutionContext"]["Database"] for each in asked} == {"walkdown_plant"}
    begun = [each["Query"].split(" AS\n")[0] for each in asked]
    views = ("newest_results", "results", "predictions", "regions")
    assert begun == [f"CREATE OR REPLACE VIEW {name}" for name in views]


def test_a_model_finds_the_photograph_of_the_visit_before(
    moto_aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the table's index and the bucket, with no more than a function of a stack may do."""
    monkeypatch.setattr(wiring_aws, "aws", lambda: moto_aws)
    s3, dynamodb = moto_aws.client("s3"), moto_aws.client("dynamodb")
    place = {"LocationConstraint": "eu-central-1"}
    s3.create_bucket(Bucket="photographs", CreateBucketConfiguration=place)
    dynamodb.create_table(TableName="records", **cast("dict[str, Any]", TABLE))
    stack = Stack("plant", "default", table="records", bucket="data")
    app = wiring_aws.build_stack(stack, actor="ada")
    before = decode(jpeg(board()), name="a.jpg")
    s3.put_object(Bucket="photographs", Key="pole/front/a.jpg", Body=before.data)
    result = Result(
        key=ResultKey("default", "c1", "plan"),
        uri="s3://photographs/pole/front/a.jpg",
        image="s3://photographs/pole/front/a.jpg",
        status=Status.DONE,
        actor="ada",
        recorded_at=datetime(2026, 5, 1, tzinfo=UTC),
        content=before.content,
        verdict=Verdict.NORMAL,
        asset="pole",
        viewpoint="front",
    )
    app.records.record("i1", [Entry(result)])
    model = app.open_model(pack("change", {}, {}), "c@1")
    now = decode(jpeg(board(valve=None)), name="b.jpg")
    for viewpoint, verdict in (("front", Verdict.ANOMALY), ("back", Verdict.NORMAL)):
        (said,) = model.predict([replace(now, asset="pole", viewpoint=viewpoint)])
        assert (said.error, said.verdict) == (None, verdict)
