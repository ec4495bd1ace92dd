"""The composition root on AWS: the same App over S3, DynamoDB and Athena.

A function is told the stack's names by its environment; on a laptop they come from the stack's
outputs.
"""

from __future__ import annotations

import time
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from walkdown.app.context import App
from walkdown.clock import utc_now
from walkdown.errors import NotFound
from walkdown.registry import Offers, open_model, open_step
from walkdown.runners.executions import StepFunctions
from walkdown.sdk.aws import Aws, AwsError, explained
from walkdown.settings import STACK, Stack, environment
from walkdown.spec import Settings
from walkdown.stores.athena import AthenaLake, Compaction
from walkdown.stores.athena_queries import AthenaQueries
from walkdown.stores.athena_views import view_statements
from walkdown.stores.dynamodb import DynamoDbStore
from walkdown.stores.s3 import ManifestSource, S3Blobs, S3Source
from walkdown.stores.s3_originals import S3Originals
from walkdown.stores.s3_reading import S3Reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from walkdown.models.artefact import Artefact
    from walkdown.ports import Model, Notifier, Source, Versions
    from walkdown.settings import Effective
    from walkdown.spec import SourceSpec
    from walkdown.types import Result


@lru_cache(maxsize=1)
def aws() -> Aws:
    """AWS as every AWS tool of this machine or function would reach it."""
    return Aws()


def open_stack(effective: Effective) -> App:
    """The workspace of the stack that the settings name. Raises `NotFound` where there is none."""
    stack = find_stack(effective.stack or "")
    settings = effective.settings.model_copy(update={"workspace": stack.workspace})
    return _build(stack, settings, home=effective.home, origins=effective.origins)


def build_stack(stack: Stack, *, actor: str) -> App:
    """The workspace as a function of the stack sees it."""
    settings = Settings(workspace=stack.workspace, actor=actor, workers=1)
    return _build(stack, settings, home=Path.cwd(), origins={})


def find_stack(name: str) -> Stack:
    """What a deployed stack says of itself. Raises `NotFound` where there is none."""
    try:
        with explained(f"look up the stack {name}"):
            found = aws().client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except AwsError as e:
        if e.code != "ValidationError":
            raise
        raise NotFound(
            f"there is no stack {name!r} in this account and region; "
            f"make it: walkdown deploy --stack {name} --pipeline FILE"
        ) from e
    told = {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])}
    given = {p["ParameterKey"]: p["ParameterValue"] for p in found.get("Parameters", [])}
    missing = {"TableName", "DataBucketName"} - set(told)
    if missing:
        raise NotFound(
            f"the stack {name!r} is {found['StackStatus']} and no walkdown yet "
            f"(no {', '.join(sorted(missing))}): walkdown status --stack {name}"
        )
    return Stack(
        name=name,
        workspace=given.get("Workspace", "default"),
        table=told["TableName"],
        bucket=told["DataBucketName"],
        source_bucket=told.get("SourceBucketName", ""),
        database=told.get("DatabaseName", ""),
        workgroup=told.get("WorkgroupName", ""),
        topics=told.get("AlertsLowArn", "").removesuffix("low"),
    )


def workflows(stack: Stack) -> StepFunctions:
    """The stack's pipelines and their executions."""
    return StepFunctions(aws().client("ssm"), aws().client("stepfunctions"), stack=stack.name)


def captures() -> Source:
    """Reads captures that others have listed."""
    return ManifestSource(S3Reader(aws().client("s3")), ())


def channels(stack: Stack) -> dict[str, Notifier]:
    """Who is told of a stack's findings, by the names under which alerts are written."""
    from walkdown.notify.eventbridge import EventBridgeNotifier
    from walkdown.notify.sns import SnsNotifier

    return {
        "eventbridge": EventBridgeNotifier(aws().client("events")),
        "sns": SnsNotifier(aws().client("sns"), topics=stack.topics),
    }


def _build(stack: Stack, settings: Settings, *, home: Path, origins: Mapping[str, str]) -> App:
    s3 = aws().client("s3")
    store = _store(stack)
    own = channels(stack)
    return App(
        home=home,
        place=f"{STACK}{stack.name}",
        settings=settings,
        blobs=S3Blobs(s3, stack.bucket),
        records=store,
        predictions=store,
        outbox=store,
        versions=store,
        spending=store,
        analytics=AthenaLake(S3Blobs(s3, stack.bucket), _queries(stack)),
        clock=utc_now,
        sources=_source,
        notifiers=lambda spec: own[spec.to],
        open_model=_model,
        open_step=open_step,
        origins=origins,
        close=lambda: None,
        original=partial(_original, S3Originals(s3)),
    )


def versions(stack: Stack) -> Versions:
    """The stack's registry of models."""
    return _store(stack)


def _store(stack: Stack) -> DynamoDbStore:
    return DynamoDbStore(
        aws().client("dynamodb"), stack.table, workspace=stack.workspace, clock=utc_now
    )


def _original(originals: S3Originals, result: Result) -> bytes:
    return originals.read(result.uri, capture_id=result.key.capture_id, content=result.content)


def compaction(stack: Stack) -> Compaction:
    """Merges the days of the stack's lake."""
    return Compaction(blobs(stack), _queries(stack), new_id=lambda: uuid4().hex)


def make_views(stack: Stack) -> None:
    """Make the lake's views, or bring them up to date: CloudFormation knows tables alone."""
    queries = _queries(stack)
    for statement in view_statements():
        queries.run(statement)


def _queries(stack: Stack) -> AthenaQueries:
    return AthenaQueries(
        aws().client("athena"),
        database=stack.database,
        workgroup=stack.workgroup,
        sleep=time.sleep,
    )


def _source(spec: SourceSpec) -> Source:
    return S3Source(aws().client("s3"), spec.paths, include=spec.include, exclude=spec.exclude)


def _model(artefact: Artefact, label: str) -> Model:
    return open_model(artefact, label=label, offers=Offers(env=environment()))


def blobs(stack: Stack) -> S3Blobs:
    """The stack's store of models, manifests, heat maps."""
    return S3Blobs(aws().client("s3"), stack.bucket)
