"""A stack taken down: what goes with it, what stays, and how what stays can be deleted as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from walkdown.errors import StoreError
from walkdown.sdk.aws import Aws, AwsError, explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

KEPT: Final = ("SourceBucket", "DataBucket", "Table")
"""Resources that outlive the stack, by their logical ids."""

_AT_ONCE: Final = 1000
_ABSENT: Final = frozenset({"NoSuchBucket", "ResourceNotFoundException", "404"})


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a stack consists of: counts by kind of what goes, and the names of what stays."""

    going: Mapping[str, int]
    buckets: tuple[str, ...]
    tables: tuple[str, ...]


def inventory(aws: Aws, stack: str) -> Inventory:
    """What there is now."""
    going: dict[str, int] = {}
    kept: dict[str, list[str]] = {"AWS::S3::Bucket": [], "AWS::DynamoDB::Table": []}
    with explained(f"list the resources of the stack {stack}"):
        pages = aws.client("cloudformation").get_paginator("list_stack_resources")
        found = [
            one
            for page in pages.paginate(StackName=stack)
            for one in page["StackResourceSummaries"]
        ]
    for one in found:
        kind, name = one["ResourceType"], one.get("PhysicalResourceId")
        if one["LogicalResourceId"] in KEPT and name:
            kept[kind].append(name)
        elif one["ResourceStatus"] != "DELETE_COMPLETE":
            going[kind] = going.get(kind, 0) + 1
    return Inventory(going, tuple(kept["AWS::S3::Bucket"]), tuple(kept["AWS::DynamoDB::Table"]))


def delete_bucket(s3: Any, name: str, *, deleted: Callable[[int], None]) -> None:
    """Delete a bucket with every version of everything in it; one that is gone stays gone.

    ``deleted`` is told how many objects have gone.
    """
    try:
        for some in _pages(s3, name):
            _delete(s3, name, some)
            deleted(len(some))
        with explained(f"delete the bucket {name}"):
            s3.delete_bucket(Bucket=name)
    except AwsError as e:
        if e.code not in _ABSENT:
            raise


def delete_table(dynamodb: Any, name: str) -> None:
    """Delete a table; one that is gone stays gone."""
    try:
        with explained(f"delete the table {name}"):
            dynamodb.delete_table(TableName=name)
    except AwsError as e:
        if e.code not in _ABSENT:
            raise


def _pages(s3: Any, bucket: str) -> Iterator[list[dict[str, str]]]:
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": _AT_ONCE}
    )
    with explained(f"list s3://{bucket}/"):
        for page in pages:
            both = (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
            some = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in both]
            if some:
                yield some


def _delete(s3: Any, bucket: str, some: Sequence[Mapping[str, str]]) -> None:
    with explained(f"delete what is in s3://{bucket}/"):
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": some, "Quiet": True})
    for error in answer.get("Errors", ()):
        raise StoreError(
            f"cannot delete {error['Key']} in s3://{bucket}/: AWS says {error['Code']}; let your "
            "AWS user or role do s3:DeleteObjectVersion, and run this again"
        )
