"""What the composition root makes in AWS."""

import pytest

from walkdown import wiring_aws
from walkdown.sdk.aws import Aws
from walkdown.settings import Stack


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
